"""Keypoints and cameras in, bodies out: first guess, stages, result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from ..body import skinning
from ..body.model import BodyModel, HandSpace
from ..camera import Camera
from ..config import FitConfig, HandPrior, load_preset
from ..core.threads import one_thread_per_operation, pieces, side_by_side
from ..keypoints import Keypoints
from ..pose_priors import PosePrior, load_prior
from ..pose_priors.hands import recorded_hands
from ..problem.problem import WeightedTerm
from ..problem.variables import Decoder, Hand
from .batch import FitBatch
from .quality import status_of
from .result import FitResult, Provenance
from .schedule import Outcome, final_problem, gather, run_stages
from .uncertainty import shape_uncertainty

Answer = TypeVar("Answer")


def fit(
    keypoints: Keypoints,
    camera: Camera,
    body: BodyModel,
    config: FitConfig | None = None,
    extra_terms: Sequence[WeightedTerm] = (),
    height: Float[Tensor, " batch"] | None = None,
) -> FitResult:
    """Fits a body to every person of a batch.

    keypoints and camera: one row per person, [batch] (see `Keypoints`, `Camera`), on the body's
    device. config: a preset (`load_preset`); the default is `smplx`. extra_terms: terms of your
    own, added to every stage (see `terms.scene`; the body's 25 points come first in
    `scene["points"]`). height: statures in metres, NaN where one is not known. Rows are
    independent: a person gets the same body alone or in company, and one that cannot be fitted gets
    the status FAILED. On a CPU as many pieces of the batch are fitted at once as torch has threads
    (`torch.set_num_threads`), and memory stops growing with the batch. Raises ValueError when the
    batches differ.
    """
    people = prepare(keypoints, camera, body, config or load_preset("smplx"), height)
    extra_terms = tuple(extra_terms)
    parts = in_pieces(
        people, lambda some: result_of(some, run_stages(some, extra_terms), extra_terms)
    )
    return parts[0] if len(parts) == 1 else FitResult.cat(parts)


def prepare(
    keypoints: Keypoints,
    camera: Camera,
    body: BodyModel,
    config: FitConfig,
    height: Float[Tensor, " batch"] | None,
) -> FitBatch:
    """The people of a batch as the stages take them. Raises ValueError as `fit` does."""
    if keypoints.confidence.dim() != 2 or len(keypoints.confidence) != len(camera.K):
        raise ValueError(
            f"fit takes one camera per person: got keypoints {list(keypoints.confidence.shape)} "
            f"and cameras {list(camera.K.shape)}"
        )
    if config.focal_px is not None:
        camera = camera.with_focal(config.focal_px)
    body = body.sized(config.betas, config.expressions)
    with torch.no_grad():
        return gather(keypoints, camera, body, decoder_of(body, config), config, height)


def in_pieces(people: FitBatch, work: Callable[[FitBatch], Answer]) -> list[Answer]:
    """The answers for pieces of the batch, in order, as many at once as there are threads; without
    gradients.
    """
    device = people.scale.device
    with one_thread_per_operation(device) as threads:
        return side_by_side(
            torch.no_grad()(lambda rows: work(people[rows])),
            pieces(len(people.scale), device, threads),
            threads,
        )


def result_of(
    people: FitBatch, outcome: Outcome, extra_terms: tuple[WeightedTerm, ...] = ()
) -> FitResult:
    """What the stages found of each person, and how far it can be believed."""
    keypoints, body, config = people.keypoints, people.body, people.config
    camera = people.camera.zoomed(outcome.state.focal[:, 0].exp())
    params = people.decoder.params(outcome.state)
    points3d = skinning.points(body, params)
    points2d = camera.project(points3d)
    rows = torch.arange(len(outcome.chosen), device=outcome.chosen.device)
    energy = outcome.hypothesis_energies[rows, outcome.chosen]
    return FitResult(
        params=params,
        latent=outcome.state.body,
        camera=camera,
        keypoints=keypoints,
        points3d=points3d,
        points2d=points2d,
        energies=outcome.energies,
        energy=energy,
        hypothesis_energies=outcome.hypothesis_energies,
        chosen=outcome.chosen,
        gap=outcome.gap,
        status=status_of(keypoints, points2d, energy),
        steps=outcome.steps,
        shape=shape_uncertainty(
            final_problem(people, outcome.state, extra_terms), body, config.stages[-1].weights
        ),
        provenance=Provenance.of(body, config.name, config.pose_prior),
    )


def decoder_of(body: BodyModel, config: FitConfig) -> Decoder:
    """The pose spaces that a preset uses with a body: the prior for the body, PCA for the hands."""
    return _decoder_of(
        body, load_prior(config.pose_prior), config.hand_prior, config.hand_components
    )


# the same for every batch of a job, with the constants that it has worked out
@lru_cache(maxsize=16)
def _decoder_of(
    body: BodyModel, prior: PosePrior, hand_prior: HandPrior, components: int
) -> Decoder:
    like = body.v_template
    own = (body.left_hand, body.right_hand)
    has_fingers = None not in own
    spaces = recorded_hands(like) if has_fingers and hand_prior is HandPrior.RECORDED else own
    hands = (_hand(space, components, like) for space in spaces)
    return Decoder(prior.to(like.device, like.dtype), *hands)


def _hand(space: HandSpace | None, components: int, like: Tensor) -> Hand:
    if space is None:
        return Hand(like.new_zeros(45), like.new_zeros(0, 45), like.new_zeros(0))
    return Hand(space.mean, space.components[:components], space.sds[:components])
