"""Poses as axis-angles, whatever latent they are decoded from; and which way the pelvis is up."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from ..config import Block
from ..core import rotations
from .feature import BodyMotion, FoldedBody, PosedBody, Pulled
from .jacobian_blocks import DenseBlock, JacobianBlock, written_out


@dataclass(frozen=True)
class BodyPose:
    """The 21 body joints as axis-angles [batch, 63], radians."""

    def bind(self, folded: FoldedBody) -> BodyPose:
        """Itself: it has no constants."""
        return self

    def place(self, pose: PosedBody) -> Float[Tensor, "batch 63"]:
        """The latent itself where that is joint angles, else the logarithms of what the prior
        decodes.
        """
        if pose.body_rotation is None:
            return pose.state.body
        return rotations.log(pose.body_rotation).flatten(1)

    def pull(self, block: JacobianBlock, motion: BodyMotion) -> Pulled:
        """Slopes along the angles as slopes along the latent."""
        if motion.pose.body_rotation is None:  # the angles are the latent: sparse blocks stay so
            return motion.of_unknown(Block.BODY, block)
        return motion.of_joint_angles(Block.BODY, written_out(block))

    def correspond(self, placed: Tensor) -> None:
        """Nothing to match."""
        return None


@dataclass(frozen=True)
class HandPose:
    """The 15 joints of a hand as axis-angles [batch, 45], radians, the mean hand included."""

    block: Block  # LEFT_HAND or RIGHT_HAND

    def bind(self, folded: FoldedBody) -> HandPose:
        """Itself: its components are the decoder's."""
        return self

    def place(self, pose: PosedBody) -> Float[Tensor, "batch 45"]:
        """What the hand's coefficients decode to."""
        hand = pose.decoder.hands[self.block]
        return hand.decode(getattr(pose.state, self.block.value))

    def pull(self, block: JacobianBlock, motion: BodyMotion) -> Pulled:
        """Slopes along the angles as slopes along the coefficients."""
        return motion.of_joint_angles(self.block, written_out(block))

    def correspond(self, placed: Tensor) -> None:
        """Nothing to match."""
        return None


@dataclass(frozen=True)
class PelvisUp:
    """The direction of the pelvis' y axis in the camera's frame [batch, 3]."""

    def bind(self, folded: FoldedBody) -> PelvisUp:
        """Itself: it has no constants."""
        return self

    def place(self, pose: PosedBody) -> Float[Tensor, "batch 3"]:
        """The second column of the pelvis' orientation."""
        return pose.bones.rotation[:, 0, :, 1]

    def pull(self, block: JacobianBlock, motion: BodyMotion) -> Pulled:
        """Through the orientation: turning by u moves the direction by u x up."""
        slope = written_out(block).slope
        turning = rotations.skew(motion.value(UP)).mT @ motion.bones.left[:, 0]
        return motion.of_unknown(Block.GLOBAL_ORIENT, DenseBlock(slope @ turning))

    def correspond(self, placed: Tensor) -> None:
        """Nothing to match."""
        return None


BODY_POSE = BodyPose()
LEFT_HAND_POSE = HandPose(Block.LEFT_HAND)
RIGHT_HAND_POSE = HandPose(Block.RIGHT_HAND)
UP = PelvisUp()
