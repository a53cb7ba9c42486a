"""Folds a body model into the constants of a `PointModel`: done once per body and choice of points.

Four index spaces meet here.

- The *joints of the body* [J], in the order of its file: parents, skinning weights, posedirs.
- The *joints of the full pose* [55], the order of `BodyParams.full_pose()`; only `pose_index` leads
  there.
- The *bones* [j] of the point model: the joints of the body that can move any of the points,
  parents first.
- The *pairs* [N]: a point and a joint that carries a part of it.

Everything is worked out in tables over points and their carriers [P, K] first, joints numbered as
in the body. K is the most carriers that any point has. A place of such a table is a *cell*; a pair
is a cell that exists, and pairs are ordered group by group. All arithmetic is in float64.
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

# Parts of the 137 points whose points move together: neighbours of one part make a group.
_PARTS = (names.BODY, names.LEFT_HAND, names.RIGHT_HAND, names.CONTOUR, names.FACE)


@dataclass(frozen=True)
class SurfacePoint:
    """A point on the mesh: three vertices and what each of them counts, which sums to 1.

    corrected: whether pose correctives move it. Where a body's correctives are dense, thousands of
    points with them do not fit into memory; who leaves them out accounts for them otherwise.
    """

    vertices: tuple[int, int, int]
    shares: tuple[float, float, float]
    corrected: bool = True


@dataclass(frozen=True)
class PointSet:
    """Which points of a body are wanted: some of the canonical 137, then any on its surface.

    A point model keeps this order. Surface points of one limb are best given side by side: then few
    unknowns move each group of them.
    """

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

    Exact but for pose correctives: the points of the face contour leave them out (a millimetre
    where the jaw opens), other canonical points those of bones that do not carry them, and surface
    points have them where they ask for them. Raises ValueError for a point that the body lacks, and
    for a surface point of vertices that it lacks or of shares that do not sum to 1.
    """
    _check(body, points)
    device = body.v_template.device
    dtype = body.v_template.dtype
    body = body.to(device="cpu")  # many small steps, done once
    rest = _Rest.of(body)
    table = _CarrierTable.of(body, rest, points)
    active = _active_joints(body.parents, table)
    skeleton = _Skeleton.of(body, rest, active)
    return _assemble(table, skeleton, points).to(device, dtype)


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


@dataclass(frozen=True)
class _Rest:
    """Rest joints, vertices and directions of a body in float64: what points are made of.

    A *source* is a joint j of the body, numbered j, or a vertex v, numbered J + v.
    """

    joints: Tensor  # [J, 3]
    joint_dirs: Tensor  # [J, 3, n]: how betas and expression move them
    source_places: Tensor  # [J + V, 3]
    source_dirs: Tensor  # [J + V, 3, n]
    source_weights: Tensor  # [J + V, J]: skinning weights; a joint rides on itself alone
    posedirs: Tensor  # [V, 3, 9 (J - 1)]

    @classmethod
    def of(cls, body: BodyModel) -> _Rest:
        """The body at rest."""
        vertices = body.v_template.double()
        vertex_dirs = torch.cat([body.shapedirs, body.expressiondirs], -1).double()
        regressor = body.J_regressor.double()
        joints = regressor @ vertices
        joint_dirs = torch.einsum("jv,vcn->jcn", regressor, vertex_dirs)
        joint_weights = torch.eye(len(joints)).double()
        return cls(
            joints=joints,
            joint_dirs=joint_dirs,
            source_places=torch.cat([joints, vertices]),
            source_dirs=torch.cat([joint_dirs, vertex_dirs]),
            source_weights=torch.cat([joint_weights, body.weights.double()]),
            posedirs=body.posedirs.double(),
        )


@dataclass(frozen=True)
class _Sums:
    """What points are sums of: three sources each, and how much of each of them."""

    sources: Tensor  # [*, P, 3], numbered as in `_Rest`
    coefficients: Tensor  # [*, P, 3], float64

    @classmethod
    def of_points(cls, body: BodyModel, points: PointSet) -> _Sums:
        """The canonical points [P, 3], then those on the surface."""
        canonical = torch.as_tensor(points.canonical, dtype=torch.int64)
        sources = body.points.sources[canonical]
        coefficients = body.points.coefficients[canonical].double()
        if points.surface:
            vertices = torch.tensor([point.vertices for point in points.surface])
            shares = [point.shares for point in points.surface]
            sources = torch.cat([sources, len(body.parents) + vertices])
            coefficients = torch.cat([coefficients, torch.tensor(shares, dtype=torch.float64)])
        return cls(sources, coefficients)

    @classmethod
    def of_contour(cls, body: BodyModel, at: Tensor) -> _Sums:
        """Points of the face contour for every yaw of the head: [yaws, c, 3].

        at [c]: the points, counted from the contour's first. For a body without a contour: all yaws
        of no point.
        """
        if not len(body.points.contour_sources):
            no_sources = at.new_zeros(CONTOUR_YAWS, 0, 3)
            return cls(no_sources, torch.zeros(CONTOUR_YAWS, 0, 3).double())
        coefficients = body.points.contour_coefficients[:, at]
        return cls(body.points.contour_sources[:, at], coefficients.double())

    def depends_on(self, rest: _Rest) -> Tensor:
        """Whether each joint of the body carries a part of each point: [*, P, J]."""
        weights = self.coefficients[..., None] * rest.source_weights[self.sources]  # [*, P, 3, J]
        return weights.sum(-2) != 0

    def shares(self, rest: _Rest, carriers: Tensor) -> Tensor:
        """How much of each source of a point rides on each of its carriers: [*, P, 3, K].

        carriers [*, P, K]: joints of the body, -1 where a point has fewer than K; 0 there.
        """
        joint = carriers.clamp(min=0)[..., None, :].expand(*self.sources.shape, -1)
        weights = torch.gather(rest.source_weights[self.sources], -1, joint)
        exists = (carriers >= 0)[..., None, :]
        return weights * self.coefficients[..., None] * exists


@dataclass(frozen=True)
class _Cells:
    """The constants of the cells of a table [*, P, K], as `PointModel` has them of its pairs."""

    weights: Tensor  # [*, P, K]
    local: Tensor  # [*, P, K, 3]
    local_dirs: Tensor  # [*, P, K, 3, n]

    @classmethod
    def of(cls, rest: _Rest, sums: _Sums, carriers: Tensor) -> _Cells:
        """Weight, place and shape directions of every cell, measured from the carrier's joint."""
        joint = carriers.clamp(min=0)
        shares = sums.shares(rest, carriers)
        weights = shares.sum(-2)
        places = torch.einsum("...ik,...ic->...kc", shares, rest.source_places[sums.sources])
        dirs = torch.einsum("...ik,...icn->...kcn", shares, rest.source_dirs[sums.sources])
        return cls(
            weights=weights,
            local=places - weights[..., None] * rest.joints[joint],
            local_dirs=dirs - weights[..., None, None] * rest.joint_dirs[joint],
        )


@dataclass(frozen=True)
class _CarrierTable:
    """All that is known of the points and their carriers, joints numbered as in the body.

    Which cells a contour point has holds for every yaw of the head; what is in them differs from
    yaw to yaw and is in `contour`. In `cells` it is that of a head seen from the front.
    """

    depends_on: Tensor  # [P, J]: whether a joint carries a part of it, at any yaw of the head
    carriers: Tensor  # [P, K]: these joints, in order; -1 where there are fewer than K
    cells: _Cells  # [P, K]
    contour_at: Tensor  # [c]: which of the points are on the face contour
    contour: _Cells  # [yaws, c, K]
    posedirs: Tensor  # [P, K, 3, J - 1, 9]: of every joint but the root, which has none

    @classmethod
    def of(cls, body: BodyModel, rest: _Rest, points: PointSet) -> _CarrierTable:
        """The table of some points."""
        canonical = torch.as_tensor(points.canonical, dtype=torch.int64)
        sums = _Sums.of_points(body, points)

        # A body without a contour has no points there that would depend on the head's yaw.
        on_contour = (canonical >= names.CONTOUR.start) & (canonical < names.CONTOUR.stop)
        on_contour = on_contour & bool(len(body.points.contour_sources))
        contour_at = on_contour.nonzero().flatten()
        contour_sums = _Sums.of_contour(body, canonical[contour_at] - names.CONTOUR.start)

        depends_on = sums.depends_on(rest)
        depends_on[contour_at] = contour_sums.depends_on(rest).any(0)
        carriers = _carriers(depends_on)
        yaws = len(contour_sums.sources)
        contour_carriers = carriers[contour_at].expand(yaws, -1, -1)

        posedirs = _posedirs(rest, sums, carriers)
        posedirs[contour_at] = 0  # left out: see `fold`
        plain = [i for i, point in enumerate(points.surface) if not point.corrected]
        posedirs[len(canonical) + torch.tensor(plain, dtype=torch.int64)] = 0
        return cls(
            depends_on=depends_on,
            carriers=carriers,
            cells=_Cells.of(rest, sums, carriers),
            contour_at=contour_at,
            contour=_Cells.of(rest, contour_sums, contour_carriers),
            posedirs=posedirs,
        )


def _carriers(depends_on: Tensor) -> Tensor:
    """From a table of yes and no [P, J] to the joints themselves [P, K], filled up with -1."""
    count = int(depends_on.sum(-1).max())
    # a stable sort puts the joints that carry first and keeps their order
    joints = torch.argsort((~depends_on).to(torch.int8), dim=-1, stable=True)[:, :count]
    carries = torch.gather(depends_on, 1, joints)
    return torch.where(carries, joints, torch.full_like(joints, -1))


def _posedirs(rest: _Rest, sums: _Sums, carriers: Tensor) -> Tensor:
    """What the pose features of each joint but the root do to every cell: [P, K, 3, J - 1, 9]."""
    vertex = sums.sources - len(rest.joints)  # below 0: the source is a joint, which posedirs spare
    shares = sums.shares(rest, carriers) * (vertex >= 0)[..., None]
    dirs = rest.posedirs[vertex.clamp(min=0)]
    dirs = torch.where(dirs.abs() < POSEDIR_FLOOR, torch.zeros_like(dirs), dirs)
    return torch.einsum("pik,picm->pkcm", shares, dirs).unflatten(-1, (-1, 9))


def _active_joints(parents: Sequence[int], table: _CarrierTable) -> Tensor:
    """The joints of the body that can move a point [j], ordered by depth, so parents first.

    These carry a point or correct one by posedirs, or have such a joint below them. The root is
    always among them.
    """
    carrying = table.depends_on.any(0).nonzero().flatten()
    correcting = 1 + (table.posedirs != 0).flatten(0, 2).any(-1).any(0).nonzero().flatten()
    depth = {}
    for joint in {0, *carrying.tolist(), *correcting.tolist()}:
        path = [joint]  # up to the root
        while path[-1] != 0:
            path.append(parents[path[-1]])
        for steps_from_root, above in enumerate(reversed(path)):
            depth[above] = steps_from_root
    return torch.tensor(sorted(depth, key=lambda joint: (depth[joint], joint)))


@dataclass(frozen=True)
class _Skeleton:
    """The bones of the point model, parents first."""

    joints: Tensor  # [j]: each bone's joint in the body
    pose_joints: tuple[int, ...]  # each bone's joint in the full pose; -1 for one that never turns
    parents: Tensor  # [j]: each bone's parent among the bones; the root is its own
    offsets: Tensor  # [j, 3]: from the parent's joint to the bone's own, at rest
    offset_dirs: Tensor  # [j, 3, n]

    @classmethod
    def of(cls, body: BodyModel, rest: _Rest, joints: Tensor) -> _Skeleton:
        """The bones at these joints of the body."""
        order = joints.tolist()
        bone_of = {joint: bone for bone, joint in enumerate(order)}
        parent_joints = [max(body.parents[joint], 0) for joint in order]
        pose_joints = pose_index(body.kind)
        # The root has no parent to be measured from: its offset is its place.
        child = torch.tensor([float(joint != 0) for joint in order], dtype=torch.float64)
        parent_places = child[:, None] * rest.joints[parent_joints]
        parent_dirs = child[:, None, None] * rest.joint_dirs[parent_joints]
        return cls(
            joints=joints,
            pose_joints=tuple(pose_joints[joint] for joint in order),
            parents=torch.tensor([bone_of[joint] for joint in parent_joints]),
            offsets=rest.joints[joints] - parent_places,
            offset_dirs=rest.joint_dirs[joints] - parent_dirs,
        )

    def at_or_above(self) -> Tensor:
        """Whether bone [., j] is bone [j, .] or one above it."""
        above = torch.eye(len(self.parents), dtype=torch.bool)
        for bone in range(1, len(self.parents)):
            above[bone] |= above[self.parents[bone]]
        return above

    def levels(self) -> tuple[tuple[int, int], ...]:
        """The bones of equal depth, as start and stop, root first."""
        depth = [0]
        for bone in range(1, len(self.parents)):
            depth.append(depth[self.parents[bone]] + 1)
        starts = [depth.index(level) for level in range(depth[-1] + 1)]
        return tuple(itertools.pairwise([*starts, len(depth)]))

    def parents_in_level(self) -> Tensor:
        """Each bone's parent, counted from the first bone of the parent's level; the root: 0."""
        first_of_level = torch.zeros_like(self.parents)
        for (start_above, _), (start, stop) in itertools.pairwise(self.levels()):
            first_of_level[start:stop] = start_above
        return self.parents - first_of_level


def _assemble(table: _CarrierTable, skeleton: _Skeleton, points: PointSet) -> PointModel:
    """From the table over points and carriers to bones and pairs, group by group."""
    cells = _BoneCells.of(table, skeleton)
    moving_joints = (skeleton.offset_dirs != 0).any(1)  # [j, n]
    pair_cells, groups = _groups(
        cells,
        runs=_runs(points, _main_bones(table, cells)),
        contour_at=table.contour_at,
        at_or_above=skeleton.at_or_above(),
        moving_joints=moving_joints,
    )
    contour_pairs, contour = _contour_pairs(table, pair_cells)
    # Skin is also corrected by bones that do not carry it: a raised left thigh shapes the skin of
    # the right one. Canonical points leave that out (there is none of it in the bundled body).
    corrects = cells.moved_by.any(1)  # [P, j]
    corrects[len(points.canonical) :] = True
    posed_pair, posed_bone, posed_dirs = _posed_pairs(table, skeleton, corrects, pair_cells)
    return PointModel(
        joints=skeleton.pose_joints,
        parents=skeleton.parents_in_level(),
        levels=skeleton.levels(),
        offsets=skeleton.offsets,
        offset_dirs=skeleton.offset_dirs,
        bones=cells.bones.flatten()[pair_cells],
        weights=table.cells.weights.flatten()[pair_cells],
        local=table.cells.local.flatten(0, 1)[pair_cells],
        local_dirs=table.cells.local_dirs.flatten(0, 1)[pair_cells],
        groups=groups,
        contour_at=contour_pairs,
        contour=contour,
        posed_pair=posed_pair,
        posed_bone=posed_bone,
        posed_dirs=posed_dirs,
    )


@dataclass(frozen=True)
class _BoneCells:
    """The cells of the table in terms of bones: which there are, and what moves them."""

    bones: Tensor  # [P, K]; bone 0 where there is no cell
    exists: Tensor  # [P, K]
    moved_by: Tensor  # [P, K, j]: whether turning the bone moves the cell
    shaped_by: Tensor  # [P, K, n]: whether the shape direction moves it within its bone

    @classmethod
    def of(cls, table: _CarrierTable, skeleton: _Skeleton) -> _BoneCells:
        """From joints of the body to bones."""
        bone_of = torch.zeros(int(skeleton.joints.max()) + 1, dtype=torch.int64)
        bone_of[skeleton.joints] = torch.arange(len(skeleton.joints))
        bones = bone_of[table.carriers.clamp(min=0)]
        exists = table.carriers >= 0

        local, local_dirs = table.cells.local, table.cells.local_dirs
        shaped_by = (local_dirs != 0).any(2)
        shaped_by[table.contour_at] = (table.contour.local_dirs != 0).any(3).any(0)  # at any yaw

        # A bone moves what is at or below it, but its own joint stays in place when it turns.
        is_joint = (local == 0).all(-1) & (local_dirs == 0).flatten(-2).all(-1)
        is_joint[table.contour_at] = False
        is_own_bone = bones[..., None] == torch.arange(len(skeleton.joints))
        below = skeleton.at_or_above()[bones]
        moved_by = below & exists[..., None] & ~(is_own_bone & is_joint[..., None])
        return cls(bones, exists, moved_by, shaped_by)


def _main_bones(table: _CarrierTable, cells: _BoneCells) -> list[int]:
    """The bone that carries most of each point."""
    most = table.cells.weights.argmax(-1, keepdim=True)  # cells that do not exist weigh 0
    return cells.bones.gather(1, most).flatten().tolist()


def _runs(points: PointSet, main_bones: Sequence[int]) -> list[range]:
    """The points in groups of neighbours that much the same moves, as ranges of their numbers.

    Canonical points go by part, surface points by the bone that carries most of them. Few unknowns
    move such a group, so its Jacobian is small. Where surface points of different bones alternate,
    they are one group: one large product is quicker than many small ones.
    """
    part_of = []
    for point in points.canonical:
        part = next(i for i, part in enumerate(_PARTS) if part.start <= point < part.stop)
        part_of.append(part)
    canonical = _equal_neighbours(part_of, start=0)

    surface_bones = main_bones[len(points.canonical) :]
    surface = _equal_neighbours(surface_bones, start=len(points.canonical))
    if len(surface) > len(set(surface_bones)):
        surface = [range(len(points.canonical), len(points))]
    return canonical + surface


def _equal_neighbours(keys: Sequence[int], start: int) -> list[range]:
    """Ranges of equal keys that follow one another, counted from `start`."""
    ranges = []
    for _, run in itertools.groupby(keys):
        stop = start + len(list(run))
        ranges.append(range(start, stop))
        start = stop
    return ranges


def _groups(
    cells: _BoneCells,
    *,
    runs: Sequence[range],
    contour_at: Tensor,
    at_or_above: Tensor,
    moving_joints: Tensor,
) -> tuple[Tensor, tuple[PointGroup, ...]]:
    """The cell of each pair [N], as a place in [P, K] flattened, and the groups of points.

    at_or_above: [j, j], of the skeleton. moving_joints: [j, n], whether a shape direction moves the
    bone's joint against its parent's.
    """
    per_point = cells.bones.shape[1]
    cell_bones = cells.bones.flatten()
    contour_points = contour_at.tolist()
    pair_cells = []
    groups = []
    contour_pairs = 0
    for points in runs:
        # the pair of each point with its first carrier, then those with the others
        further = []
        for point in points:
            for k in range(1, per_point):
                if cells.exists[point, k]:
                    further.append((point, k))
        own_cells = [point * per_point for point in points]
        own_cells += [point * per_point + k for point, k in further]

        above = at_or_above[cell_bones[own_cells]]  # [n, j]
        # A shape direction moves the group through the joints above it, or within its bones.
        shapes = moving_joints[above.any(0)].any(0)
        shapes = shapes | cells.shaped_by.flatten(0, 1)[own_cells].any(0)
        on_contour = points.start in contour_points
        groups.append(
            PointGroup(
                start=points.start,
                stop=points.stop,
                first=len(pair_cells),
                last=len(pair_cells) + len(own_cells),
                contour=contour_pairs if on_contour else None,
                origin=int(above.all(0).nonzero().max()),  # bones are ordered by depth: the lowest
                shapes=tuple(shapes.nonzero().flatten().tolist()),
                extra=torch.tensor([p - points.start for p, _ in further], dtype=torch.int64),
                mask=cells.moved_by.flatten(0, 1)[own_cells].double(),
            )
        )
        pair_cells += own_cells
        if on_contour:
            contour_pairs += len(own_cells)
    return torch.tensor(pair_cells), tuple(groups)


def _contour_pairs(table: _CarrierTable, pair_cells: Tensor) -> tuple[Tensor, ContourTable]:
    """Which of the pairs are of contour points [c'], and their constants at every yaw, in order."""
    point_count, per_point = table.carriers.shape
    contour_number = torch.full((point_count,), -1)  # of each point, among those of the contour
    contour_number[table.contour_at] = torch.arange(len(table.contour_at))

    point, k = pair_cells // per_point, pair_cells % per_point
    pairs = (contour_number[point] >= 0).nonzero().flatten()
    cells = contour_number[point[pairs]] * per_point + k[pairs]  # places in [c, K] flattened
    contour = ContourTable(
        weights=table.contour.weights.flatten(1, 2)[:, cells],
        local=table.contour.local.flatten(1, 2)[:, cells],
        local_dirs=table.contour.local_dirs.flatten(1, 2)[:, cells],
    )
    return pairs, contour


def _posed_pairs(
    table: _CarrierTable, skeleton: _Skeleton, corrects: Tensor, pair_cells: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The (pair, bone) [q], [q] in which posedirs act, and their constants [q, 3, 9].

    `corrects` [P, j] says which bones are asked about a point; the root has no posedirs.
    """
    per_point = table.carriers.shape[1]
    point, k = pair_cells // per_point, pair_cells % per_point
    column = (skeleton.joints - 1).clamp(min=0)  # joint 1 is the first that posedirs know
    dirs = table.posedirs[point, k][:, :, column].transpose(1, 2)  # [N, j, 3, 9]
    acts = (dirs != 0).flatten(2).any(-1)
    asked = corrects[point]
    pair, bone = (acts & asked & (skeleton.joints > 0)).nonzero(as_tuple=True)
    return pair, bone, dirs[pair, bone]
