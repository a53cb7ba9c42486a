"""Generated crossings: who is who is known, who is hidden is mostly unseen; the benchmark of tracks."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import torch
from cases import embedded_body
from mocap_data import random_poses
from walkers import Walker, scene

from benchmarks.tracking import by_keypoints, by_nearest_box, frames_of, score
from smplifyx.data.crossings import Crossing, CrossingOptions, generate_crossing
from smplifyx.data.retarget import Poses
from smplifyx.keypoints import names
from smplifyx.tracking import TrackRules


@lru_cache(maxsize=8)
def crossing(seed: int = 1, people: int = 3, panning: bool = False) -> Crossing:
    pose = random_poses(1, seed=3)
    poses = Poses(pose.global_orient.repeat(8, 0), pose.body_pose.repeat(8, 0))
    options = CrossingOptions(people=people, frames=40, panning=panning)
    return generate_crossing(embedded_body(torch.float32), [poses], seed, options)


def test_a_seed_is_a_scene() -> None:
    one, again, other = crossing(1), crossing.__wrapped__(1), crossing(2)
    assert one.people == again.people and one.people != other.people
    assert all(map(np.array_equal, one.keypoints, again.keypoints))


def test_people_are_told_apart_and_in_no_order() -> None:
    clip = crossing()
    assert len(clip.numbers) == len(clip.keypoints) == len(clip.people)
    assert list(clip.numbers) == sorted(set(clip.numbers)) and clip.numbers[-1] < 40
    for keypoints, who in zip(clip.keypoints, clip.people, strict=True):
        assert keypoints.shape == (len(who), names.COUNT, 3)
        known = [person for person in who if person is not None]
        assert len(set(known)) == len(known) and set(known) <= {0, 1, 2}
        assert not keypoints[:, names.BODY.stop :].any()
    assert any(list(who) != sorted(who, key=str) for who in clip.people)


def test_a_panning_camera_moves_everybody() -> None:
    def steps(clip: Crossing) -> float:
        """Pixels that the middle of a person moves from frame to frame, on average."""
        where: dict[int, list[float]] = {}
        for keypoints, who in zip(clip.keypoints, clip.people, strict=True):
            for person, name in zip(keypoints, who, strict=True):
                if name is not None and (person[:, 2] > 0).sum() > 10:
                    place = float(np.median(person[person[:, 2] > 0, 0]))
                    where.setdefault(name, []).append(place)
        return float(np.mean([np.abs(np.diff(places)).mean() for places in where.values()]))

    assert steps(crossing(5, panning=True)) > 1.2 * steps(crossing(5))


def test_without_clips_there_is_no_scene() -> None:
    with pytest.raises(ValueError, match="no clips to draw from"):
        generate_crossing(embedded_body(torch.float32), [], 0)


def test_the_nearest_box_is_right_where_people_stay_apart() -> None:
    apart = scene([Walker((300, 500), (3, 0)), Walker((900, 500), (3, 0))], 20)
    numbers = by_nearest_box(apart.frames, TrackRules())
    assert [list(row) for row in numbers] == [
        [numbers[0][apart.who[0].index(person)] for person in who] for who in apart.who
    ]


def test_tracks_by_keypoints_are_better_where_they_cross() -> None:
    pairs = [(crossing(seed), frames_of(crossing(seed))) for seed in range(1, 4)]
    ours = [score(clip, by_keypoints(frames, TrackRules())).idf1 for clip, frames in pairs]
    boxes = [score(clip, by_nearest_box(frames, TrackRules())).idf1 for clip, frames in pairs]
    assert np.mean(ours) > 0.9 and np.mean(ours) > np.mean(boxes)
