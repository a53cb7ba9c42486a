"""What a detector saw in one frame, and how large and how sure each of its people is."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from ..keypoints import names
from ..keypoints.confidence import SEEN

POINTS = len(names.BODY_NAMES)

# Lengths of bones as shares of the stature: Drillis and Contini 1966, those across and the head's
# by the resting body of this project.
BONE_SHARES = MappingProxyType({
    ("right_shoulder", "right_elbow"): 0.17, ("left_shoulder", "left_elbow"): 0.17,
    ("right_elbow", "right_wrist"): 0.15, ("left_elbow", "left_wrist"): 0.15,
    ("right_hip", "right_knee"): 0.24, ("left_hip", "left_knee"): 0.24,
    ("right_knee", "right_ankle"): 0.24, ("left_knee", "left_ankle"): 0.24,
    ("neck", "mid_hip"): 0.29, ("left_shoulder", "right_shoulder"): 0.21,
    ("right_shoulder", "right_hip"): 0.29, ("left_shoulder", "left_hip"): 0.29,
    ("neck", "nose"): 0.12,
})  # fmt: skip
_FIRST, _SECOND = np.array([[names.POINT_INDEX[n] for n in bone] for bone in BONE_SHARES]).T
_SHARES = np.array(list(BONE_SHARES.values()))
# Bones look shorter than they are where they point at the camera, and longer where a point is
# wrong: the stature is what so many of them stay below.
STATURE_QUANTILE = 0.75
# A head alone, or less, has no bone: its points are then so many times the stature apart.
SPREAD_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class FramePeople:
    """The people of one frame.

    frame: its number, which tells the time. keypoints: canonical points, x and y in pixels and
    confidence 0..1. ids: what the input calls each person, "" where it does not; empty: nobody is
    called anything.
    """

    frame: int
    keypoints: Float[NDArray, "people 137 3"]
    ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError where there is not one id for each person."""
        if self.ids and len(self.ids) != len(self.keypoints):
            raise ValueError(
                f"frame {self.frame}: {len(self.ids)} ids of {len(self.keypoints)} people"
            )

    def id_of(self, person: int) -> str:
        """What the input calls the person, or ""."""
        return self.ids[person] if self.ids else ""


@dataclass(frozen=True, eq=False)
class Seen:
    """The body points of one frame's people, in pixels, in an order that is the same in whatever
    order the file has them.

    index: the place of each in the file. seen: which points count. strength: the sum of their
    confidences, as it were the number of sure points. stature: pixels; 0 for fewer than two points.
    """

    index: tuple[int, ...]
    xy: Float[NDArray, "people 25 2"]
    seen: Bool[NDArray, "people 25"]
    strength: Float[NDArray, " people"]
    stature: Float[NDArray, " people"]

    @classmethod
    def of(cls, people: FramePeople) -> Seen:
        """The points of everybody, from left to right."""
        body = people.keypoints[:, names.BODY].astype(np.float64)
        finite = np.isfinite(body).all(-1, keepdims=True)
        body = np.where(finite, body, 0.0)
        left_first = sorted(
            (*_place(person), people.id_of(number), number) for number, person in enumerate(body)
        )
        index = tuple(number for *_, number in left_first)
        order = np.array(index, dtype=np.int64)
        body = body[order]
        seen = body[..., 2] >= SEEN
        return cls(
            index=index,
            xy=body[..., :2],
            seen=seen,
            strength=np.where(seen, body[..., 2].clip(max=1.0), 0.0).sum(-1),
            stature=np.array([stature(*one) for one in zip(body[..., :2], seen, strict=True)]),
        )


def _place(body: Float[NDArray, "25 3"]) -> tuple[float, bytes]:
    """How far to the right a person is, and what else tells them from others at the same place."""
    across = body[body[:, 2] >= SEEN, 0]
    middle = float(np.median(across)) if len(across) else 0.0
    return middle, body.tobytes()


def bone_lengths(
    xy: Float[NDArray, "*batch 25 2"], seen: Bool[NDArray, "*batch 25"]
) -> Float[NDArray, "*batch bones"]:
    """Lengths of the bones in pixels by their shares of the stature; NaN where an end is unseen."""
    length = np.linalg.norm(xy[..., _FIRST, :] - xy[..., _SECOND, :], axis=-1)
    return np.where(seen[..., _FIRST] & seen[..., _SECOND], length / _SHARES, np.nan)


def stature(xy: Float[NDArray, "25 2"], seen: Bool[NDArray, " 25"]) -> float:
    """How tall a person would stand, in pixels; 0 where that cannot be told."""
    lengths = bone_lengths(xy, seen)
    known = lengths[np.isfinite(lengths)]
    if len(known):
        return float(np.quantile(known, STATURE_QUANTILE))
    if seen.sum() < 2:
        return 0.0
    return float(np.ptp(xy[seen], axis=0).max() / SPREAD_SHARE)
