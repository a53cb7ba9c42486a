"""Frames of tracks fitted together: one shape, no seams, gaps filled, nobody in anybody's way."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch
from cases import camera, embedded_body

from smplifyx.body.model import BodyModel
from smplifyx.config import FitConfig, load_preset
from smplifyx.data.generated_clips import ClipOptions, RecordedMotion, generate_clips
from smplifyx.data.retarget import Poses
from smplifyx.evaluation.metrics import pa_mpjpe
from smplifyx.fitting.clip_fit import ClipChunk, ClipRows, Clips, fit_clips, single_stages
from smplifyx.fitting.fit import fit
from smplifyx.fitting.result import FitResult
from smplifyx.keypoints import Keypoints

FRAMES = 26
MISSED = slice(9, 12)


@lru_cache(maxsize=1)
def body() -> BodyModel:
    return embedded_body(torch.float32)


@lru_cache(maxsize=1)
def config() -> FitConfig:
    """The default preset with short chunks."""
    preset = load_preset("smplx")
    return preset.model_copy(
        update={"clip": preset.clip.model_copy(update={"chunk": 10, "ahead": 4, "shape_frames": 8})}
    )


def waving(frames: int = FRAMES) -> RecordedMotion:
    """Somebody who walks and waves."""
    at = np.arange(frames) / 30
    pose = np.zeros((frames, 21, 3))
    pose[:, 0, 0] = 0.3 * np.sin(4 * at)  # left hip
    pose[:, 15, 2] = -1.0 + 0.3 * np.sin(5 * at)  # left shoulder
    pose[:, 17, 1] = -0.8 + 0.5 * np.sin(6 * at)  # left elbow
    root = np.stack([0.5 * at, 0.9 + 0 * at, 0.2 * at], -1)
    return RecordedMotion(Poses(np.zeros((frames, 3)), pose), root, 30.0)


@lru_cache(maxsize=1)
def clips():
    """Two tracks, the first with a gap of three frames."""
    options = ClipOptions(missing_limbs=0.0, missed=0.0, pans=0.0)
    made = generate_clips(body(), [waving()], 2, 5, options)
    confidence = made.keypoints.confidence.clone()
    confidence[MISSED] = 0.0
    return replace(made, keypoints=made.keypoints.replace(confidence=confidence))


def rows_of(track: torch.Tensor, frame: torch.Tensor) -> ClipRows:
    return ClipRows(track, frame, 30.0)


@lru_cache(maxsize=1)
def fitted() -> FitResult:
    made = clips()
    rows = rows_of(made.track, made.frame)
    return fit_clips(made.keypoints, made.camera, body(), rows, config())


def accelerations(points: torch.Tensor) -> torch.Tensor:
    return (points[2:] - 2 * points[1:-1] + points[:-2]).norm(dim=-1)


def test_a_track_has_one_shape_and_moves_as_its_person_does() -> None:
    made, result = clips(), fitted()
    alone = fit(made.keypoints, made.camera, body(), config())
    for track in (0, 1):
        own = made.track == track
        betas = result.params.betas[own]
        assert torch.equal(betas, betas[:1].expand_as(betas))
        seen = own & (made.keypoints.confidence > 0).any(-1)
        truth = made.points[seen][:, :25]
        together = pa_mpjpe(result.points3d[seen][:, :25], truth)
        apart = pa_mpjpe(alone.points3d[seen][:, :25], truth)
        assert together.mean() < apart.mean()
    own = made.track == 1
    true = accelerations(made.points[own][:, :25]).mean()
    assert accelerations(result.points3d[own][:, :25]).mean() < 2 * true
    assert accelerations(alone.points3d[own][:, :25]).mean() > 4 * true


def test_frames_in_which_nobody_was_seen_are_filled() -> None:
    made, result = clips(), fitted()
    gap = pa_mpjpe(result.points3d[MISSED][:, :25], made.points[MISSED][:, :25])
    assert gap.max() < 60
    assert result.params.transl[MISSED].isfinite().all()


def test_tracks_are_the_same_to_the_last_bit_in_any_company() -> None:
    made, together = clips(), fitted()
    own = (made.track == 1).nonzero().flatten()
    alone = fit_clips(
        made.keypoints[own],
        made.camera[own],
        body(),
        rows_of(made.track[own], made.frame[own]),
        config(),
    )
    assert torch.equal(alone.params.body_pose, together.params.body_pose[own])
    assert torch.equal(alone.params.transl, together.params.transl[own])


def test_whoever_has_a_chunk_goes_on_with_the_next() -> None:
    """A chunk depends on the frames before it by their last two results alone, read from files or
    not.
    """
    made, whole = clips(), fitted()
    rows = (made.track == 0).nonzero().flatten()
    clip = Clips.of(body(), config(), 30.0)
    people = clip.fitter.gather(made.keypoints[rows], made.camera[rows])
    shapes = clip.shapes(people, [torch.arange(FRAMES)])
    chunk = ClipChunk.after(10, FRAMES, clip.clip)
    at = torch.tensor(list(chunk.frames))
    before = whole[rows][8:10]
    found = clip.advanced(people, {0: chunk}, {0: at}, shapes, {0: before})[0]
    fresh = list(chunk.fresh)
    assert torch.equal(found.params.body_pose, whole.params.body_pose[rows][fresh])


@pytest.mark.parametrize(
    ("begun", "length", "frames", "held", "final"),
    [
        (0, 5, (0, 5), 0, 5),
        (0, 14, (0, 14), 0, 14),
        (0, 15, (0, 14), 0, 10),
        (10, 15, (8, 15), 2, 15),
        (10, 100, (8, 24), 2, 20),
    ],
)
def test_chunks(begun: int, length: int, frames: tuple[int, int], held: int, final: int) -> None:
    chunk = ClipChunk.after(begun, length, config().clip)
    assert (chunk.frames, chunk.held, chunk.final) == (range(*frames), held, final)
    assert chunk.fresh == range(begun, final)


@pytest.mark.parametrize(
    ("track", "frame", "fps", "message"),
    [
        ([0, 0, 0], [0, 1, 3], 30.0, "a row for each frame"),
        ([0, 1, 0], [0, 1, 2], 30.0, "stand together"),
        ([0, 0], [0, 1], 30.0, "2 rows, the batch has 3"),
        ([0, 0, 0], [0, 1, 2], 0.0, "fps should be 1..1000"),
    ],
)
def test_what_is_no_clip_is_told(
    track: list[int], frame: list[int], fps: float, message: str
) -> None:
    seen = Keypoints.from_array(torch.ones(3, 137, 3).numpy())
    rows = ClipRows(torch.tensor(track), torch.tensor(frame), fps)
    with pytest.raises(ValueError, match=message):
        fit_clips(seen, camera(3).to(dtype=torch.float32), body(), rows, config())


@pytest.mark.parametrize("preset", ["smplx", "fast", "best", "smpl", "smplh", "smplify_x_2019"])
def test_every_preset_has_stages_for_frames_alone_and_together(preset: str) -> None:
    stages = load_preset(preset).stages
    assert 1 <= single_stages(load_preset(preset)) < len(stages)
