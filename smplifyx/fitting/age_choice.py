"""Adult or child: everybody is an adult, unless a child's body explains the keypoints better by
far.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ..body.model import Age, BodyModel
from ..camera import Camera
from ..config import FitConfig
from ..core.bundle import Bundle
from ..evidence.keypoints2d import seen_confidence
from ..features.variables import State
from ..keypoints import Keypoints
from .batch import FitBatch
from .fitter import Fitter, in_pieces, result_of
from .result import FitResult
from .schedule import final_problem, run_stages
from .setup import FitSetup, setup_of
from .uncertainty import kid_gain

LOG = logging.getLogger(__name__)
# Twice the log-likelihood ratio that a child's body must gain, noise unknown, and the least
# coefficient to be one (1.38 m tall). Chosen on generated people: adults stay below 10, most
# children above .4 reach 35; and on photos, where the proportions of adults that are blurred, small
# or half hidden reach 34.
DECISIVE, YOUNG = 35.0, 0.35
DOUBTFUL = 0.4  # share of DECISIVE that a single step must promise for the child's body to be tried
LEAST_LEFT = 0.05  # of the energy: a step that promises more is too good to be true


def fit_best_age(
    keypoints: Keypoints,
    camera: Camera,
    bodies: tuple[BodyModel, ...],
    config: FitConfig,
    evidence: Sequence[Bundle] = (),
) -> list[FitResult]:
    """Fits everybody with the one body given, or with an adult's or a child's as the keypoints say; in their order.

    keypoints, camera and evidence as for `Fitter.fit`. bodies: one, or an adult's and a child's. With two, people fitted
    as adults get exactly what `Fitter.fit` gives them, and only those whose proportions look like a child's are fitted
    twice.
    """
    if len(bodies) == 1:
        only = Fitter(setup_of(bodies[0], config))
        return _apart(only.fit(keypoints, camera, evidence))
    adult, child = bodies
    if (adult.age, child.age) != (Age.ADULT, Age.CHILD):
        raise ValueError(
            f"expected an adult's and a child's body, got {adult.age.value} and {child.age.value}"
        )
    of_adult, of_child = Fitter(setup_of(adult, config)), Fitter(setup_of(child, config))

    def fit_and_doubt(some: FitBatch, rows: slice) -> tuple[FitResult, Tensor]:
        outcome = run_stages(some)
        result = result_of(some, outcome)
        return result, _promised(some, of_child.setup, outcome.state, result.energy)

    people = of_adult.gather(keypoints, camera, evidence)
    found = in_pieces(people, fit_and_doubt)
    answers = [answer for result, _ in found for answer in _apart(result)]
    promised = torch.cat([promise for _, promise in found])
    tried = (promised >= DOUBTFUL * DECISIVE).nonzero().flatten()
    if len(tried):
        known = [one[tried] for one in evidence]
        as_children = of_child.fit(keypoints[tried], camera[tried], known)
        for row, other in zip(tried.tolist(), _apart(as_children), strict=True):
            answers[row] = _better(answers[row], other, config)
    return answers


def _promised(
    adults: FitBatch, child: FitSetup, state: State, energy: Tensor
) -> Float[Tensor, " batch"]:
    """The advantage that one step with a child's body promises to those who were fitted as adults."""
    with_kid_beta = torch.nn.functional.pad(state.betas, (0, 1))
    problem = final_problem(adults.replace(setup=child), state.replace(betas=with_kid_beta))
    least = LEAST_LEFT * energy
    after = (energy - kid_gain(problem)).clamp(min=least)
    return _advantage(energy, after, adults.keypoints, child.config)


def _better(adult: FitResult, child: FitResult, config: FitConfig) -> FitResult:
    advantage = float(
        _advantage(adult.energy[None], child.energy[None], adult.keypoints[None], config)
    )
    kid = float(child.params.betas[-1])
    LOG.info(
        "child's body tried: advantage %.1f (of %g), coefficient %.2f (of %g)",
        advantage,
        DECISIVE,
        kid,
        YOUNG,
    )
    return child if advantage >= DECISIVE and kid >= YOUNG else adult


def _advantage(adult: Tensor, child: Tensor, keypoints: Keypoints, config: FitConfig) -> Tensor:
    """Twice the log-likelihood ratio of two energies if only what they leave tells the noise: n
    log(E / E').
    """
    coordinates = 2 * (seen_confidence(keypoints, config.reprojection) > 0).sum(-1)
    return (coordinates * torch.log(adult / child)).nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)


def _apart(result: FitResult) -> list[FitResult]:
    return [result[row] for row in range(len(result.energy))]
