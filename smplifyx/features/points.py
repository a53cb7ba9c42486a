"""The points of a stage as a feature: where they are, and how they move with the unknowns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.invariant_linalg import gram
from .feature import BodyMotion, Columns, FoldedBody, PosedBody, Pulled, RowRange
from .jacobian_blocks import DenseBlock, JacobianBlock, PointBlock, written_out
from .point_jacobian import GroupJacobian, Pulls
from .point_model import PointModel
from .routes import BlockTurns, Moving, turns_of


@dataclass(frozen=True)
class Points:
    """The points that a stage has folded [batch, points, 3], metres, in the order of its
    `PointSet`.
    """

    def bind(self, folded: FoldedBody) -> PointsOnBones:
        """The points, with the ways from the unknowns to each group of them."""
        model = folded.model
        moving = Moving.of(model, folded.slices, folded.betas)
        routes = []
        for group in model.groups:
            asked = GroupJacobian.of(model, group, moving.bones, tuple(moving.shapes))
            routes.append(
                GroupRoute(
                    asked,
                    turns_of(model, asked.bones, tuple(folded.slices)),
                    tuple(moving.shapes[direction] for direction in asked.shapes),
                )
            )
        return PointsOnBones(model, tuple(routes), folded.dim)


POINTS = Points()


@dataclass(frozen=True, eq=False)
class GroupRoute:
    """The way from the unknowns to a group of points."""

    asked: GroupJacobian
    turns: tuple[BlockTurns, ...]
    shapes: tuple[int, ...]  # the place in x of each of `asked.shapes`

    def along_unknowns(
        self, pulls: Pulls, motion: BodyMotion
    ) -> list[tuple[tuple[int, ...], Tensor]]:
        """Places in x, and slopes [batch, p, k, c] there of residuals that see one point each."""
        posed, bones = motion.pose.bones, motion.bones
        by_turns = self.asked.along_turns(posed, bones, pulls)
        found = []
        for turns in self.turns:
            found.append(motion.of_turns(turns.block, turns.angles, by_turns[..., turns.where]))
        transl = motion.places_of_transl
        if transl:
            found.append((transl, by_turns[..., -3:]))
        if self.shapes:
            found.append((self.shapes, self.asked.along_shapes(posed, bones, pulls)))
        return found


@dataclass(frozen=True, eq=False)
class PointsOnBones:
    """The points of a stage on the bones of one body."""

    model: PointModel
    routes: tuple[GroupRoute, ...]
    dim: int  # of x

    def place(self, pose: PosedBody) -> Float[Tensor, "batch p 3"]:
        """The points in the camera's frame, metres."""
        return pose.bones.points

    def pull(self, block: JacobianBlock, motion: BodyMotion) -> Pulled:
        """Residuals that see one point each are taken group by group: few unknowns move a group."""
        match block:
            case PointBlock(slope):
                return Pulled(ranges=self._by_group(slope, motion))
            case _:
                return Pulled(whole=(self._through_all(written_out(block).slope, motion),))

    def correspond(self, placed: Tensor) -> None:
        """Nothing to match."""
        return None

    def slopes(self, at: Sequence[int], motion: BodyMotion) -> Float[Tensor, "batch chosen 3 dim"]:
        """How some of the points themselves move with the unknowns."""
        posed = motion.pose.bones
        batch, count = posed.points.shape[:2]
        jacobian = posed.points.new_zeros(batch, count, 3, self.dim)
        axes = torch.eye(3, dtype=jacobian.dtype, device=jacobian.device)
        pulls = Pulls.of(self.model, posed, axes.expand(batch, count, 3, 3))
        for route in self.routes:
            group = slice(route.asked.group.start, route.asked.group.stop)
            if any(group.start <= point < group.stop for point in at):
                for places, slopes in route.along_unknowns(pulls, motion):
                    jacobian[:, group, :, list(places)] = slopes
        return jacobian[:, list(at)]

    def _by_group(
        self, slope: Float[Tensor, "batch p k 3"], motion: BodyMotion
    ) -> tuple[RowRange, ...]:
        pulls = Pulls.of(self.model, motion.pose.bones, slope)
        per_point = slope.shape[2]
        ranges = []
        for route in self.routes:
            group = route.asked.group
            where = slice(group.start * per_point, group.stop * per_point)
            # in the order of x, so that the columns of neighbouring blocks are neighbours
            pulled = sorted(route.along_unknowns(pulls, motion), key=lambda found: found[0])
            columns = tuple(
                Columns(places, DenseBlock(slopes.flatten(1, 2))) for places, slopes in pulled
            )
            ranges.append(RowRange(where, columns))
        return tuple(ranges)

    def _through_all(self, slope: Tensor, motion: BodyMotion) -> Columns:
        """Slopes [batch, r, 3 p] or [r, 3 p] of residuals that see many points, by the points' own
        Jacobian.
        """
        batch, count = motion.pose.bones.points.shape[:2]
        jacobian = self.slopes(range(count), motion)
        pulled = gram(slope.expand(batch, -1, -1).mT, jacobian.flatten(1, 2))
        return Columns(tuple(range(self.dim)), DenseBlock(pulled))
