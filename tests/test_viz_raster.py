"""The software renderer: exact coverage, no seams, bounded memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from drawn_scenes import FILLS, SIZE, K, filled, lit, quad, scenes, sphere

from smplifyx.viz import raster, zbuffer
from smplifyx.viz.raster import rasterise


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize(
    "box",
    [
        (30, 20, 70, 45),
        (0, 0, 160, 120),
        (-50, -50, 12, 300),
        (30.5, 20.5, 70.5, 45.5),
        (9, 9, 9.5, 10),
    ],
)
def test_quad_covers_its_very_pixels(fill: zbuffer.Fill, box: tuple[float, ...]) -> None:
    layer = rasterise(quad(*box), K, SIZE, fill=fill)
    left, top, right, bottom = np.clip(box, 0, (*SIZE, *SIZE))
    x, y = np.arange(SIZE[0]), np.arange(SIZE[1])
    across = np.clip(np.minimum(x + 1, right) - np.maximum(x, left), 0, 1)
    down = np.clip(np.minimum(y + 1, bottom) - np.maximum(y, top), 0, 1)
    np.testing.assert_allclose(filled(layer), down[:, None] * across, atol=1e-6)
    np.testing.assert_allclose(layer.depth[layer.alpha > 0], 2.0, rtol=1e-4)
    np.testing.assert_allclose(layer.colour, np.repeat(layer.alpha[..., None], 3, -1), atol=1e-5)


@pytest.mark.parametrize("fill", FILLS)
def test_coverage_is_the_area(fill: zbuffer.Fill) -> None:
    layer = rasterise(lit(*sphere((0, 0, 3.0))), K, SIZE, fill=fill)
    # of the sphere's outline, near the axis
    disc = np.pi * K[0, 0] * K[1, 1] * 0.5**2 / (3.0**2 - 0.5**2)
    assert layer.alpha.sum() == pytest.approx(disc, rel=0.01)
    assert ((layer.alpha > 0) & (layer.alpha < 1)).sum() > 50
    assert (layer.colour <= layer.alpha[..., None] + 1e-6).all()


def test_bands_make_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = scenes()["two spheres"]
    whole = rasterise(mesh, K, SIZE)
    monkeypatch.setattr(raster, "BAND", 4000)
    monkeypatch.setattr(zbuffer, "CHUNK", 500)
    for fill in (zbuffer.best_fill(), zbuffer.fill_numpy):
        assert np.abs(rasterise(mesh, K, SIZE, fill=fill).alpha - whole.alpha).mean() < 1e-3


@pytest.mark.parametrize("fill", FILLS)
def test_huge_close_up_stays_within_memory(fill: zbuffer.Fill) -> None:
    """3 megapixels covered twice by faces nearly as large as the image; unbounded temporaries would
    take gigabytes.
    """
    size, close = (2000, 1500), np.array([[2e4, 0, 1000], [0, 2e4, 750], [0, 0, 1.0]])
    tracemalloc.start()
    layer = rasterise(lit(*sphere((0, 0, 0.6))), close, size, fill=fill)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert layer.alpha.shape == (1500, 2000) and (layer.alpha == 1).all()
    assert peak < 350e6
