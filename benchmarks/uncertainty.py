"""Are the covariances of joints honest, and do they tell the wrong joints from the right ones?

    python -m benchmarks.uncertainty [--mocap FOLDER] [--multiview FOLDER] [--count 512] [--preset smplx]

Generated people of the held-out subjects 13 and 14 by both protocols of `benchmarks.real`, and one
man before four cameras (left out where the folder is missing), fitted as a job fits them; generated
people with the guessed focal length. Errors are 3D, of the joints from the middle of the hips, in
the camera's axes: neither turn nor size is aligned. The root itself is no joint.

68 % and 95 %: the share of joints whose error lies within the region of that name, of which one
hopes 0.68 and 0.95. sd: the mean standard deviation across the ray (of one axis) and along it, mm;
small ones are worth more, if the shares are right. error: mean absolute error of one axis across
and along, mm. AUROC: how well a number tells the joints that are off by more than 10 cm from the
others (1: always, 0.5: not at all): the trace of the covariance; the distance of the keypoint from
the fitted point, unseen ones the worst; the median distance of the person's seen body points.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from smplifyx.body.loading.files import load_body
from smplifyx.config import load_preset
from smplifyx.data.mocap import heldout_poses
from smplifyx.data.synthetic import generate_people
from smplifyx.fitting.alternatives import middle_of_hips
from smplifyx.fitting.joint_calibration import (
    GROUP_INDEX,
    GROUPS,
    HANDS,
    JOINTS,
    ROOT,
    load_joint_calibration,
)
from smplifyx.fitting.joint_uncertainty import squared_radius
from smplifyx.fitting.result import FitResult
from smplifyx.keypoints import names

from .multiview import ARCHIVE, read_multiview
from .quality import errors_m, fit_in_batches, guessed, table
from .real import PROTOCOLS, SEEN, Sample

GROSS_M = 0.10
FEWEST = 20  # joints that make a row
BODY = "body"  # all joints but the hands'


@dataclass(frozen=True)
class Joints:
    """Joints of people, one a row: those of a sample whose truth is known."""

    error: Float[Tensor, "n 3"]  # metres
    covariance: Float[Tensor, "n 3 3"]
    squares: Float[Tensor, "n regions"]  # squared radii of the regions of 68 % and 95 %
    pixels: Float[Tensor, " n"]  # distance of the keypoint, metres at the point's; inf: unseen
    person: Float[Tensor, " n"]  # median of that over the body points that the person shows
    group: Float[Tensor, " n"]

    def some(self, which: Bool[Tensor, " n"]) -> Joints:
        """Some of them."""
        return Joints(**{name: value[which] for name, value in vars(self).items()})


def joints_of(result: FitResult, truth: Float[Tensor, "people 137 3"]) -> Joints:
    """The joints of fitted people.

    Raises ValueError where the fits do not tell how sure they are.
    """
    covariance = result.joint_covariance
    if covariance is None:
        raise ValueError("these results have no joint_covariance")
    error = from_hips(result.points3d) - from_hips(truth)
    known = error.isfinite().all(-1) & covariance.isfinite().all(-1).all(-1)
    known[:, names.POINT_INDEX[ROOT]] = False

    seen = result.keypoints.confidence[:, :JOINTS] >= SEEN
    distance = errors_m(result)[:, :JOINTS]
    body = torch.where(seen, distance, torch.nan)[:, names.BODY]
    person = body.nanmedian(-1).values[:, None].expand_as(distance)
    calibration = load_joint_calibration()
    radii = torch.stack([calibration.radius(share) for share in (0.68, 0.95)], -1)
    each = Joints(
        error=error.double(),
        covariance=covariance.double(),
        squares=radii.double().square().expand(len(error), -1, -1),
        pixels=torch.where(seen, distance, torch.inf),
        person=person.nan_to_num(torch.inf),
        group=torch.tensor(GROUP_INDEX).expand_as(known),
    )
    return each.some(known)


def from_hips(points: Float[Tensor, "people 137 3"]) -> Float[Tensor, "people 67 3"]:
    """Where joints are from the middle of the hips."""
    joints = points[:, :JOINTS]
    return joints - middle_of_hips(joints)


def row(joints: Joints) -> dict[str, float]:
    """The figures of some joints."""
    squares = squared_radius(joints.covariance, joints.error)
    inside = (squares[:, None] <= joints.squares).double().mean(0)
    variance = joints.covariance.diagonal(dim1=-2, dim2=-1)
    across, along = variance[:, :2].mean(-1).sqrt(), variance[:, 2].sqrt()
    off = 1000 * joints.error.abs().mean(0)
    gross = joints.error.norm(dim=-1) > GROSS_M
    return {
        "joints": len(squares),
        "68 %": float(inside[0]),
        "95 %": float(inside[1]),
        "sd across": 1000 * float(across.mean()),
        "sd along": 1000 * float(along.mean()),
        "error across": float(off[:2].mean()),
        "error along": float(off[2]),
        "> 10 cm": float(gross.double().mean()),
        "AUROC": auroc(variance.sum(-1), gross),
        "AUROC keypoint": auroc(joints.pixels, gross),
        "AUROC person": auroc(joints.person, gross),
    }


def auroc(score: Float[Tensor, " n"], positive: Bool[Tensor, " n"]) -> float:
    """The chance that a positive has a higher score than a negative, ties counted half; NaN where
    there are not both.
    """
    high, low = score[positive].double(), score[~positive].double().sort().values
    if not len(high) or not len(low):
        return float("nan")
    below = torch.searchsorted(low, high, right=False)
    upto = torch.searchsorted(low, high, right=True)
    return float((below + upto).double().mean() / 2 / len(low))


def rows(joints: Joints) -> dict[str, dict[str, float]]:
    """The figures of each group, of the whole body, and of what of it was seen and was not."""
    hands = joints.group == list(GROUPS).index(HANDS)
    picked = {name: joints.group == number for number, name in enumerate(GROUPS)}
    seen = joints.pixels.isfinite()
    picked |= {BODY: ~hands, "body, seen": ~hands & seen, "body, unseen": ~hands & ~seen}
    return {
        name: row(joints.some(which)) for name, which in picked.items() if which.sum() >= FEWEST
    }


def samples(asked: argparse.Namespace) -> dict[str, Sample]:
    """Everybody to fit, by name."""
    body = load_body(None)
    poses = heldout_poses(asked.mocap, body.joint_template.double().numpy())
    found: dict[str, Sample] = {}
    for name, options in PROTOCOLS.items():
        people = generate_people(body, poses, asked.count, asked.seed, options)
        found[name] = Sample(people.keypoints, guessed(people.camera), people.points)
    if (asked.multiview / ARCHIVE).is_file():
        man = read_multiview(asked.multiview, asked.every)
        found["multiview"] = Sample(man.keypoints, man.camera, man.points, man.detector)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mocap", type=Path, default=Path("../shared/data/mocap"))
    parser.add_argument("--multiview", type=Path, default=Path("../shared/data/multiview"))
    parser.add_argument("--preset", default="smplx")
    parser.add_argument("--count", type=int, default=512, help="people of each protocol")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=2, help="of the frames of multiview")
    asked = parser.parse_args(arguments)

    torch.set_num_threads(1)
    config = load_preset(asked.preset)
    print(f"{platform.machine()}, torch {torch.__version__}; preset {asked.preset}")
    pooled = []
    for name, sample in samples(asked).items():
        if sample.points is None:
            continue
        body = load_body(None, detector=sample.detector)
        result, _ = fit_in_batches(sample.keypoints, sample.camera, body, config)
        joints = joints_of(result, sample.points)
        title = f"{name}: {len(sample.points)} people; shares, mm"
        print(table(title, rows(joints)), flush=True)
        if name in PROTOCOLS:
            pooled.append(joints)
    both = Joints(
        **{name: torch.cat([vars(one)[name] for one in pooled]) for name in vars(pooled[0])}
    )
    print(table("both protocols together", rows(both)))


if __name__ == "__main__":
    main()
