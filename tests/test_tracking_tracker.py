"""Who is who: people who cross, hide, stop and come back, under a camera that turns; ids of the input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from walkers import Place, Scene, Walker, figure, scene, still

from smplifyx.tracking import FramePeople, TrackRules, numbered, track_people

LEFT, RIGHT, BACK = (300.0, 500.0), (900.0, 520.0), (600.0, 480.0)
TWO = (Walker(LEFT, (10, 0)), Walker(RIGHT, (-10, 0), size=0.85))
FAR = (Walker((300, 500)), Walker((1300, 520), size=0.85))
THREE = (*TWO, Walker(BACK, (0, 1), size=0.7))


def jerk(frame: int) -> Place:
    """The camera is pushed once."""
    return (0.0, 0.0) if frame < 30 else (260.0, 40.0)


def swing(frame: int) -> Place:
    """The camera begins to turn, turns back and stops."""
    moves = np.zeros(60)
    moves[20:35], moves[35:50] = 40.0, -40.0
    return float(moves[: frame + 1].sum()), 0.0


HELD = {  # nobody is ever taken for somebody else, and nobody's track breaks
    "alone": scene([Walker(LEFT, (4, 0))]),
    "nobody": scene([]),
    "stand still": scene([Walker(LEFT), Walker((420, 510), size=0.9)]),
    "cross": scene(TWO),
    "cross, the one behind unseen": scene([TWO[0], replace(TWO[1], away=range(22, 38))]),
    "run across": scene([Walker((200, 500), (25, 0)), Walker((1600, 500), (-25, 0))]),
    "away for 0.9 s": scene([replace(TWO[0], away=range(20, 47)), THREE[2]]),
    "away for 1.8 s, joined": scene([Walker(LEFT, (3, 0), away=range(20, 74)), THREE[2]], 120),
    "every third frame": scene(TWO, range(0, 60, 3)),
    "a dozen frames are lost": scene(TWO, [n for n in range(60) if not 18 <= n < 30]),
    "the camera is pushed": scene(THREE, camera=jerk),
    "the camera swings": scene(THREE, camera=swing),
    "the camera swings, one is away": scene(
        [*FAR, replace(FAR[0], start=(800, 480), away=range(18, 36))], camera=swing
    ),
    "unsure for a while": scene(TWO),
}


@pytest.mark.parametrize("name", HELD)
def test_people_keep_their_tracks(name: str) -> None:
    assert HELD[name].idf1() == 1.0


BROKEN = {  # what cannot be known: another track begins
    "away for 2.2 s": scene([Walker(LEFT, away=range(20, 86))], 120),
    "back elsewhere": Scene(
        scene([Walker(LEFT)], 30).frames
        + [replace(f, frame=f.frame + 40) for f in scene([Walker(RIGHT)], 30).frames],
        [[0]] * 60,
    ),
    "back half as large": Scene(
        scene([Walker(LEFT)], 30).frames
        + [replace(f, frame=f.frame + 75) for f in scene([Walker(LEFT, size=0.5)], 30).frames],
        [[0]] * 60,
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_who_may_be_another_is_another(name: str) -> None:
    assert len(track_people(BROKEN[name].frames)) == 2


@pytest.mark.parametrize("name", ["cross", "the camera swings", "away for 0.9 s"])
def test_the_order_of_people_does_not_matter(name: str) -> None:
    frames = HELD[name].frames
    turned = [replace(f, keypoints=f.keypoints[::-1]) for f in frames]
    found = numbered(track_people(frames), frames)
    assert found == tuple(row[::-1] for row in numbered(track_people(turned), turned))


def test_tracks_are_numbered_from_left_to_right() -> None:
    for seed in range(4):
        (first, *_), frames = track_people(scene(THREE, seed=seed).frames), scene(THREE, seed=seed)
        assert first.number == 0 and frames.who[0][first.people[0]] == 0


WEAK = 0.11  # of a person's confidence: 25 points of it are weak


@pytest.mark.parametrize(
    ("confidences", "tracks", "frames"),
    [((0.9,) * 10, 1, 10), ((WEAK,) * 10, 0, 0), ((0.9,) * 5 + (WEAK,) * 5, 1, 10)],
)
def test_who_is_unsure_only_continues_a_track(
    confidences: tuple[float, ...], tracks: int, frames: int
) -> None:
    people = [
        FramePeople(number, figure(LEFT, confidence=confidence)[None])
        for number, confidence in enumerate(confidences)
    ]
    found = track_people(people)
    assert len(found) == tracks and sum(len(track.frames) for track in found) == frames


def test_a_sure_track_chooses_before_a_new_one() -> None:
    """A ghost for two frames beside somebody does not take their track over."""
    frames = scene([Walker(LEFT)], 30, noise=0.0).frames
    aside = figure((LEFT[0] + 45, LEFT[1]))
    frames[10] = FramePeople(10, np.stack([figure(LEFT), aside]))
    # nearer to the ghost than to where they were
    frames[11:] = [FramePeople(n, figure((LEFT[0] + 30, LEFT[1]))[None]) for n in range(11, 30)]
    longest = max(track_people(frames), key=lambda track: len(track.frames))
    assert longest.frames == tuple(range(30)) and set(longest.people) == {0}


RULES = {
    "frames are 0.1 s apart": (TrackRules(fps=10), 2),  # 12 frames are 1.2 s, joined up to 2 s
    "frames are 0.2 s apart": (TrackRules(fps=5), 3),  # 2.4 s
    "nobody may be away": (TrackRules(max_gap=0), 3),
    "at least 40 frames": (TrackRules(fps=5, min_frames=40), 1),
}


@pytest.mark.parametrize("name", RULES)
def test_the_frame_rate_and_the_gap_are_the_users(name: str) -> None:
    rules, tracks = RULES[name]
    away = scene([Walker(LEFT, away=range(20, 32)), Walker(RIGHT)], 60)
    assert len(track_people(away.frames, rules)) == tracks


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"fps": 0}, "fps: expected a number above 0, got 0"),
        ({"fps": float("nan")}, "fps: expected a number above 0, got nan"),
        ({"max_gap": -1}, "max_gap: expected 0 seconds or more, got -1"),
        ({"min_frames": 0}, "min_frames: expected 1 or more, got 0"),
    ],
)
def test_a_rule_that_no_clip_has_is_refused(values: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TrackRules(**values)


def test_frames_that_do_not_rise_are_refused() -> None:
    frames = scene([Walker(LEFT)], 3).frames
    with pytest.raises(ValueError, match="frame 1 comes after frame 1"):
        track_people([frames[0], frames[1], frames[1]])


def test_points_that_are_no_numbers_are_unseen() -> None:
    frames = [
        FramePeople(n, np.where(np.arange(137)[:, None] % 3 == 0, np.nan, figure(LEFT))[None])
        for n in range(5)
    ]
    (track,) = track_people(frames)
    assert track.frames == (0, 1, 2, 3, 4)


def jumping(name: str) -> list[FramePeople]:
    """Two people far apart whom the file calls in its own way."""
    frames = scene([Walker(LEFT, id="a"), Walker(RIGHT, id="b")], 20).frames
    ids: dict[str, Callable[[FramePeople], tuple[str, ...]]] = {
        "true": lambda frame: frame.ids,
        "the place in the file": lambda frame: ("0", "1"),
        "all the same": lambda frame: ("7", "7"),
        "two of one name now and then": lambda frame: ("a", "a") if frame.frame == 9 else frame.ids,
        "new in every frame": lambda frame: tuple(f"{frame.frame}{i}" for i in frame.ids),
    }
    return [replace(frame, ids=ids[name](frame)) for frame in frames]


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("true", ["a", "b"]),
        ("the place in the file", ["", ""]),
        ("all the same", ["", ""]),
        ("two of one name now and then", ["", "b"]),
        ("new in every frame", ["", ""]),
    ],
)
def test_ids_of_the_input_are_believed_where_they_name_people(name: str, given: list[str]) -> None:
    tracks = track_people(jumping(name))
    assert [track.given_id for track in tracks] == given
    assert [track.is_given_id for track in tracks] == [bool(word) for word in given]
    assert [len(track.frames) for track in tracks] == [20, 20]


def test_a_believed_id_goes_before_keypoints() -> None:
    """Back after three seconds somebody is still who the input says; and nobody becomes another."""
    frames = scene([Walker(LEFT, away=range(20, 110), id="a")], 130).frames
    (track,) = track_people(frames)
    assert len(track.frames) == 40
    here = [replace(frame, ids=("a" if frame.frame < 10 else "b",)) for frame in
            scene([Walker(LEFT)], 20).frames]  # fmt: skip
    assert [track.given_id for track in track_people(here)] == ["a", "b"]


def test_a_person_without_an_id_now_and_then_stays_in_the_track() -> None:
    frames = scene([Walker(LEFT, id="a")], 20).frames
    frames = [replace(f, ids=f.ids if f.frame % 4 else ()) for f in frames]
    (track,) = track_people(frames)
    assert track.given_id == "a" and len(track.frames) == 20


def test_ids_are_as_many_as_people() -> None:
    with pytest.raises(ValueError, match="frame 3: 2 ids of 1 people"):
        FramePeople(3, figure(LEFT)[None], ("a", "b"))


def test_still_is_no_camera() -> None:
    assert still(5) == (0.0, 0.0)


def test_a_name_that_two_have_in_one_frame_is_nobodys_however_near_they_are() -> None:
    near = Walker((LEFT[0] + 60, LEFT[1]), id="a")
    tracks = track_people(scene([Walker(LEFT, id="a"), near], 20).frames)
    assert [track.given_id for track in tracks] == ["", ""]
