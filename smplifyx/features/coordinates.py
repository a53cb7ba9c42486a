"""One coordinate of some points as a feature: how far they lie along one of the camera's axes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.invariant_linalg import column_index, gram
from .feature import BodyMotion, Columns, FoldedBody, PosedBody, Pulled
from .jacobian_blocks import DenseBlock, JacobianBlock, written_out
from .point_jacobian import Pulls
from .points import POINTS, PointsOnBones


@dataclass(frozen=True)
class Coordinates:
    """One coordinate [batch, n] of the points at these places in the stage's `PointSet`, metres.

    For residuals that see several points each, but only along one axis: their slopes go through n
    rows, not through three for every point of the stage.
    """

    at: tuple[int, ...]
    axis: int = 2  # 0: to the right, 1: down, 2: the depth

    def bind(self, folded: FoldedBody) -> CoordinatesOnBones:
        """The coordinates, with the ways from the unknowns to the groups of their points."""
        points = folded.bound(POINTS)
        assert isinstance(points, PointsOnBones)
        return CoordinatesOnBones(self.at, self.axis, points)


@dataclass(frozen=True, eq=False)
class CoordinatesOnBones:
    """One coordinate of some points of one body."""

    at: tuple[int, ...]
    axis: int
    points: PointsOnBones

    def place(self, pose: PosedBody) -> Float[Tensor, "batch n"]:
        """The points' coordinates along the axis."""
        points = pose.bones.points
        return points[:, column_index(self.at, points.device), self.axis]

    def pull(self, block: JacobianBlock, motion: BodyMotion) -> Pulled:
        """Slopes along the coordinates as slopes along everything that is free."""
        jacobian = self._jacobian(motion)  # [batch, n, dim]
        slope = written_out(block).slope.expand(len(jacobian), -1, -1)
        through = gram(slope.mT, jacobian)
        return Pulled(whole=(Columns(tuple(range(self.points.dim)), DenseBlock(through)),))

    def correspond(self, placed: Tensor) -> None:
        """Nothing to match."""
        return None

    def _jacobian(self, motion: BodyMotion) -> Float[Tensor, "batch n dim"]:
        posed = motion.pose.bones
        batch, count = posed.points.shape[:2]
        one = posed.points.new_ones(batch, count, 1, 1)
        axis = torch.nn.functional.pad(one, (self.axis, 2 - self.axis))
        pulls = Pulls.of(self.points.model, posed, axis)
        jacobian = axis.new_zeros(batch, count, self.points.dim)
        for route in self.points.routes:
            group = route.asked.group
            if not any(group.start <= place < group.stop for place in self.at):
                continue
            for places, slopes in route.along_unknowns(pulls, motion):
                columns = column_index(places, slopes.device)
                jacobian[:, group.start : group.stop, columns] = slopes[:, :, 0]
        return jacobian[:, column_index(self.at, jacobian.device)]
