"""A variational auto-encoder of body poses (VPoser and its kind): a small latent that decodes to
likely poses only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..core import rotations
from ..core.invariant_linalg import gram, shared_matmul
from . import sixd
from .joint_angles import ANGLES, JOINTS
from .normal_latent import NormalLatent

SIX = 6 * JOINTS  # numbers that the decoder puts out, see `sixd`


@dataclass(frozen=True, eq=False)
class Affine:
    """One layer: x -> x matrix + bias, row by row."""

    matrix: Float[Tensor, "inputs outputs"]
    bias: Float[Tensor, " outputs"]

    def __call__(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch outputs"]:
        """The layer's answer; a row's does not depend on the other rows, to the last bit."""
        return shared_matmul(x, self.matrix) + self.bias

    def then(self, next_layer: Affine) -> Affine:
        """Both layers as one, this one first."""
        return Affine(
            matrix=self.matrix @ next_layer.matrix,
            bias=self.bias @ next_layer.matrix + next_layer.bias,
        )

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Affine:
        """A copy on `device` as `dtype`."""
        return Affine(
            matrix=self.matrix.to(device=device, dtype=dtype),
            bias=self.bias.to(device=device, dtype=dtype),
        )


@dataclass(frozen=True, eq=False)
class VaePrior(NormalLatent):
    """Poses decode(z) with z ~ N(0, 1): layers with a leaky rectifier of this negative `slope`
    between them.

    `decoder` goes from the latent to 21 x 6 numbers (`sixd`), `encoder` from the 63 axis-angles
    (radians) to the mean of the latent, its normalisation folded into the layers.
    """

    decoder: tuple[Affine, ...]
    encoder: tuple[Affine, ...]
    slope: float

    def __post_init__(self) -> None:
        """Raises ValueError where the layers do not fit together."""
        _check_layers("decoder", self.decoder, first=self.latent_dim, last=SIX)
        _check_layers("encoder", self.encoder, first=ANGLES, last=self.latent_dim)

    @property
    def latent_dim(self) -> int:
        """Length of the latent, 32 in VPoser."""
        return self.decoder[0].matrix.shape[0]

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> VaePrior:
        """A copy on `device` as `dtype`."""
        return VaePrior(
            decoder=tuple(layer.to(device, dtype) for layer in self.decoder),
            encoder=tuple(layer.to(device, dtype) for layer in self.encoder),
            slope=self.slope,
        )

    def mean(self) -> Float[Tensor, " latent"]:
        """Zero: a pose near the mean one."""
        return torch.zeros_like(self.decoder[0].matrix[:, 0])

    def decode(self, latent: Float[Tensor, "*batch latent"]) -> Float[Tensor, "*batch 21 3 3"]:
        """The rotations of the body joints; a rotation and a finite derivative for every finite
        latent.
        """
        six = _run(self.decoder, self.slope, latent.reshape(-1, self.latent_dim))
        rotation = sixd.to_rotation(six.unflatten(-1, (JOINTS, 6)))
        return rotation.reshape(*latent.shape[:-1], JOINTS, 3, 3)

    def velocity(self, latent: Float[Tensor, "*batch latent"]) -> Float[Tensor, "*batch 63 latent"]:
        """The left angular velocity of each joint per change of the latent, 3 joint + axis."""
        six, six_by_latent = self._six_and_derivative(latent.reshape(-1, self.latent_dim))
        # Joint by joint, [batch * 21, ...]: (3 by 6) times (6 by latent). `gram`, because a plain
        # product of small matrices rounds by the size of the batch.
        turn_by_six = sixd.angular_velocity(six.unflatten(-1, (JOINTS, 6))).flatten(0, 1)
        columns = six_by_latent.mT.reshape(-1, 6, self.latent_dim)
        velocity = gram(turn_by_six.mT, columns)
        return velocity.reshape(*latent.shape[:-1], ANGLES, self.latent_dim)

    def encode(self, rotation: Float[Tensor, "*batch 21 3 3"]) -> Float[Tensor, "*batch latent"]:
        """The mean of the encoder: a latent that decodes close to the pose, though not the closest
        there is.
        """
        rotvec = rotations.log(rotation).reshape(-1, ANGLES)
        latent = _run(self.encoder, self.slope, rotvec)
        return latent.reshape(*rotation.shape[:-3], self.latent_dim)

    def _six_and_derivative(
        self, latent: Float[Tensor, "batch latent"]
    ) -> tuple[Float[Tensor, "batch 126"], Float[Tensor, "batch latent 126"]]:
        """The decoder's numbers and their derivative by the latent.

        All derivatives together are one tall matrix per layer; the rectifier scales its columns,
        row by row.
        """
        batch, width = latent.shape
        value = self.decoder[0](latent)
        derivative = self.decoder[0].matrix.expand(batch, -1, -1)
        for layer in self.decoder[1:]:
            slopes = _rectifier_slopes(value, self.slope)
            rectified = (derivative * slopes[:, None]).flatten(0, 1)  # [batch * latent, inputs]
            derivative = shared_matmul(rectified, layer.matrix).unflatten(0, (-1, width))
            value = layer(value * slopes)
        return value, derivative


def _check_layers(name: str, layers: Sequence[Affine], first: int, last: int) -> None:
    """Raises ValueError where the layers do not lead from `first` numbers to `last`."""
    inputs = [layer.matrix.shape[0] for layer in layers]
    outputs = [layer.matrix.shape[1] for layer in layers]
    if [first, *outputs] != [*inputs, last]:
        sizes = list(zip(inputs, outputs, strict=True))
        raise ValueError(f"the {name}'s layers {sizes} do not lead from {first} to {last}")


def _run(
    layers: Sequence[Affine], slope: float, x: Float[Tensor, "batch inputs"]
) -> Float[Tensor, "batch outputs"]:
    value = layers[0](x)
    for layer in layers[1:]:
        value = layer(value * _rectifier_slopes(value, slope))
    return value


def _rectifier_slopes(value: Tensor, slope: float) -> Tensor:
    """The derivative of the leaky rectifier, which is also the factor it multiplies by."""
    return torch.where(value > 0, torch.ones_like(value), slope)
