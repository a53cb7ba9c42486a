"""The card of how people move, and what lies between frames by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from smplifyx.config import ConfigError
from smplifyx.fitting.motion_card import load_motion
from smplifyx.keypoints import names

CARD = """
what: w
source: s
licence: l
command: c
fps: {fps}
points: {{wrist: 3.0}}
turn: 0.02
hand: 0.1
jaw: 0.1
expression: 0.1
"""


def test_the_card_that_ships_knows_all_of_the_body() -> None:
    card = load_motion()
    assert set(range(names.BODY.stop)) <= card.accelerations.keys()
    wrist, hip = (names.POINT_INDEX[name] for name in ("left_wrist", "left_hip"))
    assert card.accelerations[wrist] > card.accelerations[hip]


def test_both_sides_have_the_number_of_their_name(tmp_path: Path) -> None:
    path = tmp_path / "card.yaml"
    path.write_text(CARD.format(fps=30))
    wrists = {names.POINT_INDEX["left_wrist"]: 3.0, names.POINT_INDEX["right_wrist"]: 3.0}
    assert load_motion(path).accelerations == wrists


def test_a_card_that_cannot_be_is_told(tmp_path: Path) -> None:
    path = tmp_path / "card.yaml"
    path.write_text(CARD.format(fps=0))
    with pytest.raises(ConfigError, match="fps"):
        load_motion(path)
