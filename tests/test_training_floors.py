"""The floors: both sides alike, the default where the table says nothing."""

from __future__ import annotations

import numpy as np

from smplifyx.body.joints import BODY_POSE_JOINTS
from smplifyx.training.floors import (
    DEFAULT_FLOOR,
    FLOORS,
    explain_floors,
    floor_of,
    standard_floor,
)


def test_a_table_holds_for_both_sides() -> None:
    floor = floor_of({"wrist": (1.0, 2.0, 3.0), "others": (9.0, 9.0, 9.0)}).reshape(21, 3)
    for side in ("left", "right"):
        assert floor[BODY_POSE_JOINTS.index(f"{side}_wrist")].tolist() == [1, 2, 3]
    assert (floor == 9).all(1).sum() == 19


def test_the_standard_floors_are_those_of_the_table() -> None:
    floor = standard_floor().reshape(21, 3)
    assert tuple(floor[BODY_POSE_JOINTS.index("neck")]) == FLOORS["neck"][0]
    assert tuple(floor[BODY_POSE_JOINTS.index("left_knee")]) == DEFAULT_FLOOR[0]
    assert np.all(floor > 0) and set(explain_floors()) == set(FLOORS)
