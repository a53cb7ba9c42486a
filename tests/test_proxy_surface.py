"""The resting surface as points: what is outside, points on it, neighbours of spheres."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from cases import embedded_body
from test_proxy_spheres import outside_of

from smplifyx.collision.proxies.surface import (
    neighbours,
    outside,
    sampled,
    sampled_points,
    search_tree,
    stand_ins,
    thinned,
)

INNER, OUTER = (trimesh.creation.icosphere(subdivisions=3, radius=radius) for radius in (0.05, 0.1))
# a ball within a ball, the vertices of the larger first
BALLS = (
    np.concatenate([OUTER.vertices, INNER.vertices]),
    np.concatenate([OUTER.faces, INNER.faces + len(OUTER.vertices)]).astype(np.int64),
)


def test_points_alone_are_those_of_the_surface() -> None:
    body = embedded_body()
    mesh = body.v_template.numpy(), body.faces.numpy()
    whole, points = (
        sampled(*mesh, 6e-3, outside_of(body)).points,
        sampled_points(*mesh, 6e-3, outside_of(body)),
    )
    assert len(points) < len(whole)
    assert np.array_equal(np.unique(whole, axis=0), np.unique(points, axis=0))


@pytest.mark.parametrize("spheres", [0, 3000])
def test_neighbours_are_all_points_within(spheres: int) -> None:
    rng = np.random.default_rng(0)
    points, centers, radii = (
        rng.random((400, 3)),
        rng.random((spheres, 3)),
        rng.uniform(0, 0.2, spheres),
    )
    apart = np.linalg.norm(centers[:, None] - points, axis=-1)
    expected = (apart <= radii[:, None]).nonzero()
    assert all(
        np.array_equal(*pair)
        for pair in zip(neighbours(search_tree(points), centers, radii), expected, strict=True)
    )


def test_points_lie_on_the_mesh_and_normals_point_outwards() -> None:
    vertices = np.array(OUTER.vertices)
    faces = np.array(OUTER.faces).astype(np.int64)
    everything = np.ones(len(vertices), dtype=bool)
    for turned in (faces, faces[:, ::-1]):
        found = sampled(vertices, turned, 5e-3, everything)
        assert len(found.points) > 2 * len(vertices)
        length = np.linalg.norm(found.points, axis=1)
        assert (length < 0.1 + 1e-9).all() and (length > 0.097).all()
        assert np.allclose(found.shares.sum(1), 1)
        assert ((found.normals * found.points).sum(1) / length > 0.98).all()
        assert np.allclose(found.mixed(vertices), found.points)


def test_what_is_enclosed_is_not_outside() -> None:
    assert outside(*BALLS).tolist() == [True] * len(OUTER.vertices) + [False] * len(INNER.vertices)


def test_loose_pieces_are_stood_for_by_the_nearest_of_the_largest() -> None:
    vertices, faces = BALLS
    faces = faces[np.r_[: len(OUTER.faces), len(OUTER.faces) : len(faces) - 40]]
    found = stand_ins(vertices, faces)
    own = np.arange(len(vertices))
    large = own < len(OUTER.vertices)
    assert (found[large] == own[large]).all() and (found[~large] < len(OUTER.vertices)).all()
    gap = np.linalg.norm(vertices[found] - vertices, axis=1)[~large]
    nearest = np.linalg.norm(vertices[~large][:, None] - vertices[large], axis=-1).min(1)
    assert np.allclose(gap, nearest)


def test_thinned_points_are_the_first_of_their_cells() -> None:
    points = np.array([[0.0, 0, 0], [0.4, 0, 0], [1.1, 0, 0], [0.0, 0, 2.5], [1.2, 0.9, 0]])
    assert thinned(points, 1.0).tolist() == [0, 2, 3]
    assert thinned(np.zeros((0, 3)), 1.0).tolist() == []
