"""How well the packs of motion capture sit on the body: a table of joint errors and, for each
source, a contact sheet to look at.

    python priors/recipes/mocap_report.py --data ../shared/data --sheets ../sheets
    python priors/recipes/mocap_report.py --data FOLDER --ranges

`--ranges` prints how far joints turn that CMU's files hold still or nearly so, there and in all
packs together, beside their limits.

On a sheet a pair of columns is one frame: the source's stick figure from the front and from the
side, below it the retargeted pose on the embedded body. Left limbs are blue, right ones red.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import tyro
from mocap_sources import SOURCES, Recorded, Source, every_part
from numpy.typing import NDArray

from smplifyx.body.joints import BODY_POSE_JOINTS, JOINT_INDEX, sideless
from smplifyx.core import rotations
from smplifyx.data.mocap import plausible
from smplifyx.data.retarget import BODY_JOINTS, PARENTS, pose_joints
from smplifyx.data.retarget_joints import retarget_joints, source_joints, source_skeleton
from smplifyx.pose_priors.limits import body_limits
from smplifyx.training.poses import Balance, PersonPart, pose_set_of
from smplifyx.training.skeleton import resting_joints

TILE = (150, 210)  # pixels
SCALE = 95.0  # pixels a metre
BLUE, RED, GREY = (200, 120, 30), (40, 40, 210), (90, 90, 90)
# of the source's figure, whose spine joints have no counterpart
DRAWN = (
    ("neck", "head"), ("hip", "neck"), ("hip", "knee"), ("knee", "ankle"), ("ankle", "foot"),
    ("neck", "shoulder"), ("shoulder", "elbow"), ("elbow", "wrist"),
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    """Check the retargeting of every source."""

    data: Path = Path("../shared/data")
    sheets: Path = Path("../sheets")
    only: tuple[str, ...] = ()  # sources whose names begin so
    frames: int = 8  # of each source on its sheet
    seed: int = 0
    ranges: bool = False  # print the ranges of joints instead


def main(options: Options) -> None:
    """Print the table and write the sheets, or print the ranges."""
    rest = resting_joints()
    if options.ranges:
        print_ranges(options.data, rest)
        return
    options.sheets.mkdir(parents=True, exist_ok=True)
    print("| source | clips | frames | sound | limbs mm | 95 % | hands, feet, head mm | 95 % |")
    print("|---" * 8 + "|")
    for source in SOURCES:
        if source.read is None or (options.only and not source.name.startswith(options.only)):
            continue
        report(source, options, rest)


# what CMU's 43 joints hold still or nearly so, and the ankles, whose limits were CMU's
RANGED = ("collar", "spine1", "spine2", "spine3", "neck", "head", "ankle", "foot")
PERCENTILES = (1.0, 99.0)


def print_ranges(data: Path, rest: NDArray) -> None:
    """A table of the angles of the training poses, weighed as the priors weigh them, radians."""
    parts, held_out = every_part(data, rest)
    trained = [part for part in parts if part.person not in held_out]
    before = training_ranges([part for part in trained if part.source == "cmu_bvh"], rest)
    after = training_ranges(trained, rest)
    limits = body_limits(torch.zeros(()))
    bounds = {
        int(at): (float(lower), float(upper))
        for at, lower, upper in zip(limits.at, limits.lower, limits.upper, strict=True)
    }
    print("| joint | axis | CMU 01-12: 1 to 99 % | all packs: 1 to 99 % | limits |")
    print("|---" * 5 + "|")
    for joint, name in enumerate(BODY_POSE_JOINTS):
        if sideless(name) not in RANGED or name.startswith("right"):
            continue
        for axis in range(3):
            pairs = (before[:, joint, axis], after[:, joint, axis], bounds[3 * joint + axis])
            cells = [f"{low + 0.0:.2f} to {high + 0.0:.2f}" for low, high in pairs]
            print(f"| {sideless(name)} | {'xyz'[axis]} | " + " | ".join(cells) + " |")


def training_ranges(parts: list[PersonPart], rest: NDArray) -> NDArray:
    """The two percentiles of each angle, [2, 21, 3]: by weight, holes filled from one another."""
    poses = pose_set_of(parts, rest, Balance())
    angles = rotations.log(poses.rotations.double()).flatten(1)
    order = angles.argsort(0)
    shares = poses.weights.double()[order].cumsum(0)  # [poses, 63]: of the weight, up to each
    found = []
    for percentile in PERCENTILES:
        first = (shares < percentile / 100).sum(0, keepdim=True).clamp(max=len(order) - 1)
        found.append(angles.gather(0, order.gather(0, first))[0].unflatten(0, (-1, 3)))
    return torch.stack(found).numpy().round(2)


def report(source: Source, options: Options, rest: NDArray) -> None:
    """One line of the table, and one sheet."""
    assert source.read is not None
    limbs: list[NDArray] = []
    ends: list[NDArray] = []
    tiles: list[tuple[float, NDArray]] = []
    frames = sound = clips = 0
    generator = np.random.default_rng(options.seed)
    for recorded in source.read(options.data / "mocap_more" / source.file):
        poses = retarget_joints(recorded.motion, recorded.joint_map, rest)
        is_sound = plausible(poses)
        errors = joint_errors(recorded, poses, rest)
        for name, distance in errors.items():
            kind = name.split("_")[-1]
            (ends if kind in ("foot", "head", "neck") else limbs).append(distance[is_sound])
        frames, sound, clips = frames + len(is_sound), sound + int(is_sound.sum()), clips + 1
        for frame in generator.choice(len(is_sound), min(2, len(is_sound)), replace=False):
            order = generator.random()
            if len(tiles) < options.frames or order < max(tile[0] for tile in tiles):
                tiles.append((order, pair(recorded, poses[np.array([frame])], frame, rest)))
                tiles = sorted(tiles, key=lambda tile: tile[0])[: options.frames]
    line = f"| {source.name} | {clips} | {frames} | {sound} "
    for values in (limbs, ends):
        every = np.concatenate(values)
        line += f"| {every.mean():.1f} | {np.quantile(every, 0.95) if len(every) else 0:.1f} "
    print(line + "|", flush=True)
    sheet = np.concatenate([tile for _, tile in tiles], 1)
    cv2.imwrite(str(options.sheets / f"{source.name.replace('/', '_')}.png"), sheet)


def joint_errors(recorded: Recorded, poses, rest: NDArray) -> dict[str, NDArray]:
    """Millimetres from each joint of the source, its legs scaled to the body's length: the pose is
    put on a SMPL-X skeleton with the source's own bones.
    """
    skeleton = source_skeleton(recorded.motion, recorded.joint_map, rest)
    joints = pose_joints(poses, skeleton)
    theirs = source_joints(recorded.motion, recorded.joint_map)
    hips = [JOINT_INDEX["left_hip"], JOINT_INDEX["right_hip"]]
    joints = joints - joints[:, hips].mean(1, keepdims=True)
    # `source_joints` keeps the source's heading, which is also that of global_orient
    scale = 1000 * leg_length(rest) / leg_length(skeleton)
    return {
        name: scale * np.linalg.norm(joints[:, JOINT_INDEX[name]] - place, axis=-1)
        for name, place in theirs.items()
        if not name.endswith("hip")
    }


def leg_length(skeleton: NDArray) -> float:
    """Thigh and shin, both sides."""
    length = 0.0
    for side in ("left", "right"):
        hip, knee, ankle = (
            skeleton[JOINT_INDEX[f"{side}_{joint}"]] for joint in ("hip", "knee", "ankle")
        )
        length += float(np.linalg.norm(knee - hip) + np.linalg.norm(ankle - knee)) / 2
    return length


def pair(recorded: Recorded, pose, frame: int, rest: NDArray) -> NDArray:
    """Source above, body below, from the front and the side, the hips' line facing the camera."""
    theirs = source_joints(recorded.motion, recorded.joint_map)
    skeleton = source_skeleton(recorded.motion, recorded.joint_map, rest)
    factor = leg_length(rest) / leg_length(skeleton)
    places = {name: factor * place[frame] for name, place in theirs.items()}
    ours = pose_joints(pose, rest)[0]
    hips = ours[[JOINT_INDEX["left_hip"], JOINT_INDEX["right_hip"]]]
    ours = ours - hips.mean(0)
    turn = heading(places["left_hip"] - places["right_hip"])
    segments = [(places[a], places[b], color) for a, b, color in source_bones(places)]
    above = views(segments, turn, f"{recorded.clip[-22:]} {frame}")
    own = []
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            own.append((ours[parent], ours[joint], color_of(BODY_JOINTS[joint])))
    # a thumb's length off hands and head, so that their turns show
    below = views(own + pointers(pose, ours), turn, "sound" if plausible(pose)[0] else "not sound")
    return np.concatenate([above, below], 0)


def source_bones(places: Mapping[str, NDArray]) -> list[tuple[str, str, tuple[int, int, int]]]:
    """The bones to draw between the joints that there are."""
    bones = []
    for side in ("left", "right"):
        for a, b in DRAWN:
            start = a if a in places else f"{side}_{a}"
            end = b if b in places else f"{side}_{b}"
            if start in places and end in places:
                bones.append((start, end, color_of(end if end.startswith(side) else start)))
    return bones


def pointers(pose, ours: NDArray) -> list[tuple[NDArray, NDArray, tuple[int, int, int]]]:
    """Where face, thumbs and toes point."""
    from scipy.spatial.transform import Rotation

    local = np.concatenate([pose.global_orient[:, None], pose.body_pose], 1)[0]
    world: list[Rotation] = []
    for joint, parent in enumerate(PARENTS):
        turn = Rotation.from_rotvec(local[joint])
        world.append(turn if parent < 0 else world[parent] * turn)
    drawn = []
    for name, offset in (
        ("head", (0, 0.08, 0.12)),
        ("left_wrist", (0.09, 0, 0)), ("left_wrist", (0.03, 0, 0.06)),
        ("right_wrist", (-0.09, 0, 0)), ("right_wrist", (-0.03, 0, 0.06)),
        ("left_foot", (0, 0, 0.07)), ("right_foot", (0, 0, 0.07)),
    ):  # fmt: skip
        joint = JOINT_INDEX[name]
        drawn.append((ours[joint], ours[joint] + world[joint].apply(offset), color_of(name)))
    return drawn


def heading(left: NDArray) -> float:
    """The angle about y that brings the hips' line to x."""
    return float(np.arctan2(left[2], left[0]))


def views(segments, turn: float, label: str) -> NDArray:
    """Front and side."""
    tiles = []
    for extra in (0.0, -np.pi / 2):
        angle = turn + extra
        cos, sin = np.cos(angle), np.sin(angle)
        tile = np.full((TILE[1], TILE[0], 3), 255, np.uint8)
        for start, end, color in segments:
            points = []
            for place in (start, end):
                # the person's left is on the right of a picture that they look out of
                across = cos * place[0] + sin * place[2]
                points.append(
                    (int(TILE[0] / 2 + SCALE * across), int(TILE[1] / 2 - 8 - SCALE * place[1]))
                )
            cv2.line(tile, points[0], points[1], color, 2, cv2.LINE_AA)
        tiles.append(tile)
    page = np.concatenate(tiles, 1)
    return cv2.putText(
        page, label, (4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA
    )


def color_of(name: str) -> tuple[int, int, int]:
    """Blue for the left, red for the right."""
    if name.startswith("left"):
        return BLUE
    return RED if name.startswith("right") else GREY


if __name__ == "__main__":
    main(tyro.cli(Options))
