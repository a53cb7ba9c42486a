"""Bones as a feature: from one point of the body to another, by how far away the body is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.invariant_linalg import column_index, gram
from .feature import BodyMotion, Columns, FoldedBody, PosedBody, Pulled, RowRange
from .jacobian_blocks import CoordinateBlock, DenseBlock, JacobianBlock, written_out
from .point_jacobian import Pulls
from .points import POINTS, GroupRoute, PointsOnBones


@dataclass(frozen=True)
class BoneShares:
    """Ends minus starts by the depth of the root [batch, 3 n]: x, y and z of each bone.

    ends, starts, root: places in the stage's `PointSet`. A bone's ends lie in one group of points,
    and the bones of a group side by side. For residuals that see one coordinate of one bone each
    (`CoordinateBlock`), of all bones or the first few: they are taken group by group, since few
    unknowns move a group.
    """

    ends: tuple[int, ...]
    starts: tuple[int, ...]
    root: int

    def bind(self, folded: FoldedBody) -> BonesOnBody:
        """The bones, with the ways from the unknowns to the groups of their points."""
        points = folded.bound(POINTS)
        assert isinstance(points, PointsOnBones)
        groups: list[BoneGroup] = []
        for route in points.routes:
            own = range(route.asked.group.start, route.asked.group.stop)
            bones = [bone for bone, end in enumerate(self.ends) if end in own]
            if bones:
                first, last = bones[0], bones[-1]
                assert bones == list(range(first, last + 1)), "bones of a group are neighbours"
                assert own.start <= min(self.starts[first : last + 1])
                assert max(self.starts[first : last + 1]) < own.stop
                groups.append(BoneGroup(route, slice(first, last + 1)))
        of_root = next(r for r in points.routes if self.root < r.asked.group.stop)
        return BonesOnBody(self, points, of_root, tuple(groups))


@dataclass(frozen=True, eq=False)
class BoneGroup:
    """The bones between points of one group."""

    route: GroupRoute
    bones: slice

    @property
    def rows(self) -> slice:
        """Of the bones' coordinates."""
        return slice(3 * self.bones.start, 3 * self.bones.stop)


@dataclass(frozen=True, eq=False)
class BonesOnBody:
    """Some bones of one body."""

    bones: BoneShares
    points: PointsOnBones
    of_root: GroupRoute
    groups: tuple[BoneGroup, ...]

    def place(self, pose: PosedBody) -> Float[Tensor, "batch coordinates"]:
        """Ends minus starts, by the root's depth."""
        points = pose.bones.points
        ends = points[:, column_index(self.bones.ends, points.device)]
        starts = points[:, column_index(self.bones.starts, points.device)]
        return ((ends - starts) / points[:, None, self.bones.root, 2:]).flatten(1)

    def pull(self, block: JacobianBlock, motion: BodyMotion) -> Pulled:
        """Slopes along the bones as slopes along everything that is free."""
        count = 3 * len(self.bones.ends)
        depth = motion.pose.bones.points[:, self.bones.root, 2, None]
        match block:
            case CoordinateBlock(at, slope) if at == tuple(range(len(at))):
                slope = (slope / depth)[..., None]
                ranges = [
                    RowRange(rows, (Columns(places, DenseBlock(slope[:, rows] * jacobian)),))
                    for rows, places, jacobian in self._by_group(motion, len(at))
                ]
                return Pulled(ranges=tuple(ranges))
            case _:
                slope = written_out(block).slope
                every = slope.new_zeros(len(motion.pose.bones.points), count, self.points.dim)
                for rows, places, jacobian in self._by_group(motion, count):
                    every[:, rows, column_index(places, slope.device)] = jacobian / depth[..., None]
                through = gram(slope.expand(len(every), -1, -1).mT, every)
                return Pulled(whole=(Columns(tuple(range(self.points.dim)), DenseBlock(through)),))

    def correspond(self, placed: Tensor) -> None:
        """Nothing to match."""
        return None

    def _by_group(
        self, motion: BodyMotion, count: int
    ) -> list[tuple[slice, tuple[int, ...], Float[Tensor, "batch rows columns"]]]:
        """Of each group among the first `count` coordinates: which it has, the places in x that
        move them, and the slopes there, times the root's depth.
        """
        posed = motion.pose.bones
        shares = self.place(motion.pose).unflatten(1, (-1, 3))
        pulls = Pulls.along_axes(self.points.model, posed)
        # the root's depth moves all shares; mostly its group is also the first of the bones'
        root_places, of_group = _along_axes(self.of_root, pulls, motion)
        root = of_group[:, self.bones.root - self.of_root.asked.group.start, 2]
        found = []
        for group in self.groups:
            if group.rows.stop > count:
                break
            places, slopes = root_places, of_group
            if group.route is not self.of_root:
                places, slopes = _along_axes(group.route, pulls, motion)
            first = group.route.asked.group.start
            ends = tuple(end - first for end in self.bones.ends[group.bones])
            starts = tuple(start - first for start in self.bones.starts[group.bones])
            along_ends = slopes[:, column_index(ends, slopes.device)]
            along = along_ends - slopes[:, column_index(starts, slopes.device)]
            more = tuple(sorted({*root_places} - {*places}))
            if more:
                along = torch.nn.functional.pad(along, (0, len(more)))
            places = (*places, *more)
            at_root = tuple(places.index(place) for place in root_places)
            by_root = root.new_zeros(len(root), len(places))
            by_root[:, column_index(at_root, root.device)] = root
            of_bones = shares[:, group.bones, :, None]
            along = torch.addcmul(along, of_bones, by_root[:, None, None], value=-1)
            found.append((group.rows, places, along.flatten(1, 2)))
        return found


def _along_axes(
    route: GroupRoute, pulls: Pulls, motion: BodyMotion
) -> tuple[tuple[int, ...], Float[Tensor, "batch p 3 columns"]]:
    """The places in x that move a group of points, in order, and the points' slopes there; perhaps
    none.
    """
    group = route.asked.group
    none = pulls.force.new_zeros(len(pulls.force), group.stop - group.start, 3, 0)
    pulled = sorted(route.along_unknowns(pulls, motion), key=lambda found: found[0])
    places: tuple[int, ...] = ()
    for some, _ in pulled:
        places += some
    return places, torch.cat([none, *(slopes for _, slopes in pulled)], -1)
