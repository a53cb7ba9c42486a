"""Scores of other scales: drawn to ours where the user says how, told where nobody does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from keypoint_files import write

from smplifyx.keypoints import names
from smplifyx.keypoints.confidence import CONFIDENT, SEEN
from smplifyx.readers import read_frames
from smplifyx.readers.frames import Frame
from smplifyx.readers.options import ReadOptions
from smplifyx.readers.scores import HIGH, LOW, on_the_scale


def frame(folder: Path, scores: list[float], **options: float) -> Frame:
    """One person whose 25 body points have these scores, over and over."""
    rng = np.random.default_rng(0)
    points = [[*rng.uniform(100, 400, 2), scores[i % len(scores)]] for i in range(25)]
    write(folder, "a_keypoints.json", {"people": [{"pose_keypoints_2d": sum(points, [])}]})
    (found,) = read_frames(folder, options=ReadOptions(**options))
    return found


def confidences(found: Frame) -> np.ndarray:
    return found.people[0].keypoints[names.BODY, 2]


@pytest.mark.parametrize(
    ("options", "scores", "expected"),
    [
        ({"seen": 0.03, "confident": 0.05}, [0.03, 0.05, 1.0, 0.0], [SEEN, CONFIDENT, 1.0, 0.0]),
        ({"seen": 0.03, "confident": 0.05}, [0.015, 0.04, 0.525], [0.05, 0.2, 0.65]),
        ({"seen": 0.2}, [0.2, 0.3, 0.65], [SEEN, CONFIDENT, 0.65]),
        ({"confident": 0.5}, [0.1, 0.3, 0.5], [SEEN, 0.2, CONFIDENT]),
        ({"seen": 10, "confident": 30}, [10, 30, 65, 100, 150], [SEEN, CONFIDENT, 0.65, 1, 1]),
        ({"seen": 0.5, "confident": 0.5}, [0.25, 0.5, 1.0], [0.05, CONFIDENT, 1.0]),
        ({"seen": 0.0, "confident": 0.3}, [0.0, 1e-6, 0.3], [0.0, SEEN, CONFIDENT]),
        ({}, [0.05, 0.3, 1.0, 1.4], [0.05, 0.3, 1.0, 1.0]),
    ],
)
def test_thresholds_go_where_ours_are(
    options: dict[str, float], scores: list[float], expected: list[float]
) -> None:
    found = on_the_scale(np.array(scores, np.float32), ReadOptions(**options))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    # what scores exactly the threshold is seen, in float32 as well
    assert ((found.astype(np.float32) >= SEEN) == (np.array(expected) >= SEEN)).all()


def test_the_order_of_scores_stays() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        seen, confident = np.sort(rng.uniform(0.001, 2.0, 2))
        scores = np.sort(rng.uniform(0, 3, 40)).astype(np.float32)
        found = on_the_scale(scores, ReadOptions(seen=float(seen), confident=float(confident)))
        assert (np.diff(found) >= 0).all() and found.min() >= 0 and found.max() <= 1


@pytest.mark.parametrize(
    "options",
    [
        {"seen": 0.5},
        {"confident": 0.05},
        {"seen": 0.4, "confident": 0.2},
        {"seen": -0.1},
        {"confident": 0.0, "seen": 0.0},
        {"seen": float("nan")},
        {"confident": float("inf")},
    ],
)
def test_scores_that_no_file_could_mean_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="--(seen|confident)") as caught:
        ReadOptions(**options)
    assert "\n" not in str(caught.value)


def test_low_scores_are_told_and_mended_by_the_options(tmp_path: Path) -> None:
    found = frame(tmp_path, [0.07, 0.08, 0.09, 0.11])
    (note,) = found.notes
    assert note.about == LOW and "76% of the body points score below 0.1" in note.detail
    assert "--seen" in note.detail
    told = frame(tmp_path, [0.07, 0.08, 0.09, 0.11], seen=0.03, confident=0.05)
    assert not told.notes and (confidences(told) >= CONFIDENT).all()


@pytest.mark.parametrize(
    ("scores", "about"),
    [
        ([0.15, 0.2, 0.25], LOW),  # seen, and nothing is sure
        ([0.9, 0.9, 0.05], None),
        ([0.9, 1.1, 1.2], None),  # heatmaps overshoot
        ([95.0, 80.0, 60.0], HIGH),
        ([7.5, 0.8, 0.9], HIGH),
        ([0.0], None),
    ],
)
def test_scores_of_another_scale_are_told(
    tmp_path: Path, scores: list[float], about: str | None
) -> None:
    found = frame(tmp_path, scores)
    assert [note.about for note in found.notes] == ([] if about is None else [about])
    assert confidences(found).max() <= 1.0
