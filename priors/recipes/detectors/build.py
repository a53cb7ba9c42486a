"""Make the cards of `priors/detectors/`: how far a detector's points lie from the body's.

    python -m priors.recipes.detectors.build [--detector openpose|mediapipe] [--folders FOLDER ...]
        [--task FILE] [--out FILE]

People who were detected in photos are fitted with the pose prior at its full weight in every
stage, so that it does not bend to the data. What is left between detections and the fitted body is
taken as the detector's error, in metres at the point's depth: pixels * depth / focal length. A fit
follows its data, so that true errors are larger than these.

OpenPose's people come from folders of its files. MediaPipe looks at the pictures itself, which
needs its package and models (`--task`, see `landmarker`): in folders with `keypoints/` and
`images/` at the people whom OpenPose has found, in others at one person of each picture and of
some frames of each video.

Only statistics are kept: of nobody a single point.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
import yaml

from benchmarks.multiview import read_multiview
from benchmarks.points import read_folder
from benchmarks.quality import Photos, errors_m, fit_in_batches
from smplifyx.body.loading.files import load_body
from smplifyx.body.model import BodyModel
from smplifyx.config import FitConfig, StageConfig, load_preset
from smplifyx.data.detector_noise import (
    BAND_EDGES,
    BANDS,
    GROSS_SIGMAS,
    GROUP_INDEX,
    GROUPS,
    load_detector_noise,
)
from smplifyx.data.self_occlusion import hidden_points
from smplifyx.fitting.result import FitResult
from smplifyx.keypoints import names

from .landmarker import TASK, Landmarker
from .photos import people_of
from .together import correlations, hidden_factors

ROOT = Path(__file__).resolve().parents[3]
DATA = Path("../shared/data")
MAN = DATA / "multiview"  # whose true points are known
PRIOR_WEIGHT = 1.0
RAYLEIGH_MEDIAN = (2 * np.log(2)) ** 0.5  # of the length of an error whose axes have sigma 1
FEWEST = 20  # errors that tell a scale
NEVER_SEEN = (1.0, 0.0, 0.0, 0.0)
NONE_ABSENT: Mapping[str, str] = MappingProxyType({})
# the kinds of body points: few of each are hidden, so those are counted together
BODY_GROUPS = tuple(dict.fromkeys(GROUP_INDEX[names.BODY]))
WHAT = (
    "errors of {points} against the fitted body's, left and right together. sigma_m: metres, of each "
    "axis, from the median length of errors by the Rayleigh distribution (median / 1.1774). gross: share beyond "
    f"{GROSS_SIGMAS:g} sigma; gross_m: their median length. sigma_by_confidence_m: sigma at confidences .1-.3, .3-.6, "
    ".6-1. bands: how often a point in the image has a confidence of 0-.1 (unseen), .1-.3, .3-.6, .6-1; bands_hidden: the "
    "same for points behind the person's own body. size_factors: on all sigmas, by the pixels that a metre has at the hips; "
    "from sure body points. Residuals of fits: true errors are somewhat larger. hidden_factor: on sigma behind the own "
    "body, from a man triangulated by four cameras (99 views of OpenPose). shared: correlation of the errors of points that lie "
    "together"
)


@dataclass(frozen=True)
class Recipe:
    """What the card of one detector is made of.

    head: the card's first lines. folders: where its people are, by default. absent: kinds of points
    that it never has, and those whose lengths stand in for theirs.
    """

    head: Mapping[str, str]
    folders: tuple[Path, ...]
    absent: Mapping[str, str] = field(default_factory=dict)


OPENPOSE = Recipe(
    head={
        "what": WHAT.format(points="OpenPose's 137 points"),
        "source": "OpenPose 1.3 (BODY_25, hands, face) on photos of people with half of the body in sight: 44 in photos of COCO "
        "val2014, 22 alone in theirs; fitted with the default preset, pose prior at weight 1",
        "licence": "Apache-2.0 (only statistics)",
        "command": "python -m priors.recipes.detectors.build",
    },
    folders=(DATA / "photos_openpose" / "keypoints", DATA / "single_people_openpose"),
)
MEDIAPIPE = Recipe(
    head={
        "what": WHAT.format(points="MediaPipe's pose, hands and face, as the 137 points,")
        + ". small_toe: MediaPipe has none, so that it is never seen; its lengths and count are the big toe's",
        "source": "MediaPipe 1.2 (holistic, full pose model; confidence is its visibility, and constant for hands and faces that "
        "were found) on real people with half of the body in sight: those of COCO val2014 on whom it agrees with OpenPose, and one "
        "in each of some free pictures and frames of videos; fitted with the default preset on the points where MediaPipe looks, "
        "pose prior at weight 1. On 500 renders of the embedded body (python -m priors.recipes.detectors.renders), whose points "
        "are known, true sigmas are about 1.6 times these (neck 2.3, mid_hip 3.2, wrist .8)",
        "licence": "Apache-2.0 (only statistics)",
        "command": "python -m priors.recipes.detectors.build --detector mediapipe",
    },
    folders=(
        DATA / "photos_openpose",
        DATA / "free_media",
        DATA / "photos_free",
        DATA / "photos_free" / "pexels_license",
    ),
    absent={"small_toe": "big_toe"},
)
RECIPES = MappingProxyType({"openpose": OPENPOSE, "mediapipe": MEDIAPIPE})


@dataclass(frozen=True)
class Errors:
    """Every point of the 137 of fitted people that lies in the image; arrays [n].

    group: its place in GROUPS. band: of its confidence. hidden: behind the own body. length: of the
    error, metres, NaN where it is not seen. size: of the person, pixels per metre at the hips.
    """

    group: np.ndarray
    band: np.ndarray
    hidden: np.ndarray
    length: np.ndarray
    size: np.ndarray


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--detector", choices=tuple(RECIPES), default="openpose")
    parser.add_argument("--folders", nargs="+", type=Path, help="where its people are")
    parser.add_argument("--task", type=Path, default=TASK, help="MediaPipe's models")
    parser.add_argument("--out", type=Path, help="by default priors/detectors/<detector>.yaml")
    asked = parser.parse_args(arguments)

    torch.set_num_threads(1)
    recipe = RECIPES[asked.detector]
    body = load_body(None, detector=asked.detector)
    config = with_full_prior(load_preset("smplx"))
    results, people = [], 0
    for seen in people_of_detector(asked.detector, asked.folders or recipe.folders, asked.task):
        result, _ = fit_in_batches(seen.keypoints, seen.camera, body, config)
        results.append(result)
        people += len(seen.names)
    found = [errors_of(result, body) for result in results]
    errors = Errors(
        *(np.concatenate([getattr(e, f) for e in found]) for f in Errors.__match_args__)
    )
    points = points_of(errors, recipe.absent)
    for name, factor in factors_of_hidden(config).items():
        points[name]["hidden_factor"] = rounded(factor)

    shared = {name: rounded(value) for name, value in correlations(results).items()}
    card = {**recipe.head, "people": people} | sizes_of(errors)
    card |= {"shared": shared, "points": points}
    text = yaml.safe_dump(card, sort_keys=False, width=120, default_flow_style=None)
    out = asked.out or ROOT / "priors" / "detectors" / f"{asked.detector}.yaml"
    out.parent.mkdir(exist_ok=True)
    out.write_text(text, encoding="utf-8")
    load_detector_noise(out)  # it must load
    print(text)


def factors_of_hidden(config: FitConfig) -> dict[str, float]:
    """See `hidden_factors`: of the man whose true points are known, his own body's fitted."""
    man = read_multiview(MAN)
    body = load_body(None, detector=man.detector)
    result, _ = fit_in_batches(man.keypoints, man.camera, body, config)
    return hidden_factors(man, hidden_points(body, result.params, result.points3d).numpy())


def people_of_detector(detector: str, folders: Sequence[Path], task: Path) -> Iterator[Photos]:
    """The people of each folder as that detector sees them."""
    if detector == "openpose":
        yield from map(read_folder, folders)
        return
    landmarker = Landmarker(task)
    for folder in folders:
        yield people_of(folder, landmarker)


def with_full_prior(config: FitConfig) -> FitConfig:
    """The preset with the pose prior at weight 1 wherever it counts at all."""
    return config.model_copy(update={"stages": tuple(_full(stage) for stage in config.stages)})


def _full(stage: StageConfig) -> StageConfig:
    if not stage.weights.pose_prior:
        return stage
    weights = stage.weights.model_copy(update={"pose_prior": PRIOR_WEIGHT})
    return stage.model_copy(update={"weights": weights})


def errors_of(result: FitResult, body: BodyModel) -> Errors:
    """What is left of the points of fits, those of all people after one another."""
    keypoints, camera = result.keypoints, result.camera
    points, projected = result.points3d, result.points2d
    length = errors_m(result).numpy()
    hidden = hidden_points(body, result.params, points).numpy()
    confidence = keypoints.confidence.numpy()
    band = np.clip(np.searchsorted(BAND_EDGES, confidence, side="right") - 1, 0, BANDS - 1)
    within = ((projected >= 0) & (projected < camera.image_size[:, None, :])).all(-1).numpy()
    group = np.broadcast_to(np.array(GROUP_INDEX), band.shape)
    length = np.where(band > 0, length, np.nan)
    hips = points[:, names.POINT_INDEX["mid_hip"], 2]
    size = np.broadcast_to((camera.focal[:, 0] / hips).numpy()[:, None], band.shape)
    return Errors(group[within], band[within], hidden[within], length[within], size[within])


def sizes_of(errors: Errors) -> dict[str, object]:
    """How sigma changes with people's size in the image: of sure body points, in thirds."""
    sure = (errors.band == BANDS - 1) & np.isin(errors.group, BODY_GROUPS)
    relative, size = relative_to_kind(errors, sure)[sure], errors.size[sure]
    edges = np.quantile(size, [1 / 3, 2 / 3])
    third = np.searchsorted(edges, size)
    factors = [rounded(float(np.median(relative[third == i]))) for i in range(3)]
    return {"size_edges_px_per_m": [rounded(edge) for edge in edges], "size_factors": factors}


def relative_to_kind(errors: Errors, chosen: np.ndarray) -> np.ndarray:
    """Every error by the median of the chosen ones of its kind, [n]."""
    relative = errors.length.copy()
    for group in range(len(GROUPS)):
        mine = errors.group == group
        if (mine & chosen).any():
            relative[mine] /= np.median(errors.length[mine & chosen])
    return relative


def points_of(
    errors: Errors, absent: Mapping[str, str] = NONE_ABSENT
) -> dict[str, dict[str, object]]:
    """The card's entries, a kind of point each; `absent` as in `Recipe`."""
    every = np.isfinite(errors.length)
    growth = np.ones(BANDS)  # of sigma by confidence, over all kinds
    relative = relative_to_kind(errors, every)
    for band in range(1, BANDS):
        growth[band] = np.median(relative[every & (errors.band == band)])
    found: dict[str, dict[str, object]] = {}
    for name in GROUPS:
        found[name] = _entry(errors, GROUPS.index(absent.get(name, name)), growth)
        if name in absent:
            found[name] |= {"bands": list(NEVER_SEEN), "bands_hidden": list(NEVER_SEEN)}
    return found


def _entry(errors: Errors, group: int, growth: np.ndarray) -> dict[str, object]:
    mine = errors.group == group
    seen = mine & np.isfinite(errors.length)
    length = errors.length[seen]
    sigma = sigma_of(length)
    by_confidence = []
    for band in range(1, BANDS):
        here = errors.length[seen & (errors.band == band)]
        by_confidence.append(sigma_of(here) if len(here) >= FEWEST else sigma * growth[band])
    gross = length > GROSS_SIGMAS * sigma
    # behind the body there are too few of each kind of body point
    kin = np.isin(errors.group, BODY_GROUPS) if group in BODY_GROUPS else mine
    return {
        "sigma_m": rounded(sigma),
        "gross": rounded(gross.mean()),
        "gross_m": rounded(np.median(length[gross]) if gross.any() else 2 * GROSS_SIGMAS * sigma),
        "sigma_by_confidence_m": [rounded(value) for value in by_confidence],
        "bands": shares_of(errors.band[mine & ~errors.hidden]),
        "bands_hidden": shares_of(errors.band[kin & errors.hidden]),
        "count": int(seen.sum()),
    }


def sigma_of(length: np.ndarray) -> float:
    """The scale of each axis, from the median length of errors in the plane."""
    return float(np.median(length) / RAYLEIGH_MEDIAN)


def shares_of(band: np.ndarray) -> list[float]:
    """How often each band occurs; 2 decimals."""
    return [round(float(share), 2) for share in np.bincount(band, minlength=BANDS) / len(band)]


def rounded(value: float) -> float:
    """To the two digits that some hundred points tell."""
    return float(f"{value:.2g}")


if __name__ == "__main__":
    main()
