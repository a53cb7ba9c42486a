"""One energy for everybody: what the last stage of a preset thinks of bodies that anything may have
fitted.
"""

from __future__ import annotations

import torch
from torch import Tensor

from smplifyx.body import skinning
from smplifyx.body.model import BodyModel
from smplifyx.body.params import BodyParams
from smplifyx.camera import Camera
from smplifyx.config import FitConfig, without_collision
from smplifyx.core import rotations
from smplifyx.evidence.keypoints2d import person_scale, seen_confidence
from smplifyx.fitting.batch import FitBatch
from smplifyx.fitting.fit import decoder_of
from smplifyx.fitting.stage_runner import StageProblems
from smplifyx.fitting.starts import neutral_state
from smplifyx.keypoints import Keypoints
from smplifyx.features.variables import Decoder, Hand, State


def common_energy(
    keypoints: Keypoints, camera: Camera, params: BodyParams, body: BodyModel, config: FitConfig
) -> Tensor:
    """The energy of the last stage of `config` [people] but for collision, of bodies that anything
    may have fitted.
    """
    config = without_collision(config)
    decoder = decoder_of(body, config)
    with torch.no_grad():
        neutral = neutral_state(decoder, body, config, (len(params.transl),), keypoints.xy)
        rest = skinning.points(body, decoder.params(neutral[0]))
        scale = person_scale(keypoints, seen_confidence(keypoints, config.reprojection), rest)
        state = _state(params, neutral, decoder)
        problems = StageProblems(FitBatch(keypoints, camera, scale, body, decoder, config), ())
        problem = problems.of(config.stages[-1], state, 1)
        return problem.energy(problem.pack(state))


def _state(params: BodyParams, neutral: State, decoder: Decoder) -> State:
    """The unknowns of given bodies."""
    return neutral.replace(
        orient=rotations.exp(params.global_orient), transl=params.transl, betas=params.betas,
        body=decoder.prior.encode(rotations.exp(params.body_pose)), expression=params.expression,
        left_hand=_coefficients(params.left_hand_pose, decoder.left_hand),
        right_hand=_coefficients(params.right_hand_pose, decoder.right_hand),
        jaw=params.jaw_pose, leye=params.leye_pose, reye=params.reye_pose,
    )  # fmt: skip


def _coefficients(pose: Tensor, hand: Hand) -> Tensor:
    return (pose.flatten(1) - hand.mean) @ torch.linalg.pinv(hand.components)
