"""The chain rule of a fit: from what the terms see to the unknowns that a solver moves."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import torch
from torch import Tensor

from . import rotations
from .batching import gram
from .body import point_model
from .body.params import POSE_ROWS
from .body.point_model import PointModel, Posed
from .config import Block
from .state import TURNED, Decoder
from .terms.scene import Scene, Slopes, Term

JOINTS_OF = MappingProxyType({  # where each rotation block sits in BodyParams.full_pose()
    Block.GLOBAL_ORIENT: POSE_ROWS["global_orient"], Block.BODY: POSE_ROWS["body_pose"],
    Block.JAW: POSE_ROWS["jaw_pose"], Block.LEYE: POSE_ROWS["leye_pose"], Block.REYE: POSE_ROWS["reye_pose"],
    Block.LEFT_HAND: POSE_ROWS["left_hand_pose"], Block.RIGHT_HAND: POSE_ROWS["right_hand_pose"],
})  # fmt: skip
MADE_BY = MappingProxyType({  # inputs of the terms that are not unknowns themselves
    "body_pose": Block.BODY, "left_hand_pose": Block.LEFT_HAND, "right_hand_pose": Block.RIGHT_HAND,
    "up": Block.GLOBAL_ORIENT,
})  # fmt: skip


@dataclass(frozen=True)
class Bones:
    """How the bones of a point model get their rotations, from `Decoder.turns` and from the pose prior.

    Entries `turned` of the 34 axis-angles (34: one that is zero), then the 21 joints of the prior; `order` puts these
    in the order of the bones.
    """

    turned: tuple[int, ...]
    order: tuple[int, ...]

    @staticmethod
    @functools.lru_cache(maxsize=64)
    def of(joints: tuple[int, ...]) -> Bones:
        """For bones given as indices into the full pose, -1 for one that never turns."""
        body = POSE_ROWS["body_pose"]
        turned = [TURNED.index(j) if j >= 0 else len(TURNED) for j in joints if j not in body]
        place = iter(range(len(turned)))
        order = [len(turned) + j - body.start if j in body else next(place) for j in joints]
        return Bones(tuple(turned), tuple(order))


@dataclass(frozen=True)
class View:
    """One evaluation: what the terms see, and what the slopes of the points are made of."""

    scene: Scene
    posed: Posed
    rotvec: Tensor  # [b, turned, 3] of the bones that the pose prior does not turn


@dataclass(frozen=True)
class Chain:
    """The chain rule at one evaluation. Columns are (slice of x, slopes [b, r, d] or shared [r, d])."""

    model: PointModel
    decoder: Decoder
    slices: Mapping[Block, slice]  # of x, in its order
    view: View

    def columns(self, slopes: Slopes) -> list[tuple[slice, Tensor]]:
        """Slopes of x from slopes of the inputs; inputs that are not free drop out."""
        found: dict[tuple[int, int], Tensor] = {}
        for name, slope in slopes.wrt.items():
            for at, column in self._pull(name, slope):
                key = (at.start, at.stop)
                found[key] = found[key] + column if key in found else column
        return [(slice(*key), column) for key, column in found.items()]

    def points_jacobian(self) -> Tensor:
        """d points / d x: [b, p, 3, dim]."""
        bones, view = Bones.of(self.model.joints), self.view
        body = self._velocity if self._jointwise else torch.eye(3).to(view.rotvec).expand(len(view.rotvec), 21, 3, 3)
        left = torch.cat([rotations.left_jacobian(view.rotvec), body], 1)[:, bones.order]
        turn = point_model.turn_jacobian(self.model, view.posed, left)
        shape = None
        if Block.BETAS in self.slices or Block.EXPRESSION in self.slices:
            shape = point_model.shape_jacobian(self.model, view.posed)
        return torch.cat([self._block_jacobian(block, turn, shape) for block in self.slices], -1)

    def _pull(self, name: str, slope: Tensor) -> list[tuple[slice, Tensor]]:
        if name == "points":
            return [(slice(0, max(at.stop for at in self.slices.values())), self._pull_points(slope))]
        block = MADE_BY[name] if name in MADE_BY else Block(name)
        return [(self.slices[block], self._pull_input(name, slope))] if block in self.slices else []

    def _pull_points(self, slope: Tensor) -> Tensor:
        jacobian = self.points_jacobian()
        if slope.dim() == 4:  # row (p, k) sees point p alone
            parts = (slope[..., i, None] * jacobian[:, :, None, i] for i in range(3))
            return functools.reduce(torch.add, parts).flatten(1, 2)
        return slope @ jacobian.flatten(1, 2)

    def _pull_input(self, name: str, slope: Tensor) -> Tensor:
        """Slopes of an input as slopes of the unknown that makes it; other inputs are unknowns already."""
        if name == "up":  # turning by u moves it by u x up
            turn = rotations.left_jacobian(self.view.scene[Block.GLOBAL_ORIENT.value])
            return slope @ (rotations.skew(self.view.scene["up"]).mT @ turn)
        if name == "body_pose":
            rotvec = self.view.scene["body_pose"].unflatten(-1, (-1, 3))
            return self._pull_body(_per_joint(slope, rotations.left_jacobian_inverse(rotvec)))
        if name == "left_hand_pose":
            return slope @ self.decoder.left_hand.components.T
        return slope @ self.decoder.right_hand.components.T if name == "right_hand_pose" else slope

    def _pull_body(self, slope: Tensor) -> Tensor:
        """Slopes of the body joints' turns [b, r, 63] as slopes of the latent."""
        return _per_joint(slope, self._velocity) if self._jointwise else gram(slope.mT, self._velocity)

    @cached_property
    def _velocity(self) -> Tensor:
        return self.decoder.prior.velocity(self.view.scene[Block.BODY.value])

    @property
    def _jointwise(self) -> bool:
        return self._velocity.dim() == 4

    def _block_jacobian(self, block: Block, turn: Tensor, shape: Tensor | None) -> Tensor:
        batch, points = turn.shape[:2]
        betas = self.view.scene[Block.BETAS.value].shape[-1]
        if block is Block.TRANSL:
            return torch.eye(3, dtype=turn.dtype, device=turn.device).expand(batch, points, 3, 3)
        if block is Block.BETAS:
            return shape[..., :betas]
        if block is Block.EXPRESSION:
            return shape[..., betas:]
        if block is Block.FOCAL:
            return turn.new_zeros(batch, points, 3, 1)
        columns = _columns_of(turn, self.model.joints, JOINTS_OF[block])
        if block is Block.BODY:
            return columns if self._jointwise else self._pull_body(columns.flatten(1, 2)).unflatten(1, (points, 3))
        hand = {Block.LEFT_HAND: "left_hand_pose", Block.RIGHT_HAND: "right_hand_pose"}.get(block, block.value)
        return self._pull_input(hand, columns.flatten(1, 2)).unflatten(1, (points, 3))


def slopes_by_autograd(term: Term, scene: Scene) -> Slopes:
    """The slopes of a term that states none: reverse differentiation, one pass per row of its residual."""
    with torch.enable_grad():
        inputs = {name: value.detach().requires_grad_() for name, value in scene.inputs.items()}
        residual = term(Scene(inputs, scene.observation)).residual
        batch, count = residual.shape
        basis = torch.eye(count, dtype=residual.dtype, device=residual.device)[:, None].expand(count, batch, count)
        found = torch.autograd.grad(
            residual, list(inputs.values()), basis, is_grads_batched=True, allow_unused=True, retain_graph=False
        )
    found = {name: slope for name, slope in zip(inputs, found, strict=True) if slope is not None}
    wrt = {name: slope.movedim(0, 1).contiguous().flatten(2) for name, slope in found.items()}
    return Slopes(residual.detach(), wrt)


def _per_joint(slope: Tensor, matrix: Tensor) -> Tensor:
    """Slopes [*, r, 3 j] times a matrix for each joint [b, j, 3, 3]: [b, r, 3 j]."""
    split = slope.unflatten(-1, (-1, 3))
    return (split[..., None] * matrix[:, None]).sum(-2).flatten(-2)


def _columns_of(turn: Tensor, joints: Sequence[int], wanted: range) -> Tensor:
    """Columns of the wanted joints [b, p, 3, 3 * wanted]; a joint the points do not have gives zeros."""
    place = {joint: i for i, joint in enumerate(joints)}
    if all(joint in place for joint in wanted):
        return turn[:, :, :, [place[j] for j in wanted]].flatten(3)
    padded = torch.cat([turn, torch.zeros_like(turn[:, :, :, :1])], 3)
    return padded[:, :, :, [place.get(j, len(joints)) for j in wanted]].flatten(3)
