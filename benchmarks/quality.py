"""Quality in 2D on real photos and in 3D on generated people, at once and with one setting.

    python -m benchmarks.quality --photos FOLDER --mocap FOLDER [--preset smplx ...] [--count 256]

`--photos`: a folder with `keypoints/` (OpenPose JSON) and `images/`. `--mocap`: the folder of the
CMU archive; poses of subjects 13 and 14 (never trained on) are put on the embedded body with random
shapes, hands, faces and cameras. 2D error alone rewards the worst 3D, so neither table is read
without the other.
"""

from __future__ import annotations

import argparse
import platform
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from smplifyx.body.loading.files import load_body
from smplifyx.body.model import BodyModel
from smplifyx.camera import Camera
from smplifyx.config import FitConfig, HandPrior, load_preset
from smplifyx.data.mocap import heldout_poses
from smplifyx.data.synthetic import GeneratedPeople, GenerateOptions, generate_people
from smplifyx.evaluation.metrics import person_errors
from smplifyx.fitting import quality
from smplifyx.fitting.fit import fit
from smplifyx.fitting.quality import offsets_m
from smplifyx.fitting.result import FitResult
from smplifyx.keypoints import Keypoints, names
from smplifyx.readers.folder import read_frames
from smplifyx.readers.intrinsics import camera_for, options_for

BATCH = 64
WITHIN = 2.0  # percent of the keypoint box's diagonal
GROSS = 150.0  # mm


@dataclass(frozen=True)
class Photos:
    """Everybody in a folder of photos."""

    keypoints: Keypoints
    camera: Camera
    names: tuple[str, ...]


def read_photos(folder: Path) -> Photos:
    """All people of `folder/keypoints` with the default cameras of `folder/images`."""
    return read_people(folder / "keypoints", folder / "images")


def read_people(source: Path, images: Path | None) -> Photos:
    """All people of the keypoint files `source` with the default cameras of `images`."""
    people, cameras, who = [], [], []
    options = options_for(source)
    for frame in read_frames(source, images):
        for person in frame.people:
            people.append(torch.as_tensor(person.keypoints))
            cameras.append(camera_for(frame, options)[0])
            who.append(f"{frame.stem}#{person.index}")
    return Photos(Keypoints.from_array(torch.stack(people)), Camera.stack(cameras), tuple(who))


def read_generated(
    body: BodyModel, mocap: Path, count: int, seed: int = 0, hands: HandPrior = HandPrior.RECORDED
) -> GeneratedPeople:
    """`count` people in held-out poses, moved until they do not pass through themselves."""
    poses = heldout_poses(mocap, body.joint_template.double().numpy())
    return generate_people(body, poses, count, seed, GenerateOptions(hands=hands, solid=True))


def fit_in_batches(
    keypoints: Keypoints, camera: Camera, body: BodyModel, config: FitConfig
) -> tuple[FitResult, float]:
    """The fits and the seconds they took, in batches of 64."""
    start = time.perf_counter()
    parts = [
        fit(keypoints[at : at + BATCH], camera[at : at + BATCH], body, config)
        for at in range(0, len(keypoints.confidence), BATCH)
    ]
    return FitResult.cat(parts), time.perf_counter() - start


def errors_m(result: FitResult) -> Float[Tensor, "n 137"]:
    """Detections' distances from the fitted points, metres at the points' distances."""
    return offsets_m(result.keypoints, result.camera, result.points3d).norm(dim=-1)


def guessed(camera: Camera) -> Camera:
    """The default cameras for the same images: focal length = image diagonal."""
    return Camera.from_focal(camera.image_size.norm(dim=-1), camera.image_size)


def above_the_hips(keypoints: Keypoints) -> Keypoints:
    """The same people cut off at the hips: hips, legs and feet unseen."""
    below = ("hip", "knee", "ankle", "toe", "heel")
    hidden = [i for i, name in enumerate(names.BODY_NAMES) if name.endswith(below)]
    return keypoints.replace(
        confidence=keypoints.confidence.index_fill(-1, torch.tensor(hidden), 0.0)
    )


def photo_row(result: FitResult, photos: Photos) -> dict[str, float]:
    """2D figures over the people with at least eight confident body points."""
    percent = quality.reprojection_percent(photos.keypoints, result.points2d)
    scored = quality.confident_body_points(photos.keypoints) >= quality.ENOUGH_BODY_POINTS
    body = percent.body[scored]
    row = {
        "people": len(scored),
        "scored": int(scored.sum()),
        "within 2%": float((body <= WITHIN).float().mean()),
    }
    row |= {
        f"{part} %": _median(getattr(percent, part)[scored]) for part in ("body", "hands", "face")
    }
    return row | {"p90 body %": float(body.nanquantile(0.9))}


def generated_row(result: FitResult, people: GeneratedPeople, body: BodyModel) -> dict[str, float]:
    """3D figures in mm."""
    errors = person_errors(body, result.params, people.truth)
    row = {"people": len(errors.pa_mpjpe), "PA-MPJPE": float(errors.pa_mpjpe.mean())}
    row |= {
        "p90": float(errors.pa_mpjpe.quantile(0.9)),
        "> 150 mm": float((errors.pa_mpjpe > GROSS).float().mean()),
    }
    row |= {"MPJPE": float(errors.mpjpe.mean()), "PA-V2V": float(errors.pa_v2v.mean())}
    row |= {"hands": float(errors.hands.nanmean()), "face": float(errors.face.nanmean())}
    percent = quality.reprojection_percent(result.keypoints, result.points2d).body
    return row | {
        "facing > 90": float((errors.facing > 90).float().mean()),
        "body %": _median(percent),
    }


def _median(values: Tensor) -> float:
    return float(values.nanmedian())


def table(title: str, rows: dict[str, dict[str, float]]) -> str:
    """Rows by name as Markdown."""
    columns = list(next(iter(rows.values())))
    lines = [f"\n{title}\n", "| |" + "|".join(columns) + "|", "|---|" + "---|" * len(columns)]
    for name, row in rows.items():
        lines.append(
            f"|{name}|"
            + "|".join(f"{row[c]:.3g}" if row[c] < 1000 else f"{row[c]:.0f}" for c in columns)
            + "|"
        )
    return "\n".join(lines)


def main() -> None:
    """Prints both tables for every preset asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, default=Path("../shared/data/photos_openpose"))
    parser.add_argument("--mocap", type=Path, default=Path("../shared/data/mocap"))
    parser.add_argument("--preset", nargs="+", default=["smplx"])
    parser.add_argument("--count", type=int, default=256)
    parser.add_argument(
        "--hands",
        type=HandPrior,
        default=HandPrior.RECORDED,
        help="where generated hands come from",
    )
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    body = load_body(None)
    photos, people = (
        read_photos(options.photos),
        read_generated(body, options.mocap, options.count, hands=options.hands),
    )
    in_2d, in_3d = {}, {}
    for name in options.preset:
        config = load_preset(name)
        result, seconds = fit_in_batches(photos.keypoints, photos.camera, body, config)
        in_2d[name] = photo_row(result, photos) | {"people/s": len(photos.names) / seconds}
        views = {"true focal": (people.keypoints, people.camera)}
        views["guessed focal"] = (people.keypoints, guessed(people.camera))
        views["upper body only"] = (above_the_hips(people.keypoints), people.camera)
        for title, (keypoints, camera) in views.items():
            result, seconds = fit_in_batches(keypoints, camera, body, config)
            in_3d[f"{name}, {title}"] = generated_row(result, people, body) | {
                "people/s": options.count / seconds
            }
    print(
        f"{platform.machine()}, {options.threads} threads, torch {torch.__version__}, batches of {BATCH}"
    )
    print(table("Photos: medians of body, hands, face in % of the keypoint box's diagonal", in_2d))
    print(
        table(
            "Generated people (held-out poses, 2 px noise at 1000 px, 10 % of points dropped): mm",
            in_3d,
        )
    )


if __name__ == "__main__":
    main()
