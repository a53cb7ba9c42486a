"""Are generated people as hard as real ones? Fits of both, in one table.

    python -m benchmarks.real [--count 256] [--every 4] [--preset smplx]

Rows: generated people of the usual protocol and of the protocol `real` (`smplifyx.data.generate_options`),
one man before four cameras (`multiview`, left out where the folder is missing), and people of photos,
whose 3D nobody knows. Generated people are fitted with the guessed focal length, as photos are.

PA-MPJPE: mean distance in mm, after similarity alignment, of the 18 body points that a
triangulation knows (shoulders, limbs and feet), fitted points against true ones; +-: its standard
error, as if people were independent (the frames of one man are not). residual: median
distance of a person's seen body points in percent of their box. gross: share of the seen body
points farther off than 4 sigma of the detector's card; far: than 10 % of the box. unseen: share of
the 25 body points.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from smplifyx.body.loading.files import load_body
from smplifyx.camera import Camera
from smplifyx.config import load_preset
from smplifyx.core.choices import Detector
from smplifyx.data.detector_noise import (
    GROSS_SIGMAS,
    GROUP_INDEX,
    GROUPS,
    DetectorNoise,
    group_of,
    load_detector_noise,
)
from smplifyx.data.mocap import heldout_poses
from smplifyx.data.synthetic import REAL, GenerateOptions, generate_people
from smplifyx.evaluation.metrics import pa_mpjpe
from smplifyx.fitting import quality
from smplifyx.fitting.result import FitResult
from smplifyx.keypoints import Keypoints, names

from .multiview import ARCHIVE, read_multiview
from .points import read_folder
from .quality import errors_m, fit_in_batches, guessed, table

USUAL = GenerateOptions(solid=True)
PROTOCOLS = {"usual protocol": USUAL, "real": REAL}
SEEN = 0.1  # confidence
_TRUE = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "big_toe", "small_toe", "heel")
TRUE_POINTS = [names.POINT_INDEX[f"{side}_{name}"] for side in ("left", "right") for name in _TRUE]
KINDS = tuple(dict.fromkeys(group_of(i) for i in range(names.COUNT)[names.BODY]))


@dataclass(frozen=True)
class Sample:
    """People to fit, and where their points are, metres in any frame; None: nobody knows."""

    keypoints: Keypoints
    camera: Camera
    points: Float[Tensor, "n 137 3"] | None
    detector: Detector = Detector.OPENPOSE


def row(result: FitResult, truth: Tensor | None, noise: DetectorNoise) -> dict[str, float]:
    """How hard people were to fit; PA-MPJPE is NaN without a truth."""
    error = torch.full((len(result.points3d),), torch.nan)
    if truth is not None:
        error = pa_mpjpe(result.points3d[:, TRUE_POINTS], truth[:, TRUE_POINTS])
    seen = result.keypoints.confidence[:, names.BODY] >= SEEN
    sigma = torch.tensor([noise.points[group_of(i)].sigma_m for i in range(names.COUNT)])
    gross = (errors_m(result) > GROSS_SIGMAS * sigma)[:, names.BODY]
    scored = quality.confident_body_points(result.keypoints) >= quality.ENOUGH_BODY_POINTS
    percent = quality.reprojection_percent(result.keypoints, result.points2d).body[scored]
    return {
        "people": len(error),
        "PA-MPJPE": float(error.mean()),
        "+-": float(error.std() / len(error) ** 0.5),
        "p90": float(error.quantile(0.9)),
        "residual %": float(percent.nanmedian()),
        "p90 residual %": float(percent.nanquantile(0.9)),
        "gross": float(gross[seen].float().mean()),
        "far": float(quality.far_share(result.keypoints, result.points2d).nanmean()),
        "unseen": float(1 - seen.float().mean()),
    }


def residuals_mm(result: FitResult) -> dict[str, float]:
    """Median length of what is left, by kind of body point, in mm at the point's distance."""
    length = 1000 * errors_m(result)
    seen = result.keypoints.confidence >= SEEN
    # what was not detected but is the mean of two others tells nothing of a detector
    seen = seen & (result.keypoints.trust >= 1)
    kind = torch.tensor(GROUP_INDEX)
    return {name: float(length[seen & (kind == GROUPS.index(name))].nanmedian()) for name in KINDS}


def samples(asked: argparse.Namespace) -> dict[str, Sample]:
    """Everybody to fit, by the name of the row."""
    body = load_body(None)
    poses = heldout_poses(asked.data / "mocap", body.joint_template.double().numpy())
    found: dict[str, Sample] = {}
    for name, options in PROTOCOLS.items():
        people = generate_people(body, poses, asked.count, 0, options)
        found[name] = Sample(people.keypoints, guessed(people.camera), people.points)
    if (asked.data / "multiview" / ARCHIVE).is_file():
        man = read_multiview(asked.data / "multiview", asked.every)
        found["multiview"] = Sample(man.keypoints, man.camera, man.points, man.detector)
    for name in ("photos_openpose/keypoints", "single_people_openpose"):
        if (asked.data / name).is_dir():
            seen = read_folder(asked.data / name)
            found[name.partition("_")[0]] = Sample(seen.keypoints, seen.camera, None)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--preset", default="smplx")
    parser.add_argument("--count", type=int, default=256)
    parser.add_argument("--every", type=int, default=4, help="of the frames of multiview")
    asked = parser.parse_args(arguments)

    torch.set_num_threads(1)
    config, noise = load_preset(asked.preset), load_detector_noise()
    rows, residuals = {}, {}
    for name, sample in samples(asked).items():
        body = load_body(None, detector=sample.detector)
        result, _ = fit_in_batches(sample.keypoints, sample.camera, body, config)
        rows[name] = row(result, sample.points, noise)
        residuals[name] = residuals_mm(result)
    print(f"{platform.machine()}, torch {torch.__version__}; preset {asked.preset}")
    print(table("Fits of generated and real people: mm, percent, shares", rows))
    print(table("Median residual of each kind of point, mm", residuals))


if __name__ == "__main__":
    main()
