"""The mixtures that users bring: every layout reads, the hands are left out as they should be,
faults are explained.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from make_priors import mixture_moments, write_gmm_dict, write_gmm_object

from smplifyx.pose_priors import load_prior
from smplifyx.pose_priors.mixture import MixturePrior

MOMENTS = mixture_moments()
GMMS: dict[str, Callable[[Path], Path]] = {
    "dict": lambda path: write_gmm_dict(path, MOMENTS),
    "dict of python 2": lambda path: write_gmm_dict(path, MOMENTS, protocol=0),
    "dict of lists": lambda path: write_gmm_dict(path, {key: value.tolist() for key, value in MOMENTS.items()}),
    "old object": lambda path: write_gmm_object(
        path, "sklearn.mixture.gmm", "GMM", {f"{k}_": v for k, v in MOMENTS.items()}, protocol=0
    ),
    "new object": lambda path: write_gmm_object(
        path, "sklearn.mixture._gaussian_mixture", "GaussianMixture",
        {"means_": MOMENTS["means"], "covariances_": MOMENTS["covars"], "weights_": MOMENTS["weights"]}, protocol=4,
    ),
    "body only": lambda path: write_gmm_dict(
        path, MOMENTS | {"means": MOMENTS["means"][:, :63], "covars": MOMENTS["covars"][:, :63, :63]}
    ),
}  # fmt: skip


@pytest.mark.parametrize("layout", GMMS)
def test_mixtures_read_without_the_hands(tmp_path: Path, layout: str) -> None:
    prior = load_prior(GMMS[layout](tmp_path / "gmm_08.pkl"))
    assert isinstance(prior, MixturePrior) and prior.means.dtype == torch.float32
    np.testing.assert_allclose(prior.means, MOMENTS["means"][:, :63], atol=1e-6)
    np.testing.assert_allclose(prior.weights, MOMENTS["weights"], atol=1e-6)
    covariances = torch.linalg.inv((prior.whitening.mT @ prior.whitening).double())
    np.testing.assert_allclose(covariances, MOMENTS["covars"][:, :63, :63], atol=1e-4)


def test_leaving_the_hands_out_is_the_marginal() -> None:
    """69-D samples of one component, their first 63 numbers: the moments that the adapter keeps."""
    rng = np.random.default_rng(0)
    samples = rng.multivariate_normal(MOMENTS["means"][0], MOMENTS["covars"][0], 20000)[:, :63]
    np.testing.assert_allclose(samples.mean(0), MOMENTS["means"][0, :63], atol=0.05)
    np.testing.assert_allclose(np.cov(samples.T), MOMENTS["covars"][0, :63, :63], atol=0.08)


# what is wrong with a file -> how to write it, what the line must say
FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "24 joints": (
        lambda p: write_gmm_dict(p, mixture_moments(2, 72)),
        "means has shape [2, 72], expected [any, 69]",
    ),
    "diagonal": (
        lambda p: write_gmm_dict(p, mixture_moments(2) | {"covars": np.ones((2, 69))}),
        "covars has shape [2, 69]",
    ),
    "flat": (
        lambda p: write_gmm_dict(p, mixture_moments(2) | {"covars": np.zeros((2, 69, 69))}),
        "not positive definite",
    ),
    "no mixture": (
        lambda p: p.write_bytes(pickle.dumps({"means": np.zeros((8, 69))})),
        "key 'covars' is missing",
    ),
    "list": (lambda p: p.write_bytes(pickle.dumps([1, 2])), "key 'means' is missing"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_one_line_that_names_the_file(tmp_path: Path, fault: str) -> None:
    write, message = FAULTS[fault]
    write(tmp_path / "mine.pkl")
    with pytest.raises(ValueError) as error:
        load_prior(tmp_path / "mine.pkl")
    assert (
        message in str(error.value)
        and "mine.pkl" in str(error.value)
        and "\n" not in str(error.value)
    )
