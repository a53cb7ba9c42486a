"""Hands that artists posed, or that were saved sign by sign: the toolkits of `poses`, as joint
positions of left hands.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from .recordings import PALM, WEBXR, Recordings, Source, aligned, thinned

# SteamVR's bones: the root, the wrist, a thumb of four, four fingers of five
STEAMVR_THUMB = (2, 3, 4, 5)
STEAMVR_FINGERS = tuple(tuple(range(first, first + 5)) for first in (6, 11, 16, 21))
# Rigs whose files tell how bones turn but not how long they are: the axis along a bone, and what
# takes the wrist's axes to those of the body's left hand (fingers at x, thumb at z, palm at -y).
FINGER_NAMES = ("Thumb", "Index", "Middle", "Ring", "Little")
GODOT_BONES = ("Metacarpal", "Proximal", "Intermediate", "Distal")
GODOT_THUMB = ("Metacarpal", "Proximal", "Distal")
GODOT_ALONG = (0.0, 1.0, 0.0)
GODOT_TO_BODY = Rotation.from_matrix([[0, 1, 0], [-1, 0, 0], [0, 0, 1]])
ULTIMATEXR_BONES = ("Palm", "0", "1", "2")
ULTIMATEXR_THUMB = ("Palm", "0", "1")
ULTIMATEXR_ALONG = (1.0, 0.0, 0.0)
ULTIMATEXR_TO_BODY = Rotation.from_matrix([[1, 0, 0], [0, -1, 0], [0, 0, -1]])
# folders of clips, and the names of their bones; the third avatar is a robot
ULTIMATEXR_AVATARS = {
    "preset": "AvatarMaleHands",
    "BigHands": "AvatarMaleHands",
    "BigHandsAvatarExample": "AvatarMaleHands",
    "SmallHands": "AvatarFemaleHands",
    "SmallHandsAvatarExample": "AvatarFemaleHands",
}
RADIUS = 8.0  # mm: clips nearer than this to an earlier one tell nothing new


def read_steamvr(folder: Path, rest: np.ndarray) -> Recordings:
    """The left hands of `folder/poses/steamvr.json`; the right ones mirror them.

    `rest` [21, 3] mm: the body's left hand, wrist at 0.
    """
    poses = {pose: hands["leftHand"] for pose, hands in _json(folder, "steamvr").items()}
    joints = [_steamvr_joints(np.array(b["p"]), np.array(b["q"])) for b in poses.values()]
    names = [(pose, pose) for pose in poses]
    return aligned(1000 * np.stack(joints), rest, names, Source.STEAMVR)


def read_godot(folder: Path, rest: np.ndarray) -> Recordings:
    """The left hands of `folder/poses/godot_xr_tools.json`; the right ones mirror them."""
    points, names = [], []
    for key, bones in _json(folder, "godot_xr_tools").items():
        side, pose = key.split("/")
        if side != "left":
            continue
        turns = [
            [bones[f"{finger}_{bone}_L"] for bone in (GODOT_BONES if number else GODOT_THUMB)]
            for number, finger in enumerate(FINGER_NAMES)
        ]
        points.append(_from_turns(turns, GODOT_ALONG, GODOT_TO_BODY, rest))
        names.append((pose, pose))
    return aligned(np.stack(points), rest, names, Source.GODOT)


def read_ultimatexr(folder: Path, rest: np.ndarray) -> Recordings:
    """The left hands of `folder/poses/ultimatexr.json`, thinned, since every pose comes with the
    avatar's open hand; a pose is a group, whichever avatar strikes it.
    """
    points, names = [], []
    for key, bones in _json(folder, "ultimatexr").items():
        avatar, pose, clip = key.split("/")
        if avatar not in ULTIMATEXR_AVATARS or not clip.endswith("Left"):
            continue
        stem = ULTIMATEXR_AVATARS[avatar]
        turns = [
            [
                bones[f"{stem}_{finger}_{bone}_Left"]
                for bone in (ULTIMATEXR_BONES if number else ULTIMATEXR_THUMB)
            ]
            for number, finger in enumerate(FINGER_NAMES)
        ]
        points.append(_from_turns(turns, ULTIMATEXR_ALONG, ULTIMATEXR_TO_BODY, rest))
        names.append((f"{pose} {avatar} {clip.removesuffix(' Left')}", pose))
    return thinned(aligned(np.stack(points), rest, names, Source.ULTIMATEXR), RADIUS, across=True)


def read_ultraleap(folder: Path, rest: np.ndarray) -> Recordings:
    """The left hands of `folder/poses/ultraleap_*.asset`, in Unity's left-handed axes."""
    points, names = [], []
    for file in sorted((folder / "poses").glob("ultraleap_*.asset")):
        text = file.read_text(encoding="utf-8")
        # the bones of the left hand come first: five fingers of four
        starts, ends = (
            _vectors(text, f"{end}Joint")[:20].reshape(5, 4, 3) for end in ("Prev", "Next")
        )
        fingers = np.concatenate([starts[:, 1:], ends[:, 3:]], 1)
        hand = np.concatenate([_vectors(text, "WristPosition")[:1], fingers.reshape(20, 3)])
        points.append(1000 * hand * (-1.0, 1.0, 1.0))
        pose = file.stem.removeprefix("ultraleap_")
        names.append((pose, pose))
    return aligned(np.stack(points), rest, names, Source.ULTRALEAP)


def read_iwer(folder: Path, rest: np.ndarray) -> Recordings:
    """The hands of `folder/poses/iwer.json`: WebXR's joints of a left hand as matrices."""
    poses = _json(folder, "iwer")
    joints = [[bone["m"][12:15] for bone in pose.values()] for pose in poses.values()]
    points = 1000 * np.array(joints)[:, list(WEBXR)]
    return aligned(points, rest, [(pose, pose) for pose in poses], Source.IWER)


def _steamvr_joints(places: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Positions [21, 3] of the wrist and four points of each finger, from the places [31, 3] and
    turns [31, 4] (x, y, z, w) of bones in their parents.
    """
    rows = [np.zeros(3)]
    for chain in (STEAMVR_THUMB, *STEAMVR_FINGERS):
        place, world, along = np.zeros(3), Rotation.identity(), []
        for bone in chain:
            place = place + world.apply(places[bone])
            world = world * Rotation.from_quat(turns[bone])
            along.append(place)
        rows += along[-4:]
    return np.stack(rows)


def _from_turns(
    turns: list[list[list[float]]],
    along: tuple[float, float, float],
    to_body: Rotation,
    rest: np.ndarray,
) -> np.ndarray:
    """A hand [21, 3] with the body's bone lengths, knuckles and thumb root.

    `turns`: of each finger (thumb first) the quaternions (x, y, z, w) of its bones in their
    parents, metacarpal first; `along`: the unit axis of a bone.
    """
    worlds = []
    for chain in turns:
        world, finger = to_body, []
        for turn in chain:
            world = world * Rotation.from_quat(turn)
            finger.append(world.apply(along))
        worlds.append(np.stack(finger))
    # the four metacarpals lie as the body's do, whatever the tilt of the rig's wrist
    metacarpals = np.stack([finger[0] for finger in worlds[1:]])
    level, _ = Rotation.align_vectors(rest[list(PALM[1:])], metacarpals)
    out = rest.copy()
    for finger, bones in enumerate(worlds):
        first = 1 + 4 * finger
        lengths = np.linalg.norm(np.diff(rest[first : first + 4], axis=0), axis=1)
        steps = lengths[:, None] * level.apply(bones[-3:])
        out[first + 1 : first + 4] = rest[first] + np.cumsum(steps, 0)
    return out


def _vectors(text: str, key: str) -> np.ndarray:
    """All vectors [n, 3] of that name in a Unity asset."""
    number = r"(-?[\d.e+-]+)"
    found = re.findall(rf"{key}: {{x: {number}, y: {number}, z: {number}}}", text)
    return np.array(found, float)


def _json(folder: Path, stem: str) -> dict:
    return json.loads((folder / "poses" / f"{stem}.json").read_text(encoding="utf-8"))
