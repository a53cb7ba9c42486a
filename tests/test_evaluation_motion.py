"""Measures of how a fitted person moves, on motions that are known."""

from __future__ import annotations

import math

import pytest
import torch

from smplifyx.evaluation.motion import acceleration, foot_sliding_mm, jitter, seam_ratio

FPS = 25.0
SECONDS = torch.arange(40, dtype=torch.float64) / FPS


def moving(along: torch.Tensor) -> torch.Tensor:
    """Two joints that move in x alone, as told."""
    joints = torch.zeros(len(along), 2, 3, dtype=along.dtype)
    joints[..., 0] = along[:, None]
    return joints


def test_accelerations_and_jitter_are_in_metres_and_seconds() -> None:
    assert acceleration(moving(3.0 * SECONDS**2), FPS) == pytest.approx(6.0)
    assert acceleration(moving(7.0 * SECONDS), FPS) == pytest.approx(0.0, abs=1e-9)
    assert jitter(moving(2.0 * SECONDS**3), FPS) == pytest.approx(12.0)


def test_too_few_frames_tell_nothing() -> None:
    assert len(acceleration(moving(SECONDS[:2]), FPS)) == 0
    assert math.isnan(jitter(moving(SECONDS[:3]), FPS))
    assert math.isnan(foot_sliding_mm(moving(SECONDS[:1]), FPS))
    assert math.isnan(seam_ratio(moving(SECONDS), (), FPS))


def test_feet_that_stand_slide_and_feet_that_step_do_not_count() -> None:
    slow = moving(0.1 * SECONDS)
    assert foot_sliding_mm(slow, FPS) == pytest.approx(100.0 / FPS)
    fast = moving(2.0 * SECONDS)
    assert math.isnan(foot_sliding_mm(fast, FPS))
    assert foot_sliding_mm(torch.cat([slow, fast], 1), FPS) == pytest.approx(100.0 / FPS)


def test_one_fast_frame_lifts_no_foot() -> None:
    along = torch.where(SECONDS > SECONDS[20], 0.05, 0.0)
    assert foot_sliding_mm(moving(along), FPS) == pytest.approx(50.0 / 39)


def test_a_seam_shows() -> None:
    even = moving(3.0 * SECONDS**2)
    assert seam_ratio(even, (16, 32), FPS) == pytest.approx(1.0)
    torn = even.clone()
    torn[16:, :, 0] += 0.1  # 16 is the first frame of a chunk
    elsewhere = 6.0
    sizes = [abs(6.0 + 0.1 * FPS**2), abs(6.0 - 0.1 * FPS**2), 6.0, 6.0]
    assert seam_ratio(torn, (16, 32), FPS) == pytest.approx(sum(sizes) / 4 / elsewhere)
