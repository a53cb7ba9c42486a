"""Folds a body model into the constants of a `PointModel`: done once per model and choice of points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ..keypoints import names
from .joints import pose_index
from .model import BodyModel
from .point_model import POSEDIR_FLOOR, ContourTable, PointModel
from .point_table import CONTOUR_YAWS


@dataclass(frozen=True)
class _Rest:
    """Rest joints, vertices and directions of a body in float64: what points are made of."""

    joints: Tensor  # [J, 3]
    joint_dirs: Tensor  # [J, 3, n]
    places: Tensor  # [J + V, 3]
    dirs: Tensor  # [J + V, 3, n]
    weights: Tensor  # [J + V, J]
    posedirs: Tensor  # [V, 3, 9 (J - 1)]


@lru_cache(maxsize=16)  # the same few choices of points, for every batch of a job
def fold(body: BodyModel, points: tuple[int, ...]) -> PointModel:
    """The point model of the canonical `points` (indices into the 137, each known to the body), in the body's dtype.

    Exact but for one thing: points of the face contour leave out pose correctives (a millimetre where the jaw opens).
    Raises ValueError for a point that the body lacks.
    """
    lacking = [names.POINT_NAMES[p] for p in points if not body.points.known[p]]
    if lacking:
        raise ValueError(f"the body {body.name!r} has no point {', '.join(lacking)}")
    device, body = body.v_template.device, body.to(device="cpu")  # done once: no need to hurry
    rest, chosen = _rest(body), torch.as_tensor(list(points))
    sources, coefficients = body.points.sources[chosen], body.points.coefficients[chosen].double()
    contour_at = _on_contour(body, chosen)
    contour_sources, contour_coefficients = _contour(body, chosen[contour_at] - names.CONTOUR.start)

    used = _gather(rest.weights, sources, coefficients) != 0  # [P, J]
    used[contour_at] = (_gather(rest.weights, contour_sources, contour_coefficients) != 0).any(0)
    bones = _padded_bones(used)
    pairs = _pairs(rest, sources, coefficients, bones)
    contour_bones = bones[contour_at].expand(*contour_sources.shape[:-1], -1)
    contour = ContourTable(*_pairs(rest, contour_sources, contour_coefficients, contour_bones))
    posed = _posed(rest, sources, coefficients, bones)
    posed[contour_at] = 0
    skeleton = _skeleton(body, rest, _active_joints(body.parents, used, posed))
    return _assemble(skeleton, bones, pairs, (contour_at, contour), posed).to(device, body.v_template.dtype)


@dataclass(frozen=True)
class _Skeleton:
    """The bones that can move a point, parents first; `order` are their joints in the body."""

    order: Tensor  # [j]
    joints: tuple[int, ...]  # as indices into the full pose
    parents: Tensor  # [j]
    offsets: Tensor  # [j, 3]
    offset_dirs: Tensor  # [j, 3, n]


def _skeleton(body: BodyModel, rest: _Rest, order: Tensor) -> _Skeleton:
    place = {joint: i for i, joint in enumerate(order.tolist())}
    above = [max(body.parents[joint], 0) for joint in place]
    child = torch.tensor([float(joint != 0) for joint in place], dtype=torch.float64)  # the root is its own parent
    index = pose_index(body.kind)
    return _Skeleton(
        order=order,
        joints=tuple(index[joint] for joint in place),
        parents=torch.tensor([place[joint] for joint in above]),
        offsets=rest.joints[order] - child[:, None] * rest.joints[above],
        offset_dirs=rest.joint_dirs[order] - child[:, None, None] * rest.joint_dirs[above],
    )


def _assemble(
    skeleton: _Skeleton,
    bones: Tensor,
    pairs: tuple[Tensor, Tensor, Tensor],
    contour: tuple[Tensor, ContourTable],
    posed: Tensor,
) -> PointModel:
    weights, local, local_dirs = pairs
    position = torch.zeros(int(skeleton.order.max()) + 1, dtype=torch.int64)
    position[skeleton.order] = torch.arange(len(skeleton.order))
    ancestors = _ancestors(skeleton.parents)
    centered = (local == 0).all(-1) & (local_dirs == 0).flatten(-2).all(-1)  # the pair is the joint itself
    centered[contour[0]] = False
    exists, bones = bones >= 0, position[bones.clamp(min=0)]
    pairs_point, pairs_joint, mask = _moving_pairs(ancestors, bones, exists, centered)
    posed_at, posed_dirs = _posed_pairs(pairs_point, pairs_joint, posed, skeleton.order)
    return PointModel(
        joints=skeleton.joints, parents=skeleton.parents, levels=_levels(skeleton.parents), ancestors=ancestors,
        offsets=skeleton.offsets, offset_dirs=skeleton.offset_dirs, bones=bones, weights=weights, local=local,
        local_dirs=local_dirs, contour_at=contour[0], contour=contour[1], pairs_point=pairs_point,
        pairs_joint=pairs_joint, pairs_mask=mask, posed_at=posed_at, posed_dirs=posed_dirs,
    )  # fmt: skip


def _on_contour(body: BodyModel, points: Tensor) -> Tensor:
    """Where among the points those of the face contour are; nowhere for a body without contour."""
    inside = (points >= names.CONTOUR.start) & (points < names.CONTOUR.stop)
    return (inside & bool(len(body.points.contour_sources))).nonzero().flatten()


def _contour(body: BodyModel, points: Tensor) -> tuple[Tensor, Tensor]:
    """Sources and coefficients [yaws, c, 3] of some contour points; for a body without contour, all yaws of none."""
    if not len(body.points.contour_sources):
        return points.new_zeros(CONTOUR_YAWS, 0, 3), torch.zeros(CONTOUR_YAWS, 0, 3).double()
    return body.points.contour_sources[:, points], body.points.contour_coefficients[:, points].double()


def _rest(body: BodyModel) -> _Rest:
    regressor = body.J_regressor.double()
    dirs = torch.cat([body.shapedirs, body.expressiondirs], -1).double()
    joints, joint_dirs = regressor @ body.v_template.double(), torch.einsum("jv,vcn->jcn", regressor, dirs)
    return _Rest(
        joints=joints,
        joint_dirs=joint_dirs,
        places=torch.cat([joints, body.v_template.double()]),
        dirs=torch.cat([joint_dirs, dirs]),
        weights=torch.cat([torch.eye(len(joints)).double(), body.weights.double()]),
        posedirs=body.posedirs.double(),
    )


def _gather(values: Tensor, sources: Tensor, coefficients: Tensor) -> Tensor:
    """Sum over the sources of each point of coefficient times value."""
    picked = values[sources]
    return (coefficients.view(*coefficients.shape, *[1] * (picked.dim() - coefficients.dim())) * picked).sum(
        sources.dim() - 1
    )


def _padded_bones(used: Tensor) -> Tensor:
    """The bones of each point [P, K]; short rows repeat bone 0 and get weight 0 later."""
    count = int(used.sum(-1).max())
    order = torch.argsort((~used).to(torch.int8), dim=-1, stable=True)[:, :count]
    return torch.where(torch.gather(used, 1, order), order, torch.full_like(order, -1))


def _pairs(rest: _Rest, sources: Tensor, coefficients: Tensor, bones: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weight, rest place and shape directions, relative to the bone's joint, of every (point, bone) pair."""
    safe = bones.clamp(min=0)
    share = torch.gather(rest.weights[sources], -1, safe[..., None, :].expand(*sources.shape, -1))
    share = share * coefficients[..., None] * (bones >= 0)[..., None, :]
    weights = share.sum(-2)
    local = torch.einsum("...ik,...ic->...kc", share, rest.places[sources]) - weights[..., None] * rest.joints[safe]
    dirs = torch.einsum("...ik,...icn->...kcn", share, rest.dirs[sources])
    return weights, local, dirs - weights[..., None, None] * rest.joint_dirs[safe]


def _posed(rest: _Rest, sources: Tensor, coefficients: Tensor, bones: Tensor) -> Tensor:
    """Pose correctives of every pair: [P, K, 3, J - 1, 9]."""
    vertex = sources - len(rest.joints)
    share = torch.gather(rest.weights[sources], -1, bones.clamp(min=0)[:, None].expand(*sources.shape, -1))
    share = share * coefficients[..., None] * ((bones >= 0)[:, None] & (vertex >= 0)[..., None])
    dirs = rest.posedirs[vertex.clamp(min=0)]
    dirs = torch.where(dirs.abs() < POSEDIR_FLOOR, torch.zeros_like(dirs), dirs)
    return torch.einsum("pik,picm->pkcm", share, dirs).unflatten(-1, (-1, 9))


def _active_joints(parents: Sequence[int], used: Tensor, posed: Tensor) -> Tensor:
    """The joints that can move a point, parents first, ordered by depth."""
    active = set(used.any(0).nonzero().flatten().tolist())
    active |= {j + 1 for j in (posed != 0).flatten(0, 2).any(-1).any(0).nonzero().flatten().tolist()}
    depth = {}
    for joint in active | {0}:
        trail = [joint]
        while parents[trail[-1]] >= 0 and trail[-1] != 0:
            trail.append(parents[trail[-1]])
        depth |= {j: len(trail) - 1 - i for i, j in enumerate(trail)}
    return torch.tensor(sorted(depth, key=lambda j: (depth[j], j)))


def _ancestors(parents: Tensor) -> Tensor:
    matrix = torch.eye(len(parents)).double()
    for joint in range(1, len(parents)):
        matrix[joint] += matrix[parents[joint]]
    return matrix


def _levels(parents: Tensor) -> tuple[tuple[int, int], ...]:
    depth = [0]
    for joint in range(1, len(parents)):
        depth.append(depth[parents[joint]] + 1)
    starts = [depth.index(d) for d in range(max(depth) + 1)] + [len(depth)]
    return tuple(zip(starts[:-1], starts[1:], strict=True))


def _moving_pairs(ancestors: Tensor, bones: Tensor, exists: Tensor, centered: Tensor) -> tuple[Tensor, ...]:
    """The (point, joint) pairs in which turning the joint moves the point, and which of its bones hang below."""
    below = ancestors[bones].transpose(1, 2) * exists[:, None]  # [P, J, K]
    is_self = bones[:, None] == torch.arange(ancestors.shape[0])[None, :, None]
    moves = ((below != 0) & ~(is_self & centered[:, None])).any(-1)
    point, joint = moves.nonzero(as_tuple=True)
    return point, joint, below[point, joint]


def _posed_pairs(point: Tensor, joint: Tensor, posed: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
    """Where posedirs act among the pairs, and their constants [q, K, 3, 9]."""
    real = order[joint]
    dirs = posed[point, :, :, (real - 1).clamp(min=0)] * (real > 0)[:, None, None, None]
    touched = (dirs != 0).flatten(1).any(-1).nonzero().flatten()
    return touched, dirs[touched]
