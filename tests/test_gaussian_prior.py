"""The Gaussian pose prior: its density, derivative, file and card."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from smplifyx.body.joints import JOINT_NAMES
from smplifyx.core import assets, rotations
from smplifyx.data.retarget import Poses, mirror
from smplifyx.pose_priors.gaussian import GaussianPrior

DOUBLE = torch.float64
POSE = assets.folder("priors") / "pose"


def _random(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(63, 63, generator=generator, dtype=DOUBLE)
    return torch.randn(
        63, generator=generator, dtype=DOUBLE
    ), root @ root.T / 63 + 0.05 * torch.eye(63, dtype=DOUBLE)


def _shipped() -> GaussianPrior:
    return GaussianPrior.load(POSE / "gaussian.npz").to(dtype=DOUBLE)


@pytest.mark.parametrize(
    "prior", [GaussianPrior.from_moments(*_random()), _shipped()], ids=["random", "shipped"]
)
def test_square_sum_is_minus_two_log_density(prior: GaussianPrior) -> None:
    precision = prior.whitening.T @ prior.whitening
    reference = torch.distributions.MultivariateNormal(prior.mean(), precision_matrix=precision)
    latent = prior.mean() + torch.randn(
        7, 63, generator=torch.Generator().manual_seed(1), dtype=DOUBLE
    )
    constant = prior.residual(latent).square().sum(-1) + 2 * reference.log_prob(latent)
    torch.testing.assert_close(constant, constant[:1].expand(7))


def test_moments_are_kept() -> None:
    mean, covariance = _random()
    prior = GaussianPrior.from_moments(mean, covariance)
    torch.testing.assert_close(torch.linalg.inv(prior.whitening.T @ prior.whitening), covariance)
    torch.testing.assert_close(prior.mean(), mean)


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_jacobian_and_shapes(batch: tuple[int, ...]) -> None:
    prior = GaussianPrior.from_moments(*_random(), joints=[0, 5, 20])
    latent = torch.randn(*batch, 63, generator=torch.Generator().manual_seed(3), dtype=DOUBLE)
    assert prior.residual(latent).shape == (*batch, 9)
    assert prior.jacobian(latent).shape == (*batch, 9, 63)
    one = latent.reshape(-1, 63)[0]
    expected = torch.autograd.functional.jacobian(prior.residual, one)
    torch.testing.assert_close(prior.jacobian(one), expected)
    latent = 0.5 * latent
    assert prior.decode(latent).shape == (*batch, 21, 3, 3)
    torch.testing.assert_close(prior.encode(prior.decode(latent)), latent)
    torch.testing.assert_close(
        prior.joint_velocity(latent), rotations.left_jacobian(latent.unflatten(-1, (21, 3)))
    )


def test_samples_have_the_moments_of_the_prior() -> None:
    mean, covariance = _random()
    drawn = GaussianPrior.from_moments(mean, covariance).sample(
        200_000, torch.Generator().manual_seed(8)
    )
    torch.testing.assert_close(drawn.mean(0), mean, atol=0.03, rtol=0)
    torch.testing.assert_close(drawn.T.cov(), covariance, atol=0.03, rtol=0)


def test_restricted_prior_is_the_marginal() -> None:
    mean, covariance = _random()
    joints, kept = [2, 7], [6, 7, 8, 21, 22, 23]
    prior = GaussianPrior.from_moments(mean, covariance, joints)
    latent = torch.randn(63, generator=torch.Generator().manual_seed(4), dtype=DOUBLE)
    offset = (latent - mean)[kept]
    expected = offset @ torch.linalg.solve(covariance[kept][:, kept], offset)
    torch.testing.assert_close(prior.residual(latent).square().sum(), expected)


def test_a_row_does_not_depend_on_its_batch() -> None:
    prior = GaussianPrior.load(POSE / "gaussian.npz")
    latent = torch.randn(33, 63, generator=torch.Generator().manual_seed(5))
    together = prior.residual(latent)
    for row in (0, 7, 32):
        assert torch.equal(prior.residual(latent[row : row + 1])[0], together[row])


def _arrays(**changed: np.ndarray) -> dict[str, np.ndarray]:
    return {"mean": np.zeros(63), "covariance": np.eye(63), "floor": np.zeros(63)} | changed


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"mean": np.zeros(63)}, "'covariance' is missing"),
        (_arrays(mean=np.zeros(69)), r"mean has shape \[69\], expected \[63\]"),
        (_arrays(covariance=np.zeros((63, 63))), "not positive definite"),
    ],
)
def test_bad_files_are_explained(
    tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        GaussianPrior.load(tmp_path / "bad.npz")


def test_floor_widens_what_is_still() -> None:
    collar = 3 * (JOINT_NAMES.index("left_collar") - 1)
    narrow, wide = (GaussianPrior.load(POSE / "gaussian.npz", floor_scale=s) for s in (0.1, 1.0))
    shrug = wide.mean().clone()
    shrug[collar + 2] += 0.3
    assert 0 < wide.residual(shrug).square().sum() < 0.05 * narrow.residual(shrug).square().sum()


def test_shipped_prior_is_mirror_symmetric() -> None:
    prior = _shipped()
    pose = torch.randn(4, 21, 3, generator=torch.Generator().manual_seed(6), dtype=DOUBLE)
    mirrored = torch.from_numpy(mirror(Poses(np.zeros((4, 3)), pose.numpy())).body_pose)
    energy, other = (prior.residual(p.flatten(1)).square().sum(-1) for p in (pose, mirrored))
    torch.testing.assert_close(energy, other, rtol=1e-3, atol=0)


@pytest.mark.parametrize("card", sorted(POSE.glob("*.card.yaml")), ids=lambda p: p.name)
def test_card_matches_file(card: Path) -> None:
    fields = yaml.safe_load(card.read_text())
    assert hashlib.sha256((POSE / fields["file"]).read_bytes()).hexdigest() == fields["sha256"]
    assert fields["licence"] and fields["source"] and fields["command"]
