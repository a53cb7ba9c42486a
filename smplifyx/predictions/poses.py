"""Rotations of many people, of whatever spelling: which are told, each a true rotation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float

from ..core import rotations as calculus
from .prediction import JOINTS, no_rotations
from .values import numbers

# places among SMPL-X's 55 joints
ROOT = slice(0, 1)
BODY = slice(1, 22)
JAW = slice(22, 23)
LEFT_EYE = slice(23, 24)
RIGHT_EYE = slice(24, 25)
LEFT_HAND = slice(25, 40)
RIGHT_HAND = slice(40, 55)
SMPL_BODY = 23  # joints besides the root; the last two stand for whole hands

LARGEST_FAULT = 0.1  # of a determinant and of orthonormality; more is no rotation
LARGEST_TURN = 100.0  # radians; no axis-angle is longer by right
_PLACES = {
    "global_orient": ROOT, "body_pose": BODY, "jaw_pose": JAW, "leye_pose": LEFT_EYE,
    "reye_pose": RIGHT_EYE, "left_hand_pose": LEFT_HAND, "right_hand_pose": RIGHT_HAND,
}  # fmt: skip
PARTS: Mapping[str, slice] = _PLACES  # by the names that the smplx package gives them


def rows_of(value: object, joints: int) -> int:
    """How many people a pose of so many joints is of, by its last axes.

    Axes may be (..., joints, 3, 3), (..., joints, 3) or (..., 3 joints). Raises ValueError in one
    line for others.
    """
    try:
        shape = numbers(value).shape
    except ValueError as error:
        raise ValueError(f"a pose: {error}") from error
    for last in ((joints, 3, 3), (joints, 3), (3 * joints,)):
        if shape[len(shape) - len(last) :] == last:
            return int(np.prod(shape[: len(shape) - len(last)], dtype=np.int64))
    raise ValueError(f"a pose of shape {list(shape)[:8]} is not one of {joints} joints")


def matrices(value: object, joints: int, rows: int) -> Float[np.ndarray, "rows joints 3 3"]:
    """Rotation matrices of axis-angles or of matrices, told apart by how many numbers there are.

    What is no rotation stays as it is (`GivenPoses.put` leaves it out). Raises ValueError in one
    line where the numbers are not those of so many people.
    """
    array = numbers(value)
    if array.size == rows * joints * 9 and array.shape[-2:] == (3, 3):
        return array.reshape(rows, joints, 3, 3)
    if array.size == rows * joints * 3:
        return of_axis_angles(array.reshape(rows, joints, 3))
    raise ValueError(
        f"shape {list(array.shape)[:8]} is not {joints} rotations of each of {rows} people"
    )


def of_axis_angles(rotvecs: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Rotation matrices; NaN for what is not finite or longer than LARGEST_TURN."""
    lengths = np.linalg.norm(rotvecs, axis=-1)
    is_good = np.asarray(lengths <= LARGEST_TURN)  # NaN is not
    safe = np.where(is_good[..., None], rotvecs, 0.0)
    made = calculus.exp(torch.from_numpy(safe)).numpy()
    return np.where(is_good[..., None, None], made, np.nan)


@dataclass(frozen=True, eq=False)
class GivenPoses:
    """The rotations of so many people, and which of them are told."""

    rotations: Float[np.ndarray, "rows 55 3 3"]
    told: Bool[np.ndarray, "rows 55"]

    @classmethod
    def nothing(cls, rows: int) -> GivenPoses:
        """Nothing is told."""
        return cls(np.tile(no_rotations(), (rows, 1, 1, 1)), np.zeros((rows, JOINTS), bool))

    def __len__(self) -> int:
        return len(self.told)

    def put(self, place: slice, given: Float[np.ndarray, "rows joints 3 3"]) -> None:
        """Fills in a part: near-rotations as the nearest rotation, and what is none as absent."""
        is_small = np.asarray((np.abs(given) <= 1 + LARGEST_FAULT).all((-1, -2)))  # NaN is not
        safe = np.where(is_small[..., None, None], given, 0.0)
        gram = np.swapaxes(safe, -1, -2) @ safe
        skewed = np.abs(gram - np.eye(3)).max((-1, -2), initial=0.0)
        determinant = np.linalg.det(safe)
        is_good = (skewed <= LARGEST_FAULT) & (np.abs(determinant - 1) <= LARGEST_FAULT)
        is_rotation = is_good[..., None, None]
        u, _, vt = np.linalg.svd(np.where(is_rotation, safe, np.eye(3)))
        self.rotations[:, place] = np.where(is_rotation, u @ vt, np.eye(3))
        self.told[:, place] = is_good

    def put_parts(self, content: Mapping[str, object], *names: str) -> None:
        """Fills in parts of `PARTS` as far as an object has them."""
        for name in names:
            if content.get(name) is not None:
                place = PARTS[name]
                try:
                    given = matrices(content[name], place.stop - place.start, len(self))
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from error
                self.put(place, given)


def of_smpl(
    pose: object = None, global_orient: object = None, body_pose: object = None
) -> GivenPoses:
    """GivenPoses of SMPL: all 24 joints in `pose`, or the root and the 23 others each by itself.

    The two joints that stand for whole hands have no counterpart in SMPL-X. Raises ValueError in
    one line for what is no such pose.
    """
    if pose is not None:
        rows = rows_of(pose, 1 + SMPL_BODY)
        whole = matrices(pose, 1 + SMPL_BODY, rows)
        root, body = whole[:, :1], whole[:, 1:]
    else:
        rows = rows_of(body_pose, SMPL_BODY)
        body = matrices(body_pose, SMPL_BODY, rows)
        root = matrices(global_orient, 1, rows)
    poses = GivenPoses.nothing(rows)
    poses.put(ROOT, root)
    poses.put(BODY, body[:, : BODY.stop - BODY.start])
    return poses
