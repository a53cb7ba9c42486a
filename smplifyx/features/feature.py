"""What a term may look at: quantities of a posed body, each its own key in a scene.

A `Feature` is a small hashable value such as `POINTS` or `TRANSL`: terms name it (`scene[POINTS]`),
evidence says that it reads it. `bind` gives it the constants of one body, after which it knows
three things: where the quantity is (`place`), how it moves with the unknowns that a solver moves
(`pull`), and which matches it keeps for the time of a stage (`correspond`). A new quantity is one
file here; nothing else learns its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from ..body.model import BodyModel
from ..config import Block
from ..core.bundle import Bundle
from .jacobian_blocks import DenseBlock, JacobianBlock, SharedBlock
from .point_jacobian import BoneMotion
from .point_model import PointModel, Posed
from .routes import BoneOrder
from .variables import Decoder, State


@runtime_checkable
class Feature(Protocol):
    """A quantity of a posed body; hashable, and equal to others that mean the same."""

    def bind(self, folded: FoldedBody) -> BoundFeature:
        """The feature with its constants for one body and its free unknowns."""
        ...


@runtime_checkable
class BoundFeature(Protocol):
    """A feature of one body. Rows of a batch are independent, to the last bit."""

    def place(self, pose: PosedBody) -> Float[Tensor, "batch ..."]:
        """The quantity of each body of the batch."""
        ...

    def pull(self, block: JacobianBlock, motion: BodyMotion) -> Pulled:
        """How residuals move with the unknowns, if `block` says how they move with the feature."""
        ...

    def correspond(self, placed: Float[Tensor, "batch ..."]) -> Bundle | None:
        """Matches that stay for a stage, found where it begins; None for most features."""
        ...


class FoldedBody:
    """What all problems of a stage share: a body folded to the stage's points, and what of it is
    free.

    Owns the constants of every feature of that body; each is worked out when a term first asks for
    it, which for spheres takes seconds. Lives as long as its `Fitter`.
    """

    def __init__(
        self, body: BodyModel, decoder: Decoder, model: PointModel, free: tuple[Block, ...]
    ) -> None:
        """model: the points of the stage, folded for this body; free: the blocks that x holds, in
        order.
        """
        self.body, self.decoder, self.model, self.free = body, decoder, model, free
        self.betas: int = body.shapedirs.shape[-1]
        self.slices: Mapping[Block, slice] = _slices(free, widths(body, decoder))
        self.dim: int = sum(place.stop - place.start for place in self.slices.values())
        self.bone_order = BoneOrder.of(
            self.model.joints, not decoder.jointwise, self.model.offsets.device
        )
        self._bound: dict[Feature, BoundFeature] = {}

    def bound(self, feature: Feature) -> BoundFeature:
        """The feature with its constants.

        Threads that ask at the same time may both work them out; either's will do.
        """
        if feature not in self._bound:
            self._bound[feature] = feature.bind(self)
        return self._bound[feature]


def widths(body: BodyModel, decoder: Decoder) -> dict[Block, int]:
    """How many numbers each block of unknowns has for a body."""
    by_name = dict.fromkeys(Block, 3)
    return by_name | {
        Block.BODY: decoder.prior.latent_dim,
        Block.BETAS: body.shapedirs.shape[-1],
        Block.EXPRESSION: body.expressiondirs.shape[-1],
        Block.LEFT_HAND: len(decoder.left_hand.sds),
        Block.RIGHT_HAND: len(decoder.right_hand.sds),
        Block.FOCAL: 1,
    }


def _slices(free: tuple[Block, ...], width: Mapping[Block, int]) -> dict[Block, slice]:
    """Where each free block lies in x."""
    slices, start = {}, 0
    for block in free:
        slices[block] = slice(start, start + width[block])
        start += width[block]
    return slices


@dataclass(frozen=True, eq=False)
class PosedBody:
    """A batch of bodies at one evaluation.

    `posed` is None while the poses themselves are being worked out: features of joint angles must
    do without it.
    """

    state: State
    decoder: Decoder
    # [batch, 21, 3, 3] what the pose prior decodes; None where its latent is the joints' angles
    # itself
    body_rotation: Tensor | None
    posed: Posed | None = None

    @property
    def bones(self) -> Posed:
        """The posed bones and points."""
        if self.posed is None:
            raise RuntimeError("joint angles cannot depend on where the bones are")
        return self.posed

    @property
    def shape(self) -> Float[Tensor, "batch n"]:
        """Betas, then expression."""
        return torch.cat([self.state.betas, self.state.expression], -1)


@dataclass(frozen=True, eq=False)
class Columns:
    """How some residuals move with some unknowns: a block with columns at `at` in x."""

    at: tuple[int, ...]
    block: JacobianBlock


@dataclass(frozen=True, eq=False)
class RowRange:
    """Columns of the residuals in `where` alone: those that see the points of one group."""

    where: slice
    columns: tuple[Columns, ...]


@dataclass(frozen=True, eq=False)
class Pulled:
    """What a feature makes of a block: columns of all residuals, or of one range of them after the
    other.

    A feature that is not free moves nothing: both are empty.
    """

    whole: tuple[Columns, ...] = ()
    ranges: tuple[RowRange, ...] = ()


@runtime_checkable
class BodyMotion(Protocol):
    """How a batch of bodies answers to the unknowns at one evaluation: what `BoundFeature.pull` may
    ask.
    """

    @property
    def pose(self) -> PosedBody:
        """The bodies."""
        ...

    @property
    def bones(self) -> BoneMotion:
        """How the bones move with their turns and with the shape."""
        ...

    @property
    def places_of_transl(self) -> tuple[int, ...]:
        """Where the translation lies in x; nowhere where it is not free."""
        ...

    def value(self, feature: Feature) -> Tensor:
        """Where a feature is at this evaluation."""
        ...

    def of_unknown(self, block: Block, slopes: JacobianBlock) -> Pulled:
        """Slopes along a block of unknowns; nothing where it is not free."""
        ...

    def of_joint_angles(self, block: Block, slopes: DenseBlock | SharedBlock) -> Pulled:
        """Slopes along the axis-angles that a block decodes to, as slopes along its unknowns."""
        ...

    def of_turns(
        self, block: Block, angles: tuple[int, ...], slopes: Float[Tensor, "batch p k a"]
    ) -> tuple[tuple[int, ...], Float[Tensor, "batch p k c"]]:
        """Slopes along turns of a block's joints as slopes along its unknowns, and their places in
        x.

        `angles`: which of the block's angles the columns belong to, three for each joint.
        """
        ...
