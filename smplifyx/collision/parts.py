"""The parts of a body, one per joint, and which of them must not pass through each other: from the
body file alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from scipy.spatial import KDTree
from torch import Tensor

from ..body.joints import joint_names
from ..body.model import BodyModel

TOUCH = 2e-3  # metres between surfaces that touch at rest


class PartPairReason(IntEnum):
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
    reason: PartPairReason


def parts_of(body: BodyModel) -> Parts:
    """The parts of a body, on its device; the same object every time."""
    return body.derived(_parts)


def left_out(body: BodyModel) -> tuple[LeftOut, ...]:
    """The pairs of different parts that are not held apart, in the order of the joints."""
    names = joint_names(body.kind)
    reasons = body.derived(_pair_reasons).tolist()
    found: list[LeftOut] = []
    for first in range(len(names)):
        for second in range(first + 1, len(names)):
            reason = reasons[first][second]
            if reason:
                found.append(LeftOut(names[first], names[second], PartPairReason(reason)))
    return tuple(found)


def _parts(body: BodyModel) -> Parts:
    of_vertex = body.weights.argmax(1)
    a, b, c = of_vertex[body.faces].unbind(1)
    # the part of b and c where they agree; else a agrees with one of them, or all differ
    of_face = torch.where(b == c, b, a)
    held_apart = body.derived(_pair_reasons) == 0
    return Parts(of_vertex=of_vertex, of_face=of_face, held_apart=held_apart)


def _pair_reasons(body: BodyModel) -> Int[Tensor, "j j"]:
    """The `PartPairReason` of each pair that is left out, 0 of those held apart; symmetric."""
    of_vertex = body.weights.argmax(1).cpu().numpy()
    faces = body.faces.cpu().numpy()
    vertices = body.v_template.double().cpu().numpy()
    edges = np.concatenate([faces[:, :2], faces[:, 1:], faces[:, ::2]])
    bones = [(joint, parent) for joint, parent in enumerate(body.parents) if parent >= 0]

    # the first reason that holds is written last
    table = np.zeros((len(body.parents), len(body.parents)), dtype=np.int64)
    _mark(table, _touching(vertices, faces, of_vertex), PartPairReason.TOUCHING)
    _mark(table, of_vertex[edges], PartPairReason.NEIGHBOURS)
    _mark(table, np.array(bones), PartPairReason.PARENT_CHILD)
    np.fill_diagonal(table, PartPairReason.SAME)
    return torch.as_tensor(table, device=body.faces.device)


def _mark(table: Int[NDArray, "j j"], pairs: Int[NDArray, "n 2"], reason: PartPairReason) -> None:
    """Writes the reason of the pairs into the table, both ways round."""
    first, second = pairs.T
    table[first, second] = reason
    table[second, first] = reason


def _touching(
    vertices: Float[NDArray, "v 3"], faces: Int[NDArray, "f 3"], of_vertex: Int[NDArray, " v"]
) -> Int[NDArray, "pairs 2"]:
    """Pairs of parts with vertices or middles of edges nearer than `TOUCH`."""
    # the edges, each from a corner of a face to the one before it [3 f]
    start = faces.ravel()
    end = np.roll(faces, 1, axis=1).ravel()
    within_part = of_vertex[start] == of_vertex[end]
    start = start[within_part]
    middles = np.stack([vertices[start], vertices[end[within_part]]]).mean(0)

    points = np.concatenate([vertices, middles])
    part = np.concatenate([of_vertex, of_vertex[start]])
    near = part[KDTree(points).query_pairs(TOUCH, output_type="ndarray")]
    parts = of_vertex.max() + 1
    touching = np.zeros((parts, parts), dtype=bool)
    touching[near[:, 0], near[:, 1]] = True
    return np.argwhere(touching)
