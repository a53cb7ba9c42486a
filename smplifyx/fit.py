"""Keypoints and cameras in, bodies out: first guess, stages, result."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .body import skinning
from .body.model import BodyModel, HandSpace
from .camera import Camera
from .config import FitConfig, load_preset
from .keypoints import Keypoints
from .measure import status_of
from .pose_priors import load_prior
from .problem import WeightedTerm
from .result import FitResult, Provenance
from .stages import Outcome, run_stages
from .state import Decoder, Hand


def fit(
    keypoints: Keypoints, camera: Camera, body: BodyModel, config: FitConfig | None = None,
    extra_terms: Sequence[WeightedTerm] = (),
) -> FitResult:  # fmt: skip
    """Fits a body to every person of a batch.

    keypoints and camera: one row per person, [batch] (see `Keypoints`, `Camera`), on the body's device. config: a
    preset (`load_preset`); the default is `smplx`. extra_terms: terms of your own, added to every stage (see
    `terms.scene`; the body's 25 points come first in `scene["points"]`). Rows are independent: a person gets
    the same body alone or in company, and one that cannot be fitted gets the status FAILED. Raises ValueError when the
    batches differ.
    """
    config = config or load_preset("smplx")
    if keypoints.confidence.dim() != 2 or len(keypoints.confidence) != len(camera.K):
        raise ValueError(
            f"fit takes one camera per person: got keypoints {list(keypoints.confidence.shape)} "
            f"and cameras {list(camera.K.shape)}"
        )
    if config.focal_px is not None:
        camera = camera.with_focal(config.focal_px)
    decoder = decoder_of(body, config)
    with torch.no_grad():
        outcome = run_stages(keypoints, camera, body, decoder, config, tuple(extra_terms))
        return _result(keypoints, camera, body, decoder, config, outcome)


def _result(
    keypoints: Keypoints, camera: Camera, body: BodyModel, decoder: Decoder, config: FitConfig, outcome: Outcome
) -> FitResult:
    camera = camera.zoomed(outcome.state.focal[:, 0].exp())
    params = decoder.params(outcome.state)
    points3d = skinning.points(body, params)
    points2d = camera.project(points3d)
    rows = torch.arange(len(outcome.chosen), device=outcome.chosen.device)
    energy = outcome.hypothesis_energies[rows, outcome.chosen]
    return FitResult(
        params=params, latent=outcome.state.body, camera=camera, keypoints=keypoints, points3d=points3d, points2d=points2d,
        energies=outcome.energies, energy=energy, hypothesis_energies=outcome.hypothesis_energies,
        chosen=outcome.chosen, gap=outcome.gap, status=status_of(keypoints, points2d, energy), steps=outcome.steps,
        provenance=Provenance.of(body, config.name, config.pose_prior),
    )  # fmt: skip


def decoder_of(body: BodyModel, config: FitConfig) -> Decoder:
    """The pose spaces that a preset uses with a body: the prior for the body, PCA for the hands."""
    like = body.v_template
    hands = (_hand(space, config.hand_components, like) for space in (body.left_hand, body.right_hand))
    return Decoder(load_prior(config.pose_prior).to(like.device, like.dtype), *hands)


def _hand(space: HandSpace | None, components: int, like: Tensor) -> Hand:
    if space is None:
        return Hand(like.new_zeros(45), like.new_zeros(0, 45), like.new_zeros(0))
    return Hand(space.mean, space.components[:components], space.sds[:components])
