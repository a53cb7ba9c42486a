"""Bodies moved as little as it takes until they do not pass through themselves: a truth that fits
can agree with.

Poses of one person on the body of another, and hands drawn at random, go through themselves by
centimetres.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..body.model import BodyModel
from ..body.params import BodyParams
from ..config import Block, Weights
from ..core import rotations
from ..features.feature import FoldedBody
from ..features.fold import PointSet, fold
from ..features.variables import Decoder, Hand
from ..fitting.templates import neutral_state
from ..pose_priors import load_prior
from ..problem.problem import Problem, ProblemRows
from ..problem.stage_terms import PriorTerms
from ..solvers import LevenbergMarquardt
from ..solvers.linear_systems import Dense

ROUNDS = 4  # of looking up which spheres are near
TURN = 0.05  # radians of body joints that cost as much as a unit of the collision term
FINGER_TURN = 0.15
STEPS, TOLERANCE = 40, 1e-3
WEIGHTS = Weights(limits=1.0, collision=3.0)


@dataclass(frozen=True)
class StayingNear:
    """A problem, and how far from its start each unknown has gone: an `Objective`."""

    problem: Problem
    start: Float[Tensor, "batch dim"]
    stiffness: Float[Tensor, " dim"]

    def rows(self, index: Int[Tensor, " kept"]) -> StayingNear:
        """The same for some of the people."""
        return StayingNear(self.problem.rows(index), self.start[index], self.stiffness)

    def energy(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """The problem's energy and the way gone."""
        return self.problem.energy(x) + (self.stiffness * (x - self.start)).square().sum(-1)

    def gradient(self, x: Float[Tensor, "batch dim"]) -> tuple[Tensor, Tensor]:
        """Energy and gradient."""
        energy, quadratic = self.normal(x)
        return energy, quadratic.gradient

    def normal(self, x: Float[Tensor, "batch dim"]) -> tuple[Tensor, Dense]:
        """Energy, gradient and Gauss-Newton Hessian."""
        energy, quadratic = self.problem.normal(x)
        pull = self.stiffness * (x - self.start)
        curvature = torch.diag(2 * self.stiffness * self.stiffness)
        return energy + pull.square().sum(-1), Dense(
            gradient=quadratic.gradient + 2 * self.stiffness * pull,
            hessian=quadratic.hessian + curvature,
        )


def disentangled(body: BodyModel, people: BodyParams) -> BodyParams:
    """The same people [count], their body and finger joints turned until spheres that are held
    apart are apart.
    """
    problem = _problem(body, people)
    start = problem.pack(problem.state)
    softness = torch.full_like(start[0], FINGER_TURN)
    softness[problem.slices[Block.BODY]] = TURN
    solver = LevenbergMarquardt(max_steps=STEPS, tolerance=TOLERANCE)
    with torch.no_grad():
        for _ in range(ROUNDS):
            near = problem.with_matches()
            objective = StayingNear(near, start, 1 / softness)
            found = solver.minimise(objective, problem.pack(problem.state))
            problem = problem.with_state(problem.unpack(found.x))
    moved = problem.folded.decoder.params(problem.state)
    return people.replace(
        body_pose=moved.body_pose,
        left_hand_pose=moved.left_hand_pose,
        right_hand_pose=moved.right_hand_pose,
    )


def _problem(body: BodyModel, people: BodyParams) -> Problem:
    """Free: the body's and the fingers' joints, angle by angle; terms: collision and joint limits.

    Nothing is seen.
    """
    like, count = people.transl, len(people.transl)
    body = body.to(like.device, like.dtype)
    body = body.sized(people.betas.shape[-1], people.expression.shape[-1])
    angles = Hand(like.new_zeros(45), torch.eye(45).to(like), like.new_ones(45))
    decoder = Decoder(load_prior("none").to(like.device, like.dtype), angles, angles)
    state = neutral_state(decoder, body, (count,), like).replace(
        orient=rotations.exp(people.global_orient),
        transl=people.transl,
        betas=people.betas,
        expression=people.expression,
        body=people.body_pose.flatten(1),
        jaw=people.jaw_pose,
        left_hand=people.left_hand_pose.flatten(1),
        right_hand=people.right_hand_pose.flatten(1),
    )
    has_fingers = body.left_hand is not None
    free = (Block.BODY, *((Block.LEFT_HAND, Block.RIGHT_HAND) if has_fingers else ()))
    folded = FoldedBody(body, decoder, fold(body, PointSet.known(body)), free)
    contour = folded.model.contour[torch.zeros(count, dtype=torch.int64, device=like.device)]
    terms = PriorTerms.of(body, decoder).weighted(WEIGHTS)
    return Problem(folded, terms, ProblemRows(state, contour, observed={}))
