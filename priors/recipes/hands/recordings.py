"""Recorded hand poses as 21 joint positions of a left hand in the palm frame of the embedded body's
T-pose: what every source becomes, and the two that are files of joint positions.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import MappingProxyType

import numpy as np
from scipy.spatial.transform import Rotation

# the order of OpenPose, MediaPipe and WebXR
FINGERS = ("thumb", "index", "middle", "ring", "pinky")
# The 21 points of OpenPose among WebXR's 25 joints, which have the wrist end of each finger's
# metacarpal as well.
WEBXR = (0, 1, 2, 3, 4, *(first + i for first in (6, 11, 16, 21) for i in range(4)))
PALM = (0, 5, 9, 13, 17)  # the wrist and the four knuckles
BLOCK = 25  # frames of the video that go together when the recordings are split: a second


class Source(Enum):
    """Where a pose was recorded."""

    HANDYJS = "handyjs"  # a headset's own skeleton: rigid bones, whole millimetres
    TFJS = "tfjs_asl"  # a detector on a video: bones change length by a tenth
    LEAP = "leap"  # a sensor under the hand: rigid bones, guesses where fingers hide each other
    DEX = "dex_retargeting"  # a detector on a video: bones change length by a seventh
    STEAMVR = "steamvr"  # posed by hand, on bones measured of a glove
    GODOT = "godot_xr_tools"  # posed by hand
    ULTIMATEXR = "ultimatexr"  # posed by hand
    ULTRALEAP = "ultraleap"  # recorded signs, on the sensor's bones
    IWER = "iwer"  # posed by hand


# mm, of a joint, roughly
ERROR = MappingProxyType(
    {
        Source.HANDYJS: 0.5,
        Source.TFJS: 2.0,
        Source.LEAP: 1.0,
        Source.DEX: 3.0,
        Source.STEAMVR: 0.5,
        Source.GODOT: 0.5,
        Source.ULTIMATEXR: 0.5,
        Source.ULTRALEAP: 1.0,
        Source.IWER: 0.5,
    }
)


@dataclass(frozen=True)
class Recordings:
    """n left hands. `points` [n, 21, 3] in mm, wrist at the origin, palm down, fingers along +x,
    thumb at +z.

    `group` tells which poses are near-copies of each other (the same sign, the same second of the
    video, the same recording), `name` what each pose is called, `palm_error` how well wrist and knuckles agree with the
    body's (mean, mm, after scaling).
    """

    points: np.ndarray
    name: tuple[str, ...]
    group: tuple[str, ...]
    source: Source
    palm_error: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> Recordings:
        index = np.arange(len(self.points))[rows]
        names, groups = (tuple(column[i] for i in index) for column in (self.name, self.group))
        return dataclasses.replace(
            self,
            points=self.points[index],
            name=names,
            group=groups,
            palm_error=self.palm_error[index],
        )


def read_handyjs(folder: Path, rest: np.ndarray) -> Recordings:
    """Both hands of `folder/handyjs`, the right ones mirrored.

    `rest` [21, 3]: the body's left hand, wrist at 0.
    """
    points, names = [], []
    for side, sign in (("left", 1.0), ("right", -1.0)):
        for pose in json.loads(
            (folder / "handyjs" / f"handyjs_{side}.json").read_text(encoding="utf-8")
        ):
            # one pose of each hand was saved with the ends of its bones only
            if len(pose["jointPositions"]) != 25:
                continue
            points.append(np.array(pose["jointPositions"], float)[list(WEBXR)] * (sign, 1.0, 1.0))
            names.append((f"{side} {pose['names'][0]}", pose["names"][0]))
    return aligned(np.stack(points), rest, names, Source.HANDYJS)


def read_tfjs(folder: Path, rest: np.ndarray) -> Recordings:
    """The frames of `folder/tfjs_asl`, a right hand, mirrored (y down, z away from the camera)."""
    frames = json.loads((folder / "tfjs_asl" / "asl_hand_3d.full.json").read_text(encoding="utf-8"))
    names = [(f"frame {i}", f"second {i // BLOCK}") for i in range(len(frames))]
    return aligned(1000 * np.array(frames) * (-1.0, 1.0, 1.0), rest, names, Source.TFJS)


def thinned(recordings: Recordings, radius: float, across: bool = False) -> Recordings:
    """Without the poses within `radius` mm (rms over the points) of an earlier one of their group,
    or of any where `across`.
    """
    kept: list[int] = []
    of_group: dict[str, list[int]] = {}
    for row, group in enumerate(recordings.group):
        earlier = of_group.setdefault("" if across else group, [])
        off = recordings.points[earlier] - recordings.points[row]
        if not earlier or np.sqrt((off**2).sum(-1).mean(-1)).min() > radius:
            earlier.append(row)
            kept.append(row)
    return recordings[np.array(kept)]


def aligned(
    points: np.ndarray, rest: np.ndarray, names: list[tuple[str, str]], source: Source
) -> Recordings:
    """Turned so that wrist and knuckles lie on the body's; `names` are each pose's and its group's.

    `points` [n, 21, 3] in mm of left hands of one size, anywhere.
    """
    palm, goal = points[:, PALM], rest[list(PALM)]
    palm = palm - palm.mean(1, keepdims=True)
    goal = goal - goal.mean(0)
    scale = np.sqrt((goal**2).sum() / (palm**2).sum((1, 2)).mean())
    turn = np.stack([Rotation.align_vectors(goal, one)[0].as_matrix() for one in palm])
    off = scale * np.einsum("nij,nkj->nki", turn, palm) - goal
    placed = np.einsum("nij,nkj->nki", turn, points - points[:, :1])
    error = np.linalg.norm(off, axis=-1).mean(1)
    return Recordings(placed, tuple(n for n, _ in names), tuple(g for _, g in names), source, error)
