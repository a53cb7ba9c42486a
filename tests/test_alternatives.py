"""What else keypoints may mean: the losers of every stage, with what they lost by."""

from __future__ import annotations

import torch
from test_hypotheses import hypotheses_at

from smplifyx.features.fold import PointSet
from smplifyx.fitting.alternatives import Alternatives, body_from_hips
from smplifyx.keypoints import names


def test_the_last_stage_in_which_one_ran_counts() -> None:
    before = Alternatives.none(torch.zeros(1), 4)
    assert before.gap.isinf().all() and before.points.isnan().all()
    # three of four ran; the second is the same body as the first
    ranked = hypotheses_at([0.0, 0.01, 0.5], [1.0, 2.0, 4.0], [True] * 3).distinct(0.02)
    after = before.seen(ranked)
    assert after.gap.tolist() == [[0.0, torch.inf, 3.0, torch.inf]]
    # the first went on alone
    later = after.seen(hypotheses_at([0.0], [0.5], [True]))
    assert later.gap.tolist() == [[0.0, torch.inf, 3.0, torch.inf]]
    assert before.gap.isinf().all()


def test_points_are_measured_from_the_middle_of_the_hips() -> None:
    named = ("left_hip", "nose", "right_hip")
    points = torch.tensor([[[1.0, 0.0, 5.0], [0.0, -0.7, 5.5], [3.0, 0.0, 6.0]]])
    found = body_from_hips(points, PointSet.named(*named))[0]
    nose = found[names.POINT_INDEX["nose"]]
    torch.testing.assert_close(nose, torch.tensor([-2.0, -0.7, 0.0]))
    assert found.isfinite().all(-1).sum() == 3
    assert body_from_hips(points, PointSet.named("nose", "neck", "left_hip")).isnan().all()
