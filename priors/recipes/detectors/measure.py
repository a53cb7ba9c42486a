"""Where MediaPipe's points lie from those of real people's bodies, and what its own points gain.

    python -m priors.recipes.detectors.measure [--photos FOLDER] [--views FOLDER] [--every 4]
        [--task FILE]

The people of `FOLDER/keypoints` (OpenPose's files) are fitted with the default preset, and
MediaPipe looks at the same people in `FOLDER/images`. Prints where its points lie from the fitted
body's, in the frames of the bones, as `renders` does for pictures of our own body; and what is left
with the points of `mediapipe_points`, for every second photo and for the others. The same for one
man before four cameras, every so manieth frame (`benchmarks.multiview`; his face is blurred).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.quality import fit_in_batches
from smplifyx.body.loading.files import load_body
from smplifyx.body.model import BodyModel
from smplifyx.config import load_preset

from .landmarker import TASK, Landmarker
from .offsets import Looks, gains_table, offsets_table
from .photos import BothDetectors, look_again, look_at_views

PHOTOS = Path("../shared/data/photos_openpose")
VIEWS = Path("../shared/data/multiview")
OPENPOSE_SURE = 0.3  # confidence: elsewhere the fit does not know where the point is


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--views", type=Path, default=VIEWS)
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--task", type=Path, default=TASK, help="MediaPipe's models")
    asked = parser.parse_args(arguments)

    torch.set_num_threads(1)
    body = load_body(None)
    landmarker = Landmarker(asked.task)
    people = look_again(asked.photos, landmarker)
    looks = looks_at_fits(people, body)
    print(f"people whom both detectors see: {len(people.openpose.names)}\n")
    print(offsets_table(looks, body))
    own = load_body(None, detector="mediapipe")
    for half, chosen in halves_by_photo(asked.photos, people.openpose.names).items():
        print(f"\nmedian of what is left, mm; {half} photos\n")
        print(gains_table(looks.of(chosen), body, own))

    views = looks_at_fits(look_at_views(asked.views, landmarker, asked.every), body)
    print(f"\nviews of one man: {len(views.points)}\n")
    print(offsets_table(views, body))
    print("\nmedian of what is left, mm\n")
    print(gains_table(views, body, own))


def looks_at_fits(people: BothDetectors, body: BodyModel) -> Looks:
    """MediaPipe's points against the bodies that are fitted to OpenPose's."""
    seen = people.openpose
    fits, _ = fit_in_batches(seen.keypoints, seen.camera, body, load_preset("smplx"))
    points = people.mediapipe.keypoints
    is_known = seen.keypoints.confidence > OPENPOSE_SURE
    points = points.replace(confidence=points.confidence * is_known)
    return Looks(points, seen.camera, fits.params, fits.points3d)


def halves_by_photo(photos: Path, people: Sequence[str]) -> dict[str, list[int]]:
    """The places of the people of every second of the sorted photos, and of the others."""
    stems = sorted(path.stem for path in (photos / "images").iterdir())
    found: dict[str, list[int]] = {"even": [], "odd": []}
    for place, name in enumerate(people):
        is_odd = stems.index(name.rpartition("#")[0]) % 2
        found["odd" if is_odd else "even"].append(place)
    return found


if __name__ == "__main__":
    main()
