"""Keypoints are drawn at their places."""

from __future__ import annotations

import numpy as np
from drawn_scenes import PHOTO, RED

from smplifyx.keypoints.names import POINT_INDEX
from smplifyx.viz import Figure, draw_points


def test_points_are_dots_and_crosses_at_their_places() -> None:
    keypoints, model = np.zeros((137, 3)), np.full((137, 2), np.nan)
    nose, wrist, unseen = (POINT_INDEX[name] for name in ("nose", "left_wrist", "right_knee"))
    keypoints[nose], keypoints[wrist] = (20.5, 20.5, 0.9), (100.5, 100.5, 0.5)
    model[wrist], model[unseen] = (60.5, 60.5), (130.5, 20.5)
    picture = draw_points(PHOTO, [Figure(RED, keypoints=keypoints, points2d=model)])
    assert tuple(picture[20, 20]) == (255, 214, 10) and tuple(picture[100, 100]) == (255, 214, 10)
    assert tuple(picture[60, 60]) == (226, 40, 20)
    # the model's point has no detection to compare with
    assert (picture[20, 130] == PHOTO[20, 130]).all()
    assert (PHOTO == 200).all()
