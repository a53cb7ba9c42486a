"""The pose of a body whose surface is known: each bone's own best rotation, in closed form."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..body import skinning
from ..body.joints import pose_index
from ..body.model import BodyModel
from ..body.params import POSE_ROWS, BodyParams
from ..core import rotations

POSE_JOINTS = 55  # of `BodyParams.full_pose`
# of a bone's skin, the second largest spread over the largest: below it a turn is not determined
FLATTEST = 1e-4


def posed_like(
    body: BodyModel, places: Float[Tensor, "batch v 3"], known: Bool[Tensor, " v"]
) -> BodyParams:
    """The mean body in the pose in which its skin lies nearest to `places`, bone by bone.

    places: metres, of every vertex; those that are not `known` do not count. Each bone is turned as
    the skin that it carries is (Kabsch), whatever its parent does, so no pose is too far. A bone of
    which too little is known goes along with its parent.
    """
    turned, determined = _bone_turns(body, places, known)
    local = torch.eye(3).to(places).expand(len(places), POSE_JOINTS, 3, 3).clone()
    orient: list[Tensor] = []
    for joint, (parent, row) in enumerate(zip(body.parents, pose_index(body.kind), strict=True)):
        above = orient[parent] if parent >= 0 else torch.eye(3).to(places).expand(len(places), 3, 3)
        can_turn = determined[:, joint, None, None] & (row >= 0)
        own = torch.where(can_turn, turned[:, joint], above)
        orient.append(own)
        if row >= 0:
            local[:, row] = above.mT @ own
    pose = rotations.log(local)

    shapes, expressions = body.shapedirs.shape[-1], body.expressiondirs.shape[-1]
    params = BodyParams.zeros((len(places),), shapes, expressions, like=places)
    fields = {name: pose[:, list(rows)] for name, rows in POSE_ROWS.items()}
    single = {name: value[:, 0] for name, value in fields.items() if value.shape[1] == 1}
    params = params.replace(**(fields | single))
    off = (places - skinning.vertices(body, params))[:, known]
    return params.replace(transl=off.mean(1))


def _bone_turns(
    body: BodyModel, places: Float[Tensor, "batch v 3"], known: Bool[Tensor, " v"]
) -> tuple[Float[Tensor, "batch j 3 3"], Bool[Tensor, "batch j"]]:
    """How the skin of each bone is turned against its rest, and whether enough of it is known."""
    # squared, so that a bone's own skin outweighs what it shares with others
    weights = (body.weights.square() * known[:, None]).mT  # [j, v]
    total = weights.sum(-1)
    share = weights / total.clamp(min=1e-6)[:, None]
    rest = body.v_template
    # a mesh that is not finite keeps its place of NaN, and so fails alone
    places = torch.where(known[:, None], places, 0.0).nan_to_num(0.0, 0.0, 0.0)
    rest_middle = share @ rest  # [j, 3]
    middle = share @ places  # [batch, j, 3]
    by_pair = (places[..., :, None] * rest[:, None, :]).flatten(-2)  # [batch, v, 9]
    moment = (share @ by_pair).unflatten(-1, (3, 3))
    moment = moment - middle[..., :, None] * rest_middle[:, None, :]
    u, spread, vh = torch.linalg.svd(moment.double())
    keep = torch.ones_like(spread)
    keep[..., 2] = torch.linalg.det(u @ vh).sign()  # no mirror images
    turn = (u * keep[..., None, :]) @ vh
    determined = (total > 0) & (spread[..., 1] > FLATTEST * spread[..., 0].clamp(min=1e-12))
    return turn.to(places), determined
