"""Lays one body model onto another, so that points of their surfaces can be told to be the same.

One of the two is shaped and posed like the mean of the other: first by the joints that both have,
then by nearest points of the same part of the body that face the same way, and by the landmarks of
the face. What its shapes cannot reach the skin is moved by, smoothly. Which of the two gives way
does not depend on the direction asked for, so that there and back leads to the same point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import trimesh
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import factorized
from torch import Tensor

from ..body import skinning
from ..body.joints import joint_names
from ..body.model import BodyModel
from ..body.params import BodyParams
from ..collision.parts import parts_of
from ..keypoints import names
from .correspondence import SD, Correspondence
from .mesh_fit import MeshFit
from .nearest import Nearest, nearest_on_mesh

JOINT_STEPS = 60  # of the first fit, to the joints alone
JOINT_SD, TURN_SD = 0.01, 0.3  # metres, radians
# metres: how far apart points may be that are called the same, round by round
REACH = (0.08, 0.06, 0.05, 0.04, 0.03, 0.03, 0.02, 0.02)
POINTS = 1000  # of the surface, that shape and pose are fitted to
FARTHEST = 0.02  # metres, in the end
LEAST_FACING = 0.3  # cosine between normals
LANDMARKS = range(names.CONTOUR.stop, names.FACE.stop)  # those that lie at one point of the skin
STIFFNESS = 3.0  # of the skin against bending, where shapes do not reach
SMOOTHINGS = 3
EYES = ("left_eye_smplhf", "right_eye_smplhf")


def register(first: BodyModel, second: BodyModel) -> tuple[Correspondence, Correspondence]:
    """Where each vertex of `second` lies on the surface of `first`, and the other way round."""
    first, second = (body.to("cpu", torch.float32) for body in (first, second))
    places = [body.v_template.double().numpy() for body in (first, second)]
    if _gives_way(first, second):
        places[0] = _laid_on(first, second)
    else:
        places[1] = _laid_on(second, first)
    return (
        _nearest(second, places[1], first, places[0]),
        _nearest(first, places[0], second, places[1]),
    )


def _gives_way(one: BodyModel, other: BodyModel) -> bool:
    """Whether the one is laid onto the other: who has more joints, else by their files."""
    return (-len(one.parents), one.sha256) < (-len(other.parents), other.sha256)


def _laid_on(moving: BodyModel, fixed: BodyModel) -> Float[NDArray, "v 3"]:
    """The vertices of a body that is shaped and posed like the mean of another."""
    places = fixed.v_template.numpy()
    fit = MeshFit.of(moving, torch.full((len(moving.v_template),), SD), POINTS)
    params = _sized(_by_joints(moving, fixed), fit.body)
    for reach in REACH:
        laid = skinning.vertices(moving, params)[0].numpy()
        matches = _matches(moving, laid, fixed, places, reach, fit.chosen.numpy())
        wanted = torch.full((1, *laid.shape), torch.nan)
        found = torch.from_numpy(np.where(matches.found[:, None], matches.places, np.nan))
        wanted[0, fit.chosen] = found.float()
        params = fit.fit(wanted, start=params, passes=1).params
    laid = skinning.vertices(moving, params)[0].double().numpy()
    return _smoothed(moving, laid, fixed, places)


def _by_joints(moving: BodyModel, fixed: BodyModel) -> BodyParams:
    """The body with its joints near those that the other has under the same names [1]."""
    own, others = joint_names(moving.kind), joint_names(fixed.kind)
    common = [name for name in own if name in others]
    at = [own.index(name) for name in common]
    wanted = fixed.joint_template[[others.index(name) for name in common]]
    body = moving.sized(10, 10)
    shapes, expressions = body.shapedirs.shape[-1], body.expressiondirs.shape[-1]
    params = BodyParams.zeros((1,), shapes, expressions, like=wanted)
    free = ("global_orient", "body_pose", "left_hand_pose", "right_hand_pose", "betas", "transl")
    unknowns = {name: getattr(params, name).requires_grad_() for name in free}
    solver = torch.optim.LBFGS(
        list(unknowns.values()), max_iter=JOINT_STEPS, line_search_fn="strong_wolfe"
    )

    def energy() -> Tensor:
        solver.zero_grad()
        found = skinning.joints(body, params.replace(**unknowns))[0, at]
        turns = [unknowns[name] for name in free if name.endswith("pose")]
        value = ((found - wanted) / JOINT_SD).square().sum() + unknowns["betas"].square().sum()
        value = value + sum((turn / TURN_SD).square().sum() for turn in turns)
        value.backward()
        return value

    solver.step(energy)
    return params.replace(**unknowns).detach()


def _sized(params: BodyParams, body: BodyModel) -> BodyParams:
    """With as many betas and expressions as a body is fitted with."""
    shapes, expressions = body.shapedirs.shape[-1], body.expressiondirs.shape[-1]
    return params.replace(
        betas=params.betas[..., :shapes], expression=params.expression[..., :expressions]
    )


def _matches(
    body: BodyModel,
    vertices: Float[NDArray, "v 3"],
    other: BodyModel,
    others: Float[NDArray, "v2 3"],
    reach: float,
    at: Int[NDArray, " p"] | slice = slice(None),
) -> Nearest:
    """For each vertex of a body (or those `at`), the nearest point of another's surface that may be
    the same.
    """
    mesh = trimesh.Trimesh(vertices, body.faces.numpy(), process=False)
    surface = trimesh.Trimesh(others, other.faces.numpy(), process=False)
    nearest = nearest_on_mesh(
        np.asarray(vertices, float)[at],
        np.asarray(mesh.vertex_normals)[at],
        parts_of(body).of_vertex.numpy()[at],
        surface,
        parts_of(other).of_face.numpy(),
        _may_meet(body, other),
    )
    near = (nearest.distance < reach) & (nearest.facing > LEAST_FACING)
    nearest.found[:] &= near
    return nearest


def _may_meet(body: BodyModel, other: BodyModel) -> Bool[NDArray, "j j2"]:
    """Which parts of two bodies may be the same skin: equal ones, and neighbours along a limb,
    since every model ends them elsewhere. Eyes are eyes alone.
    """
    common = set(joint_names(body.kind)) & set(joint_names(other.kind))
    first, second = (_common_joints(one, common) for one in (body, other))
    neighbours = _neighbours(body) | _neighbours(other)
    meet = np.array([[a == b or (a, b) in neighbours for b in second] for a in first])
    eyes_first = np.array([name in EYES for name in joint_names(body.kind)])
    eyes_second = np.array([name in EYES for name in joint_names(other.kind)])
    same = np.array([[a == b for b in second] for a in first])
    return np.where(eyes_first[:, None] | eyes_second, same, meet)


def _common_joints(body: BodyModel, common: set[str]) -> list[str]:
    """Each joint's name, or that of the nearest one above it that both bodies have; an eye keeps
    its own.
    """
    own = joint_names(body.kind)
    found = []
    for joint, name in enumerate(own):
        above = joint
        while own[above] not in common:
            above = body.parents[above]
        found.append(name if name in EYES else own[above])
    return found


def _neighbours(body: BodyModel) -> set[tuple[str, str]]:
    own = joint_names(body.kind)
    pairs = {(own[j], own[parent]) for j, parent in enumerate(body.parents) if parent >= 0}
    return pairs | {(b, a) for a, b in pairs}


def _smoothed(
    moving: BodyModel,
    laid: Float[NDArray, "v 3"],
    fixed: BodyModel,
    places: Float[NDArray, "v2 3"],
) -> Float[NDArray, "v 3"]:
    """The vertices moved onto the other surface by as smooth a field as will do."""
    anchors = _landmarks(moving, fixed, places)
    bending = _laplacian(moving)
    bending = STIFFNESS * (bending.T @ bending)
    for _ in range(SMOOTHINGS):
        matches = _matches(moving, laid, fixed, places, FARTHEST)
        found = matches.found.astype(float)
        wanted = np.where(matches.found[:, None], matches.places - laid, 0.0)
        pull = anchors.rows.T @ anchors.rows
        solve = factorized((bending + sparse.diags_array(found + 1e-6) + pull).tocsc())
        right = wanted + anchors.rows.T @ (anchors.places - anchors.rows @ laid)
        laid = laid + np.stack([solve(column) for column in right.T], -1)
    return laid


@dataclass(frozen=True, eq=False)
class Anchors:
    """Points of a body that are known to lie at places: rows of shares of its vertices."""

    rows: sparse.csr_array  # [n, v]
    places: Float[NDArray, "n 3"]


def _landmarks(moving: BodyModel, fixed: BodyModel, places: Float[NDArray, "v2 3"]) -> Anchors:
    """The landmarks of the face that both bodies have on their skin."""
    known = moving.points.known & fixed.points.known
    at = [point for point in LANDMARKS if known[point]]
    rows, others = (_rows(body, at) for body in (moving, fixed))
    return Anchors(rows, others @ places)


def _rows(body: BodyModel, at: list[int]) -> sparse.csr_array:
    """Shares of vertices in canonical points."""
    vertices = body.points.sources[at].numpy() - len(body.parents)
    shares = body.points.coefficients[at].numpy().astype(float)
    shares = np.where(vertices >= 0, shares, 0.0)
    rows = np.repeat(np.arange(len(at)), 3)
    entries = (shares.ravel(), (rows, vertices.clip(min=0).ravel()))
    return sparse.csr_array(entries, shape=(len(at), len(body.v_template)))


def _laplacian(body: BodyModel) -> sparse.csr_array:
    """Each vertex less the mean of its neighbours."""
    faces = body.faces.numpy()
    count = len(body.v_template)
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    ends = np.concatenate([ends, ends[:, ::-1]])
    entries = (np.ones(len(ends)), (ends[:, 0], ends[:, 1]))
    linked = sparse.csr_array(entries, shape=(count, count))  # an edge of two faces adds up
    linked.data[:] = 1.0
    degree = np.maximum(linked.sum(1), 1)
    return sparse.csr_array(
        sparse.diags_array(np.ones(count)) - sparse.diags_array(1 / degree) @ linked
    )


def _nearest(
    target: BodyModel,
    target_places: Float[NDArray, "v 3"],
    source: BodyModel,
    source_places: Float[NDArray, "v2 3"],
) -> Correspondence:
    """From two meshes that lie on one another."""
    matches = _matches(target, target_places, source, source_places, FARTHEST)
    sd = np.where(matches.found, np.hypot(SD, matches.distance), np.inf)
    return Correspondence(
        corners=torch.from_numpy(np.ascontiguousarray(matches.corners)),
        shares=torch.from_numpy(matches.shares).float(),
        sd=torch.from_numpy(sd).float(),
        sources=len(source_places),
    )
