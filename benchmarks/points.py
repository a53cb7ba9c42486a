"""Are the body's points where the detector looks? Per bone: length seen / length of the fitted body.

    python -m benchmarks.points FOLDER [FOLDER ...] [--preset smplx] [--half all|even|odd]

`FOLDER`: keypoint files, with their photos in it or in `images` beside it. Foreshortening only
makes bones look shorter, so where the body's points are the detector's, nine tenths of the seen
lengths (p90) end near 1, for every bone. A bone that is longer in the body than in pictures must
tilt in depth to fit; one that is shorter bends what is next to it.

`--half` takes every second person (of the sorted files): points that were chosen on one half are
judged on the other. Bones of a few centimetres are judged with the detector's noise in them: the
eyes' p90 is above 1 wherever they are.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from smplifyx.body.loading.files import load_body
from smplifyx.camera import Camera
from smplifyx.config import load_preset
from smplifyx.fitting.result import FitResult
from smplifyx.keypoints import Keypoints, names
from smplifyx.readers.folder import read_frames
from smplifyx.readers.intrinsics import camera_for, options_for

from .quality import fit_in_batches

Bone = tuple[str, str]
_BOTH = MappingProxyType({
    "upper arm": ("shoulder", "elbow"), "forearm": ("elbow", "wrist"), "thigh": ("hip", "knee"),
    "shin": ("knee", "ankle"), "shoulder - hip": ("shoulder", "hip"),
    "ankle - heel": ("ankle", "heel"), "ankle - big toe": ("ankle", "big_toe"),
    "heel - big toe": ("heel", "big_toe"), "big - small toe": ("big_toe", "small_toe"),
    "shoulder - ear": ("shoulder", "ear"),
})  # fmt: skip
_HANDS = MappingProxyType({
    "wrist - MCP index": ("hand_wrist", "index_1"), "wrist - MCP middle": ("hand_wrist", "middle_1"),
    "wrist - MCP little": ("hand_wrist", "pinky_1"), "MCP index - little": ("index_1", "pinky_1"),
    "MCP - PIP index": ("index_1", "index_2"), "MCP - PIP middle": ("middle_1", "middle_2"),
    "MCP - PIP little": ("pinky_1", "pinky_2"), "PIP - DIP middle": ("middle_2", "middle_3"),
    "DIP - tip middle": ("middle_3", "middle_4"), "wrist - CMC thumb": ("hand_wrist", "thumb_1"),
    "CMC - MCP thumb": ("thumb_1", "thumb_2"), "MCP - IP thumb": ("thumb_2", "thumb_3"),
    "IP - tip thumb": ("thumb_3", "thumb_4"),
})  # fmt: skip
_ACROSS = MappingProxyType({
    "neck - middle hip": ("neck", "mid_hip"), "shoulders": ("left_shoulder", "right_shoulder"),
    "hips": ("left_hip", "right_hip"), "neck - nose": ("neck", "nose"),
    "eyes": ("left_eye", "right_eye"), "ears": ("left_ear", "right_ear"),
})  # fmt: skip
BODY_SURE, HAND_SURE = 0.5, 0.4  # confidence of both ends of a bone
SURE, MOST_OF_BODY, MOST_OF_HAND = 0.4, 18, 18  # points; people and hands that are mostly seen
FEWEST = 8  # lengths of a bone that tell anything
GOOD = (0.92, 1.10)  # of p90
SHARES = (50, 75, 90, 97)


class Seen(NamedTuple):
    """People, and the file that each is of."""

    keypoints: Keypoints
    camera: Camera
    files: tuple[str, ...]


def read_people(folder: Path) -> Seen:
    """Everybody with enough of the body in sight, with the cameras that a job would take."""
    beside = folder.parent / "images"
    options = options_for(folder)
    people, cameras, files = [], [], []
    for frame in read_frames(folder, beside if beside.is_dir() else None):
        for person in frame.people:
            if (person.keypoints[names.BODY, 2] > SURE).sum() >= MOST_OF_BODY // 2:
                people.append(torch.as_tensor(person.keypoints))
                cameras.append(camera_for(frame, options)[0])
                files.append(frame.stem)
    return Seen(Keypoints.from_array(torch.stack(people)), Camera.stack(cameras), tuple(files))


def ratios(result: FitResult, chosen: Sequence[int]) -> dict[str, list[float]]:
    """Seen / fitted length of every bone of the chosen people of a result whose two ends are sure."""
    found: dict[str, list[float]] = {}
    seen = result.keypoints.confidence
    for person in chosen:
        if (seen[person, names.BODY] > SURE).sum() >= MOST_OF_BODY:
            for name, bones in _body_bones().items():
                _add(found, name, result, person, bones, BODY_SURE)
        for side, hand in (("left", names.LEFT_HAND), ("right", names.RIGHT_HAND)):
            if (seen[person, hand] > SURE).sum() >= MOST_OF_HAND:
                for name, bone in _HANDS.items():
                    _add(found, name, result, person, [_of(side, bone)], HAND_SURE)
    return found


def _body_bones() -> dict[str, list[Bone]]:
    both = {name: [_of("left", bone), _of("right", bone)] for name, bone in _BOTH.items()}
    return both | {name: [bone] for name, bone in _ACROSS.items()}


def _of(side: str, bone: Bone) -> Bone:
    return f"{side}_{bone[0]}", f"{side}_{bone[1]}"


def _add(
    found: dict[str, list[float]],
    name: str,
    result: FitResult,
    person: int,
    bones: Sequence[Bone],
    sure: float,
) -> None:
    for bone in bones:
        ends = [names.POINT_INDEX[end] for end in bone]
        if (result.keypoints.confidence[person, ends] > sure).all():
            found.setdefault(name, []).append(_ratio(result, person, ends))


def _ratio(result: FitResult, person: int, ends: Sequence[int]) -> float:
    """The bone's length in the picture, at its own depth, against that of the fitted body."""
    points: Tensor = result.points3d[person, ends]
    pixels = result.keypoints.xy[person, ends]
    focal = result.camera.K[person, 0, 0]
    seen = (pixels[0] - pixels[1]).norm() * points[:, 2].mean() / focal
    return float(seen / (points[0] - points[1]).norm())


def table(found: dict[str, list[float]]) -> str:
    """Quantiles per bone as Markdown, and how many bones are good."""
    head = " | ".join(f"p{share}" for share in SHARES)
    lines = [f"| bone | n | {head} |", "|---" * (len(SHARES) + 2) + "|"]
    good, judged = 0, 0
    for name in (*_body_bones(), *_HANDS):
        lengths = found.get(name, [])
        if len(lengths) < FEWEST:
            continue
        values = np.percentile(lengths, SHARES)
        judged += 1
        good += bool(GOOD[0] <= values[SHARES.index(90)] <= GOOD[1])
        cells = " | ".join(f"{value:.2f}" for value in values)
        lines.append(f"| {name} | {len(lengths)} | {cells} |")
    share = f"p90 within {GOOD[0]}-{GOOD[1]}: {good} of {judged} bones"
    return "\n".join([*lines, "", share])


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--preset", default="smplx")
    parser.add_argument("--model", type=Path, help="a body file; none: the embedded one")
    parser.add_argument("--half", choices=("all", "even", "odd"), default="all")
    asked = parser.parse_args(arguments)

    body, config = load_body(asked.model), load_preset(asked.preset)
    found: dict[str, list[float]] = {}
    people = 0
    for folder in asked.folders:
        seen = read_people(folder)
        result, _ = fit_in_batches(seen.keypoints, seen.camera, body, config)
        place = {file: i for i, file in enumerate(sorted(set(seen.files)))}
        wanted = {"all": (0, 1), "even": (0,), "odd": (1,)}[asked.half]
        chosen = [i for i, file in enumerate(seen.files) if place[file] % 2 in wanted]
        people += len(chosen)
        for name, lengths in ratios(result, chosen).items():
            found.setdefault(name, []).extend(lengths)
    print(
        f"{platform.machine()}, torch {torch.__version__}; body {body.name}, preset {asked.preset}"
    )
    print(f"{people} people of {len(asked.folders)} folders, half: {asked.half}\n")
    print(table(found))


if __name__ == "__main__":
    main()
