"""Female or male: how much better one body explains the body points than the other.

A person who was fitted with the neutral body is fitted again, from there, with the two others:
pose, place and shape, body points alone. Of each the evidence is Laplace's approximation around its
fit, log p = -E / 2 - log|H / 2| / 2, E being -2 log density and H its Gauss-Newton Hessian: how
well the body explains the points, and how many shapes of it would. The difference of the two says
which skeleton is the likelier. It says nothing of a person but how the skeleton is proportioned.

Energies are too sure of themselves, since no body model is a person: the card in `priors/gender`
divides the difference by a temperature that was fitted to generated people of known bodies
(`gender_choice`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..body.model import BodyModel
from ..body.params import BodyParams
from ..config import (
    Block,
    FitConfig,
    SolverConfig,
    load_preset,
    without_collision,
)
from ..core.bundle import Bundle
from ..evidence.height import KnownHeight
from ..keypoints import Keypoints, names
from ..keypoints.confidence import SEEN
from .batch import FitBatch
from .fitter import Fitter, in_pieces
from .result import FitResult
from .schedule import final_stage, run_stages
from .setup import setup_of
from .starts import Starts, given_guess
from .uncertainty import Posterior

PRESET = "smplx"  # whose noise the card was fitted to, whatever preset people are fitted with
FREE = {Block.GLOBAL_ORIENT, Block.TRANSL, Block.BODY, Block.BETAS}
STEPS = 60  # at most
SKELETON = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
TOLERANCE = 1e-4  # relative; two energies are compared that differ by little


def gender_evidence(
    fits: FitResult, female: BodyModel, male: BodyModel, evidence: Sequence[Bundle] = ()
) -> Float[Tensor, " batch"]:
    """log p(female body) - log p(male body) of each person, as the energies have it: before the
    card's temperature, float64. NaN where a fit is not finite, and for people who do not show their
    skeleton (`shows_skeleton`).

    fits: of the neutral body [batch], on the bodies' device; where the two begin.
    evidence: what else is known of the people, as for `Fitter.fit`; a height counts.
    """
    known = [one for one in evidence if isinstance(one, KnownHeight)]
    setups = [setup_of(body, evidence_preset()) for body in (female, male)]
    each = [Fitter(setup).gather(fits.keypoints, fits.camera, known) for setup in setups]
    # Sigmas are metres at the person's scale, which is measured against the body: with scales of
    # their own the smaller body would be allowed more pixels, and win always.
    scale = (each[0].scale * each[1].scale).sqrt()
    of_female, of_male = (_log_evidence(fits, people, scale) for people in each)
    shown = shows_skeleton(fits.keypoints)
    return torch.where(shown, of_female - of_male, math.nan)


def shows_skeleton(keypoints: Keypoints) -> Bool[Tensor, "*batch"]:
    """Whether one of each two shoulders, elbows, wrists, hips, knees and ankles is seen.

    The offset of the card is that of whole people. Of somebody cut off, or not seen at all, the
    priors of the two bodies would decide.
    """
    seen = keypoints.confidence >= SEEN
    left = [names.POINT_INDEX[f"left_{joint}"] for joint in SKELETON]
    right = [names.POINT_INDEX[f"right_{joint}"] for joint in SKELETON]
    return (seen[..., left] | seen[..., right]).all(-1)


def evidence_preset() -> FitConfig:
    """The preset of the comparison: one stage, of the body's points."""
    config = without_collision(load_preset(PRESET))
    stage = [stage for stage in config.stages if set(stage.free) == FREE][-1]
    solver = SolverConfig(max_steps=STEPS, tolerance=TOLERANCE)
    alone = stage.model_copy(update={"solver": solver, "mirror": False, "keep": 1})
    return config.model_copy(update={"stages": (alone,)})


def _log_evidence(
    fits: FitResult, people: FitBatch, scale: Float[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    """log p of each person's points under a body, up to a constant that all bodies share.

    scale: pixels per metre.
    """
    setup = people.setup
    starts = given_guess(setup, _as_mean_people(fits.params, setup.body))
    seen = FitBatch.of(people.seen.replace(scale=scale), people.others, setup)
    return torch.cat(in_pieces(seen, partial(_laplace, starts=starts)))


def _as_mean_people(found: BodyParams, body: BodyModel) -> BodyParams:
    """The same poses [batch, 1] on the mean body: betas of another space would be another shape."""
    one_each = found.map(lambda t: t[:, None])
    shape = one_each.transl.shape[:2]
    like = body.v_template
    return one_each.replace(
        betas=like.new_zeros(*shape, body.shapedirs.shape[-1]),
        expression=like.new_zeros(*shape, body.expressiondirs.shape[-1]),
    )


def _laplace(some: FitBatch, rows: slice, starts: Starts) -> Float[Tensor, " batch"]:
    """Of a piece of the batch."""
    outcome = run_stages(some, start=starts[rows])
    last = final_stage(some)
    problem = last.at(outcome.state)
    posterior = Posterior.of(problem, some.setup.body, last.stage.weights)
    energy = problem.energy(problem.pack(outcome.state)).double()
    # log|H / 2| is twice that of its Cholesky factor
    half_log_det = posterior.factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    found = -energy / 2 - half_log_det
    return torch.where(posterior.finite & energy.isfinite(), found, math.nan)
