"""A first guess from what a network predicted: the told pose, turned as the told bones lie."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..body import skinning
from ..body.joints import BODY_POSE_JOINTS, JOINT_INDEX
from ..core import rotations
from ..evidence.keypoints2d import seen_confidence
from ..evidence.pose_estimate import BONES, PoseEstimate
from ..features.variables import State
from ..keypoints import names
from .alignment import align
from .batch import FitBatch
from .setup import FitSetup
from .templates import neutral_state

# bones of the trunk turn the whole body
_TRUNK = ("neck", "right_shoulder", "left_shoulder", "right_hip", "left_hip")
# joints that swing a limb, from the trunk outwards, and the point at the end of the bone each turns
_LIMBS = ("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle")
_BONE_OF = {names.POINT_NAMES[end]: bone for bone, (end, _) in enumerate(BONES)}
LEAST_TRUNK = 3  # bones


def estimated_guess(
    people: FitBatch, estimate: PoseEstimate
) -> tuple[State, Bool[Tensor, " batch"]]:
    """One hypothesis for each person, and for whom there is one: enough of the trunk is told."""
    setup, like = people.setup, people.keypoints.xy
    batch = (len(people),)
    neutral = neutral_state(setup.decoder, setup.body, batch, like)
    bones = estimate.bones.to(like)
    told = estimate.bones_sd.isfinite().all(-1)  # [batch, 44]
    trunk = torch.zeros_like(told)
    trunk[:, [_BONE_OF[name] for name in _TRUNK]] = True
    is_told = (told & trunk).sum(-1) >= LEAST_TRUNK

    rotation = setup.decoder.prior.decode(neutral.body)
    knows_turn = estimate.rotation.isfinite().all(-1)
    own = rotations.exp(estimate.rotation.to(like).nan_to_num())
    rotation = torch.where(knows_turn[..., None, None], own, rotation)

    posed = _posed_bones(setup, neutral, rotation)
    orient = _turn(posed, bones, told & trunk)
    rotation = _with_limbs(setup, neutral, rotation, orient, bones, told, knows_turn)
    latent = setup.decoder.prior.encode(rotation)

    state = neutral.replace(body=latent)
    params = setup.decoder.params(state)
    points = skinning.points(setup.body, params)
    pelvis = skinning.joints(setup.body, params)[:, 0]
    confidence = seen_confidence(people.keypoints, setup.config.reprojection)
    turned = ((points - pelvis[:, None])[..., None, :] * orient[:, None]).sum(-1)
    usable = confidence * turned.isfinite().all(-1)
    roll, transl = align(
        turned.nan_to_num(), people.keypoints.xy, usable, people.scale, people.camera
    )
    state = state.replace(orient=roll @ orient, transl=transl - pelvis)
    return state.map(Tensor.contiguous), is_told


def _posed_bones(
    setup: FitSetup, neutral: State, rotation: Float[Tensor, "batch 21 3 3"]
) -> Float[Tensor, "batch 44 3"]:
    """The bones of bodies in these poses, in the body's frame; NaN where the body lacks an end."""
    state = neutral.replace(body=setup.decoder.prior.encode(rotation))
    points = skinning.points(setup.body, setup.decoder.params(state))
    ends = [end for end, _ in BONES]
    starts = [start for _, start in BONES]
    return points[:, ends] - points[:, starts]


def _turn(
    body: Float[Tensor, "batch bones 3"],
    told: Float[Tensor, "batch bones 3"],
    use: Bool[Tensor, "batch bones"],
) -> Float[Tensor, "batch 3 3"]:
    """The rotation that brings a body's bones nearest to the told ones (Kabsch)."""
    use = use & body.isfinite().all(-1)
    weight = use[..., None].to(body)
    product = ((weight * told.nan_to_num())[..., :, None] * body.nan_to_num()[..., None, :]).sum(1)
    U, _, Vh = torch.linalg.svd(product)
    sign = torch.linalg.det(U @ Vh)
    last = torch.nn.functional.pad(sign[:, None], (2, 0), value=1.0)
    return (U * last[:, None]) @ Vh


def _with_limbs(
    setup: FitSetup,
    neutral: State,
    rotation: Float[Tensor, "batch 21 3 3"],
    orient: Float[Tensor, "batch 3 3"],
    bones: Float[Tensor, "batch 44 3"],
    told: Bool[Tensor, "batch 44"],
    knows_turn: Bool[Tensor, "batch 21"],
) -> Float[Tensor, "batch 21 3 3"]:
    """Limbs of which bones are told and no rotation swing to where those point."""
    rotation = rotation.clone()
    for near, far in _LIMBS:
        for side in ("left", "right"):
            joint = BODY_POSE_JOINTS.index(f"{side}_{near}")
            bone = _BONE_OF[f"{side}_{far}"]
            use = told[:, bone] & ~knows_turn[:, joint]
            if not bool(use.any()):  # as of networks that tell rotations: the bodies need no posing
                continue
            now = _posed_bones(setup, neutral, rotation)[:, bone]
            target = (bones[:, bone, :, None] * orient).sum(-2)  # in the body's frame
            swing = rotations.swing(now, target.nan_to_num(nan=1.0))
            above = _above(setup, rotation, f"{side}_{near}")
            local = above.mT @ swing @ above @ rotation[:, joint]
            rotation[:, joint] = torch.where(use[:, None, None], local, rotation[:, joint])
    return rotation


def _above(
    setup: FitSetup, rotation: Float[Tensor, "batch 21 3 3"], joint: str
) -> Float[Tensor, "batch 3 3"]:
    """How the parent of a joint is turned in the body's frame."""
    parents = setup.body.parents
    chain: list[int] = []
    at = int(parents[JOINT_INDEX[joint]])
    while at > 0:
        chain.append(at)
        at = int(parents[at])
    turned = torch.eye(3).to(rotation).expand(len(rotation), 3, 3)
    for joint_above in reversed(chain):
        turned = turned @ rotation[:, joint_above - 1]
    return turned
