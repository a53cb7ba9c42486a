"""Who is drawn, and in front of whom."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_scenes import BLUE, CAMERA, GREEN, PHOTO, RED, RENDERERS, SIZE, sphere

from smplifyx.viz import Figure, Renderer, overlay, panel


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_nearer_person_hides_the_farther_in_any_order(
    renderer: Renderer, order: tuple[int, int]
) -> None:
    near, faces = sphere((-0.2, 0, 2.0), 0.4)
    far, _ = sphere((0.2, 0, 3.0), 0.8)
    people = [Figure(RED, near), Figure(BLUE, far)]
    picture = overlay(PHOTO, [people[i] for i in order], faces, CAMERA, renderer)
    red, _, blue = picture[57, 70].astype(int)
    assert red > 80 > blue
    red, _, blue = picture[57, 115].astype(int)
    assert blue > 60 > red


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize(
    "vertices",
    [
        sphere((0, 0, -3.0))[0],
        sphere((0, 0, 0.0))[0],
        sphere((9.0, 0, 2.0))[0],
        np.full((642, 3), np.nan),
        sphere((0, 0, 1e6))[0],
    ],
    ids=["behind", "around", "beside", "nan", "too far"],
)
def test_people_who_cannot_be_seen_do_not_crash(renderer: Renderer, vertices: np.ndarray) -> None:
    seen, faces = sphere((0, 0, 2.0))
    both = overlay(PHOTO, [Figure(RED, vertices), Figure(GREEN, seen)], faces, CAMERA, renderer)
    assert both.shape == PHOTO.shape and both.dtype == np.uint8
    assert panel(PHOTO, [Figure(RED, vertices)], faces, CAMERA, renderer).shape[0] == SIZE[1]
