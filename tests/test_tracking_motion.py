"""Where points will be, how like people are, and what a camera's turn does to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from walkers import HEIGHT, figure

from smplifyx.keypoints import names
from smplifyx.tracking.frame_people import POINTS, FramePeople, Seen, stature
from smplifyx.tracking.matching import SAME, STILL, camera_shift, pairs
from smplifyx.tracking.motion import LIMB_MEMORY, Motion
from smplifyx.tracking.similarity import similarities

WRIST, HIP = names.POINT_INDEX["left_wrist"], names.POINT_INDEX["mid_hip"]
ALL = np.ones(POINTS, bool)


def body(place: tuple[float, float] = (300, 300)) -> np.ndarray:
    return figure(place)[: names.BODY.stop, :2].astype(np.float64)


def seen_at(*places: tuple[float, float]) -> Seen:
    return Seen.of(FramePeople(0, np.stack([figure(place) for place in places])))


def walked(fps: float, speed: float, seconds: float = 1.0) -> Motion:
    """Somebody who went to the right at so many pixels a second."""
    motion = Motion.begun(0.0, body(), ALL, HEIGHT)
    for number in range(1, round(seconds * fps) + 1):
        at = number / fps
        motion = motion.corrected(at, body((300 + speed * at, 300)), ALL, HEIGHT)
    return motion


@pytest.mark.parametrize("fps", [10, 30, 120])
@pytest.mark.parametrize("speed", [-200.0, 0.0, 80.0])
def test_who_goes_on_evenly_is_where_expected_at_any_frame_rate(fps: float, speed: float) -> None:
    ahead = walked(fps, speed).predicted(1.5)
    assert ahead.drift == pytest.approx([speed, 0], abs=0.02 * abs(speed) + 1e-9)
    expected = body((300 + 1.5 * speed, 300))
    assert np.abs(ahead.xy - expected).max() < 0.02 * abs(speed) + 1e-6


def test_a_limb_gives_its_own_speed_up_for_the_bodys() -> None:
    motion = walked(30, 60)
    velocity = motion.velocity.copy()
    velocity[WRIST] += (300.0, 0.0)
    later = replace(motion, velocity=velocity).predicted(1.0 + 10 * LIMB_MEMORY)
    assert later.velocity[WRIST] == pytest.approx(later.velocity[HIP], abs=0.1)
    swung = later.xy[WRIST] - later.xy[HIP] - (motion.xy[WRIST] - motion.xy[HIP])
    assert swung == pytest.approx([300 * LIMB_MEMORY, 0], abs=0.1)


def test_unseen_points_are_taken_along_and_new_ones_are_where_they_are_seen() -> None:
    upper = ALL.copy()
    upper[[8, 9, 10, 11, 12, 13, 14]] = False
    motion = Motion.begun(0.0, body(), ALL, HEIGHT)
    motion = motion.corrected(0.1, body((310, 300)), upper, HEIGHT)
    assert motion.xy[HIP] == pytest.approx([310, 300], abs=0.5) and motion.seen_at[HIP] == 0.0
    late = Motion.begun(0.0, body(), upper, HEIGHT)
    late = late.corrected(0.1, body((350, 300)), ALL, HEIGHT)
    assert late.xy[HIP] == pytest.approx([350, 300]) and late.seen_at[HIP] == 0.1


def test_one_point_that_is_far_off_tells_little_of_its_speed() -> None:
    wrong = body()
    wrong[WRIST] += 2000
    motion = Motion.begun(0.0, body(), ALL, HEIGHT).corrected(1 / 30, wrong, ALL, HEIGHT)
    assert np.linalg.norm(motion.velocity[WRIST]) < 30 * HEIGHT
    assert motion.drift == pytest.approx([0, 0])


def test_a_pose_that_is_wrong_as_a_whole_takes_nobody_along() -> None:
    motion, wrong = walked(30, 0), body((380, 300))
    believed, doubted = (
        motion.corrected(1 + 1 / 30, wrong, ALL, HEIGHT, score) for score in (0.5, 0.05)
    )
    assert believed.xy[HIP, 0] > 345 and doubted.xy[HIP, 0] < 315
    assert abs(doubted.drift[0]) < 0.3 * abs(believed.drift[0])


def test_a_turn_of_the_camera_moves_to_where_it_says_and_goes_on() -> None:
    motion = walked(30, 60)
    then = 1 + 1 / 30
    turned = motion.turned(np.array([50.0, 0.0]), then)
    before, after = motion.predicted(then), turned.predicted(then)
    assert after.xy - before.xy == pytest.approx(np.tile([50.0, 0.0], (POINTS, 1)))
    assert turned.drift[0] > motion.drift[0] + 200


SIMILARITIES = {  # what is seen: least and most
    "as expected": (body(), ALL, (0.999, 1.0)),
    "a little aside": (body((306, 300)), ALL, (0.5, 0.98)),
    "two statures away": (body((900, 300)), ALL, (0.0, 1e-6)),
    "half of the points": (body(), np.arange(POINTS) < 12, (0.47, 0.49)),
    "three points": (body(), np.arange(POINTS) < 3, (0.11, 0.13)),
    "no point": (body(), ~ALL, (0.0, 0.0)),
}


@pytest.mark.parametrize("name", SIMILARITIES)
def test_all_points_of_the_expected_person_count(name: str) -> None:
    xy, shown, (least, most) = SIMILARITIES[name]
    seen = replace(seen_at((300, 300)), xy=xy[None], seen=shown[None])
    value = similarities([walked(30, 0)], seen, 1.0, 1.0)
    assert value.shape == (1, 1) and least <= value[0, 0] <= most


def test_few_expected_points_that_fit_are_not_yet_a_person() -> None:
    few = Motion.begun(0.0, body(), np.arange(POINTS) < 3, HEIGHT)
    assert similarities([few], seen_at((300, 300)), 0.0, 1.0)[0, 0] == pytest.approx(0.5)


def test_the_longer_somebody_is_away_the_farther_they_may_be() -> None:
    motion, seen = walked(30, 0), seen_at((360, 300))
    values = [similarities([motion.predicted(at)], seen, at, 5.0)[0, 0] for at in (1.03, 1.3, 2.0)]
    assert values[0] < values[1] < values[2]
    assert similarities([motion.predicted(9.0)], seen, 9.0, 5.0)[0, 0] == 0.0  # forgotten


def test_size_makes_the_measure() -> None:
    """The same shift in statures is as like for a large as for a small person."""
    for size in (0.5, 1.0, 3.0):
        there = Seen.of(FramePeople(0, figure((300 + 10 * size, 300), size)[None]))
        xy = figure((300, 300), size)[: names.BODY.stop, :2].astype(np.float64)
        motion = Motion.begun(0.0, xy, ALL, HEIGHT * size)
        value = similarities([motion], there, 0.0, 1.0)[0, 0]
        assert value == pytest.approx(0.811, abs=0.01)


@pytest.mark.parametrize("size", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("shown", ["all", "upper", "legs"])
def test_the_stature_is_told_by_any_half_of_a_body(size: float, shown: str) -> None:
    whole = figure((300, 300), size)[: names.BODY.stop]
    seen = ALL.copy()
    if shown == "upper":
        seen[9:15] = seen[19:] = False
    elif shown == "legs":
        seen[:9] = seen[15:19] = False
    assert stature(whole[:, :2].astype(float), seen) == pytest.approx(HEIGHT * size, rel=0.12)


@pytest.mark.parametrize("shown", [0, 1])
def test_a_point_has_no_stature(shown: int) -> None:
    assert stature(body(), np.arange(POINTS) < shown) == 0.0


def test_pairs_are_the_best_together_not_the_best_first() -> None:
    like = np.array([[0.9, 0.8], [0.8, 0.1]])
    assert pairs(like) == ((0, 1), (1, 0))
    assert pairs(np.array([[0.9, 0.0], [0.0, SAME - 0.01]])) == ((0, 0),)
    assert pairs(np.zeros((0, 3))) == ()


def turned_by(shift: tuple[float, float], people: int) -> np.ndarray:
    places = [(300.0, 300.0), (700.0, 320.0), (1200.0, 280.0)][:people]
    motions = [Motion.begun(0.0, body(place), ALL, HEIGHT) for place in places]
    seen = seen_at(*[(x + shift[0], y + shift[1]) for x, y in places])
    return camera_shift(motions, seen, lambda by: similarities(motions, seen, 1 / 30, 1.0, by))


@pytest.mark.parametrize("shift", [(0, 0), (4, 0), (180, 0), (-500, 90)])
@pytest.mark.parametrize("people", [2, 3])
def test_a_shift_of_all_is_the_cameras(shift: tuple[float, float], people: int) -> None:
    expected = shift if abs(shift[0]) > 10 else (0, 0)  # as good as expected: nothing to look for
    assert turned_by(shift, people) == pytest.approx(expected, abs=0.01)


def test_who_jumps_alone_may_be_another() -> None:
    assert turned_by((180, 0), people=1) is STILL
