"""Trains the normalizing flow with the library zuko (the extra [train]); the trained numbers run
without it, in `pose_priors.flow`.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from zuko.flows import GeneralCouplingTransform
from zuko.nn import Linear
from zuko.transforms import MonotonicAffineTransform, MonotonicRQSTransform

from ..core import rotations
from ..pose_priors.flow import HALVES, LARGEST_SCALE
from ..pose_priors.joint_angles import ANGLES
from ..pose_priors.limits import body_limits
from .contract import Description, History, Material
from .export import export_npz
from .floors import explain_floors, standard_floor
from .mixture import angles_about

DRAWS = 40_000  # poses for the moments of the Gaussian within
SAMPLES = 4000  # drawn to see how many lie inside the joint limits


@dataclass(frozen=True)
class FlowSettings:
    """`couplings` layers of `hidden` units each, and splines of `pieces` within `bound` standard
    deviations.

    `floor` scales the floors: the noise that the poses are seen with. So few couplings because
    twelve subjects do not fill more: each further one raises the density of the subjects trained
    on, and lowers that of others.
    """

    couplings: int = 2
    hidden: int = 16
    pieces: int = 8
    bound: float = 4.0
    floor: float = 1.0


class FlowNetwork(nn.Module):
    """A Gaussian of these moments to begin with; splines and couplings bend it."""

    # buffers, float32
    center: Float[Tensor, " 63"]
    spread: Float[Tensor, " 63"]
    whitening: Float[Tensor, "63 63"]
    floor: Float[Tensor, " 63"]

    def __init__(
        self,
        center: Float[Tensor, " 63"],
        covariance: Float[Tensor, "63 63"],
        floor: Float[Tensor, " 63"],
        settings: FlowSettings,
    ) -> None:
        super().__init__()
        spread, whitening = _whitening(covariance, floor)
        self.register_buffer("center", center.float())
        self.register_buffer("spread", spread.float())
        self.register_buffer("whitening", whitening.float())
        self.register_buffer("floor", floor.float())
        # zeros are straight lines: the splines begin as the identity
        pieces = settings.pieces
        self.bound = settings.bound
        self.widths = nn.Parameter(torch.zeros(ANGLES, pieces))
        self.heights = nn.Parameter(torch.zeros(ANGLES, pieces))
        self.slopes = nn.Parameter(torch.zeros(ANGLES, pieces - 1))
        self.couplings = nn.ModuleList(
            _new_coupling(layer, settings.hidden) for layer in range(settings.couplings)
        )

    def splines(self) -> MonotonicRQSTransform:
        """The curves of the angles, as zuko has them."""
        return MonotonicRQSTransform(self.widths, self.heights, self.slopes, bound=self.bound)

    def layers(self) -> list[GeneralCouplingTransform]:
        """The couplings; a `ModuleList` does not say what it is made of."""
        return [cast(GeneralCouplingTransform, coupling) for coupling in self.couplings]

    def forward(
        self, angles: Float[Tensor, "batch 63"]
    ) -> tuple[Float[Tensor, "batch 63"], Float[Tensor, " batch"]]:
        """The latent and the log determinant of its derivative by the angles."""
        standardised = (angles - self.center) / self.spread
        curved, log_slopes = self.splines().call_and_ladj(standardised)
        value = curved @ self.whitening.mT
        log_determinant = log_slopes.sum(-1) - self.spread.log().sum() + self._log_whitening()
        for coupling in self.layers():
            value, log_scale = coupling().call_and_ladj(value)
            log_determinant = log_determinant + log_scale
        return value, log_determinant

    def log_density(self, angles: Float[Tensor, "batch 63"]) -> Float[Tensor, " batch"]:
        """Nats per pose."""
        latent, log_determinant = self(angles)
        return _normal_log_density(latent) + log_determinant

    def gaussian(self, angles: Float[Tensor, "batch 63"]) -> Float[Tensor, " batch"]:
        """Log density of the Gaussian that training began with, nats per pose."""
        white = ((angles - self.center) / self.spread) @ self.whitening.mT
        return _normal_log_density(white) - self.spread.log().sum() + self._log_whitening()

    def draw(self, count: int) -> Float[Tensor, "count 63"]:
        """Angles drawn from the flow (radians), the same at every call."""
        generator = torch.Generator().manual_seed(0)
        value = torch.randn(count, ANGLES, generator=generator).to(self.center)
        for coupling in reversed(self.layers()):
            value = coupling().inv(value)
        curved = torch.linalg.solve(self.whitening, value.mT).mT
        standardised = self.splines().inv(curved)
        assert standardised is not None  # torch's types allow for transforms without an inverse
        return standardised * self.spread + self.center

    def _log_whitening(self) -> Float[Tensor, ""]:
        """The log of the determinant of the whitening."""
        _, log_determinant = torch.linalg.slogdet(self.whitening)
        return log_determinant


class FlowTrainee:
    """A `FlowNetwork` in training by maximum likelihood. A `Trainee`."""

    def __init__(self, material: Material, settings: FlowSettings) -> None:
        self._settings = settings
        floor = settings.floor * torch.from_numpy(standard_floor())
        center, covariance = _moments(material)
        noisy_covariance = covariance + torch.diag(floor.square())
        self._network = FlowNetwork(center, noisy_covariance, floor, settings)

    @property
    def module(self) -> nn.Module:
        """The network."""
        return self._network

    def loss(
        self, poses: Float[Tensor, "batch 21 3 3"], progress: float, generator: torch.Generator
    ) -> Float[Tensor, ""]:
        """Minus the log density of the poses under the floors' noise, per angle."""
        noisy = self._noisy(self._angles(poses), generator)
        return -self._network.log_density(noisy).mean() / ANGLES

    @torch.no_grad()
    def validate(self, poses: Float[Tensor, "poses 21 3 3"]) -> dict[str, float]:
        """Log density in nats per pose: its mean, fifth percentile, and what it is over the
        Gaussian's.

        "loss" and "noisy_over_gaussian" are of the poses under the floors' noise, as in training;
        "samples_inside_percent" is the share of draws that lie inside the joint limits.
        """
        network = self._network
        angles = self._angles(poses)
        noisy = self._noisy(angles, torch.Generator().manual_seed(0))
        density = network.log_density(angles)
        noisy_density = network.log_density(noisy)
        sampled = network.draw(SAMPLES).unflatten(-1, (-1, 3))
        inside = body_limits(sampled).inside(sampled)
        return {
            "loss": -float(noisy_density.mean()) / ANGLES,
            "log_density_mean": float(density.mean()),
            "log_density_p5": float(density.quantile(0.05)),
            "over_gaussian": float((density - network.gaussian(angles)).mean()),
            "noisy_over_gaussian": float((noisy_density - network.gaussian(noisy)).mean()),
            "samples_inside_percent": 100 * float(inside.float().mean()),
        }

    def export(self, out: Path, history: History) -> Path:
        """As `.npz` of float32, in the layout of `pose_priors.flow`."""
        tensors = arrays_of(self._network)
        return export_npz(out, {key: value.cpu().numpy() for key, value in tensors.items()})

    def describe(self) -> Description:
        """For the card."""
        return Description(
            what="normalizing flow over the axis-angles (radians) of the 21 SMPL-X body joints, "
            "one to one with 63 numbers of a standard normal; axes x left, y up, z forward",
            fields={
                "flow_center, flow_spread": "[63] standardised = (angles - center) / spread",
                "flow_knots, flow_heights, flow_slopes": "[63, points] a rational-quadratic spline "
                "for each",
                "flow_whitening": "[63, 63] of the splines' values; its first 32 rows are the "
                "first half",
                "flow_inner, flow_inner_bias": "[layers, 32, hidden], [layers, hidden]: "
                "hidden = tanh(steady half)",
                "flow_outer, flow_outer_bias": "[layers, hidden, 2, 32], [layers, 2, 32]: shift "
                "and log scale (before it is bounded by log 10) of the other half; even layers "
                "move the second, 31 wide",
                "joints": "[21] names, three numbers of the angles each",
            },
            settings={**asdict(self._settings), "floors": explain_floors()},
        )

    def _angles(self, poses: Float[Tensor, "batch 21 3 3"]) -> Float[Tensor, "batch 63"]:
        return angles_about(poses, self._network.center.unflatten(0, (-1, 3))).flatten(1)

    def _noisy(
        self, angles: Float[Tensor, "batch 63"], generator: torch.Generator
    ) -> Float[Tensor, "batch 63"]:
        """The angles under the floors' noise; the generator is on the CPU."""
        noise = torch.randn(angles.shape, generator=generator).to(angles)
        return angles + noise * self._network.floor


def _moments(material: Material) -> tuple[Float[Tensor, " 63"], Float[Tensor, "63 63"]]:
    """Mean and covariance (float64) of filled training poses."""
    generator = torch.Generator().manual_seed(0)
    poses = material.augment(material.training.draw(DRAWS, generator), generator)
    angles = rotations.log(poses).flatten(1).double()
    center = angles.mean(0)
    return center, (angles - center).mT @ (angles - center) / len(angles)


def _whitening(
    covariance: Float[Tensor, "63 63"], floor: Float[Tensor, " 63"]
) -> tuple[Float[Tensor, " 63"], Float[Tensor, "63 63"]]:
    """The standard deviations, and a whitening of what was divided by them.

    Its lines are ordered by how far the poses stand out of the noise; neighbours go to different
    halves, so that each half knows of the other.
    """
    values, vectors = torch.linalg.eigh(covariance / torch.outer(floor, floor))
    lines = (vectors / values.sqrt()).mT.flip(0) / floor  # eigenvalues come smallest first
    spread = covariance.diagonal().sqrt()
    return spread, torch.cat([lines[0::2], lines[1::2]]) * spread


def _new_coupling(layer: int, hidden: int) -> GeneralCouplingTransform:
    """Begins as the identity; even layers move the second half."""
    is_first_half = torch.arange(ANGLES) < HALVES[0]
    steady = is_first_half == (layer % 2 == 0)
    coupling = GeneralCouplingTransform(
        ANGLES,
        mask=cast(torch.BoolTensor, steady),  # zuko's name for a tensor of bools
        univariate=partial(MonotonicAffineTransform, slope=math.exp(-LARGEST_SCALE)),
        hidden_features=[hidden],
        activation=nn.Tanh,
    )
    assert isinstance(coupling, GeneralCouplingTransform)  # for one feature it would be another
    last = _outer(coupling)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(_bias(last))
    return coupling


def _inner(coupling: GeneralCouplingTransform) -> Linear:
    """From the steady half to the hidden units."""
    layer = coupling.hyper[0]
    assert isinstance(layer, Linear)
    return layer


def _outer(coupling: GeneralCouplingTransform) -> Linear:
    """From the hidden units to shifts and log scales, which take turns."""
    layer = coupling.hyper[-1]
    assert isinstance(layer, Linear)
    return layer


def _bias(layer: Linear) -> Tensor:
    assert layer.bias is not None  # zuko has layers without one, but not in a coupling
    return layer.bias


@torch.no_grad()
def arrays_of(network: FlowNetwork) -> dict[str, Tensor]:
    """The numbers that `pose_priors.flow.FlowPrior` runs on, under its names."""
    inner = [_inner(coupling) for coupling in network.layers()]
    outer = [_outer(coupling) for coupling in network.layers()]
    splines = network.splines()
    return {
        "flow_center": network.center,
        "flow_spread": network.spread,
        "flow_whitening": network.whitening,
        "flow_knots": splines.horizontal,
        "flow_heights": splines.vertical,
        "flow_slopes": splines.derivatives,
        "flow_inner": torch.stack([_widened(layer.weight.mT, axis=0) for layer in inner]),
        "flow_inner_bias": torch.stack([_bias(layer) for layer in inner]),
        "flow_outer": torch.stack([_widened(_by_kind(layer.weight.mT), axis=2) for layer in outer]),
        "flow_outer_bias": torch.stack(
            [_widened(_by_kind(_bias(layer)), axis=1) for layer in outer]
        ),
    }


def _by_kind(outer: Tensor) -> Tensor:
    """[..., 2 moved], where shift and scale take turns, as [..., 2, moved]."""
    return outer.unflatten(-1, (-1, 2)).mT


def _widened(values: Tensor, axis: int) -> Tensor:
    """Zeros to the width of the wider half."""
    missing = list(values.shape)
    missing[axis] = HALVES[0] - values.shape[axis]
    return torch.cat([values, values.new_zeros(missing)], axis)


def _normal_log_density(latent: Float[Tensor, "batch 63"]) -> Float[Tensor, " batch"]:
    """Of N(0, 1) in every number, nats."""
    return -0.5 * (latent.square().sum(-1) + ANGLES * math.log(2 * math.pi))
