"""How far MediaPipe's points in metres lie from the true ones, along the view and across it.

    python -m priors.recipes.predictions.mediapipe_error [--count 400] [--task FILE]
        [--mocap FOLDER] [--multiview FOLDER] [--out FILE]

Truth is known of pictures of our own body (see `recipes.detectors.renders`), which the card is made
from, and of one man whom four cameras saw, who is the check. Both are put into the axes of
MediaPipe's crop: those of a camera that looks straight at the middle of the box. Scale and place
are fitted by the body's points, the rotation is not: MediaPipe's is part of what it says, and its
error is told of its own. Prints both tables; `--out` writes the card.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import yaml
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation

from benchmarks.multiview import read_multiview, video_frames
from priors.recipes.detectors.landmarker import TASK
from priors.recipes.detectors.renders import MOCAP, SEED, VIEWS, picture
from smplifyx.body import skinning
from smplifyx.body.joints import sideless
from smplifyx.body.loading.files import load_body
from smplifyx.data.mocap import heldout_poses
from smplifyx.data.synthetic import generate_people
from smplifyx.evidence.pose_estimate import BONES
from smplifyx.keypoints import names
from smplifyx.predict import PeopleDetector, open_detector
from smplifyx.predict.people_detector import Detected
from smplifyx.predictions.source_errors import BONE_KINDS

MULTIVIEW = Path("../shared/data/multiview")
EVERY = 4  # frames of the multiview videos
FEWEST = 8  # body points of a person
FARTHEST = 0.15  # median distance in the picture, of the person's size: beyond, somebody else
TURNED = 90.0  # degrees: whoever is turned farther was taken for facing the other way
MEDIAN_LENGTH = (2 * np.log(2)) ** 0.5  # of two axes with sigma 1
MEDIAN_SIZE = 0.6745  # of one axis with sigma 1
GROSS_SIGMAS = 3.0
# Chosen on 110 other renders, fitted to MediaPipe's own keypoints: PA-MPJPE without a prediction
# 49.7 mm, with errors as measured 49.7, twice as large 49.3, four times 48.8, eight times 48.7.
# MediaPipe reads depth from the same pose as the fit does, so the two are not independent.
ENLARGED = 4.0
COMMAND = "python -m priors.recipes.predictions.mediapipe_error"
WHAT = (
    "errors of MediaPipe's points in metres against the true ones, left and right together, on pictures of the "
    "built-in body; scale and place fitted by the body's points, rotation not. across_m: sigma of each of the two "
    "axes across the view, from the median length; depth_m: sigma along it, from the median size; bias_depth_m: its "
    f"median; gross: share beyond {GROSS_SIGMAS:g} sigma in depth; turned_*: of the whole body, degrees, about the picture's "
    "axes, sigma from the median size; turned_round: share beyond "
    f"{TURNED:g} degrees, left out of the others; scale: median of true size by told size, and its sigma"
)


def _exchanged(name: str) -> str:
    """The name of the point on the other side."""
    if name.startswith("left_"):
        return name.replace("left_", "right_", 1)
    return name.replace("right_", "left_", 1)


# of each point that on the other side; the face's parts are left where they are
EXCHANGED = [names.POINT_INDEX.get(_exchanged(name), i) for i, name in enumerate(names.POINT_NAMES)]


@dataclass
class Sample:
    """People whose points are told and known, both in the axes of the crop, metres."""

    told: list[Float[np.ndarray, "137 3"]] = field(default_factory=list)
    true: list[Float[np.ndarray, "137 3"]] = field(default_factory=list)
    looked_at: int = 0

    def add(
        self,
        found: Sequence[Detected],
        true: Float[np.ndarray, "137 3"],
        K: Float[np.ndarray, "3 3"],
    ) -> None:
        """Adds the person of a picture, true in the camera's frame, if that one was found."""
        self.looked_at += 1
        projected = true @ K.T
        places = projected[:, :2] / projected[:, 2:]
        for person in found:
            if person.prediction is not None and _is_at(person.keypoints, places):
                to_crop = crop_axes(person.prediction.box, K)
                self.told.append(person.prediction.points.astype(float))
                self.true.append(true @ to_crop.T)
                return


def crop_axes(
    box: Float[np.ndarray, " 4"], K: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "3 3"]:
    """The rotation from the camera's axes to those of one that looks at the middle of the box."""
    middle = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, 1.0])
    ray = np.linalg.solve(K.astype(float), middle)
    ray /= np.linalg.norm(ray)
    axis = np.cross(ray, [0.0, 0.0, 1.0])
    sine = np.linalg.norm(axis)
    if sine < 1e-9:
        return np.eye(3)
    return Rotation.from_rotvec(axis / sine * np.arctan2(sine, ray[2])).as_matrix()


def of_renders(detector: PeopleDetector, count: int, mocap: Path) -> Sample:
    """Pictures of our own body."""
    body = load_body(None)
    own = load_body(None, detector="mediapipe")
    poses = heldout_poses(mocap, body.joint_template.double().numpy())
    people = generate_people(body, poses, count, SEED, VIEWS)
    with torch.no_grad():
        true = skinning.points(own, people.truth).double().numpy()
    sample = Sample()
    for person in range(count):
        found = detector.detect(picture(body, people, person))
        sample.add(found, true[person], people.camera.K[person].double().numpy())
    return sample


def of_multiview(detector: PeopleDetector, folder: Path) -> Sample:
    """One man whom four cameras saw."""
    seen = read_multiview(folder, EVERY)
    sample = Sample()
    for camera in sorted({camera for camera, _ in seen.views}):
        rows = {frame: row for row, (number, frame) in enumerate(seen.views) if number == camera}
        for frame, image in video_frames(folder, camera, rows):
            row = rows[frame]
            true = seen.points[row].double().numpy()
            sample.add(detector.detect(image), true, seen.camera.K[row].double().numpy())
    return sample


def card_of(sample: Sample) -> dict[str, object]:
    """What is known of the errors."""
    told, true = np.stack(sample.told), np.stack(sample.true)
    both = np.isfinite(told).all(-1) & np.isfinite(true).all(-1)
    whole = both.copy()
    whole[:, names.BODY.stop :] = False
    usable = whole.sum(1) >= FEWEST
    told, true, both, whole = told[usable], true[usable], both[usable], whole[usable]
    turns = np.array([_turn(t, u, w) for t, u, w in zip(told, true, whole, strict=True)])
    is_round = np.linalg.norm(turns, axis=1) > TURNED
    scales = np.zeros(len(told))
    errors = np.full(told.shape, np.nan)
    for person in np.flatnonzero(~is_round):
        scales[person], placed = _placed(told[person], true[person], whole[person])
        errors[person] = placed - true[person]
    around = turns[~is_round]
    sizes = scales[~is_round]
    return {
        "people": {"looked_at": sample.looked_at, "found": len(sample.told), "used": len(told)},
        "scale": _rounded(np.median(sizes)),
        "scale_sigma": _rounded(_sigma(sizes - np.median(sizes))),
        "turned_round": _rounded(is_round.mean()),
        "turned_x_degrees": _rounded(_sigma(around[:, 0])),
        "turned_y_degrees": _rounded(_sigma(around[:, 1])),
        "turned_z_degrees": _rounded(_sigma(around[:, 2])),
        "points": _of_points(errors),
        "bones": _of_bones(errors),
    }


def table_of(card: dict[str, object]) -> str:
    """The card in lines."""
    lines = [f"{key}: {value}" for key, value in card.items() if key not in ("points", "bones")]
    lines.append(
        f"{'point':14s}{'n':>6s}{'across mm':>11s}{'depth mm':>10s}{'bias mm':>9s}{'gross':>7s}"
    )
    points = card["points"]
    assert isinstance(points, dict)
    for name, row in points.items():
        across, depth, bias = (1000 * row[key] for key in ("across_m", "depth_m", "bias_depth_m"))
        lines.append(
            f"{name:14s}{row['n']:6d}{across:11.0f}{depth:10.0f}{bias:9.0f}{row['gross']:7.2f}"
        )
    return "\n".join(lines)


def _is_at(keypoints: Float[np.ndarray, "137 3"], places: Float[np.ndarray, "137 2"]) -> bool:
    """Whether keypoints are of the person whose points are there in the picture, perhaps with left
    and right exchanged: whoever is taken for facing the other way counts as found.
    """
    is_seen = (keypoints[:, 2] > 0) & np.isfinite(places).all(1)
    is_seen[names.BODY.stop :] = False
    if is_seen.sum() < FEWEST:
        return False
    size = np.linalg.norm(np.ptp(places[is_seen], axis=0))
    for order in (range(names.COUNT), EXCHANGED):
        apart = np.linalg.norm(keypoints[:, :2] - places[list(order)], axis=1)[is_seen]
        if np.median(apart) < FARTHEST * size:
            return True
    return False


def _turn(
    told: Float[np.ndarray, "137 3"],
    true: Float[np.ndarray, "137 3"],
    used: Bool[np.ndarray, " 137"],
) -> Float[np.ndarray, " 3"]:
    """The rotation that takes what is told to the truth, best, as axis times degrees."""
    ours = told[used] - told[used].mean(0)
    theirs = true[used] - true[used].mean(0)
    turn, _ = Rotation.align_vectors(theirs, ours)
    return turn.as_rotvec(degrees=True)


def _placed(
    told: Float[np.ndarray, "137 3"],
    true: Float[np.ndarray, "137 3"],
    used: Bool[np.ndarray, " 137"],
) -> tuple[float, Float[np.ndarray, "137 3"]]:
    """The best scale, and what is told in that scale and at the true place."""
    middle_told, middle_true = told[used].mean(0), true[used].mean(0)
    ours, theirs = told - middle_told, true - middle_true
    scale = float((ours[used] * theirs[used]).sum() / (ours[used] ** 2).sum())
    return scale, scale * ours + middle_true


def _of_points(errors: Float[np.ndarray, "n 137 3"]) -> dict[str, dict[str, float]]:
    """A row for each kind of body point, and one for each joint of the fingers."""
    kinds: dict[str, list[int]] = {}
    for index, name in enumerate(names.POINT_NAMES[: names.RIGHT_HAND.stop]):
        kinds.setdefault(sideless(name), []).append(index)
    rows: dict[str, dict[str, float]] = {}
    for kind, indices in kinds.items():
        own = errors[:, indices].reshape(-1, 3)
        own = own[np.isfinite(own).all(1)]
        if len(own) < FEWEST:
            continue
        depth = _sigma(own[:, 2])
        rows[kind] = {
            "n": len(own),
            "across_m": _rounded(np.median(np.linalg.norm(own[:, :2], axis=1)) / MEDIAN_LENGTH),
            "depth_m": _rounded(depth),
            "bias_depth_m": _rounded(np.median(own[:, 2])),
            "gross": _rounded((np.abs(own[:, 2]) > GROSS_SIGMAS * depth).mean()),
        }
    return rows


def _of_bones(errors: Float[np.ndarray, "n 137 3"]) -> dict[str, list[float]]:
    """Of each kind of bone, metres: sigma of each of the two axes across the view, and along it."""
    kinds: dict[str, list[np.ndarray]] = {}
    for kind, (end, start) in zip(BONE_KINDS, BONES, strict=True):
        kinds.setdefault(kind, []).append(errors[:, end] - errors[:, start])
    rows: dict[str, list[float]] = {}
    for kind, found in kinds.items():
        own = np.concatenate(found)
        own = own[np.isfinite(own).all(1)]
        if len(own) >= FEWEST:
            across = np.median(np.linalg.norm(own[:, :2], axis=1)) / MEDIAN_LENGTH
            rows[kind] = [_rounded(across), _rounded(_sigma(own[:, 2]))]
    rows.setdefault("small_toe", rows["big_toe"])  # MediaPipe has none: nothing reads it
    return rows


def _sigma(errors: Float[np.ndarray, " n"]) -> float:
    return float(np.median(np.abs(errors)) / MEDIAN_SIZE)


def _rounded(value: float) -> float:
    return round(float(value), 4)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--task", type=Path, default=TASK, help="MediaPipe's models")
    parser.add_argument("--mocap", type=Path, default=MOCAP)
    parser.add_argument("--multiview", type=Path, default=MULTIVIEW)
    parser.add_argument("--out", type=Path, help="where the card goes")
    asked = parser.parse_args(arguments)

    torch.set_num_threads(1)
    detector = open_detector(asked.task)
    check = card_of(of_multiview(detector, asked.multiview))
    print("one man in four cameras\n", table_of(check), sep="", flush=True)
    card = card_of(of_renders(detector, asked.count, asked.mocap))
    print("\npictures of the body\n", table_of(card), sep="", flush=True)
    if asked.out is not None:
        source = (
            f"MediaPipe {version('mediapipe')} (pose landmarks full, holistic) on {asked.count} renders of the embedded "
            "body in held-out poses; multiview: one man seen by four calibrated cameras (Pose2Sim, "
            "BSD-3), 99 pictures"
        )
        content = {
            "system": "mediapipe",
            "axes": "crop",
            "what": WHAT,
            "source": source,
            "enlarged": ENLARGED,
            "licence": "Apache-2.0 (only statistics)",
            "command": f"{COMMAND} --count {asked.count} --out priors/predictions/mediapipe.yaml",
            **card,
            "multiview": check,
        }
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(yaml.safe_dump(content, sort_keys=False, width=120))


if __name__ == "__main__":
    main()
