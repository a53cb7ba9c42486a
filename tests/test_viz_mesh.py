"""Meshes are cut at the near plane."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from drawn_scenes import sphere

from smplifyx.viz.mesh import Mesh, clip_near


def test_faces_across_the_near_plane_are_cut_there() -> None:
    mesh = Mesh(*sphere((0, 0, 0.2)), np.linspace(0, 1, 642 * 3, dtype=np.float32).reshape(-1, 3))
    cut = clip_near(mesh, near=0.1)
    z = cut.vertices[cut.faces, 2]
    assert z.min() == pytest.approx(0.1) and z.max() == mesh.vertices[:, 2].max()
    assert (cut.colours[cut.faces] >= 0).all() and (cut.colours[cut.faces] <= 1).all()
    area = trimesh.Trimesh(cut.vertices, cut.faces, process=False).area
    assert area == pytest.approx(2 * np.pi * 0.5 * (0.7 - 0.1), rel=0.01)  # of the spherical cap
    corners = cut.vertices[cut.faces]
    outward = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) * (
        corners.mean(1) - (0, 0, 0.2)
    )
    assert (outward.sum(1) > -1e-12).all()
