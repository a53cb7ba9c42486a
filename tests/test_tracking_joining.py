"""Pieces of tracks: joined by place, size, shape and fits; split where fitted bodies jump."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from walkers import Walker, scene

from smplifyx.tracking import FittedFacts, Track, joined, numbered, split, switches
from smplifyx.tracking.frame_people import FramePeople

START, STEP = (300.0, 500.0), (4.0, 0.0)


def pieces(
    gap: int = 20, size: float = 1.0, at: tuple[float, float] | None = None
) -> tuple[list[Track], list[FramePeople]]:
    """Two tracks of 20 frames: the second goes on where the first would be, or stands at `at`."""
    first = scene([Walker(START, STEP)], 20).frames
    walker = Walker(START, STEP, size) if at is None else Walker(at, size=size)
    later = scene([walker], range(19 + gap, 39 + gap)).frames
    tracks = [
        Track(number, tuple(range(20 * number, 20 * number + 20)), (0,) * 20, (1.0,) * 20)
        for number in range(2)
    ]
    return tracks, [*first, *later]


JOINED = {  # of the second piece: whether it is the first's
    "goes on": ({}, True),
    "after two seconds": ({"gap": 59}, True),
    "after more": ({"gap": 62}, False),
    "elsewhere": ({"at": (1200.0, 500.0)}, False),
    "half as large": ({"size": 0.5}, False),
    "a little larger": ({"size": 1.1}, True),
}


@pytest.mark.parametrize("name", JOINED)
def test_pieces_are_joined_by_place_and_size(name: str) -> None:
    changes, together = JOINED[name]
    tracks, frames = pieces(**changes)
    found = joined(tracks, frames, 30.0, 1.0)
    assert len(found) == (1 if together else 2)
    if together:
        assert found[0].joins == (20,) and found[0].frames == tuple(range(40))


def facts(betas: float, root: float, frames: int = 20) -> FittedFacts:
    """A shape, and somebody who walks to the right from `root` metres at 1 m/s."""
    across = root + np.arange(frames) / 30
    roots = np.stack([across, np.zeros(frames), np.full(frames, 5.0)], -1)
    roots[3] = np.nan
    return FittedFacts(np.full(10, betas), np.full(10, 0.3), roots)


FITTED = {  # the second piece's facts, its place in the image: whether it is the first's
    "the same": (facts(0.0, 39 / 30), None, True),
    "another shape": (facts(2.0, 39 / 30), None, False),
    "another place": (facts(0.0, 8.0), None, False),
    "the camera turned": (facts(0.0, 39 / 30), (1500.0, 500.0), True),
    "unfitted": (FittedFacts(), None, True),
    "no frame was fitted": (replace(facts(0.0, 0.0), roots=np.full((20, 3), np.nan)), None, True),
    "a shape without its deviation": (FittedFacts(betas=np.full(10, 9.0)), None, True),
}


@pytest.mark.parametrize("name", FITTED)
def test_fits_go_before_the_image(name: str) -> None:
    second, at, together = FITTED[name]
    tracks, frames = pieces(at=at)
    found = joined(tracks, frames, 30.0, 1.0, [facts(0.0, 0.0), second])
    assert len(found) == (1 if together else 2)


def test_two_whom_the_input_calls_by_name_are_two() -> None:
    tracks, frames = pieces()
    named = [replace(track, given_id=name) for track, name in zip(tracks, "ab", strict=True)]
    assert len(joined(named, frames, 30.0, 1.0)) == 2
    (track,) = joined([tracks[0], named[1]], frames, 30.0, 1.0)
    assert track.given_id == "b"


def test_tracks_of_one_time_are_two_people() -> None:
    both = scene([Walker(START, STEP), Walker((320.0, 500.0), STEP)], 20)
    tracks = [Track(n, tuple(range(20)), (n,) * 20, (1.0,) * 20) for n in range(2)]
    assert len(joined(tracks, both.frames, 30.0, 1.0)) == 2


def test_many_pieces_make_a_chain() -> None:
    frames = scene([Walker(START, STEP)], [n for n in range(90) if n % 30 < 20]).frames
    tracks = [Track(n, tuple(range(20 * n, 20 * n + 20)), (0,) * 20, (1.0,) * 20) for n in range(3)]
    (track,) = joined(tracks, frames, 30.0, 1.0)
    assert track.joins == (20, 40) and numbered([track], frames) == ((0,),) * 60


def body_at(places: list[float], moving: int = 22) -> np.ndarray:
    """Joints of a body whose first `moving` joints are so many metres to the right in each frame."""
    rest = np.random.default_rng(0).normal(0, 0.4, (22, 3))
    joints = np.repeat(rest[None], len(places), 0)
    joints[:, :moving, 0] += np.array(places)[:, None]
    return joints


SWITCHES = {  # places, frame numbers, frames a second, joints that move: where it is another
    "walks": ([0, 0.05, 0.1, 0.15], (0, 1, 2, 3), 30, 22, ()),
    "jumps 0.6 m in a thirtieth": ([0, 0, 0.6, 0.6], (0, 1, 2, 3), 30, 22, (2,)),
    "jumps 0.45 m in a thirtieth": ([0, 0, 0.45, 0.45], (0, 1, 2, 3), 30, 22, ()),
    "jumps 0.6 m in a fifteenth": ([0, 0, 0.6, 0.6], (0, 1, 2, 3), 15, 22, ()),
    "jumps 0.3 m in a sixtieth": ([0, 0, 0.3, 0.3], (0, 1, 2, 3), 60, 22, (2,)),
    "two fits of one body at 240 a second": ([0, 0.2, 0, 0.2], (0, 1, 2, 3), 240, 22, ()),
    "frames are missing": ([0, 0, 1.2, 1.2], (0, 1, 5, 6), 30, 22, ()),
    "there and back": ([0, 2, 0, 0], (0, 1, 2, 3), 30, 22, (1, 2)),
    "one leg": ([0, 0, 0.9, 0.9], (0, 1, 2, 3), 30, 4, ()),
    "not fitted between": ([0, np.nan, 2, 2], (0, 1, 2, 3), 30, 22, (2,)),
}


@pytest.mark.parametrize("name", SWITCHES)
def test_a_body_that_jumps_is_anothers(name: str) -> None:
    places, frames, fps, moving, expected = SWITCHES[name]
    assert switches(body_at(places, moving), frames, fps) == expected


def test_switches_need_a_number_for_each_frame() -> None:
    with pytest.raises(ValueError, match="2 frame numbers of 3 frames"):
        switches(body_at([0, 0, 0]), (0, 1), 30.0)


def test_a_track_is_split_before_the_places() -> None:
    track = Track(4, (0, 1, 2, 5, 6), (0, 0, 1, 1, 0), (1, 0.9, 0.8, 0.7, 0.6), "a", (3,))
    first, second = split(track, (2,))
    assert (first.number, first.frames, first.people, first.joins) == (0, (0, 1), (0, 0), ())
    assert (second.number, second.frames, second.joins) == (1, (2, 5, 6), (1,))
    assert not first.is_given_id and split(track, ())[0].frames == track.frames
