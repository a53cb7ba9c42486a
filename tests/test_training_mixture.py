"""The mixture's density, and axis-angles that do not wrap."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from smplifyx.core import rotations
from smplifyx.training.mixture import Mixture, MixtureSettings, angles_about, read_mixture


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


def narrow(at: float, components: int = 1, floor: float = 0.1) -> Mixture:
    """Components with nothing but their floor, all at the same place."""
    return Mixture(
        np.full((components, 63), at),
        np.zeros((components, 63, 63)),
        np.full(components, 1 / components),
        np.full(63, floor),
        MixtureSettings(components=components),
    )


def test_joined_mixtures_have_half_of_the_weight_each() -> None:
    one, other = narrow(0.0, components=2), narrow(1.0)
    both = one.joined(other)
    assert both.settings == one.settings and both.weights.tolist() == [0.25, 0.25, 0.5]
    poses = np.stack([np.zeros(63), np.full(63, 1.0), np.full(63, 0.4)])
    expected = np.logaddexp(one.log_density(poses), other.log_density(poses)) - np.log(2)
    assert both.log_density(poses) == pytest.approx(expected, abs=1e-9)


def test_mixtures_of_other_floors_are_not_joined() -> None:
    with pytest.raises(ValueError, match="floors"):
        narrow(0.0).joined(narrow(1.0, floor=0.2))


def test_a_mixture_is_read_as_it_was_exported(tmp_path: Path) -> None:
    mixture = narrow(0.25).joined(narrow(-1.0, components=3))
    read = read_mixture(mixture.export(tmp_path / "a.npz", ()))
    assert read.settings.components == 4
    poses = np.stack([np.zeros(63), np.full(63, 0.4)])
    assert read.log_density(poses) == pytest.approx(mixture.log_density(poses), rel=1e-5)


def test_angles_do_not_wrap_about_their_mean() -> None:
    mean = torch.zeros(21, 3)
    mean[15, 1] = 2.8
    angles = mean + 0.6 * torch.linspace(-1, 1, 9)[:, None, None] * torch.tensor([0.0, 1.0, 0.0])
    assert torch.allclose(angles_about(rotations.exp(angles), mean), angles, atol=1e-4)
