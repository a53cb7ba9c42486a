"""Triangle against triangle and point against triangle, each against a formula of another kind."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse as sparse
import torch
import trimesh
from scipy.optimize import linprog

from smplifyx.collision.mesh.triangles import distance, exits, intersect

PAIRS = 1500


def gaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The least largest coordinate difference between a point of one and a point of the other: a
    linear programme.
    """
    n = len(first)
    blocks = []
    for p, q in zip(first, second, strict=True):  # -t <= sum a_i p_i - sum b_i q_i <= t
        apart = np.concatenate([p, -q]).T
        blocks.append(np.block([[apart, -np.ones((3, 1))], [-apart, -np.ones((3, 1))]]))
    sums = np.array([[1.0, 1, 1, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1, 0]])
    found = linprog(
        np.tile([0.0] * 6 + [1.0], n),
        A_ub=sparse.block_diag(blocks, format="csr"), b_ub=np.zeros(6 * n),
        A_eq=sparse.block_diag([sums] * n, format="csr"), b_eq=np.ones(2 * n),
    )  # fmt: skip
    assert found.status == 0
    return found.x[6::7]


def meeting(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """`intersect` for corners in rows, [n, 3, 3]."""
    return intersect(
        *(torch.as_tensor(corners.transpose(2, 1, 0).copy()) for corners in (first, second))
    ).numpy()


def random_pairs(kind: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    p, q = (
        rng.normal(size=(2, PAIRS, 3, 3))
        if kind == "free"
        else rng.integers(-2, 3, (2, PAIRS, 3, 3)).astype(float)
    )
    if kind in ("coplanar", "coplanar, no area"):
        p[..., 2], q[..., 2] = 0, 0
    if kind == "tilted plane":
        p[..., 2], q[..., 2] = (t[..., 0] + 2 * t[..., 1] for t in (p, q))
    if kind == "shared edge":
        q[:, :2] = p[:, [1, 0]]
    if kind == "shared corner":
        q[:, 1] = p[:, 2]
    if kind in ("no area", "coplanar, no area", "two without area"):
        q[:, 2] = 2 * q[:, 1] - q[:, 0]
    if kind == "two without area":
        p[:, 2] = p[:, 0]
    if kind == "points":
        q[:, 1:] = q[:, :1]
    if kind == "thin":
        p[:, 1:] = p[:, :1] + 1e-6 * p[:, 1:] * [1, 1e3, 1e6]
    return p, q


KINDS = (
    "free", "grid", "coplanar", "tilted plane", "shared edge", "shared corner", "no area", "coplanar, no area",
    "points", "thin",
)  # fmt: skip


@pytest.mark.parametrize("kind", (*KINDS, "two without area"))
def test_triangles_meet_where_no_gap_is_left(kind: str) -> None:
    p, q = random_pairs(kind)
    gap, meet = gaps(p, q), meeting(p, q)
    assert (gap < 1e-9).any()
    assert (meet == (gap < 1e-9)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_order_corners_and_orientation_do_not_matter(kind: str) -> None:
    p, q = random_pairs(kind)
    meet = meeting(p, q)
    assert (meeting(q, p) == meet).all()
    assert (meeting(p[:, [1, 2, 0]], q[:, [1, 0, 2]]) == meet).all()
    assert (meeting(p * 1024, q * 1024) == meet).all()


def test_distance_is_that_to_the_closest_point() -> None:
    rng = np.random.default_rng(0)
    triangle, point = rng.normal(size=(PAIRS, 3, 3)), rng.normal(size=(PAIRS, 3))
    triangle[::3] *= 0.1
    expected = np.linalg.norm(trimesh.triangles.closest_point(triangle, point) - point, axis=1)
    assert np.allclose(
        distance(torch.as_tensor(point.T), torch.as_tensor(triangle.T)).numpy(),
        expected,
        atol=1e-12,
    )


def test_distance_to_a_triangle_without_area() -> None:
    segment = torch.tensor(
        [[[0.0, 0, 0], [2, 0, 0], [1, 0, 0]], [[1.0, 1, 1]] * 3], dtype=torch.float64
    )
    points = torch.tensor([[3.0, 0, 1], [1, 1, 3]], dtype=torch.float64)
    assert torch.allclose(
        distance(points.T, segment.permute(2, 1, 0)),
        torch.tensor([math.sqrt(2), 2.0], dtype=torch.float64),
    )


BALL = trimesh.creation.icosphere(subdivisions=3)
SIDE = np.array([0.48, 0.6, 0.64])


def turns_of(sphere: trimesh.Trimesh, point: np.ndarray) -> int:
    return int(exits(torch.as_tensor((sphere.triangles - point).T.copy())).sum())


@pytest.mark.parametrize(
    ("radius", "turns"), [(0.0, 1), (0.9, 1), (-0.9, 1), (1.1, 0), (-1.1, 0), (5.0, 0)]
)
def test_a_closed_surface_goes_once_round_what_is_inside(radius: float, turns: int) -> None:
    assert turns_of(BALL, radius * SIDE) == turns
    inside_out = trimesh.Trimesh(BALL.vertices, BALL.faces[:, ::-1], process=False)
    assert turns_of(inside_out, radius * SIDE) == -turns


@pytest.mark.parametrize("inset", [1e-9, 0.5, 0.999])
def test_a_ray_through_corners_and_edges_counts_once(inset: float) -> None:
    """Points behind vertices and middles of edges, on a grid that float64 holds exactly: all of
    them ties.
    """
    vertices = np.round(BALL.vertices * 1024) / 1024
    sphere = trimesh.Trimesh(vertices, BALL.faces, process=False)
    middles = vertices[BALL.edges_unique].mean(1)
    for targets in (vertices, middles):
        assert sphere.is_watertight and sphere.is_volume
        right = targets[targets[:, 0] > 0.1][::7]
        assert [turns_of(sphere, target * [1 - inset, 1, 1]) for target in right] == [1] * len(
            right
        )
        assert [turns_of(sphere, target * [-1, 1, 1] - [inset, 0, 0]) for target in right] == [
            0
        ] * len(right)
