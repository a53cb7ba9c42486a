"""The prior without preference: no residuals, and samples that turn every way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from make_priors import noise

from smplifyx.core import rotations
from smplifyx.pose_priors import PosePrior
from smplifyx.pose_priors.free import FreePrior

DOUBLE = torch.float64


@pytest.mark.parametrize("batch", [(), (2, 3)])
def test_no_preference(batch: tuple[int, ...]) -> None:
    prior = FreePrior(noise(63, dtype=DOUBLE))
    latent = noise(*batch, 63, dtype=DOUBLE)
    assert isinstance(prior, PosePrior) and torch.equal(prior.mean(), prior.start)
    assert prior.residual(latent).shape == (*batch, 0) and prior.jacobian(latent).shape == (
        *batch,
        0,
        63,
    )
    torch.testing.assert_close(prior.encode(prior.decode(latent / 2)), latent / 2)


def test_samples_without_preference_turn_every_way() -> None:
    prior = FreePrior(torch.zeros(63, dtype=DOUBLE))
    rotvec = (
        prior.sample(2000, torch.Generator().manual_seed(0)).unflatten(-1, (21, 3)).flatten(0, 1)
    )
    angle = rotvec.norm(dim=-1)
    assert angle.max() <= torch.pi + 1e-6
    # uniform over rotations: the angle's density is (1 - cos) / pi, its mean pi / 2 + 2 / pi
    torch.testing.assert_close(
        angle.mean(), torch.tensor(np.pi / 2 + 2 / np.pi, dtype=DOUBLE), rtol=0, atol=0.01
    )
    assert rotations.exp(rotvec).mean(0).abs().max() < 0.01
