"""A hand belongs to the wrist it starts at; what belongs to another is put right or left out, and
said.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from keypoint_files import write

from smplifyx.keypoints import names
from smplifyx.readers import read_frames
from smplifyx.readers.frames import Person
from smplifyx.readers.hands import EXCHANGED, GIVEN, LEFT_OUT, put_right

AT = names.POINT_INDEX
# Somebody standing, seen from the front; a hand is about 90 px long.
BODY = {"neck": (500, 200), "mid_hip": (500, 440),
        "right_shoulder": (415, 200), "right_elbow": (360, 330), "right_wrist": (330, 450),
        "left_shoulder": (585, 200), "left_elbow": (640, 330), "left_wrist": (670, 450)}  # fmt: skip
HAND = 85.0  # px, of the hands below


def hand(wrist: tuple[float, float], seed: int = 0, scale: float = HAND) -> np.ndarray:
    """21 points that start at a wrist and hang down."""
    rng = np.random.default_rng(seed)
    spread = rng.uniform((-0.4, 0.2), (0.4, 1.0), (21, 2)) * scale
    spread[0] = rng.uniform(-0.05, 0.05, 2) * scale
    return np.c_[spread + wrist, np.full(21, 0.8)]


def person(**changes: tuple[float, float]) -> Person:
    """Somebody with both hands at the wrists."""
    places = BODY | changes
    points = np.zeros((names.COUNT, 3), np.float32)
    for name, place in places.items():
        points[AT[name]] = (*place, 0.9)
    points[names.LEFT_HAND] = hand(places["left_wrist"], 1)
    points[names.RIGHT_HAND] = hand(places["right_wrist"], 2)
    return Person(0, points)


def changed(given: Person, **hands: np.ndarray | float) -> Person:
    """The person with other hands."""
    points = given.keypoints.copy()
    for side, values in hands.items():
        points[names.PARTS[f"{side}_hand"]] = values
    return replace(given, keypoints=points)


def hands_of(given: Person) -> tuple[np.ndarray, np.ndarray]:
    return given.keypoints[names.LEFT_HAND], given.keypoints[names.RIGHT_HAND]


def abouts(given: Person) -> list[str]:
    return [note.about for note in given.notes]


def people(count: int) -> list[Person]:
    """People with their forearms anywhere."""
    rng = np.random.default_rng(5)
    found = []
    for angles in rng.uniform(0, 2 * np.pi, (count, 2)):
        turned = 120 * np.stack([np.cos(angles), np.sin(angles)], -1)
        left, right = turned + (BODY["left_elbow"], BODY["right_elbow"])
        if np.hypot(*(left - right)) > 1.2 * HAND:
            found.append(person(left_wrist=tuple(left), right_wrist=tuple(right)))
    assert len(found) > count / 2
    return found


def test_good_hands_stay() -> None:
    assert all(put_right(given) is given for given in people(200))


def test_exchanged_hands_are_put_right() -> None:
    for given in people(200):
        left, right = hands_of(given)
        found = put_right(changed(given, left=right, right=left))
        assert np.array_equal(found.keypoints, given.keypoints)
        assert abouts(found) == [EXCHANGED]


@pytest.mark.parametrize("side", ["left", "right"])
def test_one_hand_found_twice_is_kept_at_its_wrist(side: str) -> None:
    other = {"left": "right", "right": "left"}[side]
    for given in people(100):
        points = given.keypoints[names.PARTS[f"{other}_hand"]]
        found = put_right(changed(given, **{side: points}))
        assert not found.keypoints[names.PARTS[f"{side}_hand"]].any()
        assert np.array_equal(found.keypoints[names.PARTS[f"{other}_hand"]], points)
        assert abouts(found) == [LEFT_OUT] and f"the {side} one" in found.notes[0].detail


def test_a_hand_of_the_other_side_goes_there_where_there_is_none() -> None:
    given = person()
    left, right = hands_of(given)
    found = put_right(changed(given, left=right, right=0.0))
    assert np.array_equal(hands_of(found)[1], right) and not hands_of(found)[0].any()
    assert abouts(found) == [GIVEN]
    # somebody else's hand is at no wrist, so it is in nobody's way
    found = put_right(changed(given, left=right, right=hand((900, 900))))
    assert np.array_equal(hands_of(found)[1], right) and not hands_of(found)[0].any()
    assert sorted(abouts(found)) == [GIVEN, LEFT_OUT]


def test_somebody_elses_hand_is_left_out() -> None:
    given = changed(person(), left=hand((970, 450), seed=1))
    found = put_right(given)
    assert not hands_of(found)[0].any() and np.array_equal(hands_of(found)[1], hands_of(given)[1])
    assert abouts(found) == [LEFT_OUT] and "px from its wrist" in str(found.notes[0])


@pytest.mark.parametrize(
    "given",
    [
        changed(person(), left=hand((700, 480))),  # off by half a hand
        changed(person(), left=0.0, right=0.0),
        person(left_wrist=(340, 450)),  # hands folded
        changed(person(), left=hand((330, 450)) * (1, 1, 0.05)),  # a hand that was not seen
    ],
)
def test_what_does_not_tell_stays(given: Person) -> None:
    assert put_right(given) is given


@pytest.mark.parametrize("confidence", [0.0, 0.05, 0.2])
def test_a_wrist_that_was_not_seen_tells_nothing(confidence: float) -> None:
    given = changed(person(), left=hand((900, 100)))
    given.keypoints[AT["left_wrist"], 2] = confidence
    assert put_right(given) is given


def test_the_nearest_point_tells_where_the_root_does_not() -> None:
    near, far = hand((670, 450)), hand((900, 100))
    near[0] = far[0] = 0.0
    assert put_right(changed(person(), left=near)).notes == ()
    assert abouts(put_right(changed(person(), left=far))) == [LEFT_OUT]


def test_a_body_without_arms_measures_by_the_hand() -> None:
    points = np.zeros((names.COUNT, 3), np.float32)
    points[AT["left_wrist"]] = (100, 100, 0.9)
    points[names.LEFT_HAND] = hand((100 + HAND / 2, 100))
    given = Person(0, points)
    assert put_right(given) is given
    assert abouts(put_right(changed(given, left=hand((100 + 3 * HAND, 100))))) == [LEFT_OUT]


def test_frames_have_their_hands_put_right(tmp_path: Path) -> None:
    given = person()
    left, right = hands_of(given)
    parts = {"pose_keypoints_2d": given.keypoints[names.BODY], "hand_left_keypoints_2d": right,
             "hand_right_keypoints_2d": left}  # fmt: skip
    entry = {key: values.astype(float).ravel().tolist() for key, values in parts.items()}
    write(tmp_path, "a_keypoints.json", {"people": [entry]})
    (frame,) = read_frames(tmp_path)
    np.testing.assert_allclose(frame.people[0].keypoints, given.keypoints, atol=1e-3)
    assert abouts(frame.people[0]) == [EXCHANGED]
