"""A normalizing flow over body poses: a standard normal latent, bent step by step into the poses
that people take.

After Zanfir et al. 2020, "Weakly supervised 3D human pose and shape reconstruction with normalizing
flows": the fit moves the latent. The steps are those of RealNVP (Dinh et al. 2017) about a
Gaussian; `training.flow` makes them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor

from ..core import rotations
from ..core.invariant_linalg import gram, shared_matmul
from .arrays import PriorFileError, Shape, read_npz
from .joint_angles import ANGLES, JOINTS
from .normal_latent import NormalLatent
from .spline import Splines
from .vae import Affine

# The whitened numbers that steady one coupling and are moved by the next. 63 is odd, so the halves
# differ in width, and every second coupling has other shapes.
HALVES = (32, 31)
LARGEST_SCALE = math.log(10)  # no coupling stretches or shrinks a number further


@dataclass(frozen=True)
class _CouplingStep:
    """What one coupling did on the way to a pose: all that its derivative needs."""

    hidden_slopes: Float[Tensor, "batch hidden"]  # derivatives of the hidden units
    moved: Float[Tensor, "batch moved"]  # the moved numbers afterwards
    shrink: Float[Tensor, "batch moved"]  # exp(-bounded log scale)
    bound_slopes: Float[Tensor, "batch moved"]  # derivatives of the bounded log scale


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

    def forward(
        self, steady: Float[Tensor, "batch steady"], moved: Float[Tensor, "batch moved"]
    ) -> tuple[Float[Tensor, "batch moved"], Float[Tensor, "batch moved"]]:
        """Towards the latent: the moved half, and the log scales."""
        _, shift, scale = self._shift_and_scale(steady)
        scale = _bounded(scale)
        return moved * scale.exp() + shift, scale

    def backward(
        self, steady: Float[Tensor, "batch steady"], moved: Float[Tensor, "batch moved"]
    ) -> _CouplingStep:
        """Towards the pose."""
        hidden, shift, scale = self._shift_and_scale(steady)
        shrink = (-_bounded(scale)).exp()
        return _CouplingStep(
            hidden_slopes=1 - hidden.square(),
            moved=(moved - shift) * shrink,
            shrink=shrink,
            bound_slopes=(1 + scale.abs() / LARGEST_SCALE).square().reciprocal(),
        )

    def pull(
        self,
        step: _CouplingStep,
        by_steady: Float[Tensor, "batch steady k"],
        by_moved: Float[Tensor, "batch moved k"],
    ) -> tuple[Float[Tensor, "batch steady k"], Float[Tensor, "batch moved k"]]:
        """Derivatives of k numbers by the results of `backward` as derivatives by its arguments.

        d moved' = shrink d moved - (shrink d shift + moved' d scale), and shift and scale are
        functions of steady.
        """
        shift_weights, scale_weights = self.outer.matrix.mT.chunk(2)  # [moved, hidden] each
        # d (shrink shift + moved' scale) / d hidden: [batch, moved, hidden]
        by_hidden = step.shrink[..., None] * shift_weights
        # in place: large new tensors cost more than the sums
        by_hidden += (step.moved * step.bound_slopes)[..., None] * scale_weights
        by_hidden *= step.hidden_slopes[:, None]
        # the same by the steady numbers: [batch, moved, steady]
        flat = shared_matmul(by_hidden.flatten(0, 1), self.inner.matrix.mT)
        lost = flat.unflatten(0, step.moved.shape)
        new_by_steady = gram(lost, by_moved).neg_().add_(by_steady)
        new_by_moved = by_moved * step.shrink[..., None]
        return new_by_steady, new_by_moved

    def _shift_and_scale(self, steady: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The hidden units, the shifts and the log scales before they are bounded."""
        hidden = self.inner(steady).tanh()
        shift, scale = self.outer(hidden).chunk(2, -1)
        return hidden, shift, scale


@dataclass(frozen=True, eq=False)
class FlowPrior(NormalLatent):
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
        # the way to set a field of a frozen dataclass that follows from the others
        object.__setattr__(self, "unwhitening", inverse.to(self.whitening.dtype))

    @classmethod
    def load(cls, path: Path) -> FlowPrior:
        """From an .npz, float32; the card of the one that ships says what its fields hold.

        Raises PriorFileError naming the file and the key or fault where something is missing,
        misshapen or not finite.
        """
        arrays = read_npz(path, SHAPES)  # whose errors name the file already
        try:
            flow = cls.from_arrays(arrays)
        except ValueError as error:
            raise PriorFileError(f"{path}: {error}") from error
        return flow.to(dtype=torch.float32)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Tensor]) -> FlowPrior:
        """From the arrays of such a file, in their precision.

        Raises ValueError where they do not fit together.
        """
        _check_sizes(arrays)
        splines = Splines(
            knots=arrays["flow_knots"],
            heights=arrays["flow_heights"],
            slopes=arrays["flow_slopes"],
        )
        layers = len(arrays["flow_inner_bias"])
        return cls(
            center=arrays["flow_center"],
            spread=arrays["flow_spread"],
            splines=splines,
            whitening=arrays["flow_whitening"],
            couplings=tuple(_coupling(arrays, layer) for layer in range(layers)),
        )

    @property
    def latent_dim(self) -> int:
        """63."""
        return ANGLES

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> FlowPrior:
        """A copy on `device` as `dtype`."""
        return FlowPrior(
            center=self.center.to(device=device, dtype=dtype),
            spread=self.spread.to(device=device, dtype=dtype),
            splines=self.splines.to(device, dtype),
            whitening=self.whitening.to(device=device, dtype=dtype),
            couplings=tuple(coupling.to(device, dtype) for coupling in self.couplings),
        )

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
        """The left angular velocity of each joint per change of the latent, 3 joint + axis.

        Built from the pose backwards, one coupling after the other, so that no step costs more than
        half a product.
        """
        angles, spline_slopes, steps = self._to_pose(latent.reshape(-1, ANGLES))

        # [batch, numbers, angles]: the derivatives of the angles, by the whitened numbers at first
        by_whitened = (self.spread / spline_slopes)[:, None] * self.unwhitening.mT
        by_steady, by_moved = by_whitened.split(HALVES, 1)
        for layer, (coupling, step) in enumerate(zip(self.couplings, steps, strict=True)):
            if layer:
                by_steady, by_moved = by_moved, by_steady
            by_steady, by_moved = coupling.pull(step, by_steady, by_moved)
        by_latent = torch.cat(_in_order(by_steady, by_moved, len(steps)), 1)
        # [batch, joint, angle, 1, latent], in memory as it is read below
        angles_by_latent = by_latent.mT.contiguous().unflatten(1, (JOINTS, 3, 1))

        # A sum over the three angles of each joint, written out: one rounding whatever the batch.
        turns = rotations.left_jacobian(angles.unflatten(-1, (JOINTS, 3)))[..., None]
        velocity = turns[:, :, :, 0] * angles_by_latent[:, :, 0]
        for axis in (1, 2):
            velocity += turns[:, :, :, axis] * angles_by_latent[:, :, axis]
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

    def _to_latent(
        self, angles: Float[Tensor, "batch 63"]
    ) -> tuple[Float[Tensor, "batch 63"], Float[Tensor, " batch"]]:
        """The latent and the log determinant of its derivative by the angles."""
        curved, slopes = self.splines((angles - self.center) / self.spread)
        whitened = shared_matmul(curved, self.whitening.mT)
        _, log_whitening = torch.linalg.slogdet(self.whitening)
        log_determinant = slopes.log().sum(-1) - self.spread.log().sum() + log_whitening

        steady, moved = whitened.split(HALVES, 1)
        for layer, coupling in enumerate(self.couplings):
            if layer:
                steady, moved = moved, steady
            moved, log_scale = coupling.forward(steady, moved)
            log_determinant = log_determinant + log_scale.sum(-1)
        latent = torch.cat(_in_order(steady, moved, len(self.couplings)), 1)
        return latent, log_determinant

    def _to_pose(
        self, latent: Float[Tensor, "batch 63"]
    ) -> tuple[Float[Tensor, "batch 63"], Float[Tensor, "batch 63"], list[_CouplingStep]]:
        """The angles, the splines' slopes there and the couplings' steps, the first coupling's
        first.
        """
        first_half, second_half = latent.split(HALVES, 1)
        steady, moved = _in_order(first_half, second_half, len(self.couplings))
        steps: list[_CouplingStep] = []
        for layer, coupling in reversed(list(enumerate(self.couplings))):
            step = coupling.backward(steady, moved)
            steps.insert(0, step)
            moved = step.moved
            if layer:  # what this coupling moved steadies the one before it
                steady, moved = moved, steady
        whitened = torch.cat([steady, moved], 1)
        curved = shared_matmul(whitened, self.unwhitening.mT)
        standardised, slopes = self.splines.inverse(curved)
        return standardised * self.spread + self.center, slopes, steps


# Stored with both halves as wide as the wider one: what is beyond a half is not read.
SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
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
)


def _check_sizes(arrays: Mapping[str, Tensor]) -> None:
    """Raises ValueError where arrays of `SHAPES` do not fit together."""
    layers, hidden = arrays["flow_inner_bias"].shape
    points = arrays["flow_knots"].shape[1]
    sizes = {
        "flow_inner": (layers, HALVES[0], hidden),
        "flow_outer": (layers, hidden, 2, HALVES[0]),
        "flow_outer_bias": (layers, 2, HALVES[0]),
        "flow_heights": (ANGLES, points),
        "flow_slopes": (ANGLES, points),
    }
    for key, size in sizes.items():
        found = arrays[key].shape
        if found != size:
            raise ValueError(f"{key} has shape {list(found)}, expected {list(size)}")
    if points < 2 or not (arrays["flow_spread"] > 0).all():
        raise ValueError("the flow's splines have no pieces, or its spread is not positive")


def _coupling(arrays: Mapping[str, Tensor], layer: int) -> Coupling:
    """One layer, cut to the widths of its halves: even layers move the second half."""
    first_half, second_half = HALVES
    steady, moved = (second_half, first_half) if layer % 2 else (first_half, second_half)
    inner = Affine(
        matrix=arrays["flow_inner"][layer, :steady],
        bias=arrays["flow_inner_bias"][layer],
    )
    outer = Affine(
        matrix=arrays["flow_outer"][layer, ..., :moved].flatten(1),
        bias=arrays["flow_outer_bias"][layer, :, :moved].flatten(),
    )
    return Coupling(inner, outer)


def _bounded(scale: Tensor) -> Tensor:
    """The log scale within +-LARGEST_SCALE, smoothly."""
    return scale / (1 + scale.abs() / LARGEST_SCALE)


def _in_order(steady: Tensor, moved: Tensor, layers: int) -> tuple[Tensor, Tensor]:
    """The halves, first half first, after so many couplings; its own inverse.

    The first coupling moves the second half, and before each further one the halves change roles:
    after an odd number of couplings, or none, the steady half is the first.
    """
    return (steady, moved) if layers % 2 or not layers else (moved, steady)
