"""The mixture prior: density, derivative, samples, file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from make_priors import mixture_moments, noise, velocity_by_autograd

from smplifyx.pose_priors import PosePrior
from smplifyx.pose_priors.free import FreePrior
from smplifyx.pose_priors.gaussian import GaussianPrior
from smplifyx.pose_priors.mixture import MixturePrior

DOUBLE = torch.float64


def moments(components: int = 8, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    arrays = mixture_moments(components, 63, seed)
    return tuple(torch.from_numpy(arrays[key]) for key in ("means", "covars", "weights"))


def mixture(components: int = 8, dtype: torch.dtype = DOUBLE) -> MixturePrior:
    return MixturePrior.from_moments(*moments(components)).to(dtype=dtype)


def near_components(prior: MixturePrior, count: int, scale: float = 0.1) -> torch.Tensor:
    """Poses around every component in turn, so that each is the best for some."""
    at = torch.arange(count) % len(prior.means)
    return prior.means[at] + scale * noise(count, 63, dtype=DOUBLE).to(prior.means)


@pytest.mark.parametrize("components", [1, 2, 8])
def test_square_sum_is_minus_two_log_of_the_best_component(components: int) -> None:
    means, covariances, weights = moments(components)
    prior = mixture(components)
    latent = torch.cat([near_components(prior, 16), noise(8, 63, dtype=DOUBLE)])
    heights = np.stack([
        np.log(w) + scipy.stats.multivariate_normal(m, c).logpdf(latent.numpy()).reshape(-1)
        for m, c, w in zip(means.numpy(), covariances.numpy(), weights.numpy(), strict=True)
    ])  # fmt: skip
    assert set(heights.argmax(0)) == set(range(components))
    constant = prior.residual(latent).square().sum(-1) + 2 * torch.from_numpy(heights.max(0))
    torch.testing.assert_close(constant, constant[:1].expand(24), rtol=0, atol=1e-8)


def test_one_component_is_a_gaussian() -> None:
    means, covariances, weights = moments(1)
    one, gaussian = (
        MixturePrior.from_moments(means, covariances, 7 * weights),
        GaussianPrior.from_moments(means[0], covariances[0]),
    )
    latent = noise(5, 63, dtype=DOUBLE)
    torch.testing.assert_close(one.residual(latent)[:, :63], gaussian.residual(latent))
    torch.testing.assert_close(one.residual(latent)[:, 63], torch.zeros(5, dtype=DOUBLE))
    torch.testing.assert_close(one.mean(), gaussian.mean())


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_jacobian_and_shapes(batch: tuple[int, ...]) -> None:
    prior, latent = mixture(), noise(*batch, 63, dtype=DOUBLE)
    assert isinstance(prior, PosePrior) and prior.latent_dim == 63
    assert prior.residual(latent).shape == (*batch, 64) and prior.jacobian(latent).shape == (
        *batch,
        64,
        63,
    )
    assert prior.joint_velocity(latent).shape == (*batch, 21, 3, 3)
    for one, jacobian in zip(
        latent.reshape(-1, 63), prior.jacobian(latent).reshape(-1, 64, 63), strict=True
    ):
        expected = torch.autograd.functional.jacobian(prior.residual, one, vectorize=True)
        torch.testing.assert_close(jacobian, expected)
    torch.testing.assert_close(prior.encode(prior.decode(latent / 2)), latent / 2)


@pytest.mark.parametrize(
    "prior", [mixture(), FreePrior(torch.zeros(63, dtype=DOUBLE))], ids=["mixture", "none"]
)
def test_velocity_is_the_derivative(prior: PosePrior) -> None:
    latent = noise(63, dtype=DOUBLE)
    dense = torch.block_diag(*prior.joint_velocity(latent))
    torch.testing.assert_close(dense, velocity_by_autograd(prior, latent), rtol=0, atol=1e-9)


@pytest.mark.parametrize("answer", ["residual", "jacobian", "decode", "joint_velocity"])
def test_a_row_does_not_depend_on_its_batch(answer: str) -> None:
    prior = mixture(dtype=torch.float32)
    ask, latent = getattr(prior, answer), near_components(prior, 67, 0.5)
    together = ask(latent)
    for count in (1, 3, 64):
        for start in range(0, 67 - count + 1, 11):
            assert torch.equal(
                ask(latent[start : start + count]), together[start : start + count]
            ), (count, start)


def test_mean_and_samples_have_the_mixture_s_moments() -> None:
    means, covariances, weights = moments(3)
    prior = mixture(3)
    mean = (weights[:, None] * means).sum(0)
    spread = torch.einsum(
        "k,kij->ij", weights, covariances + (means - mean)[..., None] * (means - mean)[:, None]
    )
    samples = prior.sample(20000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(prior.mean(), mean)
    torch.testing.assert_close(samples.mean(0), mean, rtol=0, atol=0.05)
    torch.testing.assert_close(samples.T.cov(), spread, rtol=0, atol=0.1)


def file_arrays(**changed: np.ndarray | None) -> dict[str, np.ndarray]:
    arrays = mixture_moments(2, 63)
    arrays = {
        "means": arrays["means"],
        "covariances": arrays["covars"],
        "weights": arrays["weights"],
    }
    arrays |= {"floor": np.full(63, 0.1), **changed}
    return {key: value for key, value in arrays.items() if value is not None}


def test_file_reads_and_the_floor_widens(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **file_arrays())
    prior, arrays = MixturePrior.load(tmp_path / "a.npz"), file_arrays()
    assert prior.means.dtype == torch.float32
    precision = (prior.whitening.mT @ prior.whitening).double()
    expected = torch.from_numpy(arrays["covariances"] + 0.01 * np.eye(63))
    torch.testing.assert_close(torch.linalg.inv(precision), expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(prior.weights, arrays["weights"], atol=1e-6)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"weights": None}, r"bad\.npz: key 'weights' is missing"),
        ({"means": np.zeros((2, 69))}, r"means has shape \[2, 69\], expected \[any, 63\]"),
        ({"weights": np.ones(3)}, "2 means, 2 covariances and 3 weights"),
        ({"weights": np.array([1.0, 0.0])}, "weights are not positive"),
        ({"means": np.full((2, 63), np.nan)}, "means holds values that are not finite"),
        (
            {"covariances": -np.ones((2, 63, 63))},
            "covariance 0 of the mixture is not positive definite",
        ),
    ],
)
def test_bad_files_are_explained(
    tmp_path: Path, changed: dict[str, np.ndarray | None], message: str
) -> None:
    np.savez(tmp_path / "bad.npz", **file_arrays(**changed))
    with pytest.raises(ValueError, match=message) as error:
        MixturePrior.load(tmp_path / "bad.npz")
    assert "\n" not in str(error.value) and "bad.npz" in str(error.value)
