"""The hypotheses of a fit as a batch axis: several orientations of a few poses, each placed on the detections."""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Tensor

from . import rotations
from .body import skinning
from .body.joints import JOINT_INDEX
from .body.model import BodyModel
from .camera import Camera
from .config import FitConfig, Start
from .initial import TEMPLATE_POSES, align, depth_by_similar_triangles, yaw_orientations
from .keypoints import names
from .observation import seen_confidence
from .people import People
from .state import Decoder, State, shape_sizes


def first_guess(people: People) -> tuple[State, Bool[Tensor, "batch hypotheses"]]:
    """Where each hypothesis starts [batch, hypotheses], and which of them are tried."""
    if people.config.start.kind is Start.SIMILAR_TRIANGLES:
        return _by_triangles(people)
    return _by_alignment(people)


def _by_alignment(people: People) -> tuple[State, Tensor]:
    """Every template pose in every yaw, rolled and placed to lie on the detections."""
    start, like = people.config.start, people.keypoints.xy
    latents, points, pelvis = _templates(people)
    yaws = yaw_orientations(start.yaws, like)
    turned = torch.einsum("tij,pnj->tpni", yaws, points - pelvis).flatten(0, 1)
    confidence = seen_confidence(people.keypoints, people.config.reprojection)
    usable = _body_first(confidence * turned.isfinite().all(-1).all(0))
    shape = len(usable), len(turned)
    roll, transl = align(
        turned.nan_to_num().expand(*shape, -1, -1),
        people.keypoints.xy[:, None].expand(*shape, -1, -1),
        usable[:, None].expand(*shape, -1),
        people.scale[:, None].expand(shape),
        _spread(people.camera, shape),
    )
    state = _repeated(neutral_state(people.decoder, people.body, people.config, shape[:1], like), shape[1])
    state = state.replace(
        orient=roll @ yaws.repeat_interleave(len(latents), 0),
        transl=transl - pelvis,
        body=latents.repeat(len(yaws), 1).expand(*shape, -1).contiguous(),
    )
    return state, torch.ones(shape, dtype=torch.bool, device=like.device)


def _templates(people: People) -> tuple[Tensor, Tensor, Tensor]:
    """The template poses: latents [poses, latent], their points in the body's frame [poses, 137, 3], the pelvis [3]."""
    neutral = neutral_state(people.decoder, people.body, people.config, (), people.keypoints.xy)
    latents = torch.stack([_template(people.decoder, neutral, pose) for pose in people.config.start.poses])
    bodies = people.decoder.params(State.stack([neutral.replace(body=latent) for latent in latents]))
    return latents, skinning.points(people.body, bodies), skinning.joints(people.body, bodies)[0, 0]


def _repeated(state: State, count: int) -> State:
    """The same unknowns for `count` hypotheses: [batch] to [batch, count]."""
    return state.map(lambda t: t[:, None].expand(-1, count, *t.shape[1:]).contiguous())


def _spread(camera: Camera, shape: tuple[int, int]) -> Camera:
    return camera.map(lambda t: t[:, None].expand(*shape, *t.shape[1:]))


def _body_first(confidence: Tensor) -> Tensor:
    """The body's points where any are seen, else whatever is seen."""
    body = torch.zeros_like(confidence)
    body[:, names.BODY] = confidence[:, names.BODY]
    return torch.where((body > 0).sum(-1, keepdim=True) >= 2, body, confidence)


def _template(decoder: Decoder, neutral: State, pose_name: str) -> Tensor:
    """The latent of a template pose: the prior's mean with some joints set."""
    pose = decoder.prior.decode(neutral.body).clone()
    for joint, angles in TEMPLATE_POSES[pose_name].items():
        pose[JOINT_INDEX[joint] - 1] = rotations.exp(torch.tensor(angles).to(pose))
    return decoder.prior.encode(pose)


def _by_triangles(people: People) -> tuple[State, Tensor]:
    """The 2019 start: depth from the torso's sides, the back view too where the shoulders look narrow."""
    keypoints, config = people.keypoints, people.config
    neutral = neutral_state(people.decoder, people.body, config, (len(people.scale),), keypoints.xy)
    rest = skinning.points(people.body, people.decoder.params(neutral[0]))
    depth = depth_by_similar_triangles(rest, keypoints.xy, people.camera)
    state = _repeated(neutral, 2)
    transl = torch.zeros_like(state.transl)
    transl[..., 2] = depth[:, None]
    a, b = names.POINT_INDEX["right_shoulder"], names.POINT_INDEX["left_shoulder"]
    narrow = (keypoints.xy[:, a] - keypoints.xy[:, b]).norm(dim=-1) < config.start.flip_below_shoulder_px
    front_and_back = yaw_orientations(2, keypoints.xy).expand(len(depth), 2, 3, 3).contiguous()
    return state.replace(orient=front_and_back, transl=transl), torch.stack([torch.ones_like(narrow), narrow], 1)


def neutral_state(decoder: Decoder, body: BodyModel, config: FitConfig, batch: tuple[int, ...], like: Tensor) -> State:
    """The prior's mean pose of the mean body at the origin."""

    def zeros(*size: int) -> Tensor:
        return torch.zeros(*batch, *size, dtype=like.dtype, device=like.device)

    mean = decoder.prior.mean()
    shapes, expressions = shape_sizes(body, config)
    return State(
        orient=torch.eye(3).to(like).expand(*batch, 3, 3), global_orient=zeros(3), transl=zeros(3),
        body=mean.expand(*batch, -1), betas=zeros(shapes), expression=zeros(expressions),
        left_hand=zeros(len(decoder.left_hand.sds)), right_hand=zeros(len(decoder.right_hand.sds)),
        jaw=zeros(3), leye=zeros(3), reye=zeros(3), focal=zeros(1),
    )  # fmt: skip
