"""Reader of motion capture in the BVH format: hierarchy, channels, frames."""

from __future__ import annotations

import tarfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation


@dataclass(frozen=True)
class Skeleton:
    """A BVH hierarchy, end sites included as joints named `<parent>_end` without channels.

    `offsets` [J, 3] lead from the parent joint to the joint at rest, in the file's length unit; the
    root's parent is -1; `channels` hold for each joint its channel names in file order, e.g.
    ("Zrotation", "Xrotation", "Yrotation").
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Float[NDArray, "joints 3"]
    channels: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Clip:
    """One recording: local rotations [T, J, 3, 3] and the root's position [T, 3] in the file's
    length unit.
    """

    name: str
    skeleton: Skeleton
    rotations: Float[NDArray, "frames joints 3 3"]
    translation: Float[NDArray, "frames 3"]
    frame_time: float

    @property
    def subject(self) -> str:
        """The subject of a file named SUBJECT_TRIAL.bvh."""
        return _subject(self.name)


def read_bvh(path: Path) -> Clip:
    """Read one file. Raises ValueError naming the file where it is not BVH."""
    return parse_bvh(path.read_text(encoding="utf-8", errors="replace"), path.stem)


def iter_clips(path: Path, subjects: Collection[str] | None = None) -> Iterator[Clip]:
    """The clips of these subjects (None: all) in a folder of `.bvh` files or a tar of any
    compression, sorted by name.

    An archive's members are read in memory and never extracted. Raises FileNotFoundError where
    `path` does not exist.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder of BVH clips")
    if path.is_dir():
        yield from (
            read_bvh(file) for file in sorted(path.rglob("*.bvh")) if _wanted(file.name, subjects)
        )
        return
    with tarfile.open(path) as archive:
        members = (m for m in archive if m.isfile() and _wanted(m.name, subjects))
        texts = {Path(m.name).stem: archive.extractfile(m).read() for m in members}
    for name in sorted(texts):
        yield parse_bvh(texts[name].decode("utf-8", errors="replace"), name)


def parse_bvh(text: str, name: str) -> Clip:
    """Parse the text of one file; `name` is used for `Clip.name` and in errors.

    Raises ValueError where the hierarchy or the motion block is malformed.
    """
    head, found, motion = text.partition("MOTION")
    if "HIERARCHY" not in head or not found:
        raise ValueError(f"{name}: not a BVH file (HIERARCHY or MOTION block missing)")
    try:
        skeleton = _parse_hierarchy(head.split())
        values, frame_time = _parse_motion(motion.split(), sum(map(len, skeleton.channels)))
    except (ValueError, IndexError) as error:
        raise ValueError(f"{name}: malformed BVH: {error}") from error
    rotations, translation = _motion_of(skeleton, values)
    return Clip(name, skeleton, rotations, translation, frame_time)


def forward_kinematics(
    rotations: Float[NDArray, "frames joints 3 3"],
    offsets: Float[NDArray, "joints 3"],
    parents: tuple[int, ...],
) -> tuple[Float[NDArray, "frames joints 3 3"], Float[NDArray, "frames joints 3"]]:
    """World rotations and joint positions (root at its offset) from local rotations; parents
    precede their children.
    """
    world, position = np.empty_like(rotations), np.empty(rotations.shape[:-1])
    for joint, parent in enumerate(parents):
        if parent < 0:
            world[:, joint], position[:, joint] = rotations[:, joint], offsets[joint]
            continue
        world[:, joint] = world[:, parent] @ rotations[:, joint]
        position[:, joint] = position[:, parent] + world[:, parent] @ offsets[joint]
    return world, position


def _subject(name: str) -> str:
    return name.split("_")[0]


def _wanted(path: str, subjects: Collection[str] | None) -> bool:
    file = Path(path)
    return file.suffix == ".bvh" and (subjects is None or _subject(file.stem) in subjects)


def _parse_hierarchy(tokens: list[str]) -> Skeleton:
    names, parents, offsets, channels, stack = [], [], [], [], []
    position = 0
    while position < len(tokens):
        token = tokens[position]
        if token in ("ROOT", "JOINT", "End"):
            parents.append(stack[-1] if stack else -1)
            names.append(names[stack[-1]] + "_end" if token == "End" else tokens[position + 1])
            offsets.append([0.0, 0.0, 0.0])
            channels.append(())
            position += 2
        elif token == "OFFSET":
            offsets[-1] = [float(v) for v in tokens[position + 1 : position + 4]]
            position += 4
        elif token == "CHANNELS":
            count = int(tokens[position + 1])
            channels[-1] = tuple(tokens[position + 2 : position + 2 + count])
            position += 2 + count
        else:
            if token == "{":
                stack.append(len(names) - 1)
            elif token == "}":
                stack.pop()
            position += 1
    if stack or not names:
        raise ValueError("unbalanced braces or no joint")
    return Skeleton(tuple(names), tuple(parents), np.array(offsets), tuple(channels))


def _parse_motion(tokens: list[str], width: int) -> tuple[NDArray, float]:
    """The frame values [T, width] and the frame time of `Frames: T Frame Time: t v v v ...`."""
    if tokens[0] != "Frames:" or tokens[2:4] != ["Frame", "Time:"]:
        raise ValueError("MOTION does not begin with 'Frames:' and 'Frame Time:'")
    frames, frame_time = int(tokens[1]), float(tokens[4])
    values = np.array(tokens[5:], dtype=np.float64)
    if values.size != frames * width:
        raise ValueError(
            f"{frames} frames of {width} channels announced, {values.size} numbers found"
        )
    return values.reshape(frames, width), frame_time


def _motion_of(skeleton: Skeleton, values: NDArray) -> tuple[NDArray, NDArray]:
    rotations = np.tile(np.eye(3), (len(values), len(skeleton.names), 1, 1))
    translation, column = np.zeros((len(values), 3)), 0
    for joint, channels in enumerate(skeleton.channels):
        block = values[:, column : column + len(channels)]
        column += len(channels)
        turns = [i for i, c in enumerate(channels) if c.endswith("rotation")]
        if turns:
            # upper case: intrinsic, applied in file order
            order = "".join(channels[i][0].upper() for i in turns)
            rotations[:, joint] = Rotation.from_euler(
                order, block[:, turns], degrees=True
            ).as_matrix()
        if skeleton.parents[joint] < 0:
            for i, channel in enumerate(channels):
                if channel.endswith("position"):
                    translation[:, "XYZ".index(channel[0].upper())] = block[:, i]
    return rotations, translation
