"""What lies between the frames of a clip: residuals in units of how people move."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..config import Block, ClipConfig
from ..features.fold import PointSet
from ..keypoints import names
from ..problem.couplings import Frames, Smooth, Tied
from ..problem.motion import ACCELERATION, VELOCITY, MovingPoints, PointMotion
from ..problem.problem import Problem
from .motion_card import MotionCard

FEET = ("big_toe", "small_toe", "heel")
STILL = 0.05  # metres per second: what a foot that stands seems to move
NEVER_LET_GO = 1e4  # in usual accelerations
STILL_OUTLIER = 3.0  # of those: who moves faster does not stand


def even_motion(
    problem: Problem,
    frames: Frames,
    held: Bool[Tensor, "groups n"],
    points: PointSet,
    clip: ClipConfig,
    card: MotionCard,
    fps: float,
    robust: bool = True,
) -> MovingPoints:
    """The frames of groups, each with its own energy in `problem`, and what holds them together.

    held: frames that do not move. points: those of the problem, in their order. robust: whether
    accelerations far larger than usual are let go. Frames that were fitted alone jump by far more
    than people do: what first brings them together must not let go.
    """
    like = problem.state.transl
    place = {point: i for i, point in enumerate(points.canonical)}
    known = [point for point in card.accelerations if point in place]
    sd = torch.tensor([card.accelerations[point] for point in known]).to(like)
    along = torch.tensor([1.0, 1.0, clip.depth]).to(like)
    gain = clip.acceleration * fps**2 / sd[:, None] * along
    outlier = clip.outlier if robust else NEVER_LET_GO
    motions = [PointMotion(ACCELERATION, gain, outlier * clip.acceleration)]
    if clip.stand:
        standing = torch.tensor([names.POINT_NAMES[point].endswith(FEET) for point in known])
        still = clip.stand * fps / STILL * standing.to(like)
        motions.append(
            PointMotion(VELOCITY, still[:, None].expand(-1, 3), clip.stand * STILL_OUTLIER)
        )
    smooth = _even_unknowns(Tied(problem, frames, ()), card, clip, fps)
    return MovingPoints(smooth, tuple(place[point] for point in known), tuple(motions), held)


def _even_unknowns(tied: Tied, card: MotionCard, clip: ClipConfig, fps: float) -> Smooth:
    """Angles, hands and face, which move evenly by themselves."""
    problem = tied.objective
    assert isinstance(problem, Problem)
    columns: list[int] = []
    weights: list[float] = []
    for block, weight in _weights(problem, card, clip).items():
        if block in problem.slices and len(weight):
            place = problem.slices[block]
            columns += range(place.start, place.stop)
            # second differences fall with the square of the frame rate
            weights += ((fps / card.fps) ** 2 * weight).tolist()
    return Smooth(tied, tuple(columns), tuple(weights))


def _weights(
    problem: Problem, card: MotionCard, clip: ClipConfig
) -> dict[Block, Float[Tensor, " width"]]:
    """1 / the usual second difference of each block's unknowns at the card's frame rate."""
    decoder = problem.folded.decoder
    like = problem.state.transl
    found: dict[Block, Tensor] = {}
    if decoder.jointwise:
        width = problem.state.body.shape[-1]
        found[Block.BODY] = like.new_full((width,), clip.turns / card.turn)
    for block, hand in decoder.hands.items():
        found[block] = clip.hands / (card.hand * hand.sds)
    expressions = problem.state.expression.shape[-1]
    found[Block.EXPRESSION] = like.new_full((expressions,), clip.face / card.expression)
    found[Block.JAW] = like.new_full((3,), clip.face / card.jaw)
    return found
