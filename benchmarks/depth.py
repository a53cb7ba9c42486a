"""What each term buys in depth: the preset with one of them left out, weaker or stronger.

    python -m benchmarks.depth [--data FOLDER] [--count 256] [--preset smplx]

The people are those of `benchmarks.real`: generated ones of the protocol `real` in poses of
held-out persons, the same with one limb of each unseen, one man before four cameras, and people of
photos. Errors in mm of the 18 points that a triangulation knows, after similarity alignment; of the
unseen limb its own points alone. **seconds**: all fits of the row on one thread, by those of the
first row.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.lift import limbs_of, without
from benchmarks.quality import fit_in_batches, table
from benchmarks.real import TRUE_POINTS, Sample, samples
from smplifyx.body.loading.files import load_body
from smplifyx.config import FitConfig, load_preset, with_prior_weight, with_term_scaled
from smplifyx.evaluation.metrics import MILLIMETRES, pa_mpjpe, similarity_align
from smplifyx.fitting import quality
from smplifyx.fitting.result import FitResult

LIMB = "one limb unseen"
PHOTO_LIMITS = (2.0, 3.0)  # percent of a person's box


def settings(config: FitConfig) -> dict[str, FitConfig]:
    """The preset, and what it is without each of its parts."""
    no_depth = with_term_scaled(config, "bone_depth", 0.0)
    return {
        "preset": config,
        "bone_depth 0": no_depth,
        "bone_depth x .5": with_term_scaled(config, "bone_depth", 0.5),
        "bone_depth x 2": with_term_scaled(config, "bone_depth", 2.0),
        "upright 0": with_term_scaled(config, "upright", 0.0),
        "upright x 4": with_term_scaled(config, "upright", 4.0),
        "pose prior x 2": with_prior_weight(config, 2.0),
        "bone_depth 0, pose prior x 2": with_prior_weight(no_depth, 2.0),
        "bone_depth 0, upright 0": with_term_scaled(no_depth, "upright", 0.0),
        "limbs not mirrored": unmirrored(config),
        "bone_depth 0, limbs not mirrored": unmirrored(no_depth),
    }


def unmirrored(config: FitConfig) -> FitConfig:
    """The preset whose limbs are not tried the other way round in depth."""
    stages = tuple(stage.model_copy(update={"mirror": False}) for stage in config.stages)
    return config.model_copy(update={"stages": stages})


def row(config: FitConfig, people: dict[str, Sample]) -> tuple[dict[str, float], float]:
    """The figures of all people fitted by that preset, and the seconds."""
    found: dict[str, float] = {}
    seconds = 0.0
    for name, sample in people.items():
        body = load_body(None, detector=sample.detector)
        result, took = fit_in_batches(sample.keypoints, sample.camera, body, config)
        seconds += took
        if sample.points is None:
            found |= photo_figures(result)
        elif name == LIMB:
            found[name] = limb_error(result, sample.points)
        else:
            error = pa_mpjpe(result.points3d[:, TRUE_POINTS], sample.points[:, TRUE_POINTS])
            found[name] = float(error.mean())
            found[f"{name} p90"] = float(error.quantile(0.9))
    return found, seconds


def limb_error(result: FitResult, truth: Tensor) -> float:
    """Mean distance of the unseen limbs' points, when all points are aligned."""
    true = truth[:, TRUE_POINTS]
    distance = (similarity_align(result.points3d[:, TRUE_POINTS], true) - true).norm(dim=-1)
    own = torch.zeros_like(distance)
    for person, limb in enumerate(limbs_of(len(truth))):
        own[person, [TRUE_POINTS.index(p) for p in limb.points if p in TRUE_POINTS]] = 1.0
    return MILLIMETRES * float((distance * own).sum() / own.sum())


def photo_figures(result: FitResult) -> dict[str, float]:
    """Shares of the people of photos near their keypoints, and medians in percent of their box."""
    percent = quality.reprojection_percent(result.keypoints, result.points2d)
    scored = quality.confident_body_points(result.keypoints) >= quality.ENOUGH_BODY_POINTS
    found: dict[str, float] = {}
    for limit in PHOTO_LIMITS:
        within = (percent.body[scored] <= limit).float().mean()
        found[f"photos within {limit:g} %"] = float(within)
    for part in ("body", "hands", "face"):
        found[f"{part} %"] = float(getattr(percent, part)[scored].nanmedian())
    return found


def people_of(asked: argparse.Namespace) -> dict[str, Sample]:
    """Those of `benchmarks.real` that are hard, and one limb hidden of the generated ones."""
    found = samples(asked)
    hard = {name: found[name] for name in ("real", "multiview", "photos") if name in found}
    whole = found["real"]
    hidden = [limb.points for limb in limbs_of(asked.count)]
    lacking = Sample(without(whole.keypoints, hidden), whole.camera, whole.points)
    return hard | {LIMB: lacking}


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
    people = people_of(asked)
    rows: dict[str, dict[str, float]] = {}
    first = 0.0
    for name, config in settings(load_preset(asked.preset)).items():
        figures, seconds = row(config, people)
        first = first or seconds
        rows[name] = figures | {"seconds": seconds / first}
    print(f"{platform.machine()}, torch {torch.__version__}; {asked.preset}, {asked.count} people")
    print(table("What each term buys in depth: mm, shares, percent", rows))


if __name__ == "__main__":
    main()
