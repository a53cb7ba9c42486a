"""SHOW's clips, which TalkSHOW trains on: a pickle for each person of a sequence of frames.

Frames of a sequence are those whose names differ in the number at their end. A clip ends where a
frame is missing or images change their size, and is called like its first frame. One camera and
one shape hold for all of it: the means of its frames.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch

from ..body.joints import BodyKind
from ..core import npz
from . import old_pickle, row_table
from .dataset_format import FormatFacts, Photos
from .dataset_rows import DatasetRows
from .reader_body import NEUTRAL_ONLY, ReaderBody

BETAS = 300
EXPRESSIONS = 100
HAND_COMPONENTS = 12
_FRAMES = "frames.npz"
_PEOPLE = "people"
_NUMBERED = re.compile(r"(?P<sequence>.*?)(?P<number>\d{1,15})", re.DOTALL)
_OF_EACH_FRAME = (
    "body_pose_axis", "jaw_pose", "leye_pose", "reye_pose", "global_orient", "transl",
    "left_hand_pose", "right_hand_pose", "expression", "cam_int", "frame_number",
)  # fmt: skip

Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class _Frame:
    """Where a person of a frame lies among the parts.

    track: sequence, person, size of the image. number: of the frame; None: it has none.
    """

    part: int
    row: int
    stem: str
    person: str
    track: tuple[str, str, int, int]
    number: int | None


@dataclass(frozen=True)
class ShowClips:
    """The format whose target is a folder with a folder for each clip."""

    facts: FormatFacts

    def write_part(self, rows: DatasetRows, reader: ReaderBody, folder: Path) -> None:
        """Writes what the clips need of a block's people, and its lines of the table."""
        npz.write(folder / _FRAMES, _columns(rows, reader))
        row_table.write_part(folder / _PEOPLE, rows, reader)

    def assemble(self, parts: Sequence[Path], target: Path) -> list[Path]:
        """Writes the clips, and one table beside them; memory holds those that go on."""
        clips = _clips(parts)
        touched: defaultdict[int, list[int]] = defaultdict(list)  # clips, by part
        for number, clip in enumerate(clips):
            for part in sorted({frame.part for frame in clip}):
                touched[part].append(number)
        begun: defaultdict[int, list[Columns]] = defaultdict(list)
        made: list[Path] = []
        for part, folder in enumerate(parts):
            columns = _load(folder)
            for number in touched[part]:
                clip = clips[number]
                own = [frame.row for frame in clip if frame.part == part]
                begun[number].append({name: array[own] for name, array in columns.items()})
                if part == max(frame.part for frame in clip):
                    made.append(_write_clip(clip[0], begun.pop(number), target))
        made.append(row_table.assemble([part / _PEOPLE for part in parts], target / _PEOPLE))
        return made


def _columns(rows: DatasetRows, reader: ReaderBody) -> dict[str, np.ndarray]:
    """What clips are made of, a row for each person, and what tells whose they are."""
    params = rows.params
    left, right = reader.hand_coefficients(rows, HAND_COMPONENTS)
    ids = [person.id.rpartition("/") for person in rows.people]
    values = {
        "body_pose_axis": params.body_pose.flatten(1),
        "jaw_pose": params.jaw_pose,
        "leye_pose": params.leye_pose,
        "reye_pose": params.reye_pose,
        "global_orient": params.global_orient,
        "transl": params.transl,
        "left_hand_pose": left,
        "right_hand_pose": right,
        "expression": rows.expressions(EXPRESSIONS),
        "cam_int": rows.camera.K,
        # a child's model has one more, the last
        "betas": torch.cat([reader.betas(rows, BETAS), rows.age[:, None]], 1),
        "size": rows.camera.image_size.round().int(),
    }
    numbers = [_numbered(stem)[1] for stem, _, _ in ids]
    return {name: value.numpy() for name, value in values.items()} | {
        "frame_number": np.array([-1 if number is None else number for number in numbers]),
        "stem": np.array([stem for stem, _, _ in ids]),
        "person": np.array([person for _, _, person in ids]),
    }


def _numbered(stem: str) -> tuple[str, int | None]:
    """A frame's sequence, and its number there; a name without one is a sequence of its own."""
    found = _NUMBERED.fullmatch(stem)
    return (found["sequence"], int(found["number"])) if found else (stem, None)


def _load(part: Path) -> dict[str, np.ndarray]:
    with np.load(part / _FRAMES, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _clips(parts: Sequence[Path]) -> list[list[_Frame]]:
    """The frames of each clip, in order of their numbers."""
    frames: list[_Frame] = []
    for part, folder in enumerate(parts):
        columns = _load(folder)
        sizes = columns["size"].tolist()
        people = zip(columns["stem"].tolist(), columns["person"].tolist(), sizes, strict=True)
        for row, (stem, person, (width, height)) in enumerate(people):
            sequence, number = _numbered(stem)
            track = (sequence, person, width, height)
            frames.append(_Frame(part, row, stem, person, track, number))
    frames.sort(key=lambda frame: (frame.track, frame.number or 0, frame.stem))
    tracks = itertools.groupby(frames, key=lambda frame: frame.track)
    return [clip for _, track in tracks for clip in _without_gaps(list(track))]


def _without_gaps(track: list[_Frame]) -> list[list[_Frame]]:
    """Cut where the next frame is farther off than frames of this track usually are."""
    steps = [
        (after.number or 0) - (before.number or 0) for before, after in itertools.pairwise(track)
    ]
    usual = min((step for step in steps if step > 0), default=1)
    clips = [[track[0]]]
    for frame, step in zip(track[1:], steps, strict=True):
        if step == usual:
            clips[-1].append(frame)
        else:
            clips.append([frame])
    return clips


def _write_clip(first: _Frame, pieces: Sequence[Columns], target: Path) -> Path:
    """`FRAME_PERSON/FRAME_PERSON.pkl`, where TalkSHOW has the sound beside it."""
    joined = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    order = np.argsort(joined["frame_number"], kind="stable")
    columns = {name: array[order] for name, array in joined.items()}
    stem = PurePosixPath(f"{first.stem}_{first.person}")
    path = target / stem / f"{stem.name}.pkl"
    with npz.replacing(path) as temporary:
        temporary.write_bytes(old_pickle.dumps(_clip(columns)))
    return path


def _clip(columns: Columns) -> dict[str, object]:
    """All that a pickle has."""
    width, height = columns["size"][0].tolist()
    K = columns["cam_int"].mean(0)
    betas = columns["betas"].mean(0, keepdims=True)
    is_adult = betas[0, -1] == 0
    return {
        **{name: columns[name] for name in _OF_EACH_FRAME},
        "betas": betas[:, :-1] if is_adult else betas,
        "width": width,
        "height": height,
        "center": K[:2, 2],
        "focal_length": float(K[0, 0] + K[1, 1]) / 2,
        "camera_transl": np.zeros(3, np.float32),  # the body moves, the camera stays
        "batch_size": len(columns["transl"]),
    }


SHOW = ShowClips(
    FormatFacts(
        name="show",
        about="SHOW, TalkSHOW: a clip for each person of a sequence, as a pickle",
        kind=BodyKind.SMPLX,
        genders=NEUTRAL_ONLY,
        marks_shape=False,  # zeros are the mean body
        children=True,
        photos=Photos.NONE,
    )
)
