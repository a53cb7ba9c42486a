"""pyrender draws what the software renderer draws, or says what mends it."""

from __future__ import annotations

import re
import sys
from types import ModuleType

import cv2
import numpy as np
import pytest
from drawn_scenes import CAMERA, PHOTO, RED, SIZE, K, filled, needs_gl, scenes, sphere

from smplifyx.viz import Figure, Renderer, overlay, pyrender_backend
from smplifyx.viz.raster import rasterise
from smplifyx.viz.scene import composite


@needs_gl
@pytest.mark.parametrize("name", scenes())
def test_pyrender_silhouette_agrees_to_a_pixel(name: str) -> None:
    ours, theirs = (
        filled(draw(scenes()[name], K, SIZE)) for draw in (rasterise, pyrender_backend.rasterise_gl)
    )
    inside, outside = (ours > 0.5).astype(np.uint8), (theirs > 0.5).astype(np.uint8)
    pixel = np.ones((3, 3), np.uint8)
    assert inside.sum() > 500
    assert (
        not (outside & ~cv2.dilate(inside, pixel) & 1).any()
        and not (inside & ~cv2.dilate(outside, pixel) & 1).any()
    )
    assert abs(ours.sum() / theirs.sum() - 1) < 0.01


@needs_gl
def test_pyrender_colours_are_premultiplied_and_equal() -> None:
    ours, theirs = (
        draw(scenes()["two spheres"], K, SIZE)
        for draw in (rasterise, pyrender_backend.rasterise_gl)
    )
    pictures = [composite(PHOTO, layer).astype(int) for layer in (ours, theirs)]
    solid = cv2.erode((filled(ours) == 1).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    assert np.abs(pictures[0] - pictures[1])[solid].mean() < 1
    edge = (filled(theirs) > 0.1) & (filled(theirs) < 0.9)
    # a dark rim would be 60 or more
    assert edge.any() and np.abs(pictures[0] - pictures[1])[edge].mean() < 16


def module_without_gl() -> ModuleType:
    """A pyrender that imports but finds no driver."""
    module = ModuleType("pyrender")
    module.OffscreenRenderer = lambda width, height: 1 / 0
    return module


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (None, r'pip install "smplifyx\[render\]"'),
        (module_without_gl(), "apt-get install -y libegl1 libgl1"),
    ],
    ids=["no pyrender", "no GL"],
)
def test_missing_renderer_says_what_mends_it(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType | None, expected: str
) -> None:
    monkeypatch.setitem(sys.modules, "pyrender", module)
    assert re.search(expected, pyrender_backend.problem())
    with pytest.raises(pyrender_backend.RendererUnavailable, match=expected) as caught:
        overlay(
            PHOTO,
            [Figure(RED, sphere((0, 0, 2.0))[0])],
            sphere((0, 0, 2.0))[1],
            CAMERA,
            Renderer.PYRENDER,
        )
    assert "\n" not in str(caught.value)
