"""Where a body pose puts the 22 joints of the body: what the losses and figures of training measure
in metres.
"""

from __future__ import annotations

import itertools
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from ..body.joints import JOINT_INDEX, BodyKind, levels, parents
from ..core import assets

PARENTS = parents(BodyKind.SMPLX)[:22]
LEVELS = levels(PARENTS)
WALKED = tuple(joint for level in LEVELS for joint in level)
# Metres from a joint that ends a limb, in the axes of the T-pose: the knuckles, the brow, the big
# toe. Off every axis that the joint turns about, so that each turn moves the point.
ENDS = MappingProxyType({
    JOINT_INDEX["head"]: (0.0, 0.10, 0.10), JOINT_INDEX["left_wrist"]: (0.12, 0.0, 0.05),
    JOINT_INDEX["right_wrist"]: (-0.12, 0.0, 0.05), JOINT_INDEX["left_foot"]: (0.0, 0.0, 0.07),
    JOINT_INDEX["right_foot"]: (0.0, 0.0, 0.07),
})  # fmt: skip
BACK = tuple(sorted(range(len(WALKED)), key=WALKED.__getitem__))


def resting_joints() -> Float[NDArray, "55 3"]:
    """The joints of the embedded neutral body at rest, metres."""
    with np.load(assets.folder("priors") / "bodies" / "neutral.npz") as body:
        return (body["J_regressor"] @ body["v_template"]).astype(np.float64)


def joint_positions(
    rotation: Float[Tensor, "*batch 21 3 3"], rest: Float[Tensor, "22 3"]
) -> Float[Tensor, "*batch 22 3"]:
    """The joints in metres for parent-frame rotations of the 21 joints below the pelvis, which
    stays as it rests.
    """
    return _walk(rotation, rest)[1]


def joints_and_ends(
    rotation: Float[Tensor, "*batch 21 3 3"], rest: Float[Tensor, "22 3"]
) -> Float[Tensor, "*batch 27 3"]:
    """The joints, then the points `ENDS`, which show how head, hands and toes are turned."""
    orient, place = _walk(rotation, rest)
    at, offset = list(ENDS), rest.new_tensor(list(ENDS.values()))
    return torch.cat(
        [place, place[..., at, :] + (orient[..., at, :, :] @ offset[..., None])[..., 0]], -2
    )


def _walk(rotation: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
    """World rotation and place of the 22 joints."""
    orient = torch.eye(3, dtype=rotation.dtype, device=rotation.device).expand(
        *rotation.shape[:-3], 1, 3, 3
    )
    place = rest[:1].expand(*rotation.shape[:-3], 1, 3)
    orients, places = [orient], [place]
    for above, level in itertools.pairwise(LEVELS):
        at = [above.index(PARENTS[joint]) for joint in level]
        bone = rest[list(level)] - rest[[PARENTS[joint] for joint in level]]
        parent = orients[-1][..., at, :, :]
        places.append((parent @ bone[..., None])[..., 0] + places[-1][..., at, :])
        orients.append(parent @ rotation[..., [joint - 1 for joint in level], :, :])
    return torch.cat(orients, -3)[..., BACK, :, :], torch.cat(places, -2)[..., BACK, :]
