"""Limbs mirrored in depth: the other reading of what an image shows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..body.joints import JOINT_INDEX
from ..core import rotations
from ..features.point_model import Posed
from ..features.variables import State
from ..problem.problem import Problem


@dataclass(frozen=True)
class Flip:
    """A limb to mirror in depth."""

    limb: tuple[str, str, str]  # its root, hinge and end
    whole: bool  # both bones, or the outer one alone


FLIPS = tuple(
    Flip((f"{side}_{root}", f"{side}_{hinge}", f"{side}_{end}"), whole)
    for whole in (True, False)
    for root, hinge, end in (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))
    for side in ("left", "right")
)


def mirrored(problem: Problem, state: State) -> State:
    """Each body, then those of `FLIPS`: a limb, or its outer bone alone, mirrored in depth: [batch]
    to [batch, flips].

    An image hardly tells whether a bone points towards the camera or away: it is reflected by the
    plane across the line of sight to the limb's root, with no more twist than that takes.
    """
    prior = problem.folded.decoder.prior
    pose = prior.decode(state.body)  # [batch, 21, 3, 3]
    posed = problem.view(problem.pack(state)).pose.bones
    latents = [state.body]
    for flip in FLIPS:
        latents.append(prior.encode(_with_limb_mirrored(problem, posed, state.transl, pose, flip)))
    return repeated(state, len(latents)).replace(body=torch.stack(latents, 1))


def repeated(state: State, count: int) -> State:
    """The same unknowns for `count` hypotheses: [batch] to [batch, count]."""
    return state.map(lambda t: t[:, None].expand(-1, count, *t.shape[1:]).contiguous())


def _with_limb_mirrored(
    problem: Problem, posed: Posed, transl: Tensor, pose: Tensor, flip: Flip
) -> Float[Tensor, "batch 21 3 3"]:
    """The rotations of the body joints with one limb mirrored."""
    model = problem.folded.model
    joints = [JOINT_INDEX[joint] for joint in flip.limb]
    root, hinge, end = (model.joints.index(joint) for joint in joints)
    upper = posed.place[:, hinge] - posed.place[:, root]
    lower = posed.place[:, end] - posed.place[:, hinge]
    sight = torch.nn.functional.normalize(posed.place[:, root] + transl, dim=-1)

    # First the upper bone turns (or stays), and carries the lower one; then that turns about the
    # hinge.
    first = _least_turn(upper, _reflected(upper, sight) if flip.whole else upper)
    carried = (first @ lower[..., None])[..., 0]
    second = _least_turn(carried, _reflected(lower, sight))

    # Back from the camera's frame to rotations relative to each joint's parent.
    root_orient = first @ posed.orient[:, root]
    pose = pose.clone()
    pose[:, joints[0] - 1] = posed.orient[:, model.above[root]].mT @ root_orient
    pose[:, joints[1] - 1] = root_orient.mT @ second @ first @ posed.orient[:, hinge]
    return pose


def _reflected(vector: Tensor, normal: Tensor) -> Tensor:
    """By the plane across `normal`."""
    return vector - 2 * (vector * normal).sum(-1, keepdim=True) * normal


def _least_turn(a: Tensor, b: Tensor) -> Float[Tensor, "batch 3 3"]:
    """The smallest rotation that turns the direction of a into that of b."""
    a = torch.nn.functional.normalize(a, dim=-1)
    b = torch.nn.functional.normalize(b, dim=-1)
    axis = torch.linalg.cross(a, b)  # as long as the sine of the angle
    cosine = (a * b).sum(-1)[..., None, None]
    # Rodrigues without an angle: (1 - cos) / sin^2 = 1 / (1 + cos). Opposite directions have no
    # least turn; the clamp gives them some turn.
    cross = rotations.skew(axis)
    identity = torch.eye(3).to(a)
    return identity + cross + cross @ cross / (1 + cosine).clamp(min=1e-3)
