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

JOINTS = 21


@dataclass(frozen=True, eq=False)
class Affine:
    """One layer: x -> x matrix + bias, row by row."""

    matrix: Float[Tensor, "inputs outputs"]
    bias: Float[Tensor, " outputs"]

    def __call__(self, x: Float[Tensor, "rows inputs"]) -> Float[Tensor, "rows outputs"]:
        """The layer's answer; a row's does not depend on the other rows."""
        return shared_matmul(x, self.matrix) + self.bias

    def then(self, following: Affine) -> Affine:
        """Both layers as one."""
        return Affine(self.matrix @ following.matrix, self.bias @ following.matrix + following.bias)

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Affine:
        """A copy on `device` as `dtype`."""
        return Affine(
            self.matrix.to(device=device, dtype=dtype), self.bias.to(device=device, dtype=dtype)
        )


@dataclass(frozen=True, eq=False)
class VaePrior:
    """Poses decode(z) with z ~ N(0, 1): layers with a leaky rectifier of this negative `slope`
    between them.

    `decoder` goes from the latent to 21 x 6 numbers (`sixd`), `encoder` from the 63 axis-angles
    (radians) to the mean of the latent, its normalisation folded into the layers. The residual is
    the density of the latent, not of the pose: how much the decoder stretches is left out, as in
    every fit with VPoser.
    """

    decoder: tuple[Affine, ...]
    encoder: tuple[Affine, ...]
    slope: float

    def __post_init__(self) -> None:
        """Raises ValueError where the layers do not fit together."""
        for name, layers, ends in (
            ("decoder", self.decoder, (self.latent_dim, 6 * JOINTS)),
            ("encoder", self.encoder, (3 * JOINTS, self.latent_dim)),
        ):
            outputs, inputs = (
                [layer.matrix.shape[1] for layer in layers],
                [layer.matrix.shape[0] for layer in layers],
            )
            if [ends[0], *outputs] != [*inputs, ends[1]]:
                sizes = [(int(a), int(b)) for a, b in zip(inputs, outputs, strict=True)]
                raise ValueError(
                    f"the {name}'s layers {sizes} do not lead from {ends[0]} to {ends[1]}"
                )

    @property
    def latent_dim(self) -> int:
        """Length of the latent, 32 in VPoser."""
        return self.decoder[0].matrix.shape[0]

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> VaePrior:
        """A copy on `device` as `dtype`."""
        decoder, encoder = (
            tuple(layer.to(device, dtype) for layer in layers)
            for layers in (self.decoder, self.encoder)
        )
        return VaePrior(decoder, encoder, self.slope)

    def mean(self) -> Float[Tensor, " latent"]:
        """Zero: a pose near the mean one."""
        return torch.zeros_like(self.decoder[0].matrix[:, 0])

    def decode(self, latent: Float[Tensor, "*batch latent"]) -> Float[Tensor, "*batch 21 3 3"]:
        """The rotations of the body joints; a rotation and a finite derivative for every finite
        latent.
        """
        six = _answer(self.decoder, self.slope, latent.reshape(-1, self.latent_dim))
        return sixd.to_rotation(six.unflatten(-1, (JOINTS, 6))).reshape(
            *latent.shape[:-1], JOINTS, 3, 3
        )

    def velocity(self, latent: Float[Tensor, "*batch latent"]) -> Float[Tensor, "*batch 63 latent"]:
        """The left angular velocity of each joint per change of the latent, rows 3 joint + axis."""
        six, d_six = self._with_tangents(latent.reshape(-1, self.latent_dim))
        turns = sixd.angular_velocity(six.unflatten(-1, (JOINTS, 6))).flatten(0, 1).mT
        columns = d_six.mT.reshape(-1, 6, self.latent_dim)
        return gram(turns, columns).reshape(*latent.shape[:-1], 3 * JOINTS, self.latent_dim)

    def encode(self, rotation: Float[Tensor, "*batch 21 3 3"]) -> Float[Tensor, "*batch latent"]:
        """The mean of the encoder: a latent that decodes close to the pose, though not the closest
        there is.
        """
        rotvec = rotations.log(rotation).reshape(-1, 3 * JOINTS)
        return _answer(self.encoder, self.slope, rotvec).reshape(
            *rotation.shape[:-3], self.latent_dim
        )

    def residual(self, latent: Float[Tensor, "*batch latent"]) -> Float[Tensor, "*batch latent"]:
        """The latent itself; its square sum is -2 log density of the standard normal up to a
        constant.
        """
        return latent

    def jacobian(
        self, latent: Float[Tensor, "*batch latent"]
    ) -> Float[Tensor, "*batch latent latent"]:
        """The identity."""
        identity = torch.eye(self.latent_dim, dtype=latent.dtype, device=latent.device)
        return identity.expand(*latent.shape[:-1], -1, -1)

    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "count latent"]:
        """Draws of the standard normal."""
        return torch.randn(count, self.latent_dim, generator=generator, device=generator.device).to(
            self.mean()
        )

    def _with_tangents(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """The decoder's 126 numbers and their derivative [rows, latent, 126].

        All derivatives together are one tall matrix per layer; the rectifier scales its columns,
        row by row.
        """
        rows, width = latent.shape
        value, tangents = self.decoder[0](latent), self.decoder[0].matrix.expand(rows, -1, -1)
        for layer in self.decoder[1:]:
            slopes = _slopes(value, self.slope)
            tangents = shared_matmul(
                (tangents * slopes[:, None]).flatten(0, 1), layer.matrix
            ).unflatten(0, (-1, width))
            value = layer(value * slopes)
        return value, tangents


def _answer(layers: Sequence[Affine], slope: float, x: Tensor) -> Tensor:
    value = layers[0](x)
    for layer in layers[1:]:
        value = layer(value * _slopes(value, slope))
    return value


def _slopes(value: Tensor, slope: float) -> Tensor:
    """The derivative of the leaky rectifier, which is also its factor."""
    return torch.where(value > 0, torch.ones_like(value), slope)
