"""From recordings to the poses a prior is trained on: read, checked, thinned, weighed, split by
subject, their holes filled.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor

from ..data.amass import iter_amass
from ..data.bvh import iter_clips
from ..data.mocap import by_subject, plausible, thin
from ..data.retarget import Poses, concatenate, mirror
from .borrow import Hole, borrow
from .contract import PoseSet

ARCHIVES = (".tar", ".xz", ".gz", ".bz2", ".tgz")


@dataclass(frozen=True)
class Balance:
    """How standing, of which mocap is full, is kept from ruling the prior.

    Of a subject's poses those within `radius` metres (rms over the joints) of a kept one are
    dropped (0: none); a subject with n poses left weighs n ** `power`, so that no subject's trade
    dominates (1: every pose alike). The persons of `half` together weigh as much as all others
    (none named: each by its own weight).
    """

    radius: float = 0.05
    power: float = 0.5
    half: tuple[str, ...] = ()


@dataclass(frozen=True)
class PersonPart:
    """The sound poses of one person from one source.

    person: who weighs as one, whatever the sources; held out or trained on as a whole.
    source: which pack of recordings.
    poses: as they were recorded.
    lacks: what the source does not record.
    """

    person: str
    source: str
    poses: Poses
    lacks: frozenset[Hole] = frozenset()


def read_subjects(
    data: Path, rest_joints: Float[NDArray, "joints 3"], subjects: Collection[str] | None = None
) -> dict[str, Poses]:
    """The sound poses of each subject, in every frame, on the skeleton `rest_joints` [>= 55, 3]
    (metres).

    `data` is a folder of `.bvh` files (CMU's names SUBJECT_TRIAL.bvh and joints), a tar of such
    files, a folder that holds one such tar, or a folder of AMASS `.npz` files; `subjects` keeps
    some (None: all). Raises FileNotFoundError where there is nothing of the kind, ValueError where
    a file is malformed.
    """
    parts: dict[str, list[Poses]] = {}
    for subject, poses in _clips(data, rest_joints, subjects):
        parts.setdefault(subject, []).append(poses)
    if not parts:
        raise FileNotFoundError(f"{data}: no .bvh files, no tar of them, and no AMASS .npz files")
    return {subject: concatenate(poses) for subject, poses in sorted(parts.items())}


def split(
    subjects: Mapping[str, Poses], validation: Collection[str], share: float, seed: int
) -> tuple[dict[str, Poses], dict[str, Poses]]:
    """Training and validation subjects: those named, or at random `share` of them (one at least)
    where none is.

    A single subject is cut in time, since there is no other; where none is named and `share` is 0,
    every subject is both. Raises ValueError for a name that is not there, and where none would be
    left to train on.
    """
    missing = sorted(set(validation) - set(subjects))
    if missing:
        raise ValueError(f"no subjects {', '.join(missing)}; there are {', '.join(subjects)}")
    if not validation and not share:
        return dict(subjects), dict(subjects)
    names = sorted(subjects)
    if len(names) == 1 and not validation:
        return _cut_in_time(names[0], subjects[names[0]], share)

    # sorted names, so that the draw does not depend on the order in which files were found
    chosen = set(validation)
    if not chosen:
        count = max(1, round(share * len(names)))
        chosen = set(np.random.default_rng(seed).choice(names, count, replace=False).tolist())
    if chosen >= set(names):
        raise ValueError("every subject is for validation: none is left to train on")
    training = {name: subjects[name] for name in names if name not in chosen}
    validating = {name: subjects[name] for name in names if name in chosen}
    return training, validating


def pose_set(
    subjects: Mapping[str, Poses], rest_joints: Float[NDArray, "joints 3"], balance: Balance
) -> PoseSet:
    """The balanced poses of these subjects, each also mirrored."""
    parts = [PersonPart(name, "", poses) for name, poses in subjects.items()]
    return pose_set_of(parts, rest_joints, balance)


def pose_set_of(
    parts: Sequence[PersonPart], rest_joints: Float[NDArray, "joints 3"], balance: Balance
) -> PoseSet:
    """The balanced poses of these parts as a training set."""
    poses, weights = balanced(parts, rest_joints, balance)
    return PoseSet(
        rotations=to_matrices(poses.body_pose),
        weights=torch.from_numpy(weights).float(),
    )


def balanced(
    parts: Sequence[PersonPart], rest_joints: Float[NDArray, "joints 3"], balance: Balance
) -> tuple[Poses, Float[NDArray, " poses"]]:
    """The balanced poses of these parts, each also mirrored, their holes filled from one another;
    and how often each is to be seen, together 1.

    Poses are thinned part by part; a person's weight is shared by all of its parts.
    """
    found: list[Poses] = []
    for part in parts:
        kept = part.poses
        if balance.radius:
            kept = thin(kept, rest_joints, balance.radius)
        found.append(concatenate([kept, mirror(kept)]))
    sizes = [len(poses.body_pose) for poses in found]

    of_person: dict[str, int] = {}  # poses of each
    for part, size in zip(parts, sizes, strict=True):
        of_person[part.person] = of_person.get(part.person, 0) + size
    # n poses that weigh n ** (power - 1) each: n ** power together
    weights = np.repeat([of_person[part.person] ** (balance.power - 1) for part in parts], sizes)
    favoured = np.repeat([part.person in balance.half for part in parts], sizes)
    if favoured.any() and not favoured.all():
        weights[favoured] *= weights[~favoured].sum() / weights[favoured].sum()
    lacks = {hole: np.repeat([hole in part.lacks for part in parts], sizes) for hole in Hole}
    together = concatenate(found)
    filled = Poses(together.global_orient, borrow(together.body_pose, lacks))
    return filled, weights / weights.sum()


def to_matrices(angles: Float[NDArray, "poses 21 3"]) -> Float[Tensor, "poses 21 3 3"]:
    """Axis-angles (radians) as float32 rotation matrices."""
    matrices = Rotation.from_rotvec(angles.reshape(-1, 3)).as_matrix()
    return torch.from_numpy(matrices.reshape(*angles.shape, 3)).float()


def _cut_in_time(
    name: str, poses: Poses, share: float
) -> tuple[dict[str, Poses], dict[str, Poses]]:
    """The only subject's first poses, and the last `share` of them."""
    cut = round((1 - share) * len(poses.body_pose))
    return {name: poses[:cut]}, {name: poses[cut:]}


def _clips(
    data: Path, rest_joints: NDArray, subjects: Collection[str] | None
) -> Iterator[tuple[str, Poses]]:
    """The name and the sound poses of each subject, in one or several parts."""
    if not data.exists():
        raise FileNotFoundError(f"{data}: no such file or folder")
    recordings = _bvh_source(data)
    if recordings is not None:
        for subject, poses in by_subject(iter_clips(recordings, subjects), rest_joints).items():
            yield subject, poses[plausible(poses)]
        return
    for recording in iter_amass(data):
        if subjects is None or recording.subject in subjects:
            yield recording.subject, recording.poses


def _bvh_source(data: Path) -> Path | None:
    """The folder or the tar that holds the .bvh files; None where there are none, as for AMASS."""
    if data.is_file() or any(data.rglob("*.bvh")):
        return data
    tars = [file for file in sorted(data.iterdir()) if file.suffix in ARCHIVES]
    return tars[0] if len(tars) == 1 else None
