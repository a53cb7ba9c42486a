"""Generated clips: what is drawn, hidden and known of them."""

from __future__ import annotations

from functools import lru_cache

import pytest
import torch
from cases import embedded_body
from test_clip_fit import waving

from smplifyx.data.generated_clips import ClipOptions, GeneratedClips, generate_clips

FRAMES = 60


@lru_cache(maxsize=4)
def clips(pans: float = 0.0, missed: float = 0.1) -> GeneratedClips:
    options = ClipOptions(missing_limbs=0.2, missed=missed, pans=pans)
    return generate_clips(embedded_body(torch.float32), [waving(FRAMES)], 2, 3, options)


def test_rows_are_frames_clip_after_clip() -> None:
    made = clips()
    assert made.track.tolist() == [0] * FRAMES + [1] * FRAMES
    assert made.frame.tolist() == [*range(FRAMES)] * 2
    betas = made.truth.betas.unflatten(0, (2, FRAMES))
    assert torch.equal(betas, betas[:, :1].expand_as(betas))
    assert not torch.equal(betas[0, 0], betas[1, 0])


def test_hands_and_faces_move_evenly() -> None:
    hands = clips().truth.left_hand_pose[:FRAMES]
    steps = hands.diff(dim=0).abs()
    assert 0 < float(steps.max()) < 0.5


def test_limbs_and_whole_people_are_missed_for_a_while_but_never_first_or_last() -> None:
    confidence = clips().keypoints.confidence.unflatten(0, (2, FRAMES))
    absent = (confidence == 0).all(-1)
    assert absent.any() and not absent[:, [0, -1]].any()
    assert not (clips(missed=0.0).keypoints.confidence == 0).all(-1).any()


@pytest.mark.parametrize("pans", [0.0, 1.0])
def test_a_camera_that_pans_keeps_its_person_in_the_middle(pans: float) -> None:
    made = clips(pans)
    pelvis = made.points[:FRAMES, 8]
    moved = float((pelvis[-1] - pelvis[0])[:2].norm() / pelvis[0, 2])
    assert (moved < 0.1) is bool(pans)


def test_the_same_seed_gives_the_same_clips() -> None:
    options = ClipOptions(missing_limbs=0.2, missed=0.1, pans=0.0)
    again = generate_clips(embedded_body(torch.float32), [waving(FRAMES)], 2, 3, options)
    assert torch.equal(again.keypoints.xy, clips().keypoints.xy)
