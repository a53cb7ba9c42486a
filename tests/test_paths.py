"""The path through what the frames of a clip may mean."""

from __future__ import annotations

import itertools

import pytest
import torch

from smplifyx.fitting.paths import JUMP_WEIGHT, LARGEST_JUMP, SPEED, best_path

FPS = 30.0


def places(*frames: tuple[float, ...]) -> torch.Tensor:
    """One point of each hypothesis of each frame, metres along the view."""
    depth = torch.tensor(frames)
    return torch.nn.functional.pad(depth[..., None, None], (2, 0))


def seconds(count: int) -> torch.Tensor:
    return torch.arange(count) / FPS


def test_a_flip_of_one_frame_is_mended_by_its_neighbours() -> None:
    points = places((0.3, -0.3), (0.3, -0.3), (-0.3, 0.3), (0.3, -0.3), (0.3, -0.3))
    energy = torch.tensor([[0.0, 5.0]] * 5)  # in the middle frame the wrong one looks better
    assert best_path(energy, points, seconds(5)).tolist() == [0, 0, 1, 0, 0]


def test_what_no_frame_believes_is_not_on_the_path() -> None:
    points = places((0.3, -0.3), (-0.3, 0.3))
    energy = torch.tensor([[0.0, 1.0], [0.0, 1e4]])
    assert best_path(energy, points, seconds(2))[1] == 0
    energy[1, 1] = torch.inf
    assert best_path(energy, points, seconds(2))[1] == 0


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_best_of_all_paths(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    frames, count = 5, 3
    points = 0.3 * torch.randn(frames, count, 4, 3, generator=generator)
    energy = 20 * torch.rand(frames, count, generator=generator)
    usual = SPEED / FPS

    def cost(path: tuple[int, ...]) -> float:
        total = sum(float(energy[frame, at]) for frame, at in enumerate(path))
        for frame in range(1, frames):
            step = points[frame, path[frame]] - points[frame - 1, path[frame - 1]]
            jump = (step.square().sum(-1) / usual**2).clamp(max=LARGEST_JUMP)
            total += JUMP_WEIGHT * float(jump.sum())
        return total

    best = min(itertools.product(range(count), repeat=frames), key=cost)
    assert best_path(energy, points, seconds(frames)).tolist() == list(best)


def test_unknown_points_cost_nothing() -> None:
    points = places((0.0, 0.0), (0.0, torch.nan))
    energy = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    assert best_path(energy, points, seconds(2)).tolist() == [0, 1]
