"""Bodies moved as little as it takes until they do not pass through themselves: a truth that fits
can agree with.

Poses of one person on the body of another, and hands drawn at random, go through themselves by
centimetres.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..body.model import BodyModel
from ..body.params import BodyParams
from ..camera import Camera
from ..config import Block, FitConfig, StageConfig, Weights
from ..core import rotations
from ..evidence.keypoints2d import observe
from ..features.fold import fold
from ..features.spheres import sphere_model
from ..fitting.starts import neutral_state
from ..keypoints import Keypoints
from ..pose_priors import load_prior
from ..problem.problem import Problem
from ..problem.stage_terms import stage_terms
from ..problem.variables import Decoder, Hand
from ..solvers import LevenbergMarquardt
from ..solvers.linear_systems import Dense

ROUNDS = 4  # of looking up which spheres are near
TURN = 0.05  # radians of body joints that cost as much as a unit of the collision term
FINGER_TURN = 0.15
STEPS, TOLERANCE = 40, 1e-3


@dataclass(frozen=True)
class _Near:
    """A problem, and how far from its start each unknown has gone: an `Objective`."""

    problem: Problem
    start: Float[Tensor, "batch dim"]
    stiffness: Float[Tensor, " dim"]

    def rows(self, index: Int[Tensor, " kept"]) -> _Near:
        return _Near(self.problem.rows(index), self.start[index], self.stiffness)

    def energy(self, x: Tensor) -> Tensor:
        return self.problem.energy(x) + (self.stiffness * (x - self.start)).square().sum(-1)

    def gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        energy, quadratic = self.normal(x)
        return energy, quadratic.gradient

    def normal(self, x: Tensor) -> tuple[Tensor, Dense]:
        energy, quadratic = self.problem.normal(x)
        pull = self.stiffness * (x - self.start)
        curvature = torch.diag(2 * self.stiffness * self.stiffness)
        return energy + pull.square().sum(-1), Dense(
            gradient=quadratic.gradient + 2 * self.stiffness * pull,
            hessian=quadratic.hessian + curvature,
        )


def solid(body: BodyModel, people: BodyParams) -> BodyParams:
    """The same people [count], their body and finger joints turned until spheres that are held
    apart are apart.
    """
    start = _problem(body, people)
    places = start.pack(start.state)
    softness = torch.full_like(places[0], FINGER_TURN)
    softness[start.slices()[Block.BODY]] = TURN
    problem, solver = start, LevenbergMarquardt(max_steps=STEPS, tolerance=TOLERANCE)
    with torch.no_grad():
        for _ in range(ROUNDS):
            near = problem.with_candidates()
            found = solver.minimise(_Near(near, places, 1 / softness), problem.pack(problem.state))
            problem = dataclasses.replace(problem, state=problem.unpack(found.x))
    moved = problem.decoder.params(problem.state)
    return people.replace(
        body_pose=moved.body_pose,
        left_hand_pose=moved.left_hand_pose,
        right_hand_pose=moved.right_hand_pose,
    )


def _problem(body: BodyModel, people: BodyParams) -> Problem:
    """Free: the body's and the fingers' joints, angle by angle; terms: collision and joint limits."""
    like, count = people.transl, len(people.transl)
    body = body.to(like.device, like.dtype)
    config = FitConfig(
        name="solid",
        summary="",
        pose_prior="none",
        betas=people.betas.shape[-1],
        expressions=people.expression.shape[-1],
        stages=(_stage(body),),
    )
    angles = Hand(like.new_zeros(45), torch.eye(45).to(like), like.new_ones(45))
    decoder = Decoder(load_prior("none").to(like.device, like.dtype), angles, angles)
    state = neutral_state(decoder, body, config, (count,), like).replace(
        orient=rotations.exp(people.global_orient),
        transl=people.transl,
        betas=people.betas,
        expression=people.expression,
        body=people.body_pose.flatten(1),
        jaw=people.jaw_pose,
        left_hand=people.left_hand_pose.flatten(1),
        right_hand=people.right_hand_pose.flatten(1),
    )
    points = tuple(body.points.known.nonzero().flatten().tolist())
    model, stage = fold(body, points), config.stages[0]
    unseen = Keypoints(
        like.new_zeros(count, 137, 2), like.new_zeros(count, 137), like.new_zeros(count, 137)
    )
    camera = Camera.from_focal(1000.0, like.new_full((count, 2), 1000.0)).to(
        device=like.device, dtype=like.dtype
    )
    seen = observe(unseen, camera, config, stage, list(points), like.new_ones(count))
    row = torch.zeros(count, dtype=torch.int64, device=like.device)
    terms = stage_terms(stage.weights, body, decoder, config)
    return Problem(
        model,
        decoder,
        terms,
        stage.free,
        state,
        seen,
        model.contour[row],
        sphere_model(body, points),
    )


def _stage(body: BodyModel) -> StageConfig:
    fingers = (Block.LEFT_HAND, Block.RIGHT_HAND) if body.left_hand is not None else ()
    return StageConfig(
        name="solid",
        free=(Block.BODY, *fingers),
        weights=Weights(reprojection=0.0, limits=1.0, collision=3.0),
    )
