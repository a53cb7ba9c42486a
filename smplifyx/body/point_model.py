"""The body as a fit sees it: a few points, each folded into small matrices, with a closed-form Jacobian.

Linear blend skinning is a sum over (point, bone) pairs. With the rest joints subtracted, each pair is linear in the
shape, so a keypoint energy never touches the mesh:

    p = sum_k  G_k (a_pk + D_pk s + P_pk f) + w_pk q_k  + transl

G_k, q_k: orientation and place of bone k in the posed body; s: betas and expression; f: the pose features R - I;
a, D, P, w: constants of the model, summed over the vertices that make the point. Turning joint j by an angular velocity
u moves the point by u x (c - w q_j), where c and w sum the pairs of the bones at or below j. See docs/point_model.md.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .. import rotations
from ..batching import shared_matmul
from ..bundle import Bundle

POSEDIR_FLOOR = 1e-7  # metres; smaller pose corrections are rounding noise of the model file


@dataclass(frozen=True)
class ContourTable(Bundle):
    """The face contour of a point model, one entry per head-yaw row: constants of the contour points' pairs."""

    weights: Float[Tensor, "*rows c k"]
    local: Float[Tensor, "*rows c k 3"]
    local_dirs: Float[Tensor, "*rows c k 3 n"]


@dataclass(frozen=True)
class PointModel:
    """Constants of P chosen points over J bones (parents before children), K pairs per point, n shape directions.

    `pairs_*` list the N (point, joint) pairs in which the joint moves the point; `posed_*` the subset through posedirs.
    """

    joints: tuple[int, ...]  # the bones as indices into BodyParams.full_pose(); -1: a bone that never turns
    parents: Int[Tensor, " j"]
    levels: tuple[tuple[int, int], ...]  # slices of bones of equal depth, root first
    ancestors: Float[Tensor, "j j"]
    offsets: Float[Tensor, "j 3"]  # rest place relative to the parent's
    offset_dirs: Float[Tensor, "j 3 n"]
    bones: Int[Tensor, "p k"]
    weights: Float[Tensor, "p k"]
    local: Float[Tensor, "p k 3"]
    local_dirs: Float[Tensor, "p k 3 n"]
    contour_at: Int[Tensor, " c"]  # places of the contour points among the P
    contour: ContourTable
    pairs_point: Int[Tensor, " m"]
    pairs_joint: Int[Tensor, " m"]
    pairs_mask: Float[Tensor, "m k"]
    posed_at: Int[Tensor, " q"]  # places among the pairs
    posed_dirs: Float[Tensor, "q k 3 9"]

    def to(self, device: torch.device | str | None, dtype: torch.dtype) -> PointModel:
        """A copy on `device` in `dtype`."""

        def move(value: object) -> object:
            if isinstance(value, Bundle):
                return value.to(device=device, dtype=dtype)
            if not isinstance(value, Tensor):
                return value
            return value.to(device=device, dtype=dtype if value.is_floating_point() else None)

        return dataclasses.replace(self, **{f.name: move(getattr(self, f.name)) for f in dataclasses.fields(self)})


@dataclass(frozen=True)
class Posed(Bundle):
    """A posed point model: what the points and their Jacobian have in common."""

    points: Float[Tensor, "*batch p 3"]
    rotation: Float[Tensor, "*batch j 3 3"]  # bone to parent
    orient: Float[Tensor, "*batch j 3 3"]  # bone to camera frame
    parent_orient: Float[Tensor, "*batch j 3 3"]
    place: Float[Tensor, "*batch j 3"]  # joints, transl not yet added
    shares: Float[Tensor, "*batch p k 3"]  # what each pair adds to its point
    weights: Float[Tensor, "*batch p k"]
    local_dirs: Float[Tensor, "*batch c k 3 n"]  # of the contour points


def pose(
    model: PointModel,
    rotation: Float[Tensor, "batch j 3 3"],
    shape: Float[Tensor, "batch n"],
    transl: Float[Tensor, "batch 3"],
    contour: ContourTable,
) -> Posed:
    """Places the points: rotation of each bone relative to its parent, shape = betas and expression, metres.

    `contour` holds the rows of `model.contour` that each body of the batch shows.
    """
    orient, parent_orient = _chain(model, rotation)
    offsets = model.offsets + _blend(model.offset_dirs, shape)
    place = _sum_over(model.ancestors, _rotate(parent_orient, offsets))
    local = model.local + _blend(model.local_dirs, shape)
    weights = model.weights.expand(*shape.shape[:-1], *model.weights.shape)
    if len(model.contour_at):
        shown = contour.local + (contour.local_dirs * shape[:, None, None, None]).sum(-1)
        local = local.index_copy(1, model.contour_at, shown)
        weights = weights.index_copy(1, model.contour_at, contour.weights)
    if len(model.posed_at):
        local = local.index_add(1, model.pairs_point[model.posed_at], _pose_features(model, rotation))
    shares = _rotate(orient[:, model.bones], local) + weights[..., None] * place[:, model.bones]
    return Posed(
        shares.sum(-2) + transl[:, None], rotation, orient, parent_orient, place, shares, weights, contour.local_dirs
    )


def turn_jacobian(
    model: PointModel, posed: Posed, left: Float[Tensor, "batch j 3 3"]
) -> Float[Tensor, "batch p 3 j 3"]:
    """d point / d u where each bone turns by the angular velocity `left @ u` in its parent's frame.

    With the left Jacobian of an axis-angle, u is the change of that axis-angle; with the identity, the turn itself.
    """
    axes = _matmul(posed.parent_orient, left)
    at, joint, mask = model.pairs_point, model.pairs_joint, model.pairs_mask
    below = (posed.shares[:, at] * mask[..., None]).sum(-2)
    weight = (posed.weights[:, at] * mask).sum(-1, keepdim=True)
    lever = below - weight * posed.place[:, joint]
    blocks = torch.linalg.cross(axes[:, joint], lever[..., None], dim=-2)
    if len(model.posed_at):
        blocks = blocks.index_add(1, model.posed_at, _pose_feature_slopes(model, posed, left))
    points, bones = posed.points.shape[1], len(model.joints)
    dense = blocks.new_zeros(len(blocks), points, bones, 3, 3)
    dense[:, at, joint] = blocks
    return dense.transpose(2, 3)


def shape_jacobian(model: PointModel, posed: Posed) -> Float[Tensor, "batch p 3 n"]:
    """d point / d (betas, expression)."""
    batch, count = posed.orient.shape[0], model.offset_dirs.shape[-1]
    moved = _matmul(posed.parent_orient, model.offset_dirs.expand(batch, *model.offset_dirs.shape))
    place = _sum_over(model.ancestors, moved.flatten(2)).unflatten(2, (3, count))
    dirs = model.local_dirs.expand(batch, *model.local_dirs.shape)
    if len(model.contour_at):
        dirs = dirs.index_copy(1, model.contour_at, posed.local_dirs)
    orient = posed.orient[:, model.bones]
    slope = posed.weights[..., None, None] * place[:, model.bones] + orient @ dirs
    return slope.sum(2)


def _chain(model: PointModel, rotation: Tensor) -> tuple[Tensor, Tensor]:
    """Orientation of every bone and of its parent, one multiplication per depth of the tree."""
    done = [rotation[:, :1]]
    above = [torch.eye(3, dtype=rotation.dtype, device=rotation.device).expand_as(done[0])]
    last_start = 0
    for start, stop in model.levels[1:]:
        above.append(done[-1][:, model.parents[start:stop] - last_start])
        done.append(_matmul(above[-1], rotation[:, start:stop]))
        last_start = start
    return torch.cat(done, 1), torch.cat(above, 1)


def _blend(directions: Tensor, shape: Tensor) -> Tensor:
    """directions [*d, n] times shape [b, n] -> [b, *d]."""
    return shared_matmul(shape, directions.flatten(0, -2).T).unflatten(1, directions.shape[:-1])


def _sum_over(ancestors: Tensor, values: Tensor) -> Tensor:
    """Sums values [b, j, m] of each joint's ancestors and its own."""
    return torch.matmul(ancestors, values)


def _rotate(rotation: Tensor, vector: Tensor) -> Tensor:
    return (rotation * vector[..., None, :]).sum(-1)


def _matmul(left: Tensor, right: Tensor) -> Tensor:
    """3x3 times 3xn without a library call per matrix."""
    return (left[..., None] * right[..., None, :, :]).sum(-2)


def _pose_features(model: PointModel, rotation: Tensor) -> Tensor:
    """What posedirs add to the local part of each (point, joint) pair they touch: [b, q, k, 3]."""
    joint = model.pairs_joint[model.posed_at]
    feature = rotation - torch.eye(3, dtype=rotation.dtype, device=rotation.device)
    return (model.posed_dirs * feature[:, joint].flatten(2)[:, :, None, None]).sum(-1)


def _pose_feature_slopes(model: PointModel, posed: Posed, left: Tensor) -> Tensor:
    """d point / d u through posedirs of each pair they touch: [b, q, 3, 3]."""
    at, joint = model.pairs_point[model.posed_at], model.pairs_joint[model.posed_at]
    turned = rotations.skew(left.transpose(-1, -2)) @ posed.rotation[..., None, :, :]
    slope = turned.flatten(-2)[:, joint]
    local = (model.posed_dirs[:, :, :, None] * slope[:, :, None, None]).sum(-1)
    return _matmul(posed.orient[:, model.bones[at]], local).sum(2)
