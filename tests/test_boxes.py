"""The box around a person, which stray points do not stretch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from smplifyx.keypoints import names
from smplifyx.keypoints.boxes import astray, astray_of_one, box_diagonal

STANDING = np.stack([np.tile([100.0, 300.0, 500.0, 200.0, 400.0], 5), np.linspace(50, 950, 25)], 1)


def points(stray: dict[int, float] | None = None, seen: int = 25) -> tuple[np.ndarray, np.ndarray]:
    """A standing person's body, some of its points moved so far to the right."""
    xy = np.zeros((names.COUNT, 2), np.float32)
    xy[:25] = STANDING
    for index, distance in (stray or {}).items():
        xy[index, 0] += distance
    is_seen = np.zeros(names.COUNT, bool)
    is_seen[:seen] = True
    return xy, is_seen


@pytest.mark.parametrize(
    ("stray", "expected"),
    [
        ({}, set()),
        ({0: 1e6}, {0}),
        ({0: 1e4, 7: -1e4, 12: 5e4}, {0, 7, 12}),
        ({0: 300.0}, set()),  # an arm stretched out is none
    ],
)
def test_what_is_astray_in_both_forms(stray, expected):
    xy, seen = points(stray)
    assert set(np.flatnonzero(astray_of_one(xy, seen))) == expected
    assert (
        set(astray(torch.from_numpy(xy), torch.from_numpy(seen)).nonzero().flatten().tolist())
        == expected
    )


def test_one_far_point_does_not_make_a_box():
    sound = torch.from_numpy(points()[0])
    seen = torch.from_numpy(points()[1])
    far = torch.from_numpy(points({3: 1e6})[0])
    both = box_diagonal(torch.stack([sound, far]), seen.expand(2, -1))
    assert both[0] == pytest.approx(float(np.hypot(400, 900)), rel=1e-5)
    assert both[1] == pytest.approx(float(both[0]), rel=0.1)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_points_are_never_astray(count):
    xy, seen = points(seen=count)
    assert not astray_of_one(xy, seen).any()
    assert not astray(torch.from_numpy(xy), torch.from_numpy(seen)).any()


def test_a_crowd_s_head_and_knee_stay_together():
    xy, seen = points(seen=0)
    for index, place in {0: (100, 100), 15: (95, 95), 16: (105, 95), 17: (90, 97), 18: (110, 97),
                         9: (130, 400), 10: (120, 420)}.items():  # fmt: skip
        xy[index], seen[index] = place, True
    assert not astray_of_one(xy, seen).any()
