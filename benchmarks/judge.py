"""One energy for everybody: what the last stage of a preset thinks of anybody's bodies."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from smplifyx.body.model import BodyModel
from smplifyx.body.params import BodyParams
from smplifyx.camera import Camera
from smplifyx.config import FitConfig, without_collision
from smplifyx.core import rotations
from smplifyx.evidence.keypoints2d import Keypoints2D, person_scale, seen_confidence
from smplifyx.fitting.batch import FitBatch
from smplifyx.fitting.setup import setup_of
from smplifyx.fitting.stage_problem import StageProblem
from smplifyx.keypoints import Keypoints


def common_energy(
    keypoints: Keypoints, camera: Camera, params: BodyParams, body: BodyModel, config: FitConfig
) -> Float[Tensor, " people"]:
    """The energy of the last stage of `config` but for collision, whatever fitted the bodies."""
    config = without_collision(config)
    setup = setup_of(body, config)
    with torch.no_grad():
        confidence = seen_confidence(keypoints, config.reprojection)
        scale = person_scale(keypoints, confidence, setup.neutral_points)
        # not `Fitter.gather`: the camera is that of the fit, whatever `config` says of focal lengths
        seen = Keypoints2D(keypoints, camera, scale, config.reprojection)
        people = FitBatch.of(seen, others={}, setup=setup)

        latent = setup.decoder.prior.encode(rotations.exp(params.body_pose))
        state = setup.decoder.state(params, latent)
        problem = StageProblem.of(config.stages[-1], people).at(state)
        return problem.energy(problem.pack(state))
