"""Folds a body model into the constants of a `PointModel`: done once per model and choice of
points.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..body.joints import pose_index
from ..body.loading.point_table import CONTOUR_YAWS
from ..body.model import BodyModel
from ..keypoints import names
from .point_model import POSEDIR_FLOOR, ContourTable, PointGroup, PointModel


@dataclass(frozen=True)
class _Rest:
    """Rest joints, vertices and directions of a body in float64: what points are made of."""

    joints: Tensor  # [J, 3]
    joint_dirs: Tensor  # [J, 3, n]
    places: Tensor  # [J + V, 3]
    dirs: Tensor  # [J + V, 3, n]
    weights: Tensor  # [J + V, J]
    posedirs: Tensor  # [V, 3, 9 (J - 1)]


@dataclass(frozen=True)
class SurfacePoint:
    """A point on the mesh: three vertices and what each of them counts, which sums to 1."""

    vertices: tuple[int, int, int]
    shares: tuple[float, float, float]


@dataclass(frozen=True)
class PointSet:
    """Which points are wanted of a body: some of the canonical 137, then any on its surface, in this order."""

    canonical: tuple[int, ...] = ()  # indices into `keypoints.names.POINT_NAMES`
    surface: tuple[SurfacePoint, ...] = ()

    @classmethod
    def named(cls, *point_names: str) -> PointSet:
        """The canonical points of these names. Raises KeyError for one that is none."""
        return cls(tuple(names.POINT_INDEX[name] for name in point_names))

    @classmethod
    def known(cls, body: BodyModel) -> PointSet:
        """All canonical points that a body has."""
        return cls(tuple(body.points.known.nonzero().flatten().tolist()))

    def __len__(self) -> int:
        """How many points."""
        return len(self.canonical) + len(self.surface)


def fold(body: BodyModel, points: PointSet) -> PointModel:
    """The point model of some points of a body, in the body's dtype and on its device.

    Exact but for the pose correctives of canonical points: those of the face contour leave them out
    (a millimetre where the jaw opens), the others those of bones that do not carry them.
    Raises ValueError for a point that the body lacks.
    """
    _check(body, points)
    device, body = body.v_template.device, body.to(device="cpu")  # done once: no need to hurry
    rest, chosen = _rest(body), torch.as_tensor(points.canonical, dtype=torch.int64)
    sources, coefficients = _sources(body, points, chosen)
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
    model = _assemble(skeleton, bones, pairs, (contour_at, contour), posed, points)
    return model.to(device, body.v_template.dtype)


def _check(body: BodyModel, points: PointSet) -> None:
    """Raises ValueError where the body lacks one of the points."""
    lacking = [names.POINT_NAMES[p] for p in points.canonical if not body.points.known[p]]
    if lacking:
        raise ValueError(f"the body {body.name!r} has no point {', '.join(lacking)}")
    for point in points.surface:
        if not all(0 <= vertex < len(body.v_template) for vertex in point.vertices):
            count = len(body.v_template)
            raise ValueError(f"vertices {point.vertices}: the body {body.name!r} has {count}")
        if abs(sum(point.shares) - 1) > 1e-6:
            raise ValueError(f"shares {point.shares} of a surface point: expected a sum of 1")


def _sources(body: BodyModel, points: PointSet, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """What each point is a sum of: joints and, behind them, vertices [P, 3]; and how much of each [P, 3], float64."""
    sources = body.points.sources[chosen]
    coefficients = body.points.coefficients[chosen].double()
    if not points.surface:
        return sources, coefficients
    vertices = torch.tensor([point.vertices for point in points.surface])
    shares = torch.tensor([point.shares for point in points.surface], dtype=torch.float64)
    return (
        torch.cat([sources, vertices + len(body.parents)]),
        torch.cat([coefficients, shares]),
    )


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
    # the root is its own parent
    child = torch.tensor([float(joint != 0) for joint in place], dtype=torch.float64)
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
    points: PointSet,
) -> PointModel:
    """From tables over points and their bones [P, K] to the pairs that exist, group by group."""
    weights, local, local_dirs = pairs
    position = torch.zeros(int(skeleton.order.max()) + 1, dtype=torch.int64)
    position[skeleton.order] = torch.arange(len(skeleton.order))
    ancestors = _ancestors(skeleton.parents)
    # the pair is the joint itself
    centered = (local == 0).all(-1) & (local_dirs == 0).flatten(-2).all(-1)
    centered[contour[0]] = False
    exists, bones = bones >= 0, position[bones.clamp(min=0)]
    pair_dirs = (local_dirs != 0).any(2)
    pair_dirs[contour[0]] = (contour[1].local_dirs != 0).any(3).any(0)
    table = _Table(bones, exists, _moves(ancestors, bones, exists, centered), pair_dirs)
    order, groups = _groups(
        table, _runs(points), contour[0], ancestors, (skeleton.offset_dirs != 0).any(1)
    )
    contour_at, shown = _contour_pairs(order, contour, bones.shape[1])
    # Skin is also corrected by bones that do not carry it: a raised left thigh shapes the skin of
    # the right one. Canonical points leave that out (there is none of it in the bundled body).
    corrects = table.moves.any(1)  # [P, J]
    corrects[len(points.canonical) :] = True
    posed_pair, posed_bone, posed_dirs = _posed_pairs(corrects, posed, skeleton.order, order)
    levels = _levels(skeleton.parents)
    return PointModel(
        joints=skeleton.joints,
        parents=_within_level(skeleton.parents, levels),
        levels=levels,
        offsets=skeleton.offsets,
        offset_dirs=skeleton.offset_dirs,
        bones=bones.flatten()[order],
        weights=weights.flatten()[order],
        local=local.flatten(0, 1)[order],
        local_dirs=local_dirs.flatten(0, 1)[order],
        groups=groups,
        contour_at=contour_at,
        contour=shown,
        posed_pair=posed_pair,
        posed_bone=posed_bone,
        posed_dirs=posed_dirs,
    )


def _on_contour(body: BodyModel, points: Tensor) -> Tensor:
    """Where among the points those of the face contour are; nowhere for a body without contour."""
    inside = (points >= names.CONTOUR.start) & (points < names.CONTOUR.stop)
    return (inside & bool(len(body.points.contour_sources))).nonzero().flatten()


def _contour(body: BodyModel, points: Tensor) -> tuple[Tensor, Tensor]:
    """Sources and coefficients [yaws, c, 3] of some contour points; for a body without contour, all
    yaws of none.
    """
    if not len(body.points.contour_sources):
        return points.new_zeros(CONTOUR_YAWS, 0, 3), torch.zeros(CONTOUR_YAWS, 0, 3).double()
    return body.points.contour_sources[:, points], body.points.contour_coefficients[
        :, points
    ].double()


def _rest(body: BodyModel) -> _Rest:
    regressor = body.J_regressor.double()
    dirs = torch.cat([body.shapedirs, body.expressiondirs], -1).double()
    joints, joint_dirs = (
        regressor @ body.v_template.double(),
        torch.einsum("jv,vcn->jcn", regressor, dirs),
    )
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
    return (
        coefficients.view(*coefficients.shape, *[1] * (picked.dim() - coefficients.dim())) * picked
    ).sum(sources.dim() - 1)


def _padded_bones(used: Tensor) -> Tensor:
    """The bones of each point [P, K]; short rows repeat bone 0 and get weight 0 later."""
    count = int(used.sum(-1).max())
    order = torch.argsort((~used).to(torch.int8), dim=-1, stable=True)[:, :count]
    return torch.where(torch.gather(used, 1, order), order, torch.full_like(order, -1))


def _pairs(
    rest: _Rest, sources: Tensor, coefficients: Tensor, bones: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Weight, rest place and shape directions, relative to the bone's joint, of every (point, bone)
    pair.
    """
    safe = bones.clamp(min=0)
    share = torch.gather(rest.weights[sources], -1, safe[..., None, :].expand(*sources.shape, -1))
    share = share * coefficients[..., None] * (bones >= 0)[..., None, :]
    weights = share.sum(-2)
    local = (
        torch.einsum("...ik,...ic->...kc", share, rest.places[sources])
        - weights[..., None] * rest.joints[safe]
    )
    dirs = torch.einsum("...ik,...icn->...kcn", share, rest.dirs[sources])
    return weights, local, dirs - weights[..., None, None] * rest.joint_dirs[safe]


def _posed(rest: _Rest, sources: Tensor, coefficients: Tensor, bones: Tensor) -> Tensor:
    """Pose correctives of every pair: [P, K, 3, J - 1, 9]."""
    vertex = sources - len(rest.joints)
    share = torch.gather(
        rest.weights[sources], -1, bones.clamp(min=0)[:, None].expand(*sources.shape, -1)
    )
    share = share * coefficients[..., None] * ((bones >= 0)[:, None] & (vertex >= 0)[..., None])
    dirs = rest.posedirs[vertex.clamp(min=0)]
    dirs = torch.where(dirs.abs() < POSEDIR_FLOOR, torch.zeros_like(dirs), dirs)
    return torch.einsum("pik,picm->pkcm", share, dirs).unflatten(-1, (-1, 9))


def _active_joints(parents: Sequence[int], used: Tensor, posed: Tensor) -> Tensor:
    """The joints that can move a point, parents first, ordered by depth."""
    active = set(used.any(0).nonzero().flatten().tolist())
    active |= {
        j + 1 for j in (posed != 0).flatten(0, 2).any(-1).any(0).nonzero().flatten().tolist()
    }
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


def _within_level(parents: Tensor, levels: Sequence[tuple[int, int]]) -> Tensor:
    """Each bone's parent, counted from the first bone of the parent's level."""
    start_of = torch.zeros_like(parents)
    for (above, _), (start, stop) in itertools.pairwise(levels):
        start_of[start:stop] = above
    return parents - start_of


def _moves(ancestors: Tensor, bones: Tensor, exists: Tensor, centered: Tensor) -> Tensor:
    """Which bones [P, K, J] move each pair when they turn: those at or above its own; a joint's own
    turn does not.
    """
    is_self = bones[..., None] == torch.arange(len(ancestors))
    return (ancestors[bones] != 0) & exists[..., None] & ~(is_self & centered[..., None])


@dataclass(frozen=True)
class _Table:
    """What is known of every point's K bones, those of short rows included."""

    bones: Tensor  # [P, K]
    exists: Tensor  # [P, K]
    moves: Tensor  # [P, K, J]: which bones move the pair
    dirs: Tensor  # [P, K, n]: which shape directions move it within its bone


def _runs(points: PointSet) -> list[range]:
    """Neighbouring points of the same part, as ranges of their numbers; surface points are a part of their own."""
    parts = (names.BODY, names.LEFT_HAND, names.RIGHT_HAND, names.CONTOUR, names.FACE)
    part_of = []
    for point in points.canonical:
        part_of.append(next(i for i, part in enumerate(parts) if part.start <= point < part.stop))
    part_of += [len(parts)] * len(points.surface)
    runs = [list(run) for _, run in itertools.groupby(range(len(part_of)), part_of.__getitem__)]
    return [range(run[0], run[-1] + 1) for run in runs]


def _groups(
    table: _Table, runs: Sequence[range], contour_at: Tensor, ancestors: Tensor, joint_dirs: Tensor
) -> tuple[Tensor, tuple[PointGroup, ...]]:
    """The groups of points, and the order of their pairs as places in [P, K] flattened."""
    order, groups, contour_pairs, per_point = [], [], 0, table.bones.shape[1]
    for points in runs:
        further = [(p, k) for p in points for k in range(1, per_point) if table.exists[p, k]]
        pairs = [p * per_point + k for p, k in [*((p, 0) for p in points), *further]]
        on_contour = points.start in contour_at.tolist()
        above = ancestors[table.bones.flatten()[pairs]] != 0
        moving = joint_dirs[above.any(0)].any(0) | table.dirs.flatten(0, 1)[pairs].any(0)
        groups.append(
            PointGroup(
                start=points.start,
                stop=points.stop,
                first=len(order),
                last=len(order) + len(pairs),
                contour=contour_pairs if on_contour else None,
                origin=int(above.all(0).nonzero().max()),
                shapes=tuple(moving.nonzero().flatten().tolist()),
                extra=torch.tensor([p - points.start for p, _ in further], dtype=torch.int64),
                mask=table.moves.flatten(0, 1)[pairs].double(),
            )
        )
        order += pairs
        contour_pairs += len(pairs) * on_contour
    return torch.tensor(order), tuple(groups)


def _contour_pairs(
    order: Tensor, contour: tuple[Tensor, ContourTable], per_point: int
) -> tuple[Tensor, ContourTable]:
    """Where the contour's pairs are among all, and the table of just these, in that order."""
    at, table = contour
    number = torch.full((int(order.max()) // per_point + 1,), -1)
    number[at] = torch.arange(len(at))
    places = (number[order // per_point] >= 0).nonzero().flatten()
    source = number[order[places] // per_point] * per_point + order[places] % per_point
    return places, ContourTable(
        table.weights.flatten(1, 2)[:, source],
        table.local.flatten(1, 2)[:, source],
        table.local_dirs.flatten(1, 2)[:, source],
    )


def _posed_pairs(
    corrects: Tensor, posed: Tensor, joints: Tensor, order: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The (pair, bone) in which posedirs act, and their constants [q, 3, 9].

    corrects: which bones may correct each point [P, J].
    """
    per_point = posed.shape[1]
    point, k = order // per_point, order % per_point
    dirs = posed[point, k][:, :, (joints - 1).clamp(min=0)].transpose(1, 2)  # [N, J, 3, 9]
    touched = (dirs != 0).flatten(2).any(-1) & corrects[point] & (joints > 0)
    pair, bone = touched.nonzero(as_tuple=True)
    return pair, bone, dirs[pair, bone]
