"""Random numbers: what a seed means, and where a truncated normal ends."""

from __future__ import annotations

import pytest
import torch

from smplifyx.data.draws import Draws


def test_a_seed_is_a_sequence() -> None:
    first, again, other = (Draws.seeded(seed, 5) for seed in (3, 3, 4))
    assert torch.equal(first.uniform((0.0, 1.0), 2), again.uniform((0.0, 1.0), 2))
    assert torch.equal(first.normal(4), again.normal(4))
    assert not torch.equal(other.normal(4), Draws.seeded(3, 5).normal(4))


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-180.0, 180.0), (2.0, 2.0)])
def test_uniform_stays_between_its_bounds(bounds: tuple[float, float]) -> None:
    values = Draws.seeded(0, 2000).uniform(bounds)
    assert values.shape == (2000,) and bounds[0] <= values.min() and values.max() <= bounds[1]
    assert values.mean() == pytest.approx(sum(bounds) / 2, abs=0.03 * (bounds[1] - bounds[0]))


@pytest.mark.parametrize(("bound", "deviation"), [(0.5, 0.284), (2.0, 0.880), (5.0, 1.0)])
def test_a_truncated_normal_ends_at_its_bound(bound: float, deviation: float) -> None:
    values = Draws.seeded(0, 4000).truncated_normal(5, bound)
    assert values.shape == (4000, 5) and values.abs().max() <= bound
    assert values.std() == pytest.approx(deviation, rel=0.02)


def test_an_index_is_one_of_those_there_are() -> None:
    assert set(Draws.seeded(0, 200).index(3).tolist()) == {0, 1, 2}
