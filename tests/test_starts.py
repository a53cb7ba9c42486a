"""The first guess and what comes of it, for views that are not upright, frontal and whole."""

from __future__ import annotations

import math
from functools import lru_cache

import pytest
import roma
import torch
from cases import embedded_body, noisy_keypoints, preset, setup

from smplifyx.body import skinning
from smplifyx.body.joints import JOINT_INDEX
from smplifyx.body.params import BodyParams
from smplifyx.camera import Camera
from smplifyx.core import rotations
from smplifyx.evaluation.metrics import person_errors
from smplifyx.evidence.keypoints2d import Keypoints2D, person_scale, seen_confidence
from smplifyx.fitting.batch import FitBatch
from smplifyx.fitting.fit import fit
from smplifyx.fitting.starts import first_guess
from smplifyx.fitting.templates import TEMPLATE_POSES
from smplifyx.keypoints import names
from smplifyx.pose_priors import load_prior

FLOAT = torch.float32
UPPER = {"nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
         "right_eye", "left_eye", "right_ear", "left_ear"}  # fmt: skip
# name -> (turn about y, turn about x, turn about the viewing axis; pose; points that are seen);
# degrees
VIEWS = {
    "upright": ((0, 0, 0), "standing", None),
    "from behind": ((180, 0, 0), "standing", None),
    "from the left": ((90, 0, 0), "standing", None),
    "from the right": ((-90, 0, 0), "standing", None),
    "lying on the side": ((20, 0, 90), "standing", None),
    "lying, head to the right": ((0, 0, -90), "standing", None),
    "upside down": ((30, 0, 180), "standing", None),
    "from above": ((20, 50, 0), "standing", None),
    "from below": ((-20, -40, 0), "standing", None),
    "sitting": ((30, 0, 0), "sitting", None),
    "sitting, from the side": ((80, 0, 0), "sitting", None),
    "crouching": ((-40, 0, 0), "crouching", None),
    "upper body": ((15, 0, 0), "standing", UPPER),
    "upper body from behind": ((170, 0, 0), "standing", UPPER),
}


@lru_cache(maxsize=1)
def seen():
    """One person per view: keypoints with 1 px noise, cameras, truth."""
    body, prior = embedded_body(FLOAT), load_prior("gaussian")
    truths = []
    for (yaw, pitch, roll), pose, _ in VIEWS.values():
        like = torch.zeros(1)
        turn = [
            rotations.about(axis, math.radians(a), like)
            for axis, a in (("z", roll), ("x", 180 + pitch), ("y", yaw))
        ]
        rotvec = prior.mean().unflatten(-1, (21, 3)).clone()
        for joint, bent in TEMPLATE_POSES[pose].items():
            rotvec[JOINT_INDEX[joint] - 1] = torch.tensor(bent) * 0.8
        neutral = BodyParams.zeros((), 10, 10, like)
        place = {
            "global_orient": rotations.log(turn[0] @ turn[1] @ turn[2]),
            "transl": torch.tensor([0.2, 0.3, 4.0]),
        }
        truths.append(neutral.replace(body_pose=rotvec, **place))
    truth = BodyParams.stack(truths)
    camera = Camera.from_focal(1200.0, torch.tensor([[1000.0, 1000.0]]).expand(len(truths), 2))
    keypoints = noisy_keypoints(camera.project(skinning.points(body, truth)), noise=1.0)
    visible = torch.stack([_mask(points) for _, _, points in VIEWS.values()])
    return keypoints.replace(confidence=keypoints.confidence * visible), camera, truth


def _mask(points: set[str] | None) -> torch.Tensor:
    return torch.tensor(
        [float(points is None or name in points or "face" in name) for name in names.POINT_NAMES]
    )


@lru_cache(maxsize=1)
def errors():
    keypoints, camera, truth = seen()
    body = embedded_body(FLOAT)
    return person_errors(body, fit(keypoints, camera, body, preset()).params, truth)


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_ends_the_right_way_round(view):
    row = list(VIEWS).index(view)
    assert float(errors().facing[row]) < 40.0
    assert float(errors().pa_mpjpe[row]) < (60.0 if VIEWS[view][2] is None else 130.0)


@pytest.mark.parametrize("view", VIEWS)
def test_some_hypothesis_starts_near_the_truth(view):
    row = list(VIEWS).index(view)
    keypoints, camera, truth = (part[row : row + 1] for part in seen())
    body, config = embedded_body(FLOAT), preset()
    rest = skinning.points(body, BodyParams.zeros((), 10, 10, keypoints.xy))
    scale = person_scale(keypoints, seen_confidence(keypoints, config.reprojection), rest)
    seen_so = Keypoints2D(keypoints, camera, scale, config.reprojection)
    starts = first_guess(FitBatch(seen_so, {}, setup(FLOAT)))
    state = starts.state
    angle = roma.rotmat_geodesic_distance(
        state.orient[0], rotations.exp(truth.global_orient).expand_as(state.orient[0])
    )
    assert bool(starts.tried.all()) and float(angle.min()) < math.radians(65)
    assert (state.transl[0, :, 2] / truth.transl[0, 2]).log().abs().min() < 0.35
