"""The latent of priors that work on the joints: each joint's own axis-angle."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from ..core import rotations
from .contract import LatentSpace

JOINTS = 21  # of the body pose
ANGLES = 3 * JOINTS  # of the body pose, flattened


class JointAngles:
    """Base of priors whose latent is the 63 axis-angles of the body joints, flattened (radians)."""

    @property
    def latent_dim(self) -> int:
        """63."""
        return ANGLES

    @property
    def latent_space(self) -> LatentSpace:
        """An axis-angle for each joint."""
        return LatentSpace.JOINT_ANGLES

    def decode(self, latent: Float[Tensor, "*batch 63"]) -> Float[Tensor, "*batch 21 3 3"]:
        """The rotations of the axis-angles."""
        return rotations.exp(latent.unflatten(-1, (JOINTS, 3)))

    def joint_velocity(self, latent: Float[Tensor, "*batch 63"]) -> Float[Tensor, "*batch 21 3 3"]:
        """The left angular velocity of each joint per change of its own three numbers."""
        return rotations.left_jacobian(latent.unflatten(-1, (JOINTS, 3)))

    def encode(self, rotation: Float[Tensor, "*batch 21 3 3"]) -> Float[Tensor, "*batch 63"]:
        """The axis-angles, flattened; no longer than pi each."""
        return rotations.log(rotation).flatten(-2)
