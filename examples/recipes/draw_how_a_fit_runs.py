"""Draws docs/images/how_a_fit_runs.jpg: one person after each stage of `smplx`.

    python examples/recipes/draw_how_a_fit_runs.py --out docs/images/how_a_fit_runs.jpg

Above each body over its keypoints, below the same body turned by 90 degrees: what the image does
not show. The person is generated (examples/data), so everything in the picture is ours.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from smplifyx import Camera, Fitter, Keypoints, load_body, load_preset, read_frames, viz
from smplifyx.body import skinning
from smplifyx.fitting.watching import StageReport
from smplifyx.readers.intrinsics import camera_for, options_for

DATA = Path(__file__).parent.parent / "data"
TILE = 300  # pixels: the width and the height of one picture
HEADER = 44  # pixels above each column
INK, PAPER = (40, 42, 46), (255, 255, 255)


def main() -> None:
    """Fits the person, watching; draws a column for each stage."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/images/how_a_fit_runs.jpg"))
    parser.add_argument(
        "--person", default="generated_01", help="a file of examples/data/keypoints"
    )
    options = parser.parse_args()

    keypoints_file = DATA / "keypoints" / f"{options.person}_keypoints.json"
    frame = next(iter(read_frames(keypoints_file)))
    keypoints = Keypoints.from_array(frame.people[0].keypoints[None])
    camera = camera_for(frame, options_for(keypoints_file))[0]

    reports: list[StageReport] = []
    fitter = Fitter.of(load_body(), load_preset("smplx"))
    fitter.fit(keypoints, Camera.stack([camera]), watch=reports.append)

    columns = [_column(fitter, keypoints, camera, report) for report in reports]
    viz.write_image(options.out, np.concatenate(columns, axis=1))
    print(f"{len(columns)} stages: {options.out}")


def _column(
    fitter: Fitter, keypoints: Keypoints, camera: Camera, report: StageReport
) -> np.ndarray:
    """Name and energy, the body over its keypoints, the body from its side."""
    body = fitter.setup.body
    vertices = skinning.vertices(body, report.bodies)[0]
    points = camera.project(skinning.points(body, report.bodies)[0])
    figure = viz.Figure(viz.person_colour(0), vertices, keypoints.to_array()[0], points)
    image, figures, small_camera = viz.shrink(None, [figure], camera, TILE)
    seen = viz.overlay(image, figures, body.faces, small_camera)
    seen = viz.draw_points(seen, figures)
    turned = viz.side_view([viz.Figure(figure.colour, vertices)], body.faces, (TILE, TILE))
    tiles = [
        cv2.resize(tile, (TILE, TILE), interpolation=cv2.INTER_AREA) for tile in (seen, turned)
    ]
    header = np.full((HEADER, TILE, 3), PAPER, np.uint8)
    text = f"{report.stage}: energy {float(report.energy[0]):.0f}"
    cv2.putText(header, text, (10, 28), cv2.FONT_HERSHEY_SIMPLEX, 0.6, INK, 1, cv2.LINE_AA)
    return np.concatenate([header, *tiles], axis=0)


if __name__ == "__main__":
    main()
