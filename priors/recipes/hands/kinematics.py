"""Inverse kinematics of recorded fingers: knuckles that swing, joints that are hinges, the hinges'
axes estimated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares
from scipy.sparse import lil_matrix
from scipy.spatial.transform import Rotation

DOWN = np.array([0.0, -1.0, 0.0])  # out of the palm of the left hand in the T-pose
MOST_STEPS = 100
# radians: angles about zero, the hinge's axis about straight across the bone
ANGLE_WIDTH, AXIS_WIDTH = 0.35, 0.3


@dataclass(frozen=True)
class Chain:
    """A finger of the body at rest: its unit bones [3, 3] and the unit axis [3] about which it
    would curl.
    """

    bones: np.ndarray
    across: np.ndarray
    thumb: bool

    @classmethod
    def at_rest(cls, points: np.ndarray, finger: int) -> Chain:
        """Finger 0..4 (thumb first) of the left hand at rest, points [21, 3]."""
        bones = np.diff(points[finger_points(finger)], axis=0)
        bones /= np.linalg.norm(bones, axis=1, keepdims=True)
        if finger:
            bones[2] = bones[1]  # the tip is a point of the skin, above the bone
        across = np.cross(bones[0], DOWN if finger else bones[1])  # the body's thumb rests bent
        return cls(bones, _unit(across), finger == 0)

    @property
    def side(self) -> np.ndarray:
        """The unit axis [3] about which the finger spreads."""
        return np.cross(self.bones[0], self.across)

    @property
    def angles(self) -> int:
        """Unknowns of a frame. Finger: flexion, spread, two hinges.

        Thumb: swing (2), twist, two hinges, sideways.
        """
        return 6 if self.thumb else 4

    @property
    def shared(self) -> int:
        """Unknowns of all frames: the hinge's axis (2); a finger's knuckle axis, a thumb's twist
        per swing (1 + 2).
        """
        return 5 if self.thumb else 3

    def rotations(self, angles: np.ndarray, shape: np.ndarray) -> list[Rotation]:
        """Local rotations of the three joints for `angles` [n, angles] in radians and `shape`
        [shared].
        """
        bone, across, side = self.bones[0], self.across, self.side
        hinge = _unit(across + shape[0] * bone + shape[1] * side)
        if not self.thumb:
            across = _unit(across + shape[2] * bone)  # turned in the plane of the palm
            knuckle = _about(across, angles[:, 0]) * _about(side, angles[:, 1])
            return [knuckle, _about(hinge, angles[:, 2]), _about(hinge, angles[:, 3])]
        swing = Rotation.from_rotvec(angles[:, :1] * across + angles[:, 1:2] * side)
        twist = angles[:, 2] + shape[2] + angles[:, :2] @ shape[3:]
        return [swing * _about(bone, twist), _about(hinge, angles[:, 3]) * _about(side, angles[:, 5]),
                _about(hinge, angles[:, 4])]  # fmt: skip

    def positions(self, turns: list[Rotation], lengths: np.ndarray) -> np.ndarray:
        """Second joint, third joint and tip [n, 3, 3] relative to the first joint, for bones of
        `lengths` [3].
        """
        place, world, out = np.zeros(3), Rotation.identity(), []
        for bone, turn, length in zip(self.bones, turns, lengths, strict=True):
            world = world * turn
            place = place + length * world.apply(bone)
            out.append(place)
        return np.stack(out, 1)


def finger_points(finger: int) -> slice:
    """Where the four points of finger 0..4 (thumb first) lie among a hand's 21."""
    return slice(1 + 4 * finger, 5 + 4 * finger)


def solve(
    chain: Chain, target: np.ndarray, pull: float, shape: np.ndarray | None = None
) -> tuple[list[Rotation], np.ndarray, np.ndarray]:
    """The local rotations that bring a finger nearest to `target` [n, 3, 3] (mm, relative to its
    first joint).

    Bones take the median lengths of the recording. `pull` (mm, about the recording's own error) is
    how much an angle a width from zero costs: little, it decides what the positions leave open.
    Without `shape` the axes that all frames share are found too. Returns the rotations of the three
    joints, the shape, and the distances left [n, 3] in mm.
    """
    lengths = np.median(np.linalg.norm(np.diff(target, axis=1, prepend=0.0), axis=2), axis=0)
    count, width, shared = len(target), chain.angles, 0 if shape is not None else chain.shared

    def parts(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return x[: count * width].reshape(count, width), x[
            count * width :
        ] if shape is None else shape

    def residual(x: np.ndarray) -> np.ndarray:
        angles, axes = parts(x)
        off = chain.positions(chain.rotations(angles, axes), lengths) - target
        rows = np.concatenate([off.reshape(count, 9), pull * angles / ANGLE_WIDTH], 1)
        return np.concatenate([rows.ravel(), pull * axes[:shared] / AXIS_WIDTH])

    start = np.concatenate([np.full(count * width, 0.1), np.zeros(shared)])
    found = least_squares(
        residual,
        start,
        jac_sparsity=_pattern(count, 9 + width, width, shared),
        x_scale="jac",
        max_nfev=MOST_STEPS,
    )
    angles, axes = parts(found.x)
    turns = chain.rotations(angles, axes)
    return turns, axes, np.linalg.norm(chain.positions(turns, lengths) - target, axis=-1)


def _pattern(count: int, rows: int, width: int, shared: int) -> lil_matrix:
    """Which residuals depend on which unknowns: each frame's on its own angles, all on what is
    shared.
    """
    pattern = lil_matrix((count * rows + shared, count * width + shared), dtype=int)
    for i in range(count):
        pattern[i * rows : (i + 1) * rows, i * width : (i + 1) * width] = 1
    pattern[:, count * width :] = 1
    return pattern


def _about(axis: np.ndarray, angle: np.ndarray) -> Rotation:
    return Rotation.from_rotvec(angle[:, None] * axis)


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
