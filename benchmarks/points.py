"""Are the body's points where the detector looks? Per bone: length seen / length of the fitted body.

    python -m benchmarks.points FOLDER [FOLDER ...] [--preset smplx] [--detector openpose]
        [--half all|even|odd] [--picture FILE.png]

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
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from smplifyx.body.loading.files import load_body
from smplifyx.config import load_preset
from smplifyx.core.choices import Detector
from smplifyx.fitting.result import FitResult
from smplifyx.keypoints import names

from .quality import Photos, fit_in_batches, read_people

Bone = tuple[str, str]
Bones = Mapping[str, tuple[Bone, ...]]


def _of_sides(bones: Mapping[str, Bone], *sides: str) -> dict[str, tuple[Bone, ...]]:
    return {
        name: tuple((f"{side}_{start}", f"{side}_{end}") for side in sides)
        for name, (start, end) in bones.items()
    }


# name of a bone -> the pairs of points whose distance it is
_LIMBS: Mapping[str, Bone] = MappingProxyType({
    "upper arm": ("shoulder", "elbow"), "forearm": ("elbow", "wrist"), "thigh": ("hip", "knee"),
    "shin": ("knee", "ankle"), "shoulder - hip": ("shoulder", "hip"),
    "ankle - heel": ("ankle", "heel"), "ankle - big toe": ("ankle", "big_toe"),
    "heel - big toe": ("heel", "big_toe"), "big - small toe": ("big_toe", "small_toe"),
    "shoulder - ear": ("shoulder", "ear"),
})  # fmt: skip
_FINGERS: Mapping[str, Bone] = MappingProxyType({
    "wrist - MCP index": ("hand_wrist", "index_1"), "wrist - MCP middle": ("hand_wrist", "middle_1"),
    "wrist - MCP little": ("hand_wrist", "pinky_1"), "MCP index - little": ("index_1", "pinky_1"),
    "MCP - PIP index": ("index_1", "index_2"), "MCP - PIP middle": ("middle_1", "middle_2"),
    "MCP - PIP little": ("pinky_1", "pinky_2"), "PIP - DIP middle": ("middle_2", "middle_3"),
    "DIP - tip middle": ("middle_3", "middle_4"), "wrist - CMC thumb": ("hand_wrist", "thumb_1"),
    "CMC - MCP thumb": ("thumb_1", "thumb_2"), "MCP - IP thumb": ("thumb_2", "thumb_3"),
    "IP - tip thumb": ("thumb_3", "thumb_4"),
})  # fmt: skip
BODY_BONES: Bones = MappingProxyType(_of_sides(_LIMBS, "left", "right") | {
    "neck - middle hip": (("neck", "mid_hip"),), "neck - nose": (("neck", "nose"),),
    "shoulders": (("left_shoulder", "right_shoulder"),), "hips": (("left_hip", "right_hip"),),
    "eyes": (("left_eye", "right_eye"),), "ears": (("left_ear", "right_ear"),),
})  # fmt: skip
LEFT_HAND_BONES: Bones = MappingProxyType(_of_sides(_FINGERS, "left"))
RIGHT_HAND_BONES: Bones = MappingProxyType(_of_sides(_FINGERS, "right"))
BODY_SURE, HAND_SURE = 0.5, 0.4  # confidence of both ends of a bone
SURE, MOST_OF_BODY, MOST_OF_HAND = 0.4, 18, 18  # points; people and hands that are mostly seen
FEWEST = 8  # lengths of a bone that tell anything
GOOD = (0.92, 1.10)  # of p90
SHARES = (50, 75, 90, 97)
HALVES = MappingProxyType({"all": (0, 1), "even": (0,), "odd": (1,)})


class Group(NamedTuple):
    """Bones that are judged where most of their points are sure, and so are their own two ends."""

    points: slice
    most: int
    bones: Bones
    sure: float


GROUPS = (
    Group(names.BODY, MOST_OF_BODY, BODY_BONES, BODY_SURE),
    Group(names.LEFT_HAND, MOST_OF_HAND, LEFT_HAND_BONES, HAND_SURE),
    Group(names.RIGHT_HAND, MOST_OF_HAND, RIGHT_HAND_BONES, HAND_SURE),
)


def read_folder(folder: Path) -> Photos:
    """Everybody with half of the body in sight, with the cameras that a job would take."""
    beside = folder.parent / "images"
    everybody = read_people(folder, beside if beside.is_dir() else None)
    sure = (everybody.keypoints.confidence[:, names.BODY] > SURE).sum(-1)
    kept = (sure >= MOST_OF_BODY // 2).nonzero()[:, 0].tolist()
    return Photos(
        everybody.keypoints[kept],
        everybody.camera[kept],
        tuple(everybody.names[person] for person in kept),
    )


def ratios(result: FitResult, chosen: Sequence[int]) -> dict[str, list[float]]:
    """Seen / fitted length of every bone of the chosen people of a result whose two ends are sure."""
    found: dict[str, list[float]] = {}
    for person in chosen:
        confidence = result.keypoints.confidence[person]
        for group in GROUPS:
            if (confidence[group.points] > SURE).sum() < group.most:
                continue
            for name, bones in group.bones.items():
                for bone in bones:
                    ends = [names.POINT_INDEX[end] for end in bone]
                    if (confidence[ends] > group.sure).all():
                        found.setdefault(name, []).append(_ratio(result, person, ends))
    return found


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
    for name in (*BODY_BONES, *_FINGERS):
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


def draw(found: dict[str, list[float]], path: Path) -> None:
    """A picture of the table: of each bone the tenth to the ninetieth percentile, the median as a
    dot; the band in which the upper end should lie is grey.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    judged = [name for name in (*BODY_BONES, *_FINGERS) if len(found.get(name, [])) >= FEWEST]
    figure, axes = pyplot.subplots(figsize=(7, 0.5 + 0.2 * len(judged)))
    axes.axvspan(*GOOD, color="0.88")
    for line, name in enumerate(judged):
        low, middle, high = np.percentile(found[name], (10, 50, 90))
        colour = "tab:blue" if GOOD[0] <= high <= GOOD[1] else "tab:red"
        axes.plot([low, high], [line, line], color=colour, linewidth=2)
        axes.plot(middle, line, "o", color=colour, markersize=3)
        axes.plot(high, line, "|", color=colour, markersize=8)
    axes.set_yticks(range(len(judged)), judged, fontsize=7)
    axes.set(xlim=(0.4, 1.6), xlabel="length in the picture / length of the fitted body")
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--preset", default="smplx")
    parser.add_argument("--model", type=Path, help="a body file; none: the embedded one")
    detectors = [detector.value for detector in Detector]
    parser.add_argument("--detector", choices=detectors, default="openpose")
    parser.add_argument("--half", choices=tuple(HALVES), default="all")
    parser.add_argument("--picture", type=Path, help="a PNG to draw it into; needs matplotlib")
    asked = parser.parse_args(arguments)

    body = load_body(asked.model, detector=asked.detector)
    config = load_preset(asked.preset)
    found: dict[str, list[float]] = {}
    people = 0
    for folder in asked.folders:
        seen = read_folder(folder)
        result, _ = fit_in_batches(seen.keypoints, seen.camera, body, config)
        files = [name.rpartition("#")[0] for name in seen.names]
        place = {file: i for i, file in enumerate(sorted(set(files)))}
        chosen = [i for i, file in enumerate(files) if place[file] % 2 in HALVES[asked.half]]
        people += len(chosen)
        for name, lengths in ratios(result, chosen).items():
            found.setdefault(name, []).extend(lengths)
    print(
        f"{platform.machine()}, torch {torch.__version__}; body {body.name}, preset {asked.preset}"
    )
    print(f"{people} people of {len(asked.folders)} folders, half: {asked.half}\n")
    print(table(found))
    if asked.picture:
        draw(found, asked.picture)


if __name__ == "__main__":
    main()
