"""The two z-buffers: they agree, and both interpolate in space."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawn_scenes import FILLS, SIZE, K, lit, needs_opencv5, scenes, sphere

from smplifyx.viz import zbuffer
from smplifyx.viz.mesh import Mesh
from smplifyx.viz.raster import rasterise


@needs_opencv5
@pytest.mark.parametrize("name", scenes())
def test_numpy_and_opencv_draw_the_same_image(name: str) -> None:
    ours, theirs = (
        rasterise(scenes()[name], K, SIZE, fill=f)
        for f in (zbuffer.fill_numpy, zbuffer.fill_opencv)
    )
    apart = np.abs(ours.alpha - theirs.alpha) > 1e-6
    assert ours.window == theirs.window and apart.mean() < 1e-3
    same = ~apart & (ours.alpha > 0)
    assert same.sum() > 500
    np.testing.assert_allclose(ours.depth[same], theirs.depth[same], rtol=1e-4)
    np.testing.assert_allclose(ours.colour[same], theirs.colour[same], atol=2e-3)


@pytest.mark.parametrize("fill", FILLS)
def test_slanted_plane_has_the_depth_and_colour_of_its_pixels(fill: zbuffer.Fill) -> None:
    """Both are affine in space, not in the image: the interpolation must be perspective."""
    vertices = np.array([[-1, -1, 1.5], [1, -1, 1.5], [1, 1, 6.0], [-1, 1, 6.0]])
    colours = np.repeat((vertices[:, 2:] - 1.5) / 4.5, 3, 1).astype(np.float32)
    layer = rasterise(
        Mesh(vertices, np.array([[0, 1, 2], [0, 2, 3]]), colours), K, SIZE, supersample=1, fill=fill
    )
    rows, columns = np.nonzero(layer.alpha == 1)
    v = (rows + layer.top + 0.5 - K[1, 2]) / K[1, 1]
    depth = (1.5 + 2.25) / (1 - 2.25 * v)  # z = 1.5 + 2.25 (y + 1) with y = v z
    np.testing.assert_allclose(layer.depth[rows, columns], depth, rtol=2e-3)
    np.testing.assert_allclose(layer.colour[rows, columns, 0], (depth - 1.5) / 4.5, atol=2e-3)


def test_closed_mesh_has_no_gaps_in_numpy() -> None:
    layer = rasterise(lit(*sphere((0, 0, 1.2))), K, SIZE, fill=zbuffer.fill_numpy)
    outlines, _ = cv2.findContours(
        (layer.alpha == 1).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
    )
    assert len(outlines) == 1
