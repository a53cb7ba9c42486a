"""From a video's people to tracks with a row for every frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from smplifyx.camera import Camera
from smplifyx.core.choices import Age, BodyGender, Gender, GenderSource
from smplifyx.evidence.kinds import of_facts
from smplifyx.fitting.result import Origin
from smplifyx.jobs.batches import FitTask, Item
from smplifyx.jobs.summary import Row, RowStatus
from smplifyx.jobs.video_tracks import VideoPeople, people_of_video
from smplifyx.keypoints import Keypoints, names

STANDING = np.random.default_rng(0).uniform(0, 300, (25, 2))
FPS = 10.0


def item(
    frame: str,
    person: int = 0,
    x: float = 100.0,
    gender: BodyGender = Gender.NEUTRAL,
    source: GenderSource = GenderSource.DEFAULT,
    age: Age = Age.AUTO,
    name: str = "",
) -> Item:
    """Somebody at that place in a frame."""
    points = np.zeros((names.COUNT, 3), np.float32)
    points[names.BODY, :2] = STANDING + [x, 50.0]
    points[names.BODY, 2] = 0.9
    origin = Origin(person=person, person_id=name, gender_source=source.value, age_asked=age.value)
    return Item(
        FitTask(
            stem=frame,
            keypoints=Keypoints.from_array(points),
            camera=Camera.from_focal(900.0, torch.tensor([1280, 720])),
            gender=gender,
            origin=origin,
            age=age,
            evidence=of_facts({}),
        ),
        ends_frame=True,
        frame=frame,
    )


def lengths(people: VideoPeople) -> list[tuple[int, int]]:
    """Of each track, how many rows it has and in how many somebody was seen."""
    return [(len(track.rows), len(track.seen)) for track in people.tracks]


def test_a_row_for_every_frame_seen_or_not() -> None:
    frames = [0, 1, 2, 5, 6]
    people = people_of_video([item(f"a{n}") for n in frames], FPS)
    (track,) = people.tracks
    assert [row.frame for row in track.rows] == list(range(7))
    assert [row.item for row in track.rows] == [0, 1, 2, None, None, 3, 4]
    filled = track.rows[3].task
    assert filled.keypoints.confidence.sum() == 0 and filled.origin.track == 0
    assert torch.equal(filled.camera.K, track.rows[2].task.camera.K)
    assert people.on_tracks == frozenset(range(5))


def test_frames_that_count_on_by_more_are_no_gaps() -> None:
    people = people_of_video([item(f"a{n}") for n in range(0, 50, 5)], FPS)
    (track,) = people.tracks
    assert lengths(people) == [(10, 10)] and track.fps == FPS / 5


def test_who_is_in_too_few_frames_or_away_for_long_is_not_filled() -> None:
    away = [0, 1, 2, 3, 30, 31]
    people = people_of_video([item(f"a{n}", name="anna") for n in away], FPS)
    assert lengths(people) == [(4, 4)]
    assert [line.track for line in people.table] == [0, 0, 0, 0, None, None]
    assert not people_of_video([item("portrait"), item("another")], FPS).tracks


def test_each_clip_has_tracks_of_its_own() -> None:
    clips = [item(f"{clip}{n}") for n in range(3) for clip in "ab"]
    empty = Item(Row("a3", None, RowStatus.NO_PEOPLE), ends_frame=True, frame="a3")
    people = people_of_video([*clips, empty], FPS)
    assert [(track.number, track.clip) for track in people.tracks] == [(0, "a*"), (1, "b*")]
    assert people.tracks[1].rows[0].item == 1


def test_most_frames_that_say_anything_say_whose_body_it_is() -> None:
    said: Mapping[int, tuple[BodyGender, GenderSource, Age]] = {
        1: (Gender.FEMALE, GenderSource.SIDECAR, Age.CHILD),
        2: (Gender.MALE, GenderSource.PD, Age.AUTO),
        3: (Gender.FEMALE, GenderSource.SIDECAR, Age.AUTO),
    }
    nobody = (Gender.NEUTRAL, GenderSource.DEFAULT, Age.AUTO)
    items: list[Item] = []
    for n in range(8):
        gender, source, age = said.get(n, nobody)
        items.append(item(f"a{n}", gender=gender, source=source, age=age))
    (track,) = people_of_video(items, FPS).tracks
    tasks = [row.task for row in track.rows]
    assert {(task.gender, task.age) for task in tasks} == {(Gender.FEMALE, Age.CHILD)}
    assert {task.origin.gender_source for task in tasks} == {"sidecar"}
    assert {task.origin.age_asked for task in tasks} == {"child"}


def test_the_hash_tells_all_that_decides_a_track() -> None:
    items = [item(f"a{n}") for n in range(4)]
    other = replace(items[2], work=item("a2", x=100.5).work)
    hashes = [
        people_of_video(items, FPS).tracks[0].rows[0].task.origin.track_sha256,
        people_of_video(items, 12.0).tracks[0].rows[0].task.origin.track_sha256,
        people_of_video(items[:3], FPS).tracks[0].rows[0].task.origin.track_sha256,
        people_of_video([*items[:2], other, items[3]], FPS)
        .tracks[0]
        .rows[0]
        .task.origin.track_sha256,
    ]
    assert len(set(hashes)) == 4
    assert hashes[0] == people_of_video(items, FPS).tracks[0].rows[3].task.origin.track_sha256
