"""Light, colours and the depth cue."""

from __future__ import annotations

import numpy as np
from drawn_scenes import SIZE, K, quad, sphere

from smplifyx.viz.mesh import join
from smplifyx.viz.raster import rasterise
from smplifyx.viz.shade import PALETTE, add_depth_cue, shade, vertex_normals


def test_normals_point_outward_and_light_comes_from_above() -> None:
    vertices, faces = sphere((0, 0, 3.0))
    normals = vertex_normals(vertices, faces)
    np.testing.assert_allclose(normals, (vertices - (0, 0, 3)) / 0.5, atol=0.02)
    colours = shade(vertices, faces, PALETTE[0])
    seen = normals[:, 2] < 0
    assert colours.min() >= 0 and colours.max() <= 1
    assert (
        colours[seen & (normals[:, 1] < -0.5)].mean()
        > 1.2 * colours[seen & (normals[:, 1] > 0.5)].mean()
    )


def test_depth_cue_darkens_only_behind_an_edge() -> None:
    layer = rasterise(join([quad(0, 0, 80, 120), quad(80, 0, 160, 120, 3.0)]), K, SIZE)
    cued = add_depth_cue(layer, 130.0).colour[60, :, 0]
    assert cued[82] < 0.8 and cued[20] > 0.98 and cued[78] > 0.9 and cued[150] > 0.98


def test_palette_stays_apart_for_the_colour_blind() -> None:
    """Neighbouring people differ in what a protanope and a deuteranope see (Vienot et al. 1999)."""
    protan = np.array([[0.112, 0.888, 0], [0.112, 0.888, 0], [0.004, -0.004, 1]])
    deutan = np.array([[0.293, 0.707, 0], [0.293, 0.707, 0], [-0.021, 0.021, 1]])
    for sight in (np.eye(3), protan, deutan):
        seen = np.array(PALETTE) ** 2.2 @ sight.T
        gaps = [np.linalg.norm(a - b) for a, b in zip(seen[:4], seen[1:5], strict=True)]
        assert min(gaps) > 0.1
