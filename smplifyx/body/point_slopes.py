"""How folded points answer to turns of the bones and to the shape, row by row of what is asked about them.

A row is a covector g on one point: its slope along a motion is g . dp. A turn u of bone j moves the pairs (point, bone)
at or below j as a rigid body, so a row's slope is a product of two 6-vectors, one of the row and one of the bone:

    g . dp = [c x g, w g] . [u, q_j x u],   c, w: the pair's share of the point and its weight

A group of points is then one matrix product, times a mask that says which bones lie above which pairs, and the pairs of
a point added up. A translation is the twist [0, I]. See docs/point_model.md.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .. import rotations
from ..batching import gram
from ..bundle import Bundle
from .point_model import PointGroup, PointModel, Posed


@dataclass(frozen=True)
class Motion(Bundle):
    """How the bones of a posed model move: shared by all groups of its points."""

    left: Float[Tensor, "*batch j 3 3"]  # the turns asked for, in the frame of the bone's parent
    axes: Float[Tensor, "*batch 3 j 3"]  # the same in the camera's frame: coordinates, bones, turns
    place: Float[Tensor, "*batch j 3 n"]  # d joint / d shape

    @classmethod
    def of(cls, model: PointModel, posed: Posed, left: Float[Tensor, "batch j 3 3"]) -> Motion:
        """For turns by the angular velocity `left @ u` of each bone in its parent's frame.

        With the left Jacobian of an axis-angle, u is the change of that axis-angle; with the identity, the turn itself.
        """
        root = torch.eye(3, dtype=left.dtype, device=left.device).expand(len(left), 1, 3, 3)
        parent = torch.cat([root, posed.orient.index_select(1, model.above[1:])], 1)
        place = _product(parent, model.offset_dirs)
        for (above, below), (start, stop) in itertools.pairwise(model.levels):
            place[:, start:stop] += place[:, above:below].index_select(1, model.parents[start:stop])
        return cls(left, (parent @ left).transpose(1, 2).contiguous(), place)


@dataclass(frozen=True, eq=False)
class Asked:
    """A group of points, with the bones and the shape directions that its slopes are wanted for."""

    group: PointGroup
    bones: tuple[int, ...]
    shapes: tuple[int, ...]
    at: Int[Tensor, " j"]  # the bones
    mask: Float[Tensor, "N 1 d"]  # which pairs each turn and the translation move
    posed: Int[Tensor, " q"]  # the pose correctives of these pairs and bones
    posed_at: Int[Tensor, "q 2"]  # the pair and the bone of each, counted within the group and `bones`

    @classmethod
    def of(cls, model: PointModel, group: PointGroup, bones: Sequence[int], shapes: Sequence[int]) -> Asked:
        """What moves nothing in the group is left out; the rest keeps its order."""
        moving = (group.mask != 0).any(0).tolist()
        kept = tuple(bone for bone in bones if moving[bone])
        pairs = enumerate(zip(model.posed_pair.tolist(), model.posed_bone.tolist(), strict=True))
        posed = [(i, p - group.first, b) for i, (p, b) in pairs if group.first <= p < group.last and b in kept]
        turns = group.mask[:, None, list(kept)].repeat_interleave(3, -1)
        index = group.extra.new_tensor
        return cls(
            group, kept, tuple(s for s in shapes if s in group.shapes), index(kept),
            mask=torch.cat([turns, turns.new_ones(len(turns), 1, 3)], -1),
            posed=index([i for i, _, _ in posed]),
            posed_at=index([(pair, kept.index(bone)) for _, pair, bone in posed]).view(-1, 2),
        )  # fmt: skip

    def turn_rows(
        self, model: PointModel, posed: Posed, moved: Motion, slope: Float[Tensor, "batch p k 3"]
    ) -> Float[Tensor, "batch p k d"]:
        """Slopes of rows on the group's points along the turns of `bones`, three each, and the translation."""
        group = self.group
        own = slice(group.first, group.last)
        origin = posed.place[:, None, group.origin]  # levers from near by: small numbers round finely
        weight, pull = posed.weights[:, own, None], group.of_pairs(slope)
        lever = posed.shares[:, own] - weight * origin
        wrench = torch.cat([torch.linalg.cross(lever[:, :, None], pull), weight[..., None] * pull], -1)
        twists = _twists(posed.place.index_select(1, self.at) - origin, moved.axes.index_select(2, self.at))
        rows = gram(wrench.flatten(1, 2).mT, twists).unflatten(1, pull.shape[1:3]) * self.mask
        if len(self.posed):
            rows = self._with_correctives(model, posed, moved, pull, rows)
        return group.of_points(rows)

    def shape_rows(
        self, model: PointModel, posed: Posed, moved: Motion, slope: Float[Tensor, "batch p k 3"]
    ) -> Float[Tensor, "batch p k s"]:
        """Slopes of rows on the group's points along the directions `shapes`."""
        group, shapes = self.group, self._shapes
        bones, pull = model.bones[group.first : group.last], group.of_pairs(slope)
        dirs = model.local_dirs[group.first : group.last]
        if group.contour is not None:
            dirs = posed.contour_dirs[:, group.contour : group.contour + len(bones)]
        own = _product(pull @ posed.orient.index_select(1, bones), dirs[..., shapes])
        pull = posed.weights[:, group.first : group.last, None, None] * pull
        carried = _product(pull, moved.place[..., shapes].index_select(1, bones))
        return group.of_points(own + carried)

    @property
    def _shapes(self) -> slice | list[int]:
        """Where they are among all; a slice where they follow one another, which is quicker."""
        first, count = self.shapes[0], len(self.shapes)
        return slice(first, first + count) if self.shapes[-1] == first + count - 1 else list(self.shapes)

    def _with_correctives(self, model: PointModel, posed: Posed, moved: Motion, pull: Tensor, rows: Tensor) -> Tensor:
        """Adds what the turns do to the pairs through posedirs."""
        pair, bone = model.posed_pair[self.posed], model.posed_bone[self.posed]
        force = pull.index_select(1, pair - self.group.first) @ posed.orient.index_select(1, model.bones[pair])
        turned = rotations.skew(moved.left.index_select(1, bone).mT) @ posed.rotation.index_select(1, bone)[:, :, None]
        more = force @ (turned.flatten(-2) @ model.posed_dirs[self.posed].mT).mT  # through d R / d u
        width, per_point = rows.shape[-1], torch.arange(pull.shape[2], device=rows.device)
        row = self.posed_at[:, :1, None] * len(per_point) + per_point[:, None]
        places = row * width + 3 * self.posed_at[:, 1:, None] + torch.arange(3, device=rows.device)
        return rows.flatten(1).index_add(1, places.flatten(), more.flatten(1)).view_as(rows)


def _twists(place: Tensor, axes: Tensor) -> Tensor:
    """Turns about axes [b, 3, j, 3] through place [b, j, 3], and a translation: [b, 6, 3 j + 3]."""
    moment = torch.linalg.cross(place.mT[..., None], axes, dim=1)
    turns = torch.cat([axes, moment], 1).flatten(2)
    shift = torch.eye(6, dtype=turns.dtype, device=turns.device)[:, 3:]
    return torch.cat([turns, shift.expand(len(turns), 6, 3)], -1)


def _product(left: Tensor, right: Tensor) -> Tensor:
    """left [*, r, 3] times right [*, 3, n]: quicker by hand than one library call per matrix."""
    terms = (left[..., i : i + 1] * right[..., i : i + 1, :] for i in range(3))
    return functools.reduce(torch.add, terms)
