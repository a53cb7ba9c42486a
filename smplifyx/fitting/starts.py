"""The hypotheses of a fit as a batch axis.

At the start several orientations of a few poses, each placed on the detections; later also each
limb mirrored in depth.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..body import skinning
from ..body.joints import JOINT_INDEX
from ..body.model import BodyModel
from ..camera import Camera
from ..config import FitConfig, Start
from ..core import rotations
from ..evidence.keypoints2d import seen_confidence
from ..features.point_model import Posed
from ..keypoints import names
from ..problem.problem import Problem
from ..problem.variables import Decoder, State
from .alignment import TEMPLATE_POSES, align, depth_by_similar_triangles, yaw_orientations
from .batch import FitBatch


@dataclass(frozen=True)
class Flip:
    """A limb to mirror in depth."""

    limb: tuple[str, str, str]  # its root, hinge and end
    whole: bool  # both bones, or the outer one alone


FLIPS = tuple(
    Flip(tuple(f"{side}_{joint}" for joint in limb), whole)
    for whole in (True, False)
    for limb in (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))
    for side in ("left", "right")
)


def first_guess(people: FitBatch) -> tuple[State, Bool[Tensor, "batch hypotheses"]]:
    """Where each hypothesis starts [batch, hypotheses], and which of them are tried."""
    if people.config.start.kind is Start.SIMILAR_TRIANGLES:
        return _by_triangles(people)
    return _by_alignment(people)


def _by_alignment(people: FitBatch) -> tuple[State, Tensor]:
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
    state = _repeated(
        neutral_state(people.decoder, people.body, people.config, shape[:1], like), shape[1]
    )
    state = state.replace(
        orient=roll @ yaws.repeat_interleave(len(latents), 0),
        transl=transl - pelvis,
        body=latents.repeat(len(yaws), 1).expand(*shape, -1).contiguous(),
    )
    return state, torch.ones(shape, dtype=torch.bool, device=like.device)


def _templates(people: FitBatch) -> tuple[Tensor, Tensor, Tensor]:
    """The template poses: latents [poses, latent], their points in the body's frame [poses, 137,
    3], the pelvis [3].
    """
    config = people.config
    body = people.body.sized(config.betas, config.expressions)
    return _templates_of(people.decoder, body, config.start.poses)


@lru_cache(maxsize=16)  # the same for every batch of a job
def _templates_of(
    decoder: Decoder, body: BodyModel, poses: tuple[str, ...]
) -> tuple[Tensor, Tensor, Tensor]:
    neutral = _neutral(decoder, body, (), body.v_template)
    latents = torch.stack([_template(decoder, neutral, pose) for pose in poses])
    bodies = decoder.params(State.stack([neutral.replace(body=latent) for latent in latents]))
    return latents, skinning.points(body, bodies), skinning.joints(body, bodies)[0, 0]


@lru_cache(maxsize=16)
def neutral_points(decoder: Decoder, body: BodyModel) -> Float[Tensor, "137 3"]:
    """The canonical points of the mean body in the prior's mean pose at the origin."""
    return skinning.points(body, decoder.params(_neutral(decoder, body, (), body.v_template)))


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


def _by_triangles(people: FitBatch) -> tuple[State, Tensor]:
    """The 2019 start: depth from the torso's sides, the back view too where the shoulders look
    narrow.
    """
    keypoints, config = people.keypoints, people.config
    neutral = neutral_state(people.decoder, people.body, config, (len(people.scale),), keypoints.xy)
    rest = skinning.points(people.body, people.decoder.params(neutral[0]))
    depth = depth_by_similar_triangles(rest, keypoints.xy, people.camera)
    state = _repeated(neutral, 2)
    transl = torch.zeros_like(state.transl)
    transl[..., 2] = depth[:, None]
    a, b = names.POINT_INDEX["right_shoulder"], names.POINT_INDEX["left_shoulder"]
    narrow = (keypoints.xy[:, a] - keypoints.xy[:, b]).norm(
        dim=-1
    ) < config.start.flip_below_shoulder_px
    front_and_back = yaw_orientations(2, keypoints.xy).expand(len(depth), 2, 3, 3).contiguous()
    return state.replace(orient=front_and_back, transl=transl), torch.stack(
        [torch.ones_like(narrow), narrow], 1
    )


def mirrored(problem: Problem, state: State) -> State:
    """Each body, then those of `FLIPS`: a limb, or its outer bone alone, mirrored in depth: [batch]
    to [batch, flips].

    An image hardly tells whether a bone points towards the camera or away: it is reflected by the
    plane across the line of sight to the limb's root, with no more twist than that takes.
    """
    pose = problem.decoder.prior.decode(state.body)
    posed = problem.view(problem.pack(state)).posed
    poses = [_mirrored(problem, posed, state.transl, pose, flip) for flip in FLIPS]
    latents = torch.stack([state.body, *map(problem.decoder.prior.encode, poses)], 1)
    return _repeated(state, 1 + len(FLIPS)).replace(body=latents)


def _mirrored(problem: Problem, posed: Posed, transl: Tensor, pose: Tensor, flip: Flip) -> Tensor:
    joints = [JOINT_INDEX[joint] for joint in flip.limb]
    root, hinge, end = (problem.model.joints.index(joint) for joint in joints)
    upper, lower = (posed.place[:, b] - posed.place[:, a] for a, b in ((root, hinge), (hinge, end)))
    sight = torch.nn.functional.normalize(posed.place[:, root] + transl, dim=-1)
    first = _least_turn(upper, _reflected(upper, sight) if flip.whole else upper)
    second = _least_turn((first @ lower[..., None])[..., 0], _reflected(lower, sight))
    turned = first @ posed.orient[:, root]
    pose = pose.clone()
    pose[:, joints[0] - 1] = posed.orient[:, problem.model.above[root]].mT @ turned
    pose[:, joints[1] - 1] = turned.mT @ second @ first @ posed.orient[:, hinge]
    return pose


def _reflected(vector: Tensor, normal: Tensor) -> Tensor:
    return vector - 2 * (vector * normal).sum(-1, keepdim=True) * normal


def _least_turn(a: Tensor, b: Tensor) -> Tensor:
    """The smallest rotation that turns the direction of a into that of b."""
    a, b = (torch.nn.functional.normalize(v, dim=-1) for v in (a, b))
    cross = rotations.skew(torch.linalg.cross(a, b))
    cosine = (a * b).sum(-1)[..., None, None]
    return torch.eye(3).to(a) + cross + cross @ cross / (1 + cosine).clamp(min=1e-3)


def neutral_state(
    decoder: Decoder, body: BodyModel, config: FitConfig, batch: tuple[int, ...], like: Tensor
) -> State:
    """The prior's mean pose of the mean body at the origin."""
    return _neutral(decoder, body.sized(config.betas, config.expressions), batch, like)


def _neutral(decoder: Decoder, body: BodyModel, batch: tuple[int, ...], like: Tensor) -> State:
    def zeros(*size: int) -> Tensor:
        return torch.zeros(*batch, *size, dtype=like.dtype, device=like.device)

    mean = decoder.prior.mean()
    shapes, expressions = body.shapedirs.shape[-1], body.expressiondirs.shape[-1]
    return State(
        orient=torch.eye(3).to(like).expand(*batch, 3, 3),
        global_orient=zeros(3),
        transl=zeros(3),
        body=mean.expand(*batch, -1),
        betas=zeros(shapes),
        expression=zeros(expressions),
        left_hand=zeros(len(decoder.left_hand.sds)),
        right_hand=zeros(len(decoder.right_hand.sds)),
        jaw=zeros(3),
        leye=zeros(3),
        reye=zeros(3),
        focal=zeros(1),
    )
