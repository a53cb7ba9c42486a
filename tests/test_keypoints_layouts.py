"""Detectors' layouts: every point where its name says, and how far it is trusted."""

from __future__ import annotations

import numpy as np
import pytest

from smplifyx.keypoints import names
from smplifyx.keypoints.layouts import LAYOUTS, LayoutName, to_canonical, trust

# The detectors' own point names, in their order, as their documentation lists them.
_COCO = """nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist
    right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle""".split()

_FEET = "left_big_toe left_small_toe left_heel right_big_toe right_small_toe right_heel".split()

_HALPE = (
    _COCO
    + ["head", "neck", "mid_hip"]
    + ("left_big_toe right_big_toe left_small_toe right_small_toe left_heel right_heel".split())
)

_OPENPOSE_18 = """nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip
    right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear""".split()

_MEDIAPIPE = """nose - left_eye - - right_eye - left_ear right_ear - - left_shoulder right_shoulder left_elbow
    right_elbow left_wrist right_wrist - - - - - - left_hip right_hip left_knee right_knee left_ankle right_ankle
    left_heel right_heel left_big_toe right_big_toe""".split()

_LEFT = list(names.POINT_NAMES[names.LEFT_HAND])

_RIGHT = list(names.POINT_NAMES[names.RIGHT_HAND])

_FACE = list(names.POINT_NAMES[names.FACE])[:68]

_25B = _COCO + ["-", "head"] + _FEET

_COCO_25 = (
    """nose left_eye right_eye left_ear right_ear neck left_shoulder right_shoulder left_elbow right_elbow
    left_wrist right_wrist left_hip right_hip mid_hip left_knee right_knee left_ankle right_ankle""".split()
    + _FEET
)

_H36M = """mid_hip right_hip right_knee right_ankle left_hip left_knee left_ankle - neck - head left_shoulder
    left_elbow left_wrist right_shoulder right_elbow right_wrist""".split()

_MPII = """right_ankle right_knee right_hip left_hip left_knee left_ankle mid_hip neck - head right_wrist right_elbow
    right_shoulder left_shoulder left_elbow left_wrist""".split()

_CROWDPOSE = """left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist left_hip right_hip left_knee
    right_knee left_ankle right_ankle head neck""".split()

_LSP = """right_ankle right_knee right_hip left_hip left_knee left_ankle right_wrist right_elbow right_shoulder
    left_shoulder left_elbow left_wrist neck head""".split()

_MHR = (
    """nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_hip
    right_hip left_knee right_knee left_ankle right_ankle""".split()
    + _FEET
)


def _from_tips(side: str) -> list[str]:
    return [f"{side}_{finger}_{place}" for finger in names.FINGERS for place in (4, 3, 2, 1)]


# points of the body that stand for the wrist of a hand of 20 as well
_SHARED = {LayoutName.BODY_135, LayoutName.MHR_70}

ORDERS = {
    LayoutName.BODY_25: list(names.BODY_NAMES),
    LayoutName.BODY_25B: _25B,
    LayoutName.BODY_135: _25B + _LEFT[1:] + _RIGHT[1:] + list(names.POINT_NAMES[names.FACE]),
    LayoutName.OPENPOSE_MPI_15: ["head", *_OPENPOSE_18[1:14], "-"],
    LayoutName.OPENPOSE_134: _OPENPOSE_18 + _FEET + _FACE + _LEFT + _RIGHT,
    LayoutName.OPENPOSE_137: list(names.POINT_NAMES),
    LayoutName.COCO_NECK_18: [*_COCO, "neck"],
    LayoutName.COCO_FEET_23: _COCO + _FEET,
    LayoutName.COCO_25: _COCO_25,
    LayoutName.POSETRACK_17: [_COCO[0], "-", "head", *_COCO[3:]],
    LayoutName.HUMAN36M_17: _H36M,
    LayoutName.MPII_16: _MPII,
    LayoutName.CROWDPOSE_14: _CROWDPOSE,
    LayoutName.LSP_14: _LSP,
    LayoutName.MEDIAPIPE_33: _MEDIAPIPE,
    LayoutName.MHR_70: [
        *_MHR,
        *_from_tips("right"),
        "right_wrist",
        *_from_tips("left"),
        "left_wrist",
        *["-"] * 6,
        "neck",
    ],  # fmt: skip
    LayoutName.COCO_19: list(names.BODY_NAMES[:19]),
    LayoutName.COCO_18: _OPENPOSE_18,
    LayoutName.COCO_17: _COCO,
    LayoutName.COCO_WHOLEBODY_133: _COCO + _FEET + _FACE + _LEFT + _RIGHT,
    LayoutName.HALPE_26: _HALPE,
    LayoutName.HALPE_136: _HALPE + _FACE + _LEFT + _RIGHT,
    LayoutName.MEDIAPIPE_75: _MEDIAPIPE + _LEFT + _RIGHT,
}


@pytest.mark.parametrize("layout", [name for name in LayoutName if LAYOUTS[name].points])
def test_layouts_put_every_point_where_its_name_says(layout):
    order, table = ORDERS[layout], LAYOUTS[layout]
    assert len(order) == table.points
    points = np.stack(
        [np.arange(len(order)), 1000.0 + np.arange(len(order)), np.full(len(order), 0.9)], -1
    )
    canonical = to_canonical(np.stack([points, points]), layout)[1]
    for index, name in enumerate(order):
        if name in names.POINT_INDEX:
            assert canonical[names.POINT_INDEX[name]].tolist() == pytest.approx(
                points[index].tolist()
            ), name
    made = {names.POINT_NAMES[i] for i in np.flatnonzero(canonical[:, 2])}
    wrists = {"left_hand_wrist", "right_hand_wrist"} if layout in _SHARED else set()
    assert made == set(order) - {"-", "head"} | {"neck", "mid_hip"} | wrists == set(table.present)


@pytest.mark.parametrize("made, of", [("neck", "shoulder"), ("mid_hip", "hip")])
@pytest.mark.parametrize("other, expected", [(0.3, 0.3), (0.0, 0.0)])
def test_a_missing_middle_is_the_mean_and_as_sure_as_the_less_sure_side(made, of, other, expected):
    points = np.zeros((17, 3))
    points[_COCO.index(f"left_{of}")], points[_COCO.index(f"right_{of}")] = (
        (10, 20, 0.9),
        (30, 60, other),
    )
    found = to_canonical(points, LayoutName.COCO_17)[names.POINT_INDEX[made]]
    assert found.tolist() == pytest.approx([20, 40, expected] if expected else [0, 0, 0])


@pytest.mark.parametrize("layout", list(LayoutName))
def test_trust_is_the_product_of_named_rules(layout):
    factors, rules = trust(layout), LAYOUTS[layout].rules
    assert ((factors > 0) & (factors <= 1)).all() and all(
        rule.name and rule.reason for rule in rules
    )
    assert {names.POINT_NAMES[i] for i in np.flatnonzero(factors < 1)} == {
        p for rule in rules for p in rule.points
    }
    assert {"neck", "mid_hip"} <= {p for rule in rules for p in rule.points}


def test_points_of_another_layout_are_refused():
    with pytest.raises(ValueError, match="coco_17"):
        to_canonical(np.zeros((18, 3)), LayoutName.COCO_17)
