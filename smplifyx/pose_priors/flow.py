"""A normalizing flow over body poses: a standard normal latent, bent step by step into the poses
that people take.

After Zanfir et al. 2020, "Weakly supervised 3D human pose and shape reconstruction with normalizing
flows": the fit moves the latent. The steps are those of RealNVP (Dinh et al. 2017) about a
Gaussian; `training.flow` makes them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ..core import rotations
from ..core.invariant_linalg import gram, shared_matmul
from .arrays import read_npz
from .spline import Splines
from .vae import Affine

ANGLES, JOINTS = 63, 21
HALVES = (32, 31)  # the whitened numbers that steady one coupling and are moved by the next
LARGEST_SCALE = math.log(10)  # no coupling stretches or shrinks a number further


@dataclass(frozen=True)
class _Step:
    """What one coupling did on the way to a pose: all that its derivative needs."""

    bends: Float[Tensor, "rows hidden"]  # derivatives of the hidden units
    moved: Float[Tensor, "rows moved"]  # the moved numbers afterwards
    shrink: Float[Tensor, "rows moved"]
    ease: Float[Tensor, "rows moved"]  # derivative of the bounded log scale


@dataclass(frozen=True, eq=False)
class Coupling:
    """moved -> moved exp(scale) + shift, both functions of the other, steady half: one layer of
    hyperbolic tangents.

    `outer` gives the shifts, then the log scales before they are bounded.
    """

    inner: Affine
    outer: Affine

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Coupling:
        """A copy on `device` as `dtype`."""
        return Coupling(self.inner.to(device, dtype), self.outer.to(device, dtype))

    def forward(self, steady: Tensor, moved: Tensor) -> tuple[Tensor, Tensor]:
        """Towards the latent: the moved half, and the log scales [rows, moved]."""
        _, shift, scale = self._shift_and_scale(steady)
        scale = _bounded(scale)
        return moved * scale.exp() + shift, scale

    def backward(self, steady: Tensor, moved: Tensor) -> _Step:
        """Towards the pose."""
        hidden, shift, scale = self._shift_and_scale(steady)
        shrink = (-_bounded(scale)).exp()
        ease = (1 + scale.abs() / LARGEST_SCALE).square().reciprocal()
        return _Step(1 - hidden.square(), (moved - shift) * shrink, shrink, ease)

    def pull(self, step: _Step, steady: Tensor, moved: Tensor) -> tuple[Tensor, Tensor]:
        """From derivatives by this step's results (steady, moved; each [rows, half, k]) to those by
        its arguments.

        d moved' = shrink d moved - (shrink d shift + moved' d scale), and shift and scale are
        functions of steady.
        """
        shift, scale = self.outer.matrix.mT.chunk(2)
        by_hidden = step.shrink[..., None] * shift
        # in place: large new tensors cost more than the sums
        by_hidden += (step.moved * step.ease)[..., None] * scale
        by_hidden *= step.bends[:, None]
        by_steady = shared_matmul(by_hidden.flatten(0, 1), self.inner.matrix.mT).unflatten(
            0, step.moved.shape
        )
        return gram(by_steady, moved).neg_().add_(steady), moved * step.shrink[..., None]

    def _shift_and_scale(self, steady: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = self.inner(steady).tanh()
        return hidden, *self.outer(hidden).chunk(2, -1)


@dataclass(frozen=True, eq=False)
class FlowPrior:
    """Poses whose latent is N(0, 1) in 63 numbers, one to one with the 63 axis-angles (radians).

    latent = couplings(whitening splines((angles - center) / spread)); the first coupling moves the
    last 31 of the whitened numbers, the next the first 32, and so on. Without splines and couplings
    it is a Gaussian. The residual is the density of the latent; `log_density` is that of the
    angles.
    """

    center: Float[Tensor, " 63"]
    spread: Float[Tensor, " 63"]
    splines: Splines
    whitening: Float[Tensor, "63 63"]
    couplings: tuple[Coupling, ...]
    unwhitening: Float[Tensor, "63 63"] = field(init=False)

    def __post_init__(self) -> None:
        """The inverse of the whitening as it is rounded. Raises ValueError where there is none."""
        inverse, singular = torch.linalg.inv_ex(self.whitening.double())
        if singular:
            raise ValueError("flow_whitening cannot be inverted")
        object.__setattr__(self, "unwhitening", inverse.to(self.whitening.dtype))

    @classmethod
    def load(cls, path: Path) -> FlowPrior:
        """From an .npz; the card of the one that ships says what its fields hold.

        Raises ValueError naming the file and the key or fault where something is missing, misshapen
        or not finite.
        """
        try:
            return cls.from_arrays(read_npz(path, SHAPES)).to(dtype=torch.float32)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    @classmethod
    def from_arrays(cls, arrays: dict[str, Tensor]) -> FlowPrior:
        """From the arrays of such a file, in their precision.

        Raises ValueError where they do not fit together.
        """
        layers, hidden = arrays["flow_inner_bias"].shape
        points = arrays["flow_knots"].shape[1]
        sizes = {
            "inner": (layers, HALVES[0], hidden), "outer": (layers, hidden, 2, HALVES[0]),
            "outer_bias": (layers, 2, HALVES[0]), "heights": (ANGLES, points), "slopes": (ANGLES, points),
        }  # fmt: skip
        for key, size in sizes.items():
            if arrays[f"flow_{key}"].shape != size:
                raise ValueError(
                    f"flow_{key} has shape {list(arrays[f'flow_{key}'].shape)}, expected {list(size)}"
                )
        if points < 2 or not (arrays["flow_spread"] > 0).all():
            raise ValueError("the flow's splines have no pieces, or its spread is not positive")
        splines = Splines(arrays["flow_knots"], arrays["flow_heights"], arrays["flow_slopes"])
        couplings = tuple(_coupling(arrays, layer) for layer in range(layers))
        return cls(
            arrays["flow_center"],
            arrays["flow_spread"],
            splines,
            arrays["flow_whitening"],
            couplings,
        )

    @property
    def latent_dim(self) -> int:
        """63."""
        return ANGLES

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> FlowPrior:
        """A copy on `device` as `dtype`."""
        center, spread, whitening = (
            value.to(device=device, dtype=dtype)
            for value in (self.center, self.spread, self.whitening)
        )
        couplings = tuple(coupling.to(device, dtype) for coupling in self.couplings)
        return FlowPrior(center, spread, self.splines.to(device, dtype), whitening, couplings)

    def mean(self) -> Float[Tensor, " 63"]:
        """Zero: the likeliest latent."""
        return torch.zeros_like(self.center)

    def decode(self, latent: Float[Tensor, "*batch 63"]) -> Float[Tensor, "*batch 21 3 3"]:
        """The rotations of the body joints."""
        return rotations.exp(self.rotvec(latent))

    def rotvec(self, latent: Float[Tensor, "*batch 63"]) -> Float[Tensor, "*batch 21 3"]:
        """The axis-angles of the body joints, radians."""
        angles, _, _ = self._to_pose(latent.reshape(-1, ANGLES))
        return angles.reshape(*latent.shape[:-1], JOINTS, 3)

    def velocity(self, latent: Float[Tensor, "*batch 63"]) -> Float[Tensor, "*batch 63 63"]:
        """The left angular velocity of each joint per change of the latent, rows 3 joint + axis.

        Built from the pose backwards, one coupling after the other, so that no step costs more than
        half a product.
        """
        angles, slopes, steps = self._to_pose(latent.reshape(-1, ANGLES))
        by_whitened = (self.spread / slopes)[:, None] * self.unwhitening.mT
        steady, moved = by_whitened.split(HALVES, 1)
        for layer, (coupling, step) in enumerate(zip(self.couplings, steps, strict=True)):
            if layer:
                steady, moved = moved, steady
            steady, moved = coupling.pull(step, steady, moved)
        by_latent = (
            torch.cat(_in_order(steady, moved, len(steps)), 1)
            .mT.contiguous()
            .unflatten(1, (JOINTS, 3, 1))
        )
        turns = rotations.left_jacobian(angles.unflatten(-1, (JOINTS, 3)))[..., None]
        velocity = turns[:, :, :, 0] * by_latent[:, :, 0]
        for axis in (1, 2):
            velocity += turns[:, :, :, axis] * by_latent[:, :, axis]
        return velocity.reshape(*latent.shape[:-1], ANGLES, ANGLES)

    def encode(self, rotation: Float[Tensor, "*batch 21 3 3"]) -> Float[Tensor, "*batch 63"]:
        """The latent of a pose, exactly."""
        latent, _ = self._to_latent(rotations.log(rotation).reshape(-1, ANGLES))
        return latent.reshape(*rotation.shape[:-3], ANGLES)

    def log_density(self, rotvec: Float[Tensor, "*batch 21 3"]) -> Float[Tensor, "*batch"]:
        """Log density of axis-angles (nats, per radian^63), exactly."""
        latent, log_determinant = self._to_latent(rotvec.reshape(-1, ANGLES))
        normal = -0.5 * (latent.square().sum(-1) + ANGLES * math.log(2 * math.pi))
        return (normal + log_determinant).reshape(rotvec.shape[:-2])

    def residual(self, latent: Float[Tensor, "*batch 63"]) -> Float[Tensor, "*batch 63"]:
        """The latent itself; its square sum is -2 log density of the standard normal up to a
        constant.

        How much the flow stretches about that pose is left out, as in fits with VPoser.
        """
        return latent

    def jacobian(self, latent: Float[Tensor, "*batch 63"]) -> Float[Tensor, "*batch 63 63"]:
        """The identity."""
        return torch.eye(ANGLES, dtype=latent.dtype, device=latent.device).expand(
            *latent.shape[:-1], -1, -1
        )

    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 63"]:
        """Draws of the standard normal."""
        return torch.randn(count, ANGLES, generator=generator, device=generator.device).to(
            self.center
        )

    def _to_latent(self, angles: Tensor) -> tuple[Tensor, Tensor]:
        """The latent and the log determinant of its derivative by the angles."""
        curved, slopes = self.splines((angles - self.center) / self.spread)
        steady, moved = shared_matmul(curved, self.whitening.mT).split(HALVES, 1)
        log_determinant = (
            slopes.log().sum(-1) - self.spread.log().sum() + torch.linalg.slogdet(self.whitening)[1]
        )
        for layer, coupling in enumerate(self.couplings):
            if layer:
                steady, moved = moved, steady
            moved, scale = coupling.forward(steady, moved)
            log_determinant = log_determinant + scale.sum(-1)
        return torch.cat(_in_order(steady, moved, len(self.couplings)), 1), log_determinant

    def _to_pose(self, latent: Tensor) -> tuple[Tensor, Tensor, list[_Step]]:
        """The angles, the splines' slopes there and the couplings' steps, the first coupling's
        first.
        """
        steady, moved = _in_order(*latent.split(HALVES, 1), len(self.couplings))
        steps: list[_Step] = []
        for layer, coupling in reversed(list(enumerate(self.couplings))):
            step = coupling.backward(steady, moved)
            steps.insert(0, step)
            steady, moved = (step.moved, steady) if layer else (steady, step.moved)
        curved = shared_matmul(torch.cat([steady, moved], 1), self.unwhitening.mT)
        standard, slopes = self.splines.inverse(curved)
        return standard * self.spread + self.center, slopes, steps


# Stored with both halves as wide as the wider one: what is beyond a half is not read.
SHAPES = {
    "flow_center": (ANGLES,),
    "flow_spread": (ANGLES,),
    "flow_knots": (ANGLES, None),
    "flow_heights": (ANGLES, None),
    "flow_slopes": (ANGLES, None),
    "flow_whitening": (ANGLES, ANGLES),
    "flow_inner": (None, HALVES[0], None),
    "flow_inner_bias": (None, None),
    "flow_outer": (None, None, 2, HALVES[0]),
    "flow_outer_bias": (None, 2, HALVES[0]),
}


def _coupling(arrays: dict[str, Tensor], layer: int) -> Coupling:
    steady, moved = HALVES if layer % 2 == 0 else HALVES[::-1]
    inner = Affine(arrays["flow_inner"][layer, :steady], arrays["flow_inner_bias"][layer])
    outer, bias = (
        arrays["flow_outer"][layer, ..., :moved],
        arrays["flow_outer_bias"][layer, :, :moved],
    )
    return Coupling(inner, Affine(outer.flatten(1), bias.flatten()))


def _bounded(scale: Tensor) -> Tensor:
    """The log scale within +-LARGEST_SCALE, smoothly."""
    return scale / (1 + scale.abs() / LARGEST_SCALE)


def _in_order(steady: Tensor, moved: Tensor, layers: int) -> Sequence[Tensor]:
    """The halves, first half first, after so many couplings; its own inverse."""
    return (steady, moved) if layers % 2 or not layers else (moved, steady)
