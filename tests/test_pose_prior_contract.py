"""What a pose prior says about itself is true, and the fit acts on what it says."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from make_priors import noise, velocity_by_autograd
from torch import Tensor

from smplifyx.features.jacobian_blocks import ChoiceBlock, DenseBlock, SharedBlock, written_out
from smplifyx.features.unknowns import BODY
from smplifyx.features.variables import Decoder, Hand
from smplifyx.pose_priors import LatentSpace, Linearity, PosePrior, load_prior
from smplifyx.pose_priors.contract import is_joint_angles, is_learned, is_linear, is_piecewise
from smplifyx.pose_priors.joint_angles import JointAngles
from smplifyx.terms.regularisers import BodyPrior
from smplifyx.terms.scene import FeatureValues, Scene

DOUBLE = torch.float64
DECLARED = {
    "gaussian": (Linearity.LINEAR, LatentSpace.JOINT_ANGLES),
    "gmm": (Linearity.PIECEWISE, LatentSpace.JOINT_ANGLES),
    "vposer": (Linearity.LINEAR, LatentSpace.LEARNED),
    "flow": (Linearity.LINEAR, LatentSpace.LEARNED),
    "none": (Linearity.LINEAR, LatentSpace.JOINT_ANGLES),
}


@dataclass(frozen=True, eq=False)
class SineOfTheAngles(JointAngles):
    """A prior of the kind that none of ours is: another Jacobian for each latent."""

    start: Tensor

    @property
    def linearity(self) -> Linearity:
        return Linearity.GENERAL

    def mean(self) -> Tensor:
        return self.start

    def residual(self, latent: Tensor) -> Tensor:
        return latent.sin()

    def jacobian(self, latent: Tensor) -> Tensor:
        return torch.diag_embed(latent.cos())

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.randn(count, 63, generator=generator).to(self.start)

    def to(self, device=None, dtype=None) -> SineOfTheAngles:
        return SineOfTheAngles(self.start.to(device=device, dtype=dtype))


PRIORS = [*DECLARED, "general"]


def prior_of(name: str) -> PosePrior:
    if name == "general":
        return SineOfTheAngles(torch.zeros(63, dtype=DOUBLE))
    return load_prior(name).to(dtype=DOUBLE)


def latents_of(prior: PosePrior, count: int = 6) -> Tensor:
    """Samples, so that several pieces of a mixture are met, stretched beyond what is likely."""
    return 1.5 * prior.sample(count, torch.Generator().manual_seed(7)).to(DOUBLE)


def jacobian_by_autograd(prior: PosePrior, latents: Tensor) -> Tensor:
    """[latents, residuals, latent], one latent after the other."""
    # forward mode: reverse mode cannot do without residuals, as "none" is
    return torch.stack([torch.func.jacfwd(prior.residual)(latent) for latent in latents])


def scene_of(latents: Tensor) -> Scene:
    """People of whom nothing was seen."""
    return Scene(FeatureValues({BODY: latents}.__getitem__), observed={}, matches={})


@pytest.mark.parametrize("name", PRIORS)
def test_members_are_there(name: str) -> None:
    prior = prior_of(name)
    assert isinstance(prior, PosePrior)
    expected = DECLARED.get(name, (Linearity.GENERAL, LatentSpace.JOINT_ANGLES))
    assert (prior.linearity, prior.latent_space) == expected
    assert is_linear(prior) == hasattr(prior, "constant_jacobian")
    assert is_piecewise(prior) == hasattr(prior, "pieces") == hasattr(prior, "residual_in_piece")
    assert is_joint_angles(prior) == hasattr(prior, "joint_velocity")
    assert is_learned(prior) == hasattr(prior, "velocity")


@pytest.mark.parametrize("name", PRIORS)
def test_jacobian_is_what_the_linearity_says(name: str) -> None:
    prior = prior_of(name)
    latents = latents_of(prior)
    expected = jacobian_by_autograd(prior, latents)
    torch.testing.assert_close(prior.jacobian(latents), expected)
    if is_linear(prior):
        constant = prior.constant_jacobian()
        torch.testing.assert_close(constant.expand_as(expected), expected)
    elif is_piecewise(prior):
        residual, which = prior.residual_in_piece(latents)
        assert torch.equal(residual, prior.residual(latents)) and len(which.unique()) > 1
        assert prior.pieces is prior.pieces
        torch.testing.assert_close(prior.pieces[which], expected)


@pytest.mark.parametrize("name", PRIORS)
def test_velocity_is_what_the_latent_space_says(name: str) -> None:
    prior = prior_of(name)
    latents = latents_of(prior, count=2)
    for latent in latents:
        if is_joint_angles(prior):
            velocity = torch.block_diag(*prior.joint_velocity(latent))
        else:
            assert is_learned(prior)
            velocity = prior.velocity(latent)
        expected = velocity_by_autograd(prior, latent)
        tolerance = float(1e-8 * expected.abs().max())
        torch.testing.assert_close(velocity, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
@pytest.mark.parametrize("name", PRIORS)
def test_velocity_takes_any_batch(name: str, batch: tuple[int, ...]) -> None:
    prior = prior_of(name)
    latent = noise(*batch, prior.latent_dim, dtype=DOUBLE)
    if is_joint_angles(prior):
        assert prior.joint_velocity(latent).shape == (*batch, 21, 3, 3)
    if is_learned(prior):
        assert prior.velocity(latent).shape == (*batch, 63, prior.latent_dim)


@pytest.mark.parametrize("name", PRIORS)
def test_the_fit_takes_the_path_that_is_declared(name: str) -> None:
    prior = prior_of(name)
    latents = latents_of(prior)
    residual = BodyPrior(prior)(scene_of(latents))
    assert residual.jacobian is not None
    block = residual.jacobian().blocks[BODY]
    kinds = {
        Linearity.PIECEWISE: ChoiceBlock,
        Linearity.LINEAR: SharedBlock,
        Linearity.GENERAL: DenseBlock,
    }
    assert isinstance(block, kinds[prior.linearity])
    expected = jacobian_by_autograd(prior, latents)
    torch.testing.assert_close(written_out(block).slope.expand_as(expected), expected)


@pytest.mark.parametrize("name", PRIORS)
def test_the_decoder_is_jointwise_where_the_latent_is_joint_angles(name: str) -> None:
    prior = prior_of(name)
    hand = Hand(torch.zeros(45), torch.eye(45), torch.ones(45))
    assert Decoder(prior, hand, hand).jointwise == is_joint_angles(prior)
