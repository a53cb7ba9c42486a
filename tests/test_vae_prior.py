"""The VAE prior: rotations without a bad derivative, exact velocities, answers that do not depend
on the batch.
"""

from __future__ import annotations

import pytest
import torch
from make_priors import noise, random_vae, velocity_by_autograd

from smplifyx.core import rotations
from smplifyx.pose_priors import PosePrior
from smplifyx.pose_priors.vae import Affine, VaePrior

DOUBLE = torch.float64


@pytest.mark.parametrize(
    ("latent", "width", "slope"), [(32, 48, 0.2), (32, 48, 0.01), (5, 33, 0.2), (1, 16, 0.0)]
)
def test_velocity_is_the_derivative(latent: int, width: int, slope: float) -> None:
    prior = random_vae(latent, width, slope, DOUBLE)
    z = noise(2, latent, dtype=DOUBLE)
    for one, velocity in zip(z, prior.velocity(z), strict=True):
        expected = velocity_by_autograd(prior, one)
        torch.testing.assert_close(
            velocity, expected, rtol=0, atol=float(1e-9 * expected.abs().max())
        )


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_shapes(batch: tuple[int, ...]) -> None:
    prior = random_vae(32, 48, dtype=DOUBLE)
    z = noise(*batch, 32, dtype=DOUBLE)
    rotation = prior.decode(z)
    assert isinstance(prior, PosePrior) and prior.latent_dim == 32 and prior.mean().shape == (32,)
    assert rotation.shape == (*batch, 21, 3, 3) and prior.encode(rotation).shape == (*batch, 32)
    assert prior.velocity(z).shape == (*batch, 63, 32) and prior.jacobian(z).shape == (
        *batch,
        32,
        32,
    )
    torch.testing.assert_close(
        rotation.mT @ rotation, torch.eye(3, dtype=DOUBLE).expand_as(rotation)
    )
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(*batch, 21, dtype=DOUBLE))


ANSWERS = {
    "decode": lambda prior, z: prior.decode(z),
    "velocity": lambda prior, z: prior.velocity(z),
    "encode": lambda prior, z: prior.encode(rotations.exp(z[:, None, :3].expand(-1, 21, -1))),
    "residual": lambda prior, z: prior.residual(z),
}


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize(("latent", "width"), [(32, 512), (5, 33)])
def test_a_row_does_not_depend_on_its_batch(answer: str, latent: int, width: int) -> None:
    prior, z = random_vae(latent, width), noise(67, latent)
    together = ANSWERS[answer](prior, z)
    for count in (1, 3, 64):
        for start in range(0, 67 - count + 1, max(1, 66 // count // 4)):
            part = ANSWERS[answer](prior, z[start : start + count])
            assert torch.equal(part, together[start : start + count]), (count, start)


def test_a_decoder_of_zeros_still_decodes() -> None:
    prior = random_vae(4, 16)
    blank = tuple(Affine(layer.matrix * 0, layer.bias * 0) for layer in prior.decoder)
    z = noise(2, 4).requires_grad_()
    rotation = VaePrior(blank, prior.encoder, 0.2).decode(z)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(2, 21))
    assert torch.autograd.grad(rotation.sum(), z)[0].isfinite().all()


def test_what_is_not_a_number_stays_visible() -> None:
    prior = random_vae(4, 16)
    z = noise(2, 4)
    z[1, 2] = torch.nan
    assert prior.decode(z)[0].isfinite().all() and prior.decode(z)[1].isnan().all()
    assert prior.velocity(z)[0].isfinite().all() and prior.velocity(z)[1].isnan().all()


@pytest.mark.parametrize("half", ["decoder", "encoder"])
def test_layers_that_do_not_fit_are_refused(half: str) -> None:
    prior = random_vae(4, 16)
    layers = {"decoder": prior.decoder, "encoder": prior.encoder}
    layers[half] = layers[half][:1]
    with pytest.raises(ValueError, match=f"the {half}'s layers .* do not lead from"):
        VaePrior(layers["decoder"], layers["encoder"], 0.2)
