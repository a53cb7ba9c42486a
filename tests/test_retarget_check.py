"""Retargeted joints against the figure's own."""

from __future__ import annotations

import numpy as np
import pytest
from mocap_data import clips, needs_mocap, rest_joints

from smplifyx.data.retarget import (
    LimbRest,
)
from smplifyx.data.retarget_check import COUNTERPARTS, figure_skeleton, joint_errors

# Centimetres, mean over frames, on the figure's own bones. The head differs because neck and head
# share its rotation.
LIMITS_FIGURE = dict.fromkeys(COUNTERPARTS, 0.1) | {"head": 3.0}
# The joint axes say that limbs are straighter than the figure draws them; 17 degrees of a forearm
# are 9 cm at its end.
LIMITS_HINGE = dict.fromkeys(COUNTERPARTS, 3.0) | {
    f"{side}_{joint}": limit
    for side in ("left", "right")
    for joint, limit in (("wrist", 11.0), ("ankle", 6.0), ("foot", 6.0))
}


@needs_mocap
@pytest.mark.parametrize(
    ("limbs", "limits"), [(LimbRest.FIGURE, LIMITS_FIGURE), (LimbRest.HINGE, LIMITS_HINGE)]
)
def test_joints_lie_where_the_figure_has_them(limbs: LimbRest, limits: dict[str, float]) -> None:
    skeleton = figure_skeleton(clips()[0], rest_joints())
    errors = [joint_errors(clip, skeleton, rest_joints(), limbs) for clip in clips()]
    for joint, limit in limits.items():
        assert np.concatenate([e[joint] for e in errors]).mean() < limit, joint
