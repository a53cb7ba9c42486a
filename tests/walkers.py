"""Makers for the tests of tracking: people of points who walk through a picture, and who is who."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from keypoint_files import STANDING

from smplifyx.evaluation.identity import identity_score
from smplifyx.keypoints import names
from smplifyx.tracking import FramePeople, TrackRules, numbered, track_people

Place = tuple[float, float]
HEIGHT = 300.0  # pixels of the standing adult, more or less


@dataclass(frozen=True)
class Walker:
    """Somebody who moves evenly: where from, pixels a frame, how large, and in which frames nobody
    sees them.
    """

    start: Place
    step: Place = (0.0, 0.0)
    size: float = 1.0
    away: range = range(0)
    confidence: float = 0.9
    id: str = ""


def figure(place: Place, size: float = 1.0, confidence: float = 0.9) -> np.ndarray:
    """The standing adult with the middle of the hips at a place, [137, 3]."""
    points = np.zeros((names.COUNT, 3), np.float32)
    hip = np.array(STANDING["mid_hip"], float)
    for name, xy in STANDING.items():
        points[names.POINT_INDEX[name], :2] = (np.array(xy) - hip) * size + place
        points[names.POINT_INDEX[name], 2] = confidence
    return points


@dataclass(frozen=True)
class Scene:
    """Frames, and who each of their people is."""

    frames: list[FramePeople]
    who: list[list[int | None]]

    def idf1(self, rules: TrackRules | None = None) -> float:
        """How long tracks stay with one person."""
        found = numbered(track_people(self.frames, rules), self.frames)
        labels = []
        for people, tracks in zip(self.who, found, strict=True):
            labels += zip(people, tracks, strict=True)
        return identity_score(labels).idf1


def still(frame: int) -> Place:
    return 0.0, 0.0


def scene(
    walkers: Sequence[Walker],
    frames: int | Sequence[int] = 60,
    camera: Callable[[int], Place] = still,
    noise: float = 2.0,
    seed: int = 0,
) -> Scene:
    """What is seen of the walkers; camera: how far the picture has moved by each frame."""
    random = np.random.default_rng(seed)
    numbers = range(frames) if isinstance(frames, int) else frames
    found, who = [], []
    for number in numbers:
        there = [i for i, walker in enumerate(walkers) if number not in walker.away]
        order = random.permutation(there).tolist()
        keypoints = np.zeros((len(order), names.COUNT, 3), np.float32)
        for row, i in enumerate(order):
            walker = walkers[i]
            place = np.array(walker.start) + number * np.array(walker.step) + camera(number)
            keypoints[row] = figure(tuple(place), walker.size, walker.confidence)
            seen = keypoints[row, :, 2] > 0
            keypoints[row, seen, :2] += noise * random.normal(size=(seen.sum(), 2))
        ids = tuple(walkers[i].id for i in order)
        found.append(FramePeople(number, keypoints, ids if any(ids) else ()))
        who.append(list(order))
    return Scene(found, who)
