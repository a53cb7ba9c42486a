"""How far the retargeted training poses stray from the motion capture's own figure, and a page of
them to look at.

    python priors/recipes/retarget_report.py --data ../shared/data/mocap --sheet docs/images/mocap_poses.png

The table: mean distance per joint over all frames of all clips (subjects 13 and 14 too, who train
nothing), in mm of the figure (1.6 m tall), the SMPL-X pose put on the figure's bone lengths and
scaled clip by clip. The page: poses of each training subject far from one another, as `plausible`
lets them pass, on the neutral body.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # a recipe runs from a source checkout, installed or not

from smplifyx.body import skinning  # noqa: E402
from smplifyx.body.loading.files import load_body  # noqa: E402
from smplifyx.body.model import BodyModel  # noqa: E402
from smplifyx.body.params import BodyParams  # noqa: E402
from smplifyx.camera import Camera  # noqa: E402
from smplifyx.core import rotations  # noqa: E402
from smplifyx.data.bvh import Clip, iter_clips  # noqa: E402
from smplifyx.data.mocap import ARCHIVE, HELD_OUT, plausible  # noqa: E402
from smplifyx.data.retarget import LimbRest, Poses, concatenate, pose_joints, retarget  # noqa: E402
from smplifyx.data.retarget_check import COUNTERPARTS, figure_skeleton, joint_errors  # noqa: E402
from smplifyx.viz import PALETTE, Figure, overlay  # noqa: E402

MM = 10.0  # per unit of the figure: a head at 1.45 over the toes makes its unit a centimetre
TILE = (190, 220)  # pixels
AWAY, FOCAL = 6.0, 600.0  # metres, pixels
TURN = -25.0  # degrees: a little from the side, so that depth shows


@dataclass(frozen=True)
class Options:
    """Check the retargeting and draw what it makes."""

    data: Path = Path("../shared/data/mocap")  # the folder with cmu_bvh_30fps.tar.xz
    sheet: Path = Path("docs/images/mocap_poses.png")
    poses: int = 30
    columns: int = 10


def main(options: Options) -> None:
    """Print the table and write the page."""
    body = load_body(None)
    rest = body.joint_template.double().numpy()
    clips = list(iter_clips(options.data / ARCHIVE))
    print(error_table(clips, rest))
    poses, labels = chosen_poses(clips, rest, options.poses)
    tiles = [tile(body, poses[i : i + 1], label) for i, label in enumerate(labels)]
    # a third of the size
    small = Image.fromarray(page(tiles, options.columns)).quantize(96, dither=Image.Dither.NONE)
    options.sheet.parent.mkdir(parents=True, exist_ok=True)
    small.save(options.sheet, optimize=True)


def error_table(clips: Sequence[Clip], rest: NDArray) -> str:
    """Mean distance of each joint from the figure's, as Markdown: both kinds of `LimbRest`, left
    and right together.
    """
    errors: dict[LimbRest, dict[str, list[NDArray]]] = {limbs: {} for limbs in LimbRest}
    for clip in clips:
        skeleton = figure_skeleton(clip, rest)
        for limbs in LimbRest:
            for joint, distance in joint_errors(clip, skeleton, rest, limbs).items():
                errors[limbs].setdefault(joint.split("_")[-1], []).append(MM * distance)
    joints = dict.fromkeys(joint.split("_")[-1] for joint in COUNTERPARTS)
    lines = [
        f"| joint ({len(clips)} clips) | as drawn: mean mm | 95 % | as hinged: mean mm | 95 % |",
        "|---" * 5 + "|",
    ]
    for joint in joints:
        values = [
            np.concatenate(errors[limbs][joint]) for limbs in (LimbRest.FIGURE, LimbRest.HINGE)
        ]
        lines.append(
            f"|{joint}|"
            + "|".join(f"{v.mean():.1f}|{np.quantile(v, 0.95):.1f}" for v in values)
            + "|"
        )
    return "\n".join(lines)


def chosen_poses(clips: Sequence[Clip], rest: NDArray, count: int) -> tuple[Poses, list[str]]:
    """Of each training subject in turn, poses far from one another, with clip and frame."""
    parts: dict[str, list[Poses]] = {}
    where: dict[str, list[str]] = {}
    for clip in clips:
        poses = retarget(clip, rest)
        sound = np.flatnonzero(plausible(poses))
        parts.setdefault(clip.subject, []).append(poses[sound])
        # 0 is the T-pose
        where.setdefault(clip.subject, []).extend(f"{clip.name}, {frame + 1}" for frame in sound)
    training = [subject for subject in sorted(parts) if subject not in HELD_OUT]
    chosen, labels = [], []
    for order, subject in enumerate(training):
        every = concatenate(parts[subject])
        far = farthest(_upright_joints(every, rest), len(range(order, count, len(training))))
        chosen.append(every[far])
        labels += [where[subject][i] for i in far]
    return concatenate(chosen), labels


def farthest(points: NDArray, count: int) -> NDArray:
    """Rows far from one another: the one nearest to the mean, then always the farthest from all
    before.
    """
    chosen = [int(((points - points.mean(0)) ** 2).sum(1).argmin())]
    distance = np.full(len(points), np.inf)
    for _ in range(count - 1):
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(1))
        chosen.append(int(distance.argmax()))
    return np.array(chosen)


def tile(body: BodyModel, pose: Poses, label: str) -> NDArray:
    """One pose as its clip's figure stands, turned to face the camera nearly, with its name."""
    tilt = rotations.exp(torch.from_numpy(pose.global_orient).float())
    heading = torch.atan2(tilt[:, 0, 2], tilt[:, 2, 2])
    like = tilt
    view = rotations.about("x", torch.pi, like) @ rotations.about(
        "y", np.deg2rad(TURN) - heading, like
    )
    params = BodyParams.zeros((1,), 0, 0, like=like).replace(
        global_orient=rotations.log(view @ tilt), body_pose=torch.from_numpy(pose.body_pose).float()
    )
    vertices = skinning.vertices(body, params)[0]
    middle = (vertices.amax(0) + vertices.amin(0)) / 2
    camera = Camera.from_focal(torch.tensor(FOCAL), torch.tensor([float(s) for s in TILE]))
    person = Figure(PALETTE[0], vertices - middle + vertices.new_tensor([0.0, 0.0, AWAY]))
    image = np.ascontiguousarray(overlay(None, [person], body.faces, camera))
    return cv2.putText(
        image, label, (6, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (60, 60, 66), 1, cv2.LINE_AA
    )


def page(tiles: Sequence[NDArray], columns: int) -> NDArray:
    """The tiles row by row, the last row filled up."""
    blank = [np.full_like(tiles[0], tiles[0][0, -1])] * (-len(tiles) % columns)
    every = [*tiles, *blank]
    return np.concatenate(
        [np.concatenate(every[i : i + columns], 1) for i in range(0, len(every), columns)]
    )


def _upright_joints(poses: Poses, rest: NDArray) -> NDArray:
    upright = Poses(np.zeros_like(poses.global_orient), poses.body_pose)
    return pose_joints(upright, rest).reshape(len(poses.body_pose), -1)


if __name__ == "__main__":
    main(tyro.cli(Options))
