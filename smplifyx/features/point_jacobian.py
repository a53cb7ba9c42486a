"""How folded points answer to turns of the bones and to the shape, residual by residual.

A residual that sees one point has a covector g there: its slope along a motion is g . dp. A turn u
of bone j moves the pairs (point, bone) at or below j as a rigid body, so a residual's slope is a
product of two 6-vectors, one of the residual and one of the bone:

    g . dp = [c x g, w g] . [u, q_j x u],   c, w: the pair's share of the point and its weight

A group of points is then one matrix product, times a mask that says which bones lie above which
pairs, and the pairs of a point added up. A translation is the twist [0, I]. See
docs/point_model.md.

Shapes have the letters of `point_model`, and:

    k   residuals of each point
    d   columns of turns and translation: three for each bone asked for, then three
    s   shape directions asked for
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

# Pairs that a bone must carry on average for one product of all its pairs to be quicker than one
# product for each pair.
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
        """For turns of each bone by the angular velocity `left @ u`, and some shape directions.

        The velocity is in the frame of the bone's parent. With the left Jacobian of an axis-angle,
        u is the change of that axis-angle; with the identity, the turn itself.
        """
        identity = torch.eye(3, dtype=left.dtype, device=left.device)
        above_root = identity.expand(len(left), 1, 3, 3)
        of_others = posed.orient.index_select(1, model.above[1:])
        parent_orient = torch.cat([above_root, of_others], 1)

        # d q_j / d s = d q_parent / d s + G_parent d offset / d s, down the tree level by level
        place = parent_orient @ model.offset_dirs[..., :shapes]
        if shapes:
            for (start_above, stop_above), (start, stop) in itertools.pairwise(model.levels):
                level_above = place[:, start_above:stop_above]
                place[:, start:stop] += level_above.index_select(1, model.parents[start:stop])

        axes = (parent_orient @ left).transpose(1, 2).contiguous()
        return cls(left, axes, place)


@dataclass(frozen=True)
class Pulls(Bundle):
    """Residuals that each see one point, k for each, as covectors on the pairs of the points.

    Shared by all groups.
    """

    force: Float[Tensor, "*batch N k 3"]  # on the pair's share of the point
    drag: Float[Tensor, "*batch N k 3"]  # on the pair's bone: the force times the pair's weight
    # the force's moment about the origin of the group, and the drag
    wrench: Float[Tensor, "*batch N k 6"]

    @classmethod
    def of(cls, model: PointModel, posed: Posed, slope: Float[Tensor, "batch p k 3"]) -> Pulls:
        """For the slopes of the residuals along the coordinates of the points."""
        force = slope.index_select(1, model.point)
        return cls._at_pairs(model, posed, force)

    @classmethod
    def along_axes(cls, model: PointModel, posed: Posed) -> Pulls:
        """For residuals that are the coordinates of the points."""
        axes = torch.eye(3, dtype=posed.shares.dtype, device=posed.shares.device)
        return cls._at_pairs(model, posed, axes.expand(*posed.shares.shape, 3))

    @classmethod
    def _at_pairs(
        cls, model: PointModel, posed: Posed, force: Float[Tensor, "batch N k 3"]
    ) -> Pulls:
        weight = posed.weights[..., None]  # [batch, N, 1]
        # From the group's origin, not from the camera: short levers round finely.
        origin = posed.place.index_select(1, model.origin)
        lever = posed.shares - weight * origin
        moment = torch.linalg.cross(lever[:, :, None], force)
        drag = weight[..., None] * force
        return cls(force, drag, torch.cat([moment, drag], -1))


@dataclass(frozen=True, eq=False)
class Correctives:
    """What turns of some bones do to the pairs of a group through posedirs.

    One entry for each pair and turning bone, q in all.
    """

    pair: Int[Tensor, " q"]  # among all pairs
    carrier: Int[Tensor, " q"]  # the bone of the pair
    bone: Int[Tensor, " q"]  # the bone that turns
    dirs: Float[Tensor, "q 9 3"]
    # the pair, counted within the group, and the turning bone, counted among those asked for
    at: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, model: PointModel, group: PointGroup, bones: Sequence[int]) -> Correctives:
        """Those of the group's pairs and of `bones`."""
        entries = []  # places in posed_pair and posed_bone
        at = []
        all_entries = zip(model.posed_pair.tolist(), model.posed_bone.tolist(), strict=True)
        for entry, (pair, bone) in enumerate(all_entries):
            if group.first <= pair < group.last and bone in bones:
                entries.append(entry)
                at.append((pair - group.first, bones.index(bone)))

        chosen = group.extra.new_tensor(entries)
        pairs = model.posed_pair[chosen]
        return cls(
            pair=pairs,
            carrier=model.bones[pairs],
            bone=model.posed_bone[chosen],
            dirs=model.posed_dirs[chosen].mT.contiguous(),
            at=tuple(at),
        )


@dataclass(frozen=True, eq=False)
class GroupJacobian:
    """A group of points, with the bones and the shape directions that its slopes are wanted for.

    N counts the pairs of this group alone; bones are numbered as in the model.
    """

    group: PointGroup
    bones: tuple[int, ...]
    shapes: tuple[int, ...]
    at: Int[Tensor, " j"]  # the bones, as an index
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
        moves_any = (group.mask != 0).any(0).tolist()
        # Skin is corrected by bones that do not carry it, too.
        of_group = (model.posed_pair >= group.first) & (model.posed_pair < group.last)
        corrects = set(model.posed_bone[of_group].tolist())
        kept_bones = tuple(bone for bone in bones if moves_any[bone] or bone in corrects)
        kept_shapes = tuple(shape for shape in shapes if shape in group.shapes)

        by_turns = group.mask[:, None, list(kept_bones)].repeat_interleave(3, -1)
        by_transl = by_turns.new_ones(len(by_turns), 1, 3)
        carriers = model.bones[group.first : group.last]
        order = torch.argsort(carriers, stable=True)
        pairs_of_bone = Counter(carriers.tolist())
        local_dirs = model.local_dirs[group.first : group.last]
        return cls(
            group=group,
            bones=kept_bones,
            shapes=kept_shapes,
            at=group.extra.new_tensor(kept_bones),
            mask=torch.cat([by_turns, by_transl], -1),
            carriers=carriers,
            loads=tuple(sorted(pairs_of_bone.items())),
            order=order,
            back=torch.argsort(order),
            dirs=local_dirs[..., list(kept_shapes)].contiguous(),
            posed=Correctives.of(model, group, kept_bones),
        )

    def along_turns(
        self, posed: Posed, moved: BoneMotion, pulls: Pulls
    ) -> Float[Tensor, "batch p k d"]:
        """Slopes of residuals on the group's points along turns of `bones` and the translation.

        Three columns for each bone, then three.
        """
        group = self.group
        # both halves of the product are about the same origin: see `Pulls`
        from_origin = posed.place.index_select(1, self.at) - posed.place[:, None, group.origin]
        motions = twists(from_origin, moved.axes.index_select(2, self.at))  # [batch, 6, d]
        wrench = pulls.wrench[:, group.first : group.last]  # [batch, N, k, 6]
        slopes = gram(wrench.flatten(1, 2).mT, motions).unflatten(1, wrench.shape[1:3])
        slopes = slopes * self.mask  # [batch, N, k, d]
        if len(self.posed.pair):
            slopes = self._with_correctives(posed, moved, pulls, slopes)
        return group.of_points(slopes)

    def along_shapes(
        self, posed: Posed, moved: BoneMotion, pulls: Pulls
    ) -> Float[Tensor, "batch p k s"]:
        """Slopes of residuals on the group's points along the directions `shapes`."""
        group = self.group
        shapes = column_index(self.shapes, self.at.device)
        force = pulls.force[:, group.first : group.last]
        force_in_bone = force @ posed.orient.index_select(1, self.carriers)
        if group.contour is None:
            within_bone = each_matmul(force_in_bone, self.dirs)
        else:
            # a contour pair's directions differ from body to body
            stop = group.contour + len(self.carriers)
            dirs = posed.contour_dirs[:, group.contour : stop, :, shapes]
            within_bone = force_in_bone @ dirs
        drag = pulls.drag[:, group.first : group.last]
        with_bone = self._along_places(drag, moved.place[..., shapes])
        return group.of_points(within_bone + with_bone)

    def _along_places(
        self, drag: Float[Tensor, "batch N k 3"], place: Float[Tensor, "batch j 3 s"]
    ) -> Float[Tensor, "batch N k s"]:
        """Slopes of residuals that drag at the pairs' bones, whose joints move by `place`."""
        if len(self.loads) > len(self.carriers) / PER_BONE:
            return drag @ place.index_select(1, self.carriers)
        # One product for each bone, of all its pairs.
        counts = [count for _, count in self.loads]
        drags = drag.index_select(1, self.order).split(counts, 1)
        slopes = []
        for (bone, _), drag_at_bone in zip(self.loads, drags, strict=True):
            slopes.append(gram(drag_at_bone.flatten(1, 2).mT, place[:, bone]))
        by_bone = torch.cat(slopes, 1).unflatten(1, drag.shape[1:3])
        return by_bone.index_select(1, self.back)

    def _with_correctives(
        self, posed: Posed, moved: BoneMotion, pulls: Pulls, slopes: Float[Tensor, "batch N k d"]
    ) -> Float[Tensor, "batch N k d"]:
        """Adds what the turns do to the pairs through posedirs, by d R / d u = [left u]x R."""
        own = self.posed
        force = pulls.force.index_select(1, own.pair)
        force_in_bone = force @ posed.orient.index_select(1, own.carrier)  # [batch, q, k, 3]
        left = moved.left.index_select(1, own.bone)
        rotation = posed.rotation.index_select(1, own.bone)
        turned = rotations.skew(left.mT) @ rotation[:, :, None]  # [batch, q, 3 turns, 3, 3]
        local = turned.flatten(-2) @ own.dirs  # [batch, q, 3 turns, 3]
        more = force_in_bone @ local.mT  # [batch, q, k, 3 turns]
        places = _places(own.at, *slopes.shape[2:], slopes.device)
        return slopes.flatten(1).index_add(1, places, more.flatten(1)).view_as(slopes)


@functools.lru_cache(maxsize=64)  # keyed by numbers, not by tensors
def _places(
    at: tuple[tuple[int, int], ...], per_point: int, width: int, device: torch.device
) -> Int[Tensor, " n"]:
    """Where the slopes of correctives lie in flattened slopes [N, per_point, width] of the group.

    In the order of slopes [q, per_point, 3 turns] flattened.
    """
    pair, bone = torch.tensor(at, device=device)[:, :, None].unbind(1)  # [q, 1] each
    residual = pair * per_point + torch.arange(per_point, device=device)  # [q, per_point]
    turns = torch.arange(3, device=device)
    return (residual[..., None] * width + 3 * bone[..., None] + turns).flatten()


def twists(
    place: Float[Tensor, "batch j 3"], axes: Float[Tensor, "batch 3 j 3"]
) -> Float[Tensor, "batch 6 d"]:
    """Turns about axes through places, three for each bone, and a translation, as 6-vectors.

    axes: as `BoneMotion.axes`. Columns: 3 j turns [u, q x u], then the 3 of the translation [0, I].
    """
    moment = torch.linalg.cross(place.mT[..., None], axes, dim=1)
    turns = torch.cat([axes, moment], 1).flatten(2)
    shifts = _shifts(turns.dtype, turns.device).expand(len(turns), 6, 3)
    return torch.cat([turns, shifts], -1)


@functools.lru_cache(maxsize=16)
def _shifts(dtype: torch.dtype, device: torch.device) -> Float[Tensor, "6 3"]:
    """The twists of a translation, one for each axis."""
    with torch.inference_mode(mode=False):  # kept for callers who differentiate
        return torch.eye(6, dtype=dtype, device=device)[:, 3:]
