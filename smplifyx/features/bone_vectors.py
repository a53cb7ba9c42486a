"""Bones as a feature: from one point of the body to another, along the camera's axes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.invariant_linalg import column_index, gram
from .feature import BodyMotion, Columns, FoldedBody, PosedBody, Pulled
from .jacobian_blocks import CoordinateBlock, DenseBlock, JacobianBlock, written_out
from .point_jacobian import Pulls
from .points import POINTS, PointsOnBones


@dataclass(frozen=True)
class BoneVectors:
    """Ends minus starts [batch, 3 n], metres: x, y and z of each bone.

    ends, starts: places in the stage's `PointSet`. For residuals that see one coordinate of one
    bone each (`CoordinateBlock`): slopes of bones are differences of those of points, and no matrix
    of all points is multiplied.
    """

    ends: tuple[int, ...]
    starts: tuple[int, ...]

    def bind(self, folded: FoldedBody) -> BonesOnBody:
        """The bones, with the ways from the unknowns to the groups of their points."""
        points = folded.bound(POINTS)
        assert isinstance(points, PointsOnBones)
        return BonesOnBody(self, points)


@dataclass(frozen=True, eq=False)
class BonesOnBody:
    """Some bones of one body."""

    bones: BoneVectors
    points: PointsOnBones

    def place(self, pose: PosedBody) -> Float[Tensor, "batch coordinates"]:
        """Ends minus starts."""
        return self._differences(pose.bones.points)

    def pull(self, block: JacobianBlock, motion: BodyMotion) -> Pulled:
        """Slopes along the bones as slopes along everything that is free."""
        jacobian = self._jacobian(motion)  # [batch, 3 n, dim]
        everyone = tuple(range(jacobian.shape[1]))
        match block:
            case CoordinateBlock(at, slope) if at == everyone:
                through = slope[..., None] * jacobian
            case _:
                slope = written_out(block).slope.expand(len(jacobian), -1, -1)
                through = gram(slope.mT, jacobian)
        return Pulled(whole=(Columns(tuple(range(self.points.dim)), DenseBlock(through)),))

    def correspond(self, placed: Tensor) -> None:
        """Nothing to match."""
        return None

    def _differences(self, values: Float[Tensor, "batch p 3 ..."]) -> Tensor:
        """Those of the points at the ends less those at the starts, coordinates joined to bones."""
        ends = values[:, column_index(self.bones.ends, values.device)]
        starts = values[:, column_index(self.bones.starts, values.device)]
        return (ends - starts).flatten(1, 2)

    def _jacobian(self, motion: BodyMotion) -> Float[Tensor, "batch coordinates dim"]:
        posed = motion.pose.bones
        batch, count = posed.points.shape[:2]
        like = posed.points
        axes = torch.eye(3, dtype=like.dtype, device=like.device).expand(batch, count, 3, 3)
        pulls = Pulls.of(self.points.model, posed, axes)
        wanted = {*self.bones.ends, *self.bones.starts}
        jacobian = like.new_zeros(batch, count, 3, self.points.dim)
        for route in self.points.routes:
            group = route.asked.group
            if wanted.isdisjoint(range(group.start, group.stop)):
                continue
            for places, slopes in route.along_unknowns(pulls, motion):
                columns = column_index(places, slopes.device)
                jacobian[:, group.start : group.stop, :, columns] = slopes
        return self._differences(jacobian)
