"""The standard normal latent of learned priors."""

from __future__ import annotations

import torch
from make_priors import noise, random_vae

DOUBLE = torch.float64


def test_density_is_that_of_a_standard_normal() -> None:
    prior, normal = random_vae(4, 16, dtype=DOUBLE), torch.distributions.Normal(0.0, 1.0)
    z = noise(7, 4, dtype=DOUBLE)
    constant = prior.residual(z).square().sum(-1) + 2 * normal.log_prob(z).sum(-1)
    torch.testing.assert_close(constant, constant[:1].expand(7))
    torch.testing.assert_close(
        prior.jacobian(z[0]),
        torch.autograd.functional.jacobian(prior.residual, z[0]),
        rtol=0,
        atol=0,
    )
    samples = prior.sample(4000, torch.Generator().manual_seed(0))
    assert samples.shape == (4000, 4) and samples.dtype == DOUBLE
    torch.testing.assert_close(
        samples.T @ samples / 4000, torch.eye(4, dtype=DOUBLE), rtol=0, atol=0.1
    )
    assert torch.equal(
        prior.sample(3, torch.Generator().manual_seed(5)),
        prior.sample(3, torch.Generator().manual_seed(5)),
    )
