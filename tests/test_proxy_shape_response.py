"""How spheres follow a surface whose motion is known."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from smplifyx.collision.proxies.shape_response import Skin, protrusion, shares, slopes
from smplifyx.collision.proxies.surface import sampled

BALL = trimesh.creation.icosphere(subdivisions=3, radius=0.1)
CENTRE, RADIUS = np.zeros((1, 3)), np.array([0.1])


def skin() -> Skin:
    """A ball; the first direction shifts it along x, the second lets it grow, per unit."""
    vertices = np.array(BALL.vertices)
    everything = np.ones(len(vertices), dtype=bool)
    surface = sampled(vertices, np.array(BALL.faces).astype(np.int64), 1.0, everything)
    shift = np.tile([1.0, 0.0, 0.0], (len(vertices), 1))
    growth = vertices / np.linalg.norm(vertices, axis=1, keepdims=True)
    return Skin(
        surface=surface,
        moved=np.stack([shift, growth], -1),
        tolerance=np.full(len(vertices), 3e-3),
        worth=np.ones(len(vertices)),
    )


def test_a_sphere_goes_with_its_ball_and_grows_with_it() -> None:
    (response,) = slopes(CENTRE, RADIUS, skin())
    assert response[:, 0] == pytest.approx([1, 0, 0, 0], abs=1e-9)
    # a little less than 1: the ridge holds it back
    assert response[:3, 1] == pytest.approx(0, abs=1e-9) and 0.9 < response[3, 1] < 1


def test_a_sphere_that_follows_stands_out_no_further() -> None:
    shifted = Skin(skin().surface, skin().moved[..., :1], skin().tolerance, skin().worth)
    smaller = RADIUS - 0.01
    assert protrusion(CENTRE, smaller, shifted, 2.0) == pytest.approx(-0.01, abs=1e-6)
    assert protrusion(CENTRE, smaller, skin(), 0.1) > -0.01


def test_shares_are_those_of_the_skin_that_is_touched() -> None:
    right = skin().surface.points[:, 0] > 0
    weights = np.stack([right, ~right], 1).astype(np.float64)
    both = shares(CENTRE, RADIUS, skin(), weights)
    side = shares(np.array([[0.05, 0.0, 0.0]]), np.array([0.05]), skin(), weights)
    assert both[0] == pytest.approx([0.5, 0.5], abs=0.05) and side[0, 0] > 0.99


def test_no_spheres_are_no_error() -> None:
    none = np.zeros((0, 3)), np.zeros(0)
    assert slopes(*none, skin()).shape == (0, 4, 2) and protrusion(*none, skin(), 2.0).shape == (0,)
    assert shares(*none, skin(), np.zeros((len(skin().worth), 5))).shape == (0, 5)
