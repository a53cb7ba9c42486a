"""Adult or child: all are adults, unless a child's body explains the keypoints better by far."""

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
from .result import FitResult, FitStatus
from .schedule import final_problem, run_stages
from .setup import FitSetup, setup_of
from .uncertainty import kid_gain

LOG = logging.getLogger(__name__)
# Twice the log-likelihood ratio that a child's body must gain, noise unknown. Chosen on generated
# people: adults stay below 10, most children with a kid coefficient above .4 reach 35; and on
# photos, where the proportions of adults that are blurred, small or half hidden reach 34.
DECISIVE = 35.0
YOUNG = 0.35  # the least kid coefficient of a child: 1.38 m tall
DOUBTFUL = 0.4  # share of DECISIVE that a single step must promise for the child's body to be tried
LEAST_LEFT = 0.05  # of the energy: a step that promises more is too good to be true


def fit_best_age(
    keypoints: Keypoints,
    camera: Camera,
    bodies: tuple[BodyModel, ...],
    config: FitConfig,
    evidence: Sequence[Bundle] = (),
) -> list[FitResult]:
    """Fits everybody with the one body given, or with an adult's or a child's as the keypoints say.

    keypoints, camera and evidence as for `Fitter.fit`; results in their order, one person each.
    bodies: one, or an adult's and a child's. With two, people fitted as adults get exactly what
    `Fitter.fit` gives them, and only those whose proportions look like a child's are fitted twice.
    Raises ValueError for two bodies that are not an adult's and a child's, and as `Fitter.fit`.
    """
    if len(bodies) == 1:
        only = Fitter(setup_of(bodies[0], config))
        return _one_each(only.fit(keypoints, camera, evidence))
    adult, child = bodies
    if (adult.age, child.age) != (Age.ADULT, Age.CHILD):
        raise ValueError(
            f"expected an adult's and a child's body, got {adult.age.value} and {child.age.value}"
        )
    of_adult = Fitter(setup_of(adult, config))
    of_child = Fitter(setup_of(child, config))

    def fit_and_doubt(some: FitBatch, rows: slice) -> tuple[FitResult, Tensor]:
        outcome = run_stages(some)
        result = result_of(some, outcome)
        return result, _promised(some, of_child.setup, outcome.state, result.energy)

    people = of_adult.gather(keypoints, camera, evidence)
    answers: list[FitResult] = []
    promises = []
    for result, promise in in_pieces(people, fit_and_doubt):
        answers += _one_each(result)
        promises.append(promise)

    tried = (torch.cat(promises) >= DOUBTFUL * DECISIVE).nonzero().flatten()
    if len(tried):
        known = [one[tried] for one in evidence]
        as_children = of_child.fit_once(keypoints[tried], camera[tried], known)
        for row, as_child in zip(tried.tolist(), _one_each(as_children), strict=True):
            answers[row] = _better(answers[row], as_child, config)
    # afterwards: the energies of second tries are no measure for ages
    for fitter in (of_adult, of_child):
        _mend(answers, fitter, camera, evidence)
    return answers


def _mend(
    answers: list[FitResult], fitter: Fitter, camera: Camera, evidence: Sequence[Bundle]
) -> None:
    """Puts the second try of those in place whom this fitter gave a body that nobody has."""
    age = fitter.setup.body.age.value
    suspects = [
        row
        for row, answer in enumerate(answers)
        if answer.provenance.age == age and int(answer.status) == FitStatus.POOR
    ]
    if not suspects:
        return
    rows = torch.tensor(suspects, device=camera.K.device)
    known = [one[rows] for one in evidence]
    mended = fitter.mended(FitResult.stack([answers[row] for row in suspects]), camera[rows], known)
    for row, answer in zip(suspects, _one_each(mended), strict=True):
        answers[row] = answer


def _promised(
    adults: FitBatch, child: FitSetup, state: State, energy: Tensor
) -> Float[Tensor, " batch"]:
    """The advantage that one step with a child's body promises to those fitted as adults.

    state and energy: where their fits as adults ended.
    """
    # A child's betas are an adult's and the kid coefficient behind them: 0 is the adult's body.
    with_kid_beta = torch.nn.functional.pad(state.betas, (0, 1))
    problem = final_problem(adults.replace(setup=child), state.replace(betas=with_kid_beta))
    after = (energy - kid_gain(problem)).clamp(min=LEAST_LEFT * energy)
    return _advantage(energy, after, adults.keypoints, child.config)


def _better(adult: FitResult, child: FitResult, config: FitConfig) -> FitResult:
    """One person's fit as a child where that is decisively better and a child's; else the other."""
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


def _advantage(
    adult: Float[Tensor, " batch"],
    child: Float[Tensor, " batch"],
    keypoints: Keypoints,
    config: FitConfig,
) -> Float[Tensor, " batch"]:
    """Twice the log-likelihood ratio of two energies, adult's and child's: n log(E / E').

    That is the ratio where the noise is unknown and told by the energy that each body leaves; n:
    how many coordinates were seen. 0 where an energy is not finite.
    """
    coordinates = 2 * (seen_confidence(keypoints, config.reprojection) > 0).sum(-1)
    return (coordinates * torch.log(adult / child)).nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)


def _one_each(result: FitResult) -> list[FitResult]:
    """The people of a batch [batch], one by one."""
    return [result[row] for row in range(len(result.energy))]
