"""Overlays and panels: where the camera projects, at any size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from drawn_scenes import BLACK, CAMERA, PHOTO, RED, RENDERERS, SIZE, sphere

from smplifyx.camera import Camera
from smplifyx.viz import Figure, Renderer, overlay, panel, shrink


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("centre", [(0.0, 0, 3), (0.6, -0.4, 2.5), (-1.0, 0.5, 4)])
def test_drawn_where_the_camera_projects(
    renderer: Renderer, centre: tuple[float, float, float]
) -> None:
    vertices, faces = sphere(centre, 0.1)
    picture = overlay(PHOTO, [Figure(BLACK, vertices)], faces, CAMERA, renderer, opacity=1.0)
    rows, columns = np.nonzero((picture != PHOTO).any(-1))
    drawn = (columns.mean() + 0.5, rows.mean() + 0.5)
    expected = CAMERA.project(torch.tensor([centre], dtype=torch.float64))[0]
    np.testing.assert_allclose(drawn, expected, atol=0.35)


def test_nobody_leaves_the_photo_alone() -> None:
    faces = sphere((0, 0, 1))[1]
    assert (overlay(PHOTO, [], faces, CAMERA) == PHOTO).all()
    assert (overlay(PHOTO, [Figure(RED)], faces, CAMERA) == PHOTO).all()


def test_photo_of_another_size_is_refused() -> None:
    faces = sphere((0, 0, 1))[1]
    with pytest.raises(ValueError, match=r"160x120 pixels, got uint8 \[10, 20, 3\]"):
        overlay(np.zeros((10, 20, 3), np.uint8), [], faces, CAMERA)
    with pytest.raises(ValueError, match="expected one camera"):
        overlay(None, [], faces, Camera(K=CAMERA.K[None], image_size=CAMERA.image_size[None]))


@pytest.mark.parametrize("lens", [1.0, 0.5])
def test_shrunken_scene_is_the_same_scene(lens: float) -> None:
    vertices, faces = sphere((0.2, 0, 3.0))
    points = np.tile([80.0, 40.0, 0.9], (137, 1))
    person = Figure(RED, vertices, points, points[:, :2])
    image, (small,), camera = shrink(PHOTO, [person], CAMERA, round(160 * lens))
    assert image.shape == (120 * lens, 160 * lens, 3) and camera.image_size.tolist() == [
        160 * lens,
        120 * lens,
    ]
    np.testing.assert_allclose(small.keypoints[0], [80 * lens, 40 * lens, 0.9])
    np.testing.assert_allclose(small.points2d[0], [80 * lens, 40 * lens])
    drawn = [
        np.argwhere((overlay(None, [p], faces, c) != 244).all(-1)).mean(0)
        for p, c in ((person, CAMERA), (small, camera))
    ]
    np.testing.assert_allclose(drawn[1], drawn[0] * lens, atol=1)


def test_panel_without_a_photo_shows_keypoints() -> None:
    keypoints = np.tile([50.0, 50.0, 1.0], (137, 1))
    picture = panel(
        None, [Figure(RED, keypoints=torch.tensor(keypoints))], sphere((0, 0, 1))[1], CAMERA
    )
    assert picture.shape[0] == SIZE[1] and picture.shape[1] > 2 * SIZE[0]
    assert tuple(picture[50, 50]) == (255, 214, 10)
