"""The view from the side shows depth and holds everyone."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_scenes import BLUE, RED, sphere

from smplifyx.viz import Figure, side_view


def test_side_view_shows_depth_across() -> None:
    """The nearer person stands to the left, and what the photo shows left and right lies in depth."""
    near, faces = sphere((1.5, 0, 2.0), 0.3)
    far, _ = sphere((-1.5, 0, 4.0), 0.3)
    picture = side_view([Figure(RED, near), Figure(BLUE, far)], faces, (300, 300)).astype(int)
    red = np.argwhere(picture[..., 0] - picture[..., 2] > 60)
    blue = np.argwhere(picture[..., 2] - picture[..., 0] > 60)
    assert red[:, 1].max() < blue[:, 1].min()
    # x = 1.5 is the nearer side when looked at from the right
    assert np.ptp(red[:, 1]) > 1.3 * np.ptp(blue[:, 1])


@pytest.mark.parametrize("where", [(0, 0, 2.0), (5.0, -3, 9), (0, 0, -1.0)])
@pytest.mark.parametrize("size", [(200, 300), (400, 200)])
def test_side_view_holds_everyone(where: tuple[float, float, float], size: tuple[int, int]) -> None:
    vertices, faces = sphere(where)
    picture = side_view([Figure(RED, vertices)], faces, size).astype(int)
    rows, columns = np.nonzero(picture[..., 0] - picture[..., 2] > 60)
    low, high = np.array([columns.min(), rows.min()]), np.array([columns.max(), rows.max()])
    assert (low > 0).all() and (high < np.array(size) - 1).all()
    assert ((high - low) > 0.5 * min(size)).all()


def test_side_view_of_nobody_is_plain() -> None:
    assert len(np.unique(side_view([Figure(RED)], sphere((0, 0, 1))[1], (50, 40)))) <= 3


def test_what_is_unsure_is_tinted_and_a_bar_says_so() -> None:
    vertices, faces = sphere((0, 0, 3.0))
    plain = side_view([Figure(RED, vertices)], faces, (400, 200)).astype(int)
    sure = side_view([Figure(RED, vertices, unsure=0 * vertices[:, 0])], faces, (400, 200))
    # the upper half cannot be believed
    half = np.where(vertices[:, 1] < 0, 1.0, np.nan)
    unsure = side_view([Figure(RED, vertices, unsure=half)], faces, (400, 200)).astype(int)
    body, corner = np.s_[60:, :], np.s_[:40, :90]
    assert np.array_equal(plain[body], sure[body]), "a sure body has its own colour"
    assert (plain[corner] != unsure[corner]).any() and (sure[corner] == unsure[corner]).all()
    redness = unsure[..., 0] - unsure[..., 2]
    assert redness[80, 200] < 0 < redness[140, 200]
