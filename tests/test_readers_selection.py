"""Who is chosen to be fitted, and the reason for everyone else."""

from __future__ import annotations

import numpy as np
import pytest

from smplifyx.keypoints import names
from smplifyx.readers.frames import Person
from smplifyx.readers.selection import (
    Selection,
    box_diagonal,
    confident_body_points,
    seen_points,
    select,
)


def person(index: int, count: int, size: float, confidence: float = 0.9) -> Person:
    keypoints = np.zeros((names.COUNT, 3), np.float32)
    keypoints[:count] = (1.0, 1.0, confidence)
    keypoints[0, :2] = (1.0 + size, 1.0)
    return Person(index, keypoints)


RULES = {
    "everyone who can be fitted": (Selection(), {3, 4}),
    "enough points": (Selection(min_keypoints=10), {2, 3, 4}),
    "confident ones": (Selection(min_keypoints=10, min_confidence=0.95), {0, 1, 2, 3, 4}),
    "large enough": (Selection(min_size_px=90.0), {1, 3, 4}),
    "the largest": (Selection(largest=1), {0, 1, 3, 4}),
    "more than there are": (Selection(largest=9), {3, 4}),
}


@pytest.mark.parametrize("name", RULES)
def test_people_are_chosen_and_the_others_get_a_reason(name):
    rules, left_out = RULES[name]
    people = [
        person(0, 20, 100),
        person(1, 20, 50),
        person(2, 8, 300),
        person(3, 3, 500),
        person(4, 20, 500, 0.05),
    ]
    kept, reasons = select(people, rules)
    assert set(reasons) == left_out and all(reasons.values())
    assert [p.index for p in kept] == [i for i in range(5) if i not in left_out]


def test_the_largest_of_equals_is_the_first():
    kept, _ = select([person(i, 20, 100) for i in range(3)], Selection(largest=2))
    assert [p.index for p in kept] == [0, 1]


@pytest.mark.parametrize("field", ["min_keypoints", "min_confidence", "min_size_px", "largest"])
def test_rules_that_mean_nothing_are_refused(field):
    with pytest.raises(ValueError, match=field):
        Selection(**{field: -1})


def test_evidence_of_a_batch_is_that_of_each():
    batch = np.stack([person(i, 5 * i, 10.0 * i, 0.2 * i).keypoints for i in range(6)]).reshape(
        2, 3, names.COUNT, 3
    )
    for measure in (seen_points, confident_body_points):
        singles = [float(measure(k)) for k in batch.reshape(-1, names.COUNT, 3)]
        assert measure(batch).reshape(-1).tolist() == singles
    assert box_diagonal(batch[1, 2]) == pytest.approx(50.0) and box_diagonal(batch[0, 0]) == 0
