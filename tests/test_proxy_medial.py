"""Spheres in a surface, and the few that cover it, on shapes whose answer is known."""

from __future__ import annotations

import numpy as np
import trimesh

from smplifyx.collision.proxies.medial import cover, distinct, inscribed
from smplifyx.collision.proxies.shape_response import Skin
from smplifyx.collision.proxies.surface import SurfacePoints, sampled, search_tree

BALL = trimesh.creation.icosphere(subdivisions=4, radius=0.1)


def ball() -> SurfacePoints:
    vertices = np.array(BALL.vertices)
    everything = np.ones(len(vertices), dtype=bool)
    return sampled(vertices, np.array(BALL.faces).astype(np.int64), 1.0, everything)


def skin(surface: SurfacePoints) -> Skin:
    count = len(surface.points)
    return Skin(
        surface=surface,
        moved=np.zeros((count, 3, 1)),
        tolerance=np.full(count, 0.01),
        worth=np.full(count, 1.0),
    )


def test_the_largest_sphere_in_a_ball_is_the_ball() -> None:
    centers, radii = inscribed(ball(), search_tree(ball().points), dent=5e-4)
    assert np.abs(centers).max() < 2e-3 and np.abs(radii - 0.1).max() < 2e-3


def test_a_dent_makes_spheres_larger() -> None:
    points = np.concatenate([ball().points, [[0.0, 0.0, 0.098]]])
    _, radii = inscribed(ball(), search_tree(points), dent=0.0)
    _, larger = inscribed(ball(), search_tree(points), dent=5e-3)
    assert (larger > 0.09).all() and larger.mean() > radii.mean()


def test_the_sphere_that_covers_most_comes_first_and_twins_are_not_chosen() -> None:
    centers = np.array([[0.03, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.5, 0.0, 0.0]])
    radii = np.array([0.06, 0.1, 0.1, 0.1])
    assert cover(centers, radii, skin(ball()), most=4, least=1.0).tolist() == [1]
    assert cover(centers, radii, skin(ball()), most=0, least=1.0).tolist() == []
    assert cover(centers[:0], radii[:0], skin(ball()), most=4, least=1.0).tolist() == []


def test_a_chosen_sphere_leaves_the_rest_of_the_surface_to_others() -> None:
    halves = np.array([[0.05, 0.0, 0.0], [-0.05, 0.0, 0.0], [0.06, 0.0, 0.0]])
    chosen = cover(halves, np.array([0.06, 0.06, 0.05]), skin(ball()), most=3, least=1e-3)
    assert set(chosen[:2].tolist()) == {0, 1}


def test_the_first_of_spheres_that_are_alike_is_kept() -> None:
    centers = np.array([[0.011, 0.0, 0.0], [0.012, 0.0, 0.0], [0.2, 0.0, 0.0], [0.011, 0.0, 0.0]])
    radii = np.array([0.1, 0.1, 0.1, 0.05])
    assert distinct(centers, radii, apart=0.15).tolist() == [0, 2, 3]
