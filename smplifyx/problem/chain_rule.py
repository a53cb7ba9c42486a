"""The chain rule of a fit: from what the terms see to the unknowns that a solver moves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from ..config import Block
from ..core import rotations
from ..core.invariant_linalg import column_index, gram, shared_matmul
from ..features.feature import Columns, Feature, FoldedBody, PosedBody, Pulled
from ..features.jacobian_blocks import DenseBlock, JacobianBlock, SharedBlock, written_out
from ..features.joint_angles import BODY_POSE
from ..features.point_jacobian import BoneMotion
from ..features.unknowns import BODY
from ..pose_priors.contract import is_learned
from ..terms.scene import FeatureValues, Jacobian, Scene, Term
from .view import View


@dataclass(frozen=True, eq=False)
class LinearPart:
    """Some residuals [batch, r] of a term, and all slopes of theirs that are not zero."""

    values: Tensor
    columns: tuple[Columns, ...]


@dataclass(frozen=True, eq=False)
class ChainRule:
    """The chain rule at one evaluation: a `features.BodyMotion`, and the parts that it makes of a
    term's Jacobian.
    """

    folded: FoldedBody
    view: View

    def parts(self, jacobian: Jacobian) -> list[LinearPart]:
        """Slopes of the features as slopes of x, for residuals that go together; what is not free
        drops out.
        """
        whole: list[Columns] = []
        ranges = []
        for feature, block in jacobian.blocks.items():
            pulled = self.folded.bound(feature).pull(block, self)
            whole.extend(pulled.whole)
            ranges.extend(pulled.ranges)
        if not ranges:
            return [LinearPart(jacobian.values, tuple(whole))]
        parts = []
        for one in ranges:
            others = (_cut(columns, one.where) for columns in whole)
            parts.append(LinearPart(jacobian.values[:, one.where], (*one.columns, *others)))
        return parts

    @property
    def pose(self) -> PosedBody:
        """The bodies of this evaluation."""
        return self.view.pose

    def value(self, feature: Feature) -> Tensor:
        """Where a feature is at this evaluation."""
        return self.view.scene[feature]

    @property
    def places_of_transl(self) -> tuple[int, ...]:
        """Where the translation lies in x; nowhere where it is not free."""
        return self._places(Block.TRANSL) if Block.TRANSL in self.folded.slices else ()

    def of_unknown(self, block: Block, slopes: JacobianBlock) -> Pulled:
        """Slopes along a block of unknowns; nothing where it is not free."""
        if block not in self.folded.slices:
            return Pulled()
        return Pulled(whole=(Columns(self._places(block), slopes),))

    def of_joint_angles(self, block: Block, slopes: DenseBlock | SharedBlock) -> Pulled:
        """Slopes along axis-angles as slopes along the latent or the hand's coefficients that they
        are decoded from.
        """
        if block not in self.folded.slices:
            return Pulled()
        slope = slopes.slope
        if block is Block.BODY:
            rotvec = self.value(BODY_POSE).unflatten(-1, (-1, 3))
            by_turning = _per_joint(slope, rotations.left_jacobian_inverse(rotvec))
            return self.of_unknown(block, DenseBlock(gram(by_turning.mT, self._velocity)))
        components = self.folded.decoder.hands[block].components
        pulled = shared_matmul(slope.flatten(0, -2), components.T)
        along = type(slopes)(pulled.unflatten(0, slope.shape[:-1]))  # shared slopes stay shared
        return self.of_unknown(block, along)

    def of_turns(
        self, block: Block, angles: tuple[int, ...], slopes: Float[Tensor, "batch p k a"]
    ) -> tuple[tuple[int, ...], Float[Tensor, "batch p k c"]]:
        """Slopes along turns of a block's joints as slopes along its unknowns, and their places in
        x.

        A hand's turns come from its coefficients, a decoded body's from the prior's latent; the
        turns of all other blocks are changes of their own angles already (see `bones`).
        """
        decoder = self.folded.decoder
        if block in decoder.hands:
            where = column_index(angles, slopes.device)
            components = decoder.hands[block].components[:, where]
            pulled = shared_matmul(slopes.flatten(0, 2), components.T)
            return self._places(block), pulled.unflatten(0, slopes.shape[:3])
        if block is Block.BODY and not decoder.jointwise:
            where = column_index(angles, slopes.device)
            pulled = gram(slopes.flatten(1, 2).mT, self._velocity[:, where])
            return self._places(block), pulled.unflatten(1, slopes.shape[1:3])
        start = self.folded.slices[block].start
        return tuple(start + angle for angle in angles), slopes

    @property
    def bones(self) -> BoneMotion:
        """How the bones move: by changes of their axis-angles, or by turns where the pose prior
        decodes them.
        """
        return self._bones

    @cached_property
    def _bones(self) -> BoneMotion:
        left = self.view.turn.left_jacobian()
        if not self.folded.decoder.jointwise:
            body = torch.eye(3).to(left).expand(len(left), 21, 3, 3)
            left = torch.cat([left, body], 1).index_select(1, self.folded.bone_order.order)
        return BoneMotion.of(self.folded.model, self.pose.bones, left, self._shape_directions)

    @property
    def _shape_directions(self) -> int:
        """How many shape directions, betas before expression, hold those that are free."""
        betas = self.pose.state.betas.shape[-1]
        if Block.EXPRESSION in self.folded.slices:
            return betas + self.pose.state.expression.shape[-1]
        return betas if Block.BETAS in self.folded.slices else 0

    @cached_property
    def _velocity(self) -> Float[Tensor, "batch 63 latent"]:
        prior = self.folded.decoder.prior
        assert is_learned(prior)  # asked for only where the latent is not joint angles
        return prior.velocity(self.value(BODY))

    def _places(self, block: Block) -> tuple[int, ...]:
        place = self.folded.slices[block]
        return tuple(range(place.start, place.stop))


def jacobian_by_autograd(term: Term, scene: Scene) -> Jacobian:
    """The Jacobian of a term that states none: reverse differentiation, one pass per residual.

    Every feature that the term asks for counts as an unknown of its own; the chain rule does the
    rest.
    """
    # Which features it asks for shows when it is called; then once more, on leaves of the autograd
    # graph.
    asked = FeatureValues(scene.__getitem__)
    term(Scene(asked, scene.observed, scene.matches))
    with torch.enable_grad():
        leaves = {f: scene[f].detach().requires_grad_() for f in asked.asked_for()}
        values = FeatureValues(scene.__getitem__, leaves)
        residual = term(Scene(values, scene.observed, scene.matches)).values
        batch, count = residual.shape
        basis = torch.eye(count, dtype=residual.dtype, device=residual.device)
        found = torch.autograd.grad(
            residual,
            list(leaves.values()),
            basis[:, None].expand(count, batch, count),
            is_grads_batched=True,
            allow_unused=True,
            retain_graph=False,
        )
    blocks = {}
    for feature, slope in zip(leaves, found, strict=True):
        if slope is not None:
            # [r, batch, ...] as it comes; the strides would decide how later sums round
            blocks[feature] = DenseBlock(slope.movedim(0, 1).contiguous().flatten(2))
    return Jacobian(residual.detach(), blocks)


def _cut(columns: Columns, where: slice) -> Columns:
    """The columns of some residuals."""
    block = written_out(columns.block)
    return Columns(columns.at, type(block)(block.slope[..., where, :]))


def _per_joint(
    slope: Float[Tensor, "*batch r d"], matrix: Float[Tensor, "batch j 3 3"]
) -> Float[Tensor, "batch r d"]:
    """Slopes along the three angles of each joint (d = 3 j), times that joint's matrix."""
    split = slope.unflatten(-1, (-1, 3))
    return (split[..., None] * matrix[:, None]).sum(-2).flatten(-2)
