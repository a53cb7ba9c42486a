"""The mixture's density, and axis-angles that do not wrap."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from smplifyx.core import rotations
from smplifyx.training.mixture import Mixture, MixtureSettings, angles_about


def test_mixture_density_is_that_of_its_parts() -> None:
    """Two narrow components: the density at each mean is its own share, and integrates as a
    Gaussian does.
    """
    means, floor = np.zeros((2, 63)), np.full(63, 0.1)
    means[1] = 1.0
    mixture = Mixture(
        means, np.zeros((2, 63, 63)), np.array([0.75, 0.25]), floor, MixtureSettings()
    )
    peak = -63 / 2 * np.log(2 * np.pi * 0.01)
    assert mixture.log_density(means) == pytest.approx(peak + np.log([0.75, 0.25]), abs=1e-9)


def test_angles_do_not_wrap_about_their_mean() -> None:
    mean = torch.zeros(21, 3)
    mean[15, 1] = 2.8
    angles = mean + 0.6 * torch.linspace(-1, 1, 9)[:, None, None] * torch.tensor([0.0, 1.0, 0.0])
    assert torch.allclose(angles_about(rotations.exp(angles), mean), angles, atol=1e-4)
