"""Lists of different length: the least of each, and their ranges."""

from __future__ import annotations

import numpy as np
import torch

from smplifyx.collision.mesh.ragged import Ragged, expand_counts, expand_ranges, ranges


def test_the_least_of_lists() -> None:
    """Of different length, in any order, some empty."""
    rng = np.random.default_rng(0)
    stop = rng.integers(0, 9, 30).cumsum()
    span, number, values = (
        np.stack([np.append(0, stop[:-1]), stop], 1),
        rng.integers(0, 50, stop[-1]),
        torch.rand(6, 50, 3),
    )
    found = Ragged.of(number, span[::-1], torch.device("cpu")).least(values).flip(1)
    assert (span[:, 0] == span[:, 1]).any()
    for row, (start, end) in enumerate(span):
        expected = (
            values[:, number[start:end]].amin(1) if end > start else torch.full((6, 3), torch.inf)
        )
        assert torch.equal(found[:, row], expected)


def test_ranges_of_a_sorted_list() -> None:
    assert ranges(np.array([0, 0, 2, 3, 3, 3]), 5).tolist() == [
        [0, 2],
        [2, 2],
        [2, 3],
        [3, 6],
        [6, 6],
    ]
    assert ranges(np.zeros(0, np.int64), 2).tolist() == [[0, 0], [0, 0]]


def test_counts_and_ranges_are_expanded() -> None:
    number, offset = expand_counts(torch.tensor([2, 0, 3]))
    assert number.tolist() == [0, 0, 2, 2, 2] and offset.tolist() == [0, 1, 0, 1, 2]
    which, member = expand_ranges(torch.tensor([[5, 7], [1, 1], [0, 2]]))
    assert which.tolist() == [0, 0, 2, 2] and member.tolist() == [5, 6, 0, 1]
