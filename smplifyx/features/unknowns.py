"""The unknowns themselves as features: a term may look at betas or transl as they are."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..config import Block
from ..core.bundle import Bundle
from .feature import BodyMotion, FoldedBody, PosedBody, Pulled
from .jacobian_blocks import JacobianBlock


@dataclass(frozen=True)
class Unknown:
    """One block of the unknowns [batch, width]."""

    block: Block

    def bind(self, folded: FoldedBody) -> Unknown:
        """Itself: it has no constants."""
        return self

    def place(self, pose: PosedBody) -> Tensor:
        """The block as the solver holds it."""
        return getattr(pose.state, self.block.value)

    def pull(self, block: JacobianBlock, motion: BodyMotion) -> Pulled:
        """The same slopes, at the block's place in x."""
        return motion.of_unknown(self.block, block)

    def correspond(self, placed: Tensor) -> None:
        """Nothing to match."""
        return None


@dataclass(frozen=True)
class Anchor(Bundle):
    """Where an unknown was when a stage began."""

    value: Tensor


@dataclass(frozen=True)
class Anchored(Unknown):
    """A block of the unknowns, with where it was when the stage began as its match."""

    def bind(self, folded: FoldedBody) -> Anchored:
        """Itself: it has no constants."""
        return self

    def correspond(self, placed: Tensor) -> Anchor:  # type: ignore[override]
        """Where it is now."""
        return Anchor(placed)


GLOBAL_ORIENT = Unknown(Block.GLOBAL_ORIENT)
TRANSL = Unknown(Block.TRANSL)
BODY = Unknown(Block.BODY)
BETAS = Unknown(Block.BETAS)
EXPRESSION = Unknown(Block.EXPRESSION)
LEFT_HAND = Unknown(Block.LEFT_HAND)
RIGHT_HAND = Unknown(Block.RIGHT_HAND)
JAW = Unknown(Block.JAW)
LEYE = Unknown(Block.LEYE)
REYE = Unknown(Block.REYE)
FOCAL = Unknown(Block.FOCAL)
ANCHORED_TRANSL = Anchored(Block.TRANSL)
