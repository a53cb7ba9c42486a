"""The parts of a body, one per joint, and which of them must not pass through each other: from the
body file alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from ..body.joints import joint_names
from ..body.model import BodyModel

TOUCH = 2e-3  # metres between surfaces that touch at rest


class Reason(IntEnum):
    """Why two parts may pass through each other; the first that holds."""

    SAME = 1  # a part and itself
    PARENT_CHILD = 2  # they meet at a joint
    # they share an edge of the mesh: armpits, the roots of the fingers, chin and throat
    NEIGHBOURS = 3
    TOUCHING = 4  # they touch in the T-pose of the mean body, by `TOUCH`


@dataclass(frozen=True, eq=False)
class Parts:
    """The part, by the number of its joint, of every vertex and face; and the pairs of parts that
    are held apart.

    A vertex belongs to the joint of its largest skinning weight (the first of equals), a face to
    the part of two or more of its vertices, else of its first. A part may be empty. `held_apart` is
    symmetric.
    """

    of_vertex: Int[Tensor, " v"]
    of_face: Int[Tensor, " f"]
    held_apart: Bool[Tensor, "j j"]


@dataclass(frozen=True)
class LeftOut:
    """A pair of parts, by their joints' names, that may pass through each other, and why."""

    first: str
    second: str
    reason: Reason


@lru_cache(maxsize=16)
def parts_of(body: BodyModel) -> Parts:
    """The parts of a body; on the body's device."""
    of_vertex = body.weights.argmax(1)
    a, b, c = of_vertex[body.faces].unbind(1)
    return Parts(of_vertex, torch.where(b == c, b, a), _reasons(body) == 0)


def left_out(body: BodyModel) -> tuple[LeftOut, ...]:
    """The pairs of different parts that are not held apart, in the order of the joints."""
    names, reasons = joint_names(body.kind), _reasons(body).tolist()
    return tuple(
        LeftOut(names[a], names[b], Reason(reasons[a][b]))
        for a in range(len(names))
        for b in range(a + 1, len(names))
        if reasons[a][b]
    )


@lru_cache(maxsize=16)
def _reasons(body: BodyModel) -> Int[Tensor, "j j"]:
    """The `Reason` of each pair that is left out, 0 of those held apart."""
    of_vertex = body.weights.argmax(1).cpu().numpy()
    faces, joints = body.faces.cpu().numpy(), np.arange(len(body.parents))
    table = np.zeros((len(joints), len(joints)), dtype=np.int64)
    touching = _touching(body.v_template.double().cpu().numpy(), faces, of_vertex)
    edges = of_vertex[np.concatenate([faces[:, :2], faces[:, 1:], faces[:, ::2]])]
    bones = np.array([(joint, parent) for joint, parent in enumerate(body.parents) if parent >= 0])
    for pairs, reason in (
        (touching, Reason.TOUCHING),
        (edges, Reason.NEIGHBOURS),
        (bones, Reason.PARENT_CHILD),
    ):
        table[pairs[:, 0], pairs[:, 1]] = table[pairs[:, 1], pairs[:, 0]] = reason
    table[joints, joints] = Reason.SAME
    return torch.as_tensor(table, device=body.faces.device)


def _touching(
    vertices: Float[NDArray, "v 3"], faces: Int[NDArray, "f 3"], of_vertex: Int[NDArray, " v"]
) -> Int[NDArray, "pairs 2"]:
    """Pairs of parts with vertices or middles of edges nearer than `TOUCH`."""
    corners = np.concatenate([faces, np.roll(faces, 1, axis=1)]).reshape(2, -1)
    inner = corners[:, of_vertex[corners[0]] == of_vertex[corners[1]]]
    points = np.concatenate([vertices, vertices[inner].mean(0)])
    part = np.concatenate([of_vertex, of_vertex[inner[0]]])
    near = part[cKDTree(points).query_pairs(TOUCH, output_type="ndarray")]
    touching = np.zeros((of_vertex.max() + 1,) * 2, dtype=bool)
    touching[near[:, 0], near[:, 1]] = True
    return np.argwhere(touching)
