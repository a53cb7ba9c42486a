"""Trains the network that tells how deep bones lie (`depth_prior`) from generated people."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..depth_prior.bones import BONES, ENDS, POINTS, STARTS
from ..depth_prior.network import LOG_SCALES, OUTPUTS
from ..depth_prior.person_view import NUMBERS
from .depth_views import Detections, Lesson, PosedViews

VALIDATE_EVERY = 250
VALIDATION_SEED = 9
IN_PLANE = 2.0  # weight of what lies across the line of sight, which keypoints nearly show
DEPTH = 2.0  # and of the points' own depth, beside that of the bones
WARM = 0.1  # share of the steps in which the rate rises
CLIP = 1.0  # of the gradient's norm


@dataclass(frozen=True)
class DepthSettings:
    """A network of `blocks` blocks of two layers, `width` wide, trained for so many steps."""

    width: int = 512
    blocks: int = 3
    steps: int = 8000
    batch: int = 1024
    rate: float = 1.5e-3
    weight_decay: float = 0.01
    views: int = 300_000
    seed: int = 0


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.leave(nn.functional.gelu(self.norm(self.enter(x))))


class DepthLearner(nn.Module):
    """The network in training; `depth_prior.network` runs what it learned."""

    def __init__(self, settings: DepthSettings) -> None:
        super().__init__()
        width = settings.width
        self.first = nn.Linear(NUMBERS, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(settings.blocks))
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(width, OUTPUTS)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, numbers: Float[Tensor, "n 103"]) -> tuple[Tensor, Tensor]:
        """Points [n, 25, 3] and the logarithms [n, 24] of the scales of the bones' errors."""
        x = nn.functional.gelu(self.first(numbers))
        for block in self.blocks:
            x = block(x)
        points, log_scale = self.last(self.norm(x)).split([3 * len(POINTS), len(BONES)], -1)
        return points.unflatten(-1, (-1, 3)), log_scale.clamp(*LOG_SCALES)

    def weights(self) -> dict[str, Tensor]:
        """By the names that `DepthNetwork` has for them."""
        blocks = [block for block in self.blocks if isinstance(block, _Block)]
        norms = [block.norm for block in blocks] + [self.norm]
        layers = [(block.enter, block.leave) for block in blocks]
        found = {
            "first": self.first.weight.mT,
            "first_bias": self.first.bias,
            "inner": torch.stack([torch.stack([a.weight.mT, b.weight.mT]) for a, b in layers]),
            "inner_bias": torch.stack([torch.stack([a.bias, b.bias]) for a, b in layers]),
            "gain": torch.stack([norm.weight for norm in norms]),
            "shift": torch.stack([norm.bias for norm in norms]),
            "last": self.last.weight.mT,
            "last_bias": self.last.bias,
        }
        return {name: tensor.detach().contiguous() for name, tensor in found.items()}


def loss_of(told: tuple[Tensor, Tensor], lesson: Lesson) -> Float[Tensor, ""]:
    """Minus the log likelihood of the bones' depths under Laplace distributions, and mean absolute
    errors of all coordinates of the points.
    """
    points, log_scale = told
    error = points - lesson.points
    depth = error[..., 2]
    bones = (depth[:, ENDS] - depth[:, STARTS]).abs()
    likelihood = bones * (-log_scale).exp() + log_scale
    in_plane = error[..., :2].abs().mean()
    return likelihood.mean() + DEPTH * depth.abs().mean() + IN_PLANE * in_plane


def train_depths(
    training: PosedViews, validation: PosedViews, settings: DepthSettings
) -> tuple[DepthLearner, list[dict[str, float]]]:
    """The network after all steps, and the figures on the way; prints a line for each."""
    torch.manual_seed(settings.seed)
    learner = DepthLearner(settings)
    optimiser = torch.optim.AdamW(
        learner.parameters(), lr=settings.rate, weight_decay=settings.weight_decay
    )
    detections = Detections.of_detector()
    examined = detections.lesson(validation, VALIDATION_SEED, whole=True)
    distance = validation.points[:, :, 2].mean(-1)
    generator = torch.Generator().manual_seed(settings.seed)
    history: list[dict[str, float]] = []
    for step in range(settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * _pace(step / settings.steps)
        chosen = torch.randint(len(training.points), (settings.batch,), generator=generator)
        # every step is seeded by its number: no two see the same errors
        lesson = detections.lesson(training[chosen], settings.seed + 1 + step)
        optimiser.zero_grad()
        loss = loss_of(learner(lesson.numbers), lesson)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learner.parameters(), CLIP)
        optimiser.step()
        if step % VALIDATE_EVERY == 0 or step == settings.steps - 1:
            figures = validate(learner, examined, distance)
            history.append({"step": step, "training_loss": float(loss.detach()), **figures})
            print(", ".join(f"{k} {v:.4g}" for k, v in history[-1].items()), flush=True)
    return learner, history


@torch.no_grad()
def validate(
    learner: DepthLearner, lesson: Lesson, distance: Float[Tensor, " n"]
) -> dict[str, float]:
    """The loss, mean absolute errors of the depths in mm at the people's own distances, and how
    many bones lie within one and two standard deviations that the network tells.
    """
    points, log_scale = learner(lesson.numbers)
    error = points[..., 2] - lesson.points[..., 2]
    bones = (error[:, ENDS] - error[:, STARTS]).abs()
    # sizes are logarithms in front of the last two numbers
    mm = 1000 * (lesson.numbers[:, -3].exp() * distance)[:, None]
    sd = math.sqrt(2) * log_scale.exp()
    return {
        "loss": float(loss_of((points, log_scale), lesson)),
        "points_depth_mm": float((error.abs() * mm).mean()),
        "bones_depth_mm": float((bones * mm).mean()),
        "bones_within_1_sd": float((bones < sd).float().mean()),
        "bones_within_2_sd": float((bones < 2 * sd).float().mean()),
    }


def _pace(done: float) -> float:
    """The share of the rate: up in a line, down along half a cosine."""
    if done < WARM:
        return (done + 0.01) / (WARM + 0.01)
    return 0.5 * (1 + math.cos(math.pi * (done - WARM) / (1 - WARM)))
