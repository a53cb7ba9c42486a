"""How folded points answer to turns of the bones and to the shape, row by row of what is asked
about them.

A row is a covector g on one point: its slope along a motion is g . dp. A turn u of bone j moves the
pairs (point, bone) at or below j as a rigid body, so a row's slope is a product of two 6-vectors,
one of the row and one of the bone:

    g . dp = [c x g, w g] . [u, q_j x u],   c, w: the pair's share of the point and its weight

A group of points is then one matrix product, times a mask that says which bones lie above which
pairs, and the pairs of a point added up. A translation is the twist [0, I]. See
docs/point_model.md.
"""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..core import rotations
from ..core.bundle import Bundle
from ..core.invariant_linalg import column_index, each_matmul, gram
from .point_model import PointGroup, PointModel, Posed

# pairs that a bone must carry on average for one product of them all to be quicker than one of each
PER_BONE = 4


@dataclass(frozen=True)
class BoneMotion(Bundle):
    """How the bones of a posed model move: shared by all groups of its points."""

    left: Float[Tensor, "*batch j 3 3"]  # the turns asked for, in the frame of the bone's parent
    axes: Float[Tensor, "*batch 3 j 3"]  # the same in the camera's frame: coordinates, bones, turns
    place: Float[Tensor, "*batch j 3 s"]  # d joint / d shape

    @classmethod
    def of(
        cls, model: PointModel, posed: Posed, left: Float[Tensor, "batch j 3 3"], shapes: int
    ) -> BoneMotion:
        """For turns by the angular velocity `left @ u` of each bone in its parent's frame, and the
        first `shapes`.

        With the left Jacobian of an axis-angle, u is the change of that axis-angle; with the
        identity, the turn itself.
        """
        root = torch.eye(3, dtype=left.dtype, device=left.device).expand(len(left), 1, 3, 3)
        parent = torch.cat([root, posed.orient.index_select(1, model.above[1:])], 1)
        place = parent @ model.offset_dirs[..., :shapes]
        for (above, below), (start, stop) in itertools.pairwise(model.levels) if shapes else ():
            place[:, start:stop] += place[:, above:below].index_select(1, model.parents[start:stop])
        return cls(left, (parent @ left).transpose(1, 2).contiguous(), place)


@dataclass(frozen=True)
class Pulls(Bundle):
    """Rows that each see one point, k for each, as rows on the pairs of the points: shared by all
    groups.
    """

    force: Float[Tensor, "*batch N k 3"]  # on the pair's share of the point
    drag: Float[Tensor, "*batch N k 3"]  # on the pair's bone: the force times the pair's weight
    # the force's moment about the origin of the group, and the drag
    wrench: Float[Tensor, "*batch N k 6"]

    @classmethod
    def of(cls, model: PointModel, posed: Posed, slope: Float[Tensor, "batch p k 3"]) -> Pulls:
        """For the slopes of the rows along the coordinates of the points."""
        force, weight = slope.index_select(1, model.point), posed.weights[..., None]
        # short ones: they round finely
        lever = posed.shares - weight * posed.place.index_select(1, model.origin)
        drag = weight[..., None] * force
        return cls(force, drag, torch.cat([torch.linalg.cross(lever[:, :, None], force), drag], -1))


@dataclass(frozen=True, eq=False)
class Correctives:
    """What turns of some bones do to the pairs of a group through posedirs, one entry per pair and
    bone.
    """

    pair: Int[Tensor, " q"]  # among all pairs
    carrier: Int[Tensor, " q"]  # the bone of the pair
    bone: Int[Tensor, " q"]  # the bone that turns
    dirs: Float[Tensor, "q 9 3"]
    at: tuple[
        tuple[int, int], ...
    ]  # pair and turning bone, counted within the group and those asked for

    @classmethod
    def of(cls, model: PointModel, group: PointGroup, bones: Sequence[int]) -> Correctives:
        """Those of the group's pairs and of `bones`."""
        every = enumerate(zip(model.posed_pair.tolist(), model.posed_bone.tolist(), strict=True))
        found = [
            (i, p - group.first, b)
            for i, (p, b) in every
            if group.first <= p < group.last and b in bones
        ]
        index = group.extra.new_tensor
        here = index([i for i, _, _ in found])
        pair = model.posed_pair[here]
        at = tuple((p, bones.index(b)) for _, p, b in found)
        return cls(
            pair,
            model.bones[pair],
            model.posed_bone[here],
            model.posed_dirs[here].mT.contiguous(),
            at,
        )


@dataclass(frozen=True, eq=False)
class GroupJacobian:
    """A group of points, with the bones and the shape directions that its slopes are wanted for."""

    group: PointGroup
    bones: tuple[int, ...]
    shapes: tuple[int, ...]
    at: Int[Tensor, " j"]  # the bones
    mask: Float[Tensor, "N 1 d"]  # which pairs each turn and the translation move
    carriers: Int[Tensor, " N"]  # the bone of each pair
    loads: tuple[tuple[int, int], ...]  # each of these bones, and how many pairs it carries
    order: Int[Tensor, " N"]  # the pairs bone by bone
    back: Int[Tensor, " N"]  # where each pair is among those
    # how the shapes move the pairs in their bones' frames; not those of the contour
    dirs: Float[Tensor, "N 3 s"]
    posed: Correctives  # of these pairs and bones

    @classmethod
    def of(
        cls, model: PointModel, group: PointGroup, bones: Sequence[int], shapes: Sequence[int]
    ) -> GroupJacobian:
        """What moves nothing in the group is left out; the rest keeps its order."""
        moving = (group.mask != 0).any(0).tolist()
        # skin is corrected by bones that do not carry it, too
        of_group = (model.posed_pair >= group.first) & (model.posed_pair < group.last)
        correcting = set(model.posed_bone[of_group].tolist())
        kept = tuple(bone for bone in bones if moving[bone] or bone in correcting)
        turns = group.mask[:, None, list(kept)].repeat_interleave(3, -1)
        index, asked = group.extra.new_tensor, [s for s in shapes if s in group.shapes]
        carriers = model.bones[group.first : group.last]
        order = torch.argsort(carriers, stable=True)
        return cls(
            group,
            kept,
            tuple(asked),
            index(kept),
            mask=torch.cat([turns, turns.new_ones(len(turns), 1, 3)], -1),
            carriers=carriers,
            loads=tuple(sorted(Counter(carriers.tolist()).items())),
            order=order,
            back=torch.argsort(order),
            dirs=model.local_dirs[group.first : group.last][..., asked].contiguous(),
            posed=Correctives.of(model, group, kept),
        )

    def along_turns(
        self, posed: Posed, moved: BoneMotion, pulls: Pulls
    ) -> Float[Tensor, "batch p k d"]:
        """Slopes of rows on the group's points along the turns of `bones`, three each, and the
        translation.
        """
        group, own = self.group, slice(self.group.first, self.group.last)
        levers = posed.place.index_select(1, self.at) - posed.place[:, None, group.origin]
        motions, wrench = twists(levers, moved.axes.index_select(2, self.at)), pulls.wrench[:, own]
        rows = gram(wrench.flatten(1, 2).mT, motions).unflatten(1, wrench.shape[1:3]) * self.mask
        if len(self.posed.pair):
            rows = self._with_correctives(posed, moved, pulls, rows)
        return group.of_points(rows)

    def along_shapes(
        self, posed: Posed, moved: BoneMotion, pulls: Pulls
    ) -> Float[Tensor, "batch p k s"]:
        """Slopes of rows on the group's points along the directions `shapes`."""
        group, own = self.group, slice(self.group.first, self.group.last)
        force = pulls.force[:, own] @ posed.orient.index_select(1, self.carriers)
        if group.contour is None:
            still = each_matmul(force, self.dirs)
        else:
            still = (
                force
                @ posed.contour_dirs[
                    :, group.contour : group.contour + len(self.carriers), :, self._shapes
                ]
            )
        carried = self._carried(pulls.drag[:, own], moved.place[..., self._shapes])
        return group.of_points(still + carried)

    def _carried(self, drag: Tensor, place: Tensor) -> Float[Tensor, "batch N k s"]:
        """What the shapes do to rows that drag at the pairs' bones, whose places move by `place`."""
        if len(self.loads) > len(self.carriers) / PER_BONE:
            return drag @ place.index_select(1, self.carriers)
        parts = drag.index_select(1, self.order).split([count for _, count in self.loads], 1)
        rows = [
            gram(part.flatten(1, 2).mT, place[:, bone])
            for (bone, _), part in zip(self.loads, parts, strict=True)
        ]
        return torch.cat(rows, 1).unflatten(1, drag.shape[1:3]).index_select(1, self.back)

    @property
    def _shapes(self) -> slice | Tensor:
        """Where they are among all."""
        return column_index(self.shapes, self.at.device)

    def _with_correctives(
        self, posed: Posed, moved: BoneMotion, pulls: Pulls, rows: Tensor
    ) -> Tensor:
        """Adds what the turns do to the pairs through posedirs."""
        own = self.posed
        force = pulls.force.index_select(1, own.pair) @ posed.orient.index_select(1, own.carrier)
        left, rotation = (
            moved.left.index_select(1, own.bone),
            posed.rotation.index_select(1, own.bone),
        )
        turned = rotations.skew(left.mT) @ rotation[:, :, None]
        more = force @ (turned.flatten(-2) @ own.dirs).mT  # through d R / d u
        places = _places(own.at, *rows.shape[2:], rows.device)
        return rows.flatten(1).index_add(1, places, more.flatten(1)).view_as(rows)


@functools.lru_cache(maxsize=64)  # keyed by numbers, not by tensors
def _places(
    at: tuple[tuple[int, int], ...], per_point: int, width: int, device: torch.device
) -> Int[Tensor, " n"]:
    """Where the slopes of correctives lie in flattened rows [N, per_point, width] of the group."""
    pair, bone = torch.tensor(at, device=device)[:, :, None].unbind(1)
    each = torch.arange(per_point, device=device)
    axes = torch.arange(3, device=device)
    return ((pair * per_point + each)[..., None] * width + 3 * bone[..., None] + axes).flatten()


def twists(place: Tensor, axes: Tensor) -> Tensor:
    """Turns about axes [b, 3, j, 3] through place [b, j, 3], and a translation, as 6-vectors: [b,
    6, 3 j + 3].
    """
    moment = torch.linalg.cross(place.mT[..., None], axes, dim=1)
    turns = torch.cat([axes, moment], 1).flatten(2)
    return torch.cat([turns, _shifts(turns.dtype, turns.device).expand(len(turns), 6, 3)], -1)


@functools.lru_cache(maxsize=16)
def _shifts(dtype: torch.dtype, device: torch.device) -> Tensor:
    """The twists of a translation, one for each axis."""
    with torch.inference_mode(mode=False):  # kept for callers who differentiate
        return torch.eye(6, dtype=dtype, device=device)[:, 3:]
