"""The autoencoder's loss: its divergence, and what is free."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from smplifyx.core import rotations
from smplifyx.training.contract import Material, PoseSet
from smplifyx.training.skeleton import resting_joints
from smplifyx.training.vae import VaeSettings, VaeTrainee, divergence

REST = torch.from_numpy(resting_joints()[:22]).float()


def poses(count: int) -> torch.Tensor:
    return rotations.exp(torch.randn(count, 21, 3, generator=torch.Generator().manual_seed(0)) / 3)


def trainee(settings: VaeSettings) -> VaeTrainee:
    given = PoseSet(poses(4), torch.full((4,), 0.25))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return VaeTrainee(Material(given, given, lambda p, generator: p, REST), settings)


def test_divergence_is_that_of_two_gaussians() -> None:
    mean = torch.linspace(-2, 2, 12).view(3, 4)
    spread = torch.linspace(0.1, 3, 12).view(3, 4)
    expected = kl_divergence(Normal(mean, spread), Normal(0.0, 1.0))
    torch.testing.assert_close(divergence(mean, spread), expected)


@pytest.mark.parametrize("progress", [0.0, 0.15, 0.3, 1.0])
def test_free_nats_are_all_that_an_untrained_divergence_costs(progress: float) -> None:
    """With more free than there is, the divergence adds `free` for each latent, times its weight."""

    def loss(free: float, kl: float) -> float:
        prior = trainee(VaeSettings(free=free, kl=kl))
        prior.module.eval()
        value = prior.loss(poses(16), progress, torch.Generator().manual_seed(1))
        return float(value.detach())

    weight = min(1.0, progress / 0.3)
    added = loss(free=100.0, kl=1.0) - loss(free=100.0, kl=0.0)
    assert added == pytest.approx(32 * 100.0 * weight, rel=1e-3)
