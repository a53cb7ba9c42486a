"""Who overlaps whom, and who is fitted with whom. Detections of one person: see test_scene_fit."""

from __future__ import annotations

import pytest
import torch

from smplifyx.fitting.neighbours import groups, overlap, pairs


def test_pairs_are_of_one_image() -> None:
    images = ["a", "b", "a", "a", "b", "c"]
    assert pairs([0, 1, 2, 4, 5], images) == [(0, 2), (1, 4)]


def test_the_deepest_pairs_fill_a_group_first() -> None:
    depths = {(0, 1): 0.01, (1, 2): 0.05, (2, 3): 0.03}
    assert groups(depths, near=0.1, most=2) == [[1, 2]]
    assert groups(depths, near=0.1, most=3) == [[1, 2, 3]]


def test_who_is_only_near_makes_no_group() -> None:
    assert groups({(0, 1): -0.05, (2, 3): 0.0}, near=0.1, most=8) == []


@pytest.mark.parametrize("gap", [0.3, 0.05])
def test_people_whose_boxes_are_apart_have_the_gap_of_their_boxes(gap: float) -> None:
    generator = torch.Generator().manual_seed(0)
    first = torch.rand(7, 4, generator=generator, dtype=torch.float64)
    first[:, 3] = 0.1
    second = first.clone()
    width = float(first[:, 0].max() - first[:, 0].min()) + 0.2
    second[:, 0] += width + gap
    assert overlap(first, second) == pytest.approx(-gap)
    assert overlap(first, second) == overlap(second, first)
