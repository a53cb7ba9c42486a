"""The body as a fit sees it: a few points, each folded into small matrices.

Linear blend skinning is a sum over (point, bone) pairs. With the rest joints subtracted, each pair
is linear in the shape, so a keypoint energy never touches the mesh:

    p = sum_k  G_k (a_pk + D_pk s + P_pk f) + w_pk q_k  + transl

G_k, q_k: orientation and place of bone k in the posed body; s: betas and expression; f: the pose
features R - I; a, D, P, w: constants of the model, summed over the vertices that make the point.
Most points have one pair. The slopes are in `point_jacobian`. See docs/point_model.md.

Index spaces, by the letters of the shapes:

    j   bones: the joints of the body that can move any of the points, parents first, level by level
    p   points, in the order of the `PointSet` they were folded from
    N   pairs, group by group: the first pair of each point of the group, then its further pairs
    c   the pairs of contour points, in the order they have among the N
    q   (pair, bone) in which turning the bone moves the pair through posedirs
    n   shape directions: betas, then expression
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..core.bundle import Bundle
from ..core.invariant_linalg import COLUMNS, shared_matmul

Constants = TypeVar("Constants", bound="PointGroup | PointModel")
# Flattened places are padded to a multiple of this: 3 coordinates each, and what `shared_matmul`
# multiplies without padding of its own.
WIDTH = 3 * COLUMNS
POSEDIR_FLOOR = 1e-7  # metres; smaller pose corrections are rounding noise of the model file


@dataclass(frozen=True)
class ContourTable(Bundle):
    """The face contour of a point model: constants of its pairs for each yaw of the head.

    The fields are those of `PointModel`. Which vertices make a contour point depends on how the
    head is seen; `skinning.contour_row` tells the entry of a body.
    """

    weights: Float[Tensor, "*entries c"]
    local: Float[Tensor, "*entries c 3"]
    local_dirs: Float[Tensor, "*entries c 3 n"]


@dataclass(frozen=True, eq=False)
class PointGroup:
    """Neighbouring points of one part, their pairs, and what moves them at all.

    A pair for each point in order comes first, then the further pairs of the points that hang on
    more than one bone.
    """

    start: int  # the points start..stop of the model
    stop: int
    first: int  # the pairs first..last of the model
    last: int
    # for the face contour: the number of the first pair among those of the contour
    contour: int | None
    origin: int  # the bone nearest to the points that carries them all
    shapes: tuple[int, ...]  # the shape directions that move them
    extra: Int[Tensor, " m"]  # of each further pair: its point, counted from `start`
    mask: Float[Tensor, "n j"]  # 1 where turning the bone moves the pair; n: pairs of the group

    def of_points(self, pairs: Float[Tensor, "batch n *each"]) -> Float[Tensor, "batch p *each"]:
        """The sum over the pairs of each point."""
        if not len(self.extra):
            return pairs
        points = self.stop - self.start
        return pairs[:, :points].index_add(1, self.extra, pairs[:, points:])


@dataclass(frozen=True, eq=False)
class PointModel:
    """Constants of chosen points over j bones, N pairs, n shape directions; made by `fold`."""

    # the bones as indices into BodyParams.full_pose(); -1: a bone that never turns
    joints: tuple[int, ...]
    parents: Int[Tensor, " j"]  # counted from the first bone of the parents' level
    levels: tuple[tuple[int, int], ...]  # start and stop of the bones of equal depth, root first
    offsets: Float[Tensor, "j 3"]  # rest place relative to the parent's, metres
    offset_dirs: Float[Tensor, "j 3 n"]
    bones: Int[Tensor, " N"]  # the bone of each pair
    weights: Float[Tensor, " N"]  # w: what the pair counts of its point
    local: Float[Tensor, "N 3"]  # a: in the bone's frame, metres, times the weight
    local_dirs: Float[Tensor, "N 3 n"]  # D
    groups: tuple[PointGroup, ...]  # of all points, in order
    contour_at: Int[Tensor, " c"]  # places of the contour points' pairs among the N
    contour: ContourTable
    # the (pair, bone) in which turning the bone moves the pair through posedirs
    posed_pair: Int[Tensor, " q"]
    posed_bone: Int[Tensor, " q"]
    posed_dirs: Float[Tensor, "q 3 9"]  # P

    def to(self, device: torch.device | str | None, dtype: torch.dtype) -> PointModel:
        """A copy on `device`, its floating-point tensors in `dtype`."""

        def moved(tensor: Tensor) -> Tensor:
            return tensor.to(device=device, dtype=dtype if tensor.is_floating_point() else None)

        return dataclasses.replace(
            _mapped(self, moved),
            groups=tuple(_mapped(group, moved) for group in self.groups),
            contour=self.contour.map(moved),
        )

    @cached_property
    def above(self) -> Int[Tensor, " j"]:
        """Each bone's parent among all bones; the root is its own."""
        first_of_parents_level = [0]  # of each bone
        for (start_above, _), (start, stop) in itertools.pairwise(self.levels):
            first_of_parents_level += [start_above] * (stop - start)
        return self.parents + self.parents.new_tensor(first_of_parents_level)

    @cached_property
    def point(self) -> Int[Tensor, " N"]:
        """The point that each pair is a part of."""
        of_groups = []
        for group in self.groups:
            first_pairs = torch.arange(group.start, group.stop, device=group.extra.device)
            of_groups += [first_pairs, group.start + group.extra]
        return torch.cat(of_groups)

    @cached_property
    def origin(self) -> Int[Tensor, " N"]:
        """The origin of each pair's group: a bone."""
        return torch.cat([self.bones.new_full((g.last - g.first,), g.origin) for g in self.groups])

    @cached_property
    def rest(self) -> Float[Tensor, " m"]:
        """The offsets, then the local places, flattened; zeros up to a multiple of WIDTH."""
        rest = torch.cat([self.offsets, self.local]).flatten()
        return torch.nn.functional.pad(rest, (0, -len(rest) % WIDTH))

    @cached_property
    def directions(self) -> Float[Tensor, "n m"]:
        """How the shape moves `rest`."""
        directions = torch.cat([self.offset_dirs, self.local_dirs]).flatten(0, 1).T
        return torch.nn.functional.pad(directions, (0, -directions.shape[1] % WIDTH)).contiguous()


@dataclass(frozen=True)
class Posed(Bundle):
    """A posed point model: what the points and their slopes have in common."""

    points: Float[Tensor, "*batch p 3"]  # camera frame, metres
    rotation: Float[Tensor, "*batch j 3 3"]  # bone to parent
    orient: Float[Tensor, "*batch j 3 3"]  # bone to camera frame
    place: Float[Tensor, "*batch j 3"]  # joints, transl not yet added
    shares: Float[Tensor, "*batch N 3"]  # what each pair adds to its point
    weights: Float[Tensor, "*batch N"]
    contour_dirs: Float[Tensor, "*batch c 3 n"]  # how the shape moves the contour points' pairs


def pose(
    model: PointModel,
    rotation: Float[Tensor, "batch j 3 3"],
    shape: Float[Tensor, "batch n"],
    transl: Float[Tensor, "batch 3"],
    contour: ContourTable,
) -> Posed:
    """Places the points of a batch of bodies.

    rotation: of each bone relative to its parent; shape: betas, then expression; transl: metres, in
    the camera's frame. `contour` holds the entries of `model.contour` that each body shows.
    """
    # One product gives the places of all bones in their parents and of all pairs in their bones.
    places = (model.rest + shared_matmul(shape, model.directions)).unflatten(-1, (-1, 3))
    bones, pairs = len(model.offsets), len(model.local)
    offsets = places[:, :bones]
    local = places[:, bones : bones + pairs]  # what follows is padding
    weights = model.weights.expand(len(shape), -1)

    if len(model.contour_at):
        # Constants of the contour differ from body to body, so they are no part of that product.
        contour_local = contour.local + (contour.local_dirs * shape[:, None, None]).sum(-1)
        local = local.index_copy(1, model.contour_at, contour_local)
        weights = weights.index_copy(1, model.contour_at, contour.weights)
    if len(model.posed_pair):
        local = local.index_add(1, model.posed_pair, _pose_corrections(model, rotation))

    frames = _chain(model, torch.cat([rotation, offsets[..., None]], -1))
    # A pair's share of its point is G local + w q: its bone's frame [G | q] times (local, w).
    homogeneous = torch.cat([local, weights[..., None]], -1)  # [batch, N, 4]
    shares = (frames.index_select(1, model.bones) @ homogeneous[..., None])[..., 0]
    of_groups = [group.of_points(shares[:, group.first : group.last]) for group in model.groups]
    return Posed(
        points=torch.cat(of_groups, 1) + transl[:, None],
        rotation=rotation,
        orient=frames[..., :3],
        place=frames[..., 3],
        shares=shares,
        weights=weights,
        contour_dirs=contour.local_dirs,
    )


def _chain(
    model: PointModel, in_parent: Float[Tensor, "batch j 3 4"]
) -> Float[Tensor, "batch j 3 4"]:
    """Every bone's frame from the frames in the parents: one product per level of the tree."""
    last_row = torch.eye(4, dtype=in_parent.dtype, device=in_parent.device)[3:]
    last_rows = last_row.expand(*in_parent.shape[:2], 1, 4)
    square = torch.cat([in_parent, last_rows], -2)  # [batch, j, 4, 4]
    done = [in_parent[:, :1]]  # the root's frame is in the camera's already
    for start, stop in model.levels[1:]:
        # `parents` count from the first bone of the level above, the one done last
        parents = done[-1].index_select(1, model.parents[start:stop])
        done.append(parents @ square[:, start:stop])
    return torch.cat(done, 1)


def _pose_corrections(
    model: PointModel, rotation: Float[Tensor, "batch j 3 3"]
) -> Float[Tensor, "batch q 3"]:
    """What posedirs add to the local part of each (pair, bone) they touch."""
    features = rotation - torch.eye(3, dtype=rotation.dtype, device=rotation.device)
    of_turning_bone = features.index_select(1, model.posed_bone).flatten(2)  # [batch, q, 9]
    return (model.posed_dirs * of_turning_bone[:, :, None]).sum(-1)


def _mapped(constants: Constants, function: Callable[[Tensor], Tensor]) -> Constants:
    """A copy with `function` applied to the fields that are tensors."""
    tensors = {}
    for field in dataclasses.fields(constants):
        value = getattr(constants, field.name)
        if isinstance(value, Tensor):
            tensors[field.name] = function(value)
    return dataclasses.replace(constants, **tensors)
