"""Do tracks stay with one person? IDF1 on generated crossings.

    python -m benchmarks.tracking [--mocap FOLDER] [--seeds 100 110] [--people 2 3 4 5 6]

Clips of 150 frames at 30 a second (`smplifyx/data/crossings.py`): people walk towards one point, so
that all cross; recorded poses of the held-out subjects 13 and 14; the errors of OpenPose's card;
points behind somebody else mostly unseen, guessed or taken from the one in front; people missed for
up to 25 frames, up to a dozen frames in a row lost, half a ghost now and then; a camera that
stands still, or turns to and fro with jerks. Nothing was tuned on seeds of 100 and above.

IDF1: `smplifyx/evaluation/identity.py`, over all detections of a row. nearest box: each box of a
frame goes to the track whose last box it overlaps most, greedily, with the same longest gap.
worst: the lowest IDF1 of a clip.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from smplifyx.body.loading.files import load_body
from smplifyx.data.crossings import Crossing, CrossingOptions, generate_crossing, heldout_clips
from smplifyx.evaluation.identity import IdentityScore, identity_score
from smplifyx.keypoints.confidence import SEEN
from smplifyx.tracking import FramePeople, TrackRules, numbered, track_people

from .quality import table

LEAST_OVERLAP = 0.1  # of a box with the one before
Numbers = Sequence[Sequence[int | None]]  # the track of each person of each frame
Tracking = Callable[[Sequence[FramePeople], TrackRules], Numbers]


def by_keypoints(frames: Sequence[FramePeople], rules: TrackRules) -> Numbers:
    """As smplifyx tracks."""
    return numbered(track_people(frames, rules), frames)


@dataclass
class _Box:
    """A track of `by_nearest_box`: where it was last."""

    corners: Float[NDArray, " 4"]
    frame: int


def by_nearest_box(frames: Sequence[FramePeople], rules: TrackRules) -> Numbers:
    """The plain way: the largest overlap with a last box, greedily."""
    tracks: list[_Box] = []
    found: list[list[int | None]] = []
    for frame in frames:
        boxes = [_box(person) for person in frame.keypoints]
        known = [frame.frame - track.frame <= rules.max_gap * rules.fps for track in tracks]
        overlaps = [
            (_overlap(track.corners, box), -number, -person)
            for number, track in enumerate(tracks)
            if known[number]
            for person, box in enumerate(boxes)
        ]
        taken: dict[int, int] = {}  # the track of a person
        for overlap, number, person in sorted(overlaps, reverse=True):
            if overlap >= LEAST_OVERLAP and -person not in taken and -number not in taken.values():
                taken[-person] = -number
        row: list[int | None] = []
        for person, box in enumerate(boxes):
            number = taken.get(person, len(tracks))
            if number == len(tracks):
                tracks.append(_Box(box, frame.frame))
            tracks[number] = _Box(box, frame.frame)
            row.append(number)
        found.append(row)
    return found


def _box(person: Float[NDArray, "137 3"]) -> Float[NDArray, " 4"]:
    seen = person[person[:, 2] >= SEEN, :2]
    if not len(seen):
        return np.zeros(4)
    return np.concatenate([seen.min(0), seen.max(0)])


def _overlap(one: Float[NDArray, " 4"], other: Float[NDArray, " 4"]) -> float:
    """Intersection over union."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    common = float(np.prod((high - low).clip(min=0)))
    total = sum(float(np.prod(box[2:] - box[:2])) for box in (one, other)) - common
    return common / total if total > 0 else 0.0


TRACKERS: dict[str, Tracking] = {"smplifyx": by_keypoints, "nearest box": by_nearest_box}


def frames_of(clip: Crossing) -> list[FramePeople]:
    """The clip as a tracker gets it."""
    pairs = zip(clip.numbers, clip.keypoints, strict=True)
    return [FramePeople(number, keypoints) for number, keypoints in pairs]


def score(clip: Crossing, numbers: Numbers) -> IdentityScore:
    """Of one clip."""
    labels = []
    for people, tracks in zip(clip.people, numbers, strict=True):
        labels += zip(people, tracks, strict=True)
    return identity_score(labels)


def row_of(clips: Sequence[Crossing], rules: TrackRules) -> dict[str, float]:
    """What a table says of some clips."""
    row: dict[str, float] = {}
    for name, tracking in TRACKERS.items():
        numbers = [tracking(frames_of(clip), rules) for clip in clips]
        scores = [score(*pair) for pair in zip(clips, numbers, strict=True)]
        row[f"{name}: IDF1"] = sum(scores, IdentityScore(0, 0, 0)).idf1
        row[f"{name}: worst"] = min(one.idf1 for one in scores)
    return row


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mocap", type=Path, default=Path("../shared/data/mocap"))
    parser.add_argument("--seeds", type=int, nargs=2, default=(100, 110), help="first, last + 1")
    parser.add_argument("--people", type=int, nargs="+", default=[2, 3, 4, 5, 6])
    options = parser.parse_args()
    body = load_body()
    rest = body.joint_template.numpy().astype(np.float64)
    recordings = heldout_clips(options.mocap, rest)
    rows: dict[str, dict[str, float]] = {}
    for people in options.people:
        for panning in (False, True):
            scene = CrossingOptions(people=people, panning=panning)
            clips = [
                generate_crossing(body, recordings, seed, scene) for seed in range(*options.seeds)
            ]
            camera = "panning" if panning else "still"
            rows[f"{people} people, {camera}"] = row_of(clips, TrackRules())
    print(f"torch {torch.__version__}, numpy {np.__version__}, {platform.machine()}")
    print(table(f"Crossings, seeds {options.seeds[0]} to {options.seeds[1] - 1}", rows))


if __name__ == "__main__":
    main()
