"""Trains the normalizing flow with the library zuko; the trained numbers run without it, in
`pose_priors.flow`.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..core import rotations
from ..pose_priors.flow import ANGLES, HALVES, LARGEST_SCALE
from ..pose_priors.limits import body_limits
from .contract import Description, History, Material, Schedule
from .fill import JOINTS, FillSettings
from .floors import FLOORS, floor_of
from .mixture import angles_about

DRAWS = 40_000  # poses for the moments of the Gaussian within
SCHEDULE = Schedule(epochs=60, batch=512, rate=1e-3, weight_decay=1e-2)
FILL = FillSettings(recombine=0.5).without_noise()  # the floors are the noise


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

    def __init__(
        self,
        center: Float[Tensor, " 63"],
        covariance: Float[Tensor, "63 63"],
        floor: Tensor,
        settings: FlowSettings,
    ) -> None:
        super().__init__()
        spread, whitening = _whitening(covariance, floor)
        for name, value in (
            ("center", center),
            ("spread", spread),
            ("whitening", whitening),
            ("floor", floor),
        ):
            self.register_buffer(name, value.float())
        pieces = settings.pieces
        self.bound = settings.bound
        self.widths, self.heights, self.slopes = (
            nn.Parameter(torch.zeros(ANGLES, count)) for count in (pieces, pieces, pieces - 1)
        )
        self.couplings = nn.ModuleList(
            _coupling(layer, settings.hidden) for layer in range(settings.couplings)
        )

    def splines(self) -> torch.distributions.Transform:
        """The curves of the angles, as zuko has them."""
        from zuko.transforms import MonotonicRQSTransform  # here: the extra [train]

        return MonotonicRQSTransform(self.widths, self.heights, self.slopes, bound=self.bound)

    def forward(
        self, angles: Float[Tensor, "batch 63"]
    ) -> tuple[Float[Tensor, "batch 63"], Float[Tensor, " batch"]]:
        """The latent and the log determinant of its derivative by the angles."""
        value, slopes = self.splines().call_and_ladj((angles - self.center) / self.spread)
        value = value @ self.whitening.mT
        total = slopes.sum(-1) - self.spread.log().sum() + torch.linalg.slogdet(self.whitening)[1]
        for coupling in self.couplings:
            value, change = coupling().call_and_ladj(value)
            total = total + change
        return value, total

    def log_density(self, angles: Float[Tensor, "batch 63"]) -> Float[Tensor, " batch"]:
        """Nats per pose."""
        latent, log_determinant = self(angles)
        return _normal(latent) + log_determinant

    def gaussian(self, angles: Float[Tensor, "batch 63"]) -> Float[Tensor, " batch"]:
        """Log density of the Gaussian that training began with, nats per pose."""
        white = ((angles - self.center) / self.spread) @ self.whitening.mT
        return _normal(white) - self.spread.log().sum() + torch.linalg.slogdet(self.whitening)[1]

    def draw(self, count: int) -> Float[Tensor, "count 63"]:
        """Angles drawn from the flow, the same at every call."""
        value = torch.randn(count, ANGLES, generator=torch.Generator().manual_seed(0)).to(
            self.center
        )
        for coupling in reversed(self.couplings):
            value = coupling().inv(value)
        value = torch.linalg.solve(self.whitening, value.mT).mT
        return self.splines().inv(value) * self.spread + self.center


class FlowTrainee:
    """A `FlowNetwork` in training by maximum likelihood. A `Trainee`."""

    def __init__(self, material: Material, settings: FlowSettings | None = None) -> None:
        self._settings = settings or FlowSettings()
        floor = self._settings.floor * torch.from_numpy(
            floor_of({kind: value for kind, (value, _) in FLOORS.items()})
        )
        center, covariance = _moments(material)
        self._network = FlowNetwork(
            center, covariance + torch.diag(floor.square()), floor, self._settings
        )

    @property
    def module(self) -> nn.Module:
        """The network."""
        return self._network

    def loss(
        self, rotation: Float[Tensor, "batch 21 3 3"], progress: float, generator: torch.Generator
    ) -> Float[Tensor, ""]:
        """Minus the log density of the poses under the floors' noise, per angle."""
        angles = self._angles(rotation)
        noise = torch.randn(angles.shape, generator=generator).to(angles)
        return -self._network.log_density(angles + noise * self._network.floor).mean() / ANGLES

    @torch.no_grad()
    def validate(self, rotation: Float[Tensor, "poses 21 3 3"]) -> dict[str, float]:
        """Log density in nats per pose: its mean, fifth percentile, and what it is over the
        Gaussian's.

        "loss" and "noisy_over_gaussian" are of the poses under the floors' noise, as in training;
        "samples_inside_percent" is the share of draws that lie inside the joint limits.
        """
        network, angles = self._network, self._angles(rotation)
        noise = torch.randn(angles.shape, generator=torch.Generator().manual_seed(0)).to(angles)
        noisy = angles + noise * network.floor
        density, moved = network.log_density(angles), network.log_density(noisy)
        sampled = network.draw(4000).unflatten(-1, (-1, 3))
        return {
            "loss": -float(moved.mean()) / ANGLES,
            "log_density_mean": float(density.mean()),
            "log_density_p5": float(density.quantile(0.05)),
            "over_gaussian": float((density - network.gaussian(angles)).mean()),
            "noisy_over_gaussian": float((moved - network.gaussian(noisy)).mean()),
            "samples_inside_percent": 100
            * float(body_limits(sampled).inside(sampled).float().mean()),
        }

    def export(self, out: Path, history: History) -> Path:
        """As `.npz` of float32, in the layout of `pose_priors.flow`."""
        out.parent.mkdir(parents=True, exist_ok=True)
        arrays = {
            key: value.cpu().float().numpy() for key, value in arrays_of(self._network).items()
        }
        with open(out, "wb") as file:  # by name, numpy would add an ending of its own
            np.savez_compressed(file, **arrays, joints=np.array(JOINTS))
        return out

    def describe(self) -> Description:
        """For the card."""
        return Description(
            what="normalizing flow over the axis-angles (radians) of the 21 SMPL-X body joints, one to one with 63 "
            "numbers of a standard normal; axes x left, y up, z forward",
            fields={
                "flow_center, flow_spread": "[63] standardised = (angles - center) / spread",
                "flow_knots, flow_heights, flow_slopes": "[63, points] a rational-quadratic spline for each",
                "flow_whitening": "[63, 63] of the splines' values; its first 32 rows are the first half",
                "flow_inner, flow_inner_bias": "[layers, 32, hidden], [layers, hidden]: hidden = tanh(steady half)",
                "flow_outer, flow_outer_bias": "[layers, hidden, 2, 32], [layers, 2, 32]: shift and log scale (before "
                "it is bounded by log 10) of the other half; even layers move the second, 31 wide",
                "joints": "[21] names, three numbers of the angles each",
            },
            settings=asdict(self._settings)
            | {"floors": {k: f"{list(v)}: {why}" for k, (v, why) in FLOORS.items()}},
        )

    def _angles(self, rotation: Tensor) -> Float[Tensor, "batch 63"]:
        return angles_about(rotation, self._network.center.unflatten(0, (-1, 3))).flatten(1)


def _moments(material: Material) -> tuple[Float[Tensor, " 63"], Float[Tensor, "63 63"]]:
    """Mean and covariance (float64) of filled training poses."""
    generator = torch.Generator().manual_seed(0)
    poses = material.augment(material.training.draw(DRAWS, generator), generator)
    angles = rotations.log(poses).flatten(1).double()
    center = angles.mean(0)
    return center, (angles - center).mT @ (angles - center) / len(angles)


def _whitening(
    covariance: Tensor, floor: Tensor
) -> tuple[Float[Tensor, " 63"], Float[Tensor, "63 63"]]:
    """The standard deviations, and a whitening of what was divided by them.

    Its rows are ordered by how far the poses stand out of the noise; neighbours go to different
    halves, so that each half knows of the other.
    """
    values, vectors = torch.linalg.eigh(covariance / torch.outer(floor, floor))
    rows = (vectors / values.sqrt()).mT.flip(0) / floor
    spread = covariance.diagonal().sqrt()
    return spread, torch.cat([rows[0::2], rows[1::2]]) * spread


def _coupling(layer: int, hidden: int) -> nn.Module:
    """Begins as the identity."""
    from zuko.flows import GeneralCouplingTransform
    from zuko.transforms import MonotonicAffineTransform

    steady = (torch.arange(ANGLES) < HALVES[0]) == (layer % 2 == 0)
    affine = partial(MonotonicAffineTransform, slope=math.exp(-LARGEST_SCALE))
    coupling = GeneralCouplingTransform(
        ANGLES, mask=steady, univariate=affine, hidden_features=[hidden], activation=nn.Tanh
    )
    nn.init.zeros_(coupling.hyper[-1].weight)
    nn.init.zeros_(coupling.hyper[-1].bias)
    return coupling


@torch.no_grad()
def arrays_of(network: FlowNetwork) -> dict[str, Tensor]:
    """The numbers that `pose_priors.flow.FlowPrior` runs on, under its names."""
    splines = network.splines()
    return {
        "flow_center": network.center,
        "flow_spread": network.spread,
        "flow_whitening": network.whitening,
        "flow_knots": splines.horizontal,
        "flow_heights": splines.vertical,
        "flow_slopes": splines.derivatives,
        "flow_inner": torch.stack([_widened(c.hyper[0].weight.mT, 0) for c in network.couplings]),
        "flow_inner_bias": torch.stack([c.hyper[0].bias for c in network.couplings]),
        "flow_outer": torch.stack(
            [_widened(_by_kind(c.hyper[2].weight.mT), 2) for c in network.couplings]
        ),
        "flow_outer_bias": torch.stack(
            [_widened(_by_kind(c.hyper[2].bias), 1) for c in network.couplings]
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


def _normal(latent: Tensor) -> Tensor:
    return -0.5 * (latent.square().sum(-1) + ANGLES * math.log(2 * math.pi))
