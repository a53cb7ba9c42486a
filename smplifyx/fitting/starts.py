"""The first guess of every person: several orientations of a few poses, each placed on the
detections.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from ..body import skinning
from ..body.params import BodyParams
from ..camera import Camera
from ..config import Start
from ..core import rotations
from ..core.bundle import Bundle
from ..evidence.keypoints2d import seen_confidence
from ..evidence.pose_estimate import PoseEstimate
from ..evidence.views import Views
from ..features.variables import State
from ..keypoints import names
from .alignment import align, depth_by_similar_triangles, yaw_orientations
from .batch import FitBatch
from .estimated_start import estimated_guess
from .mirroring import repeated
from .setup import FitSetup
from .templates import neutral_state
from .views_start import triangulated_guess


@dataclass(frozen=True)
class Starts(Bundle):
    """Where each person's hypotheses begin [batch, hypotheses], and which are tried."""

    state: State
    tried: Bool[Tensor, "batch hypotheses"]


def first_guess(people: FitBatch) -> Starts:
    """As the preset makes it; a prediction is one more, for those of whom there is one, and so is
    what several views tell.
    """
    if people.setup.config.first_guess.kind is Start.SIMILAR_TRIANGLES:
        starts = _by_triangles(people)
    else:
        starts = _by_alignment(people)
    estimate = people.others.get(PoseEstimate)
    if estimate is not None:
        starts = _one_more(people, starts, *estimated_guess(people, estimate))
    views = people.others.get(Views)
    if views is not None:
        starts = _one_more(people, starts, *triangulated_guess(people, views))
    return starts


def _one_more(
    people: FitBatch, starts: Starts, state: State, is_told: Bool[Tensor, " batch"]
) -> Starts:
    """The starts with one that knows the pose, for those of whom it is told.

    Of the others the likeliest pose is enough for them, from every side.
    """
    told = Starts(state.map(lambda t: t[:, None]), is_told[:, None])
    poses_tried = people.setup.config.first_guess.poses
    poses = torch.arange(starts.tried.shape[1], device=is_told.device) % len(poses_tried)
    needed = starts.tried & ((poses == 0) | ~is_told[:, None])
    return Starts.cat([Starts(starts.state, needed), told], 1)


def given_guess(setup: FitSetup, bodies: BodyParams) -> Starts:
    """Bodies that somebody else found [batch, hypotheses], at the camera's own focal length. All
    are tried.

    Poses become latents of the preset's prior and coefficients of its hands, the nearest ones where
    these cannot express them. Raises ValueError where the axes, betas or expressions do not fit.
    """
    if bodies.transl.dim() != 3:
        raise ValueError(
            "start: expected bodies [people, hypotheses, ...], "
            f"got transl {list(bodies.transl.shape)}"
        )
    sizes = (
        ("betas", bodies.betas, setup.body.shapedirs.shape[-1]),
        ("expression", bodies.expression, setup.body.expressiondirs.shape[-1]),
    )
    for name, values, expected in sizes:
        if values.shape[-1] != expected:
            raise ValueError(f"start: expected {expected} {name}, got {values.shape[-1]}")
    latent = setup.decoder.prior.encode(rotations.exp(bodies.body_pose))
    state = setup.decoder.state(bodies, latent)
    return Starts(
        state.map(Tensor.contiguous), torch.ones_like(bodies.transl[..., 0], dtype=torch.bool)
    )


def _by_alignment(people: FitBatch) -> Starts:
    """Every template pose in every yaw, rolled and placed to lie on the detections."""
    setup, like = people.setup, people.keypoints.xy
    config, templates = setup.config, setup.templates
    yaws = yaw_orientations(config.first_guess.yaws, like)
    about_pelvis = templates.points - templates.pelvis
    # hypotheses: yaw by yaw, the poses of each side by side
    turned = torch.einsum("tij,pnj->tpni", yaws, about_pelvis).flatten(0, 1)
    confidence = seen_confidence(people.keypoints, config.reprojection)
    usable = _body_first(confidence * turned.isfinite().all(-1).all(0))

    shape = len(usable), len(turned)  # people, hypotheses
    roll, transl = align(
        turned.nan_to_num().expand(*shape, -1, -1),
        people.keypoints.xy[:, None].expand(*shape, -1, -1),
        usable[:, None].expand(*shape, -1),
        people.scale[:, None].expand(shape),
        _for_hypotheses(people.camera, shape),
    )
    neutral = neutral_state(setup.decoder, setup.body, shape[:1], like)
    latents = templates.latents
    state = repeated(neutral, shape[1]).replace(
        orient=roll @ yaws.repeat_interleave(len(latents), 0),
        transl=transl - templates.pelvis,
        body=latents.repeat(len(yaws), 1).expand(*shape, -1).contiguous(),
    )
    return Starts(state, torch.ones(shape, dtype=torch.bool, device=like.device))


def _by_triangles(people: FitBatch) -> Starts:
    """The 2019 start: depth from the torso's sides, the back view too where the shoulders look
    narrow.
    """
    setup, xy = people.setup, people.keypoints.xy
    neutral = neutral_state(setup.decoder, setup.body, (len(people),), xy)
    rest = skinning.points(setup.body, setup.decoder.params(neutral[0]))
    depth = depth_by_similar_triangles(rest, xy, people.camera)

    state = repeated(neutral, 2)
    transl = torch.zeros_like(state.transl)
    transl[..., 2] = depth[:, None]
    right, left = names.POINT_INDEX["right_shoulder"], names.POINT_INDEX["left_shoulder"]
    shoulders = (xy[:, right] - xy[:, left]).norm(dim=-1)  # pixels
    narrow = shoulders < setup.config.first_guess.flip_below_shoulder_px
    front_and_back = yaw_orientations(2, xy).expand(len(depth), 2, 3, 3).contiguous()
    return Starts(
        state.replace(orient=front_and_back, transl=transl),
        torch.stack([torch.ones_like(narrow), narrow], 1),
    )


def _for_hypotheses(camera: Camera, shape: tuple[int, int]) -> Camera:
    """The same camera for every hypothesis of a person."""
    return camera.map(lambda t: t[:, None].expand(*shape, *t.shape[1:]))


def _body_first(confidence: Tensor) -> Tensor:
    """The body's points where any are seen, else whatever is seen."""
    body = torch.zeros_like(confidence)
    body[:, names.BODY] = confidence[:, names.BODY]
    seen_of_body = (body > 0).sum(-1, keepdim=True)
    return torch.where(seen_of_body >= 2, body, confidence)
