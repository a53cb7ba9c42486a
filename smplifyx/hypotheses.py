"""The hypotheses of a fit as a batch axis: several orientations of a few poses, each placed on the detections."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


from .body import skinning
from .body.joints import JOINT_INDEX
from .body.model import BodyModel
from .camera import Camera
from .config import FitConfig, Start
from .initial import TEMPLATE_POSES, align, depth_by_similar_triangles, yaw_orientations
from .keypoints import Keypoints, names
from .observation import seen_confidence
from .state import Decoder, State


def first_guess(
    keypoints: Keypoints, camera: Camera, body: BodyModel, decoder: Decoder, neutral: State, scale: Float[Tensor, " batch"],
    config: FitConfig,
) -> tuple[State, Bool[Tensor, "batch hypotheses"]]:  # fmt: skip
    """Where each hypothesis starts [batch, hypotheses], and which of them are tried. `neutral` is a state [batch]."""
    if config.start.kind is Start.SIMILAR_TRIANGLES:
        return _by_triangles(keypoints, camera, body, decoder, neutral, config)
    return _by_alignment(keypoints, camera, body, decoder, neutral, scale, config)


def _by_alignment(keypoints, camera, body, decoder, neutral, scale, config) -> tuple[State, Tensor]:
    latents = torch.stack([_template(decoder, neutral, pose) for pose in config.start.poses])
    yaws = yaw_orientations(config.start.yaws, keypoints.xy)
    poses, turns = len(latents), len(yaws)
    upright = neutral[:1].map(lambda t: t[0]).replace(orient=torch.eye(3).to(yaws))
    still = State.stack([upright.replace(body=latent, transl=torch.zeros_like(upright.transl)) for latent in latents])
    points = skinning.points(body, decoder.params(still))  # [poses, 137, 3], body frame
    pelvis = skinning.joints(body, decoder.params(still))[:, :1]
    turned = torch.einsum("tij,pnj->tpni", yaws, points - pelvis).flatten(0, 1)
    confidence = seen_confidence(keypoints, config.reprojection)
    usable = confidence * turned.isfinite().all(-1).all(0)
    usable = _body_first(usable)
    batch, count = len(usable), turns * poses
    spread = _spread(camera, (batch, count))
    roll, transl = align(
        turned.nan_to_num().expand(batch, count, -1, -1), keypoints.xy[:, None].expand(batch, count, -1, -1),
        usable[:, None].expand(batch, count, -1), scale[:, None].expand(batch, count), spread,
    )  # fmt: skip
    orient = roll @ yaws.repeat_interleave(poses, 0)
    state = neutral.map(lambda t: t[:, None].expand(-1, count, *t.shape[1:]).contiguous())
    latent = latents.repeat(turns, 1).expand(batch, -1, -1).contiguous()
    state = state.replace(orient=orient, transl=transl - pelvis[0, 0], body=latent)
    return state, torch.ones(batch, count, dtype=torch.bool, device=scale.device)


def _spread(camera: Camera, shape: tuple[int, int]) -> Camera:
    return camera.map(lambda t: t[:, None].expand(*shape, *t.shape[1:]))


def _body_first(confidence: Tensor) -> Tensor:
    """The body's points where any are seen, else whatever is seen."""
    body = torch.zeros_like(confidence)
    body[:, names.BODY] = confidence[:, names.BODY]
    return torch.where((body > 0).sum(-1, keepdim=True) >= 2, body, confidence)


def _template(decoder: Decoder, neutral: State, pose: str) -> Tensor:
    """The latent of a template pose: the prior's mean with some joints set."""
    rotvec = decoder.prior.decode(neutral.body[0]).rotvec.clone()
    for joint, angles in TEMPLATE_POSES[pose].items():
        rotvec[JOINT_INDEX[joint] - 1] = torch.tensor(angles).to(rotvec)
    return decoder.prior.encode(rotvec)


def _by_triangles(keypoints, camera, body, decoder, neutral, config) -> tuple[State, Tensor]:
    """The 2019 start: depth from the torso's sides, the back view too where the shoulders look narrow."""
    rest = skinning.points(body, decoder.params(neutral[:1].replace(orient=torch.eye(3).to(keypoints.xy)[None])))[0]
    depth = depth_by_similar_triangles(rest, keypoints.xy, camera)
    front = yaw_orientations(2, keypoints.xy)
    state = neutral.map(lambda t: t[:, None].expand(-1, 2, *t.shape[1:]).contiguous())
    transl = torch.zeros_like(state.transl)
    transl[..., 2] = depth[:, None]
    a, b = names.POINT_INDEX["right_shoulder"], names.POINT_INDEX["left_shoulder"]
    width = (keypoints.xy[:, a] - keypoints.xy[:, b]).norm(dim=-1)
    narrow = width < config.start.flip_below_shoulder_px
    valid = torch.stack([torch.ones_like(narrow), narrow], 1)
    return state.replace(orient=front.expand(len(depth), 2, 3, 3).contiguous(), transl=transl), valid


def neutral_state(decoder: Decoder, body: BodyModel, config: FitConfig, batch: tuple[int, ...], like: Tensor) -> State:
    """The prior's mean pose of the mean body at the origin."""

    def zeros(*size: int) -> Tensor:
        return torch.zeros(*batch, *size, dtype=like.dtype, device=like.device)

    mean = decoder.prior.mean()
    shapes = min(config.betas, body.shapedirs.shape[-1]), min(config.expressions, body.expressiondirs.shape[-1])
    return State(
        orient=torch.eye(3).to(like).expand(*batch, 3, 3), global_orient=zeros(3), transl=zeros(3),
        body=mean.expand(*batch, -1), betas=zeros(shapes[0]), expression=zeros(shapes[1]),
        left_hand=zeros(len(decoder.left_hand.sds)), right_hand=zeros(len(decoder.right_hand.sds)),
        jaw=zeros(3), leye=zeros(3), reye=zeros(3), focal=zeros(1),
    )  # fmt: skip


