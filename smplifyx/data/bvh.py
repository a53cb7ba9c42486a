"""Reader of motion capture in the BVH format: hierarchy, channels, frames."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ..core.files import boundary, read_bounded
from ..core.messages import one_line, plain
from .packed import packed_files

LARGEST_FILE = 128 * 2**20  # bytes of one recording; an hour of CMU's has 60 million
_MOST_CHANNELS = 9
_CHANNEL = re.compile(r"[XYZxyz](rotation|position|scale)")


class RecordingError(ValueError):
    """A recording that cannot be used; the message is one line with its path."""


@dataclass(frozen=True)
class Skeleton:
    """A BVH hierarchy, end sites included as joints named `<parent>_end` without channels.

    names: of the joints, parents before their children.
    parents: index of each joint's parent; the root's is -1.
    offsets: [J, 3] from the parent joint to the joint at rest, in the file's length unit.
    channels: each joint's channel names in file order, e.g. ("Zrotation", "Xrotation",
        "Yrotation").
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Float[NDArray, "joints 3"]
    channels: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Clip:
    """One recording.

    name: of its file, without the suffix.
    source: where it was read from, for messages.
    rotations: [T, J, 3, 3] of each joint relative to its parent.
    translation: [T, 3] position of the root in the file's length unit.
    frame_time: seconds.
    """

    name: str
    skeleton: Skeleton
    rotations: Float[NDArray, "frames joints 3 3"]
    translation: Float[NDArray, "frames 3"]
    frame_time: float
    source: str = ""

    @property
    def subject(self) -> str:
        """The subject of a file named SUBJECT_TRIAL.bvh."""
        return _subject(self.name)


def read_bvh(path: Path) -> Clip:
    """Reads one file. Raises RecordingError naming the file where it is not BVH."""
    with boundary(path, "a BVH file", RecordingError):
        text = read_bounded(path, LARGEST_FILE).decode("utf-8", errors="replace")
        return parse_bvh(text, path.stem, str(path))


def iter_clips(path: Path, subjects: Collection[str] | None = None) -> Iterator[Clip]:
    """The clips of these subjects (None: all) in a folder of `.bvh` files or a tar of any
    compression, sorted by name.

    An archive's members are read in memory and never extracted. Raises FileNotFoundError where
    `path` does not exist, RecordingError as `read_bvh` does.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder of BVH clips")
    if path.is_dir():
        for file in sorted(path.rglob("*.bvh")):
            if _is_wanted(file, subjects):
                yield read_bvh(file)
        return
    with boundary(path, "a tar of BVH files", RecordingError):
        texts = _archived_texts(path, subjects)
    for name in sorted(texts):
        text = texts.pop(name).decode("utf-8", errors="replace")
        yield parse_bvh(text, name, f"{path}: {name}.bvh")


def parse_bvh(text: str, name: str, source: str = "") -> Clip:
    """Parses the text of one file; `name` is used for `Clip.name`, and in errors where no `source`
    is given.

    Raises RecordingError where the hierarchy or the motion block is malformed.
    """
    source = source or name
    hierarchy, keyword, motion = text.partition("MOTION")
    if "HIERARCHY" not in hierarchy or not keyword:
        raise RecordingError(f"{source}: not a BVH file (HIERARCHY or MOTION block missing)")
    try:
        skeleton = _parse_hierarchy(hierarchy.split())
        values, frame_time = _parse_motion(motion, _width(skeleton))
        rotations, translation = _motion_of(skeleton, values)
    except Exception as error:  # numbers and names are whatever the file says
        raise RecordingError(f"{source}: malformed BVH: {one_line(error)}") from error
    return Clip(name, skeleton, rotations, translation, frame_time, source)


def forward_kinematics(
    rotations: Float[NDArray, "frames joints 3 3"],
    offsets: Float[NDArray, "joints 3"],
    parents: tuple[int, ...],
) -> tuple[Float[NDArray, "frames joints 3 3"], Float[NDArray, "frames joints 3"]]:
    """World rotations and joint positions from rotations relative to the parents.

    The root (parent -1) stands at its offset; parents precede their children.
    """
    world = np.empty_like(rotations)
    position = np.empty(rotations.shape[:-1])
    for joint, parent in enumerate(parents):
        if parent < 0:
            world[:, joint] = rotations[:, joint]
            position[:, joint] = offsets[joint]
        else:
            world[:, joint] = world[:, parent] @ rotations[:, joint]
            position[:, joint] = position[:, parent] + world[:, parent] @ offsets[joint]
    return world, position


def _archived_texts(path: Path, subjects: Collection[str] | None) -> dict[str, bytes]:
    """The wanted files of an archive, by their names without folder and suffix."""
    texts: dict[str, bytes] = {}
    for file, content in packed_files(path):
        if _is_wanted(file, subjects):
            texts[file.stem] = content.read(LARGEST_FILE + 1)
            if len(texts[file.stem]) > LARGEST_FILE:
                raise ValueError(f"{plain(file.name)}: more than {LARGEST_FILE // 2**20} MiB")
    return texts


def _subject(name: str) -> str:
    return name.split("_")[0]


def _is_wanted(file: Path, subjects: Collection[str] | None) -> bool:
    if file.suffix != ".bvh":
        return False
    return subjects is None or _subject(file.stem) in subjects


def _parse_hierarchy(tokens: list[str]) -> Skeleton:
    """The joints of `ROOT hip { OFFSET x y z CHANNELS n name... JOINT knee { ... } }`."""
    names: list[str] = []
    parents: list[int] = []
    offsets: list[list[float]] = []
    channels: list[tuple[str, ...]] = []
    open_joints: list[int] = []  # the joints whose braces the parser is in, the innermost last
    position = 0
    while position < len(tokens):
        token = tokens[position]
        if token in ("ROOT", "JOINT", "End"):
            # `End Site` has no name of its own
            name = names[open_joints[-1]] + "_end" if token == "End" else tokens[position + 1]
            parents.append(open_joints[-1] if open_joints else -1)
            names.append(name)
            offsets.append([0.0, 0.0, 0.0])
            channels.append(())
            position += 2
        elif token == "OFFSET":
            offsets[-1] = [float(value) for value in tokens[position + 1 : position + 4]]
            position += 4
        elif token == "CHANNELS":
            count = int(tokens[position + 1])
            channels[-1] = _channels(names[-1], count, tokens[position + 2 :][:_MOST_CHANNELS])
            position += 2 + count
        else:
            if token == "{":
                open_joints.append(len(names) - 1)
            elif token == "}":
                open_joints.pop()
            position += 1
    if open_joints or not names:
        raise ValueError("unbalanced braces or no joint")
    return Skeleton(tuple(names), tuple(parents), np.array(offsets), tuple(channels))


def _channels(joint: str, count: int, words: list[str]) -> tuple[str, ...]:
    """The first `count` of the words. Raises ValueError for what are no channels."""
    if not 0 <= count <= min(_MOST_CHANNELS, len(words)):
        raise ValueError(f"{plain(joint, limit=40)} has {count} channels")
    channels = tuple(words[:count])
    for channel in channels:
        if not _CHANNEL.fullmatch(channel):
            raise ValueError(f"{plain(joint, limit=40)} has a channel {plain(channel, limit=40)}")
    return channels


def _width(skeleton: Skeleton) -> int:
    """How many numbers a frame has. Raises ValueError where joints are made of nothing."""
    width = sum(len(channels) for channels in skeleton.channels)
    if len(skeleton.names) > width:
        raise ValueError(f"{len(skeleton.names)} joints with {width} channels in all")
    return width


def _parse_motion(text: str, width: int) -> tuple[Float[NDArray, "frames width"], float]:
    """The frame values and the frame time of `Frames: T Frame Time: t v v v ...`."""
    tokens = text.split(maxsplit=5)
    if tokens[:1] != ["Frames:"] or tokens[2:4] != ["Frame", "Time:"]:
        raise ValueError("MOTION does not begin with 'Frames:' and 'Frame Time:'")
    frames = int(tokens[1])
    frame_time = float(tokens[4])
    with warnings.catch_warnings():
        # what is no number would only end the array
        warnings.simplefilter("error", DeprecationWarning)
        values = np.fromstring(tokens[5] if len(tokens) > 5 else "", sep=" ")
    if values.size != frames * width:
        raise ValueError(
            f"{frames} frames of {width} channels announced, {values.size} numbers found"
        )
    if not np.isfinite(values).all():
        raise ValueError("numbers that are not finite")
    return values.reshape(frames, width), frame_time


def _motion_of(
    skeleton: Skeleton, values: Float[NDArray, "frames width"]
) -> tuple[Float[NDArray, "frames joints 3 3"], Float[NDArray, "frames 3"]]:
    """Rotations of the joints and the root's position, from the channels' values.

    Positions of other joints, which some files have, are passed over.
    """
    frames = len(values)
    rotations = np.tile(np.eye(3), (frames, len(skeleton.names), 1, 1))
    translation = np.zeros((frames, 3))
    column = 0
    for joint, channels in enumerate(skeleton.channels):
        block = values[:, column : column + len(channels)]  # of this joint
        column += len(channels)
        order = ""
        angle_columns: list[int] = []
        for index, channel in enumerate(channels):
            axis = channel[0].upper()
            if channel.endswith("rotation"):
                order += axis
                angle_columns.append(index)
            elif channel.endswith("position") and skeleton.parents[joint] < 0:
                translation[:, "XYZ".index(axis)] = block[:, index]
        if order:
            # upper case: intrinsic, applied in file order
            turn = Rotation.from_euler(order, block[:, angle_columns], degrees=True)
            rotations[:, joint] = turn.as_matrix()
    return rotations, translation
