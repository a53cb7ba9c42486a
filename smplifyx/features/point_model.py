"""The body as a fit sees it: a few points, each folded into small matrices.

Linear blend skinning is a sum over (point, bone) pairs. With the rest joints subtracted, each pair
is linear in the shape, so a keypoint energy never touches the mesh:

    p = sum_k  G_k (a_pk + D_pk s + P_pk f) + w_pk q_k  + transl

G_k, q_k: orientation and place of bone k in the posed body; s: betas and expression; f: the pose
features R - I; a, D, P, w: constants of the model, summed over the vertices that make the point.
Most points have one pair. The slopes are in `point_slopes`. See docs/point_model.md.
"""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..core.bundle import Bundle
from ..core.invariant_linalg import COLUMNS, shared_matmul

T = TypeVar("T")
WIDTH = 3 * COLUMNS
POSEDIR_FLOOR = 1e-7  # metres; smaller pose corrections are rounding noise of the model file


@dataclass(frozen=True)
class ContourTable(Bundle):
    """The face contour of a point model, one entry per head-yaw row: constants of the contour
    points' pairs.
    """

    weights: Float[Tensor, "*rows c"]
    local: Float[Tensor, "*rows c 3"]
    local_dirs: Float[Tensor, "*rows c 3 n"]


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
    mask: Float[Tensor, "n j"]  # 1 where turning the bone moves the pair

    def of_points(self, pairs: Float[Tensor, "batch n *each"]) -> Float[Tensor, "batch p *each"]:
        """The sum over the pairs of each point."""
        points = self.stop - self.start
        return (
            pairs[:, :points].index_add(1, self.extra, pairs[:, points:])
            if len(self.extra)
            else pairs
        )


@dataclass(frozen=True, eq=False)
class PointModel:
    """Constants of chosen points over J bones (parents before children), N pairs, n shape
    directions.
    """

    # the bones as indices into BodyParams.full_pose(); -1: a bone that never turns
    joints: tuple[int, ...]
    parents: Int[Tensor, " j"]  # counted from the first bone of the parents' level
    levels: tuple[tuple[int, int], ...]  # slices of bones of equal depth, root first
    offsets: Float[Tensor, "j 3"]  # rest place relative to the parent's
    offset_dirs: Float[Tensor, "j 3 n"]
    bones: Int[Tensor, " N"]
    weights: Float[Tensor, " N"]
    local: Float[Tensor, "N 3"]
    local_dirs: Float[Tensor, "N 3 n"]
    groups: tuple[PointGroup, ...]  # of all points, in order
    contour_at: Int[Tensor, " c"]  # places of the contour points' pairs among the N
    contour: ContourTable
    # the (pair, bone) in which turning the bone moves the pair through posedirs
    posed_pair: Int[Tensor, " q"]
    posed_bone: Int[Tensor, " q"]
    posed_dirs: Float[Tensor, "q 3 9"]

    def to(self, device: torch.device | str | None, dtype: torch.dtype) -> PointModel:
        """A copy on `device` in `dtype`."""
        return _moved(self, device, dtype)

    @cached_property
    def above(self) -> Int[Tensor, " j"]:
        """Each bone's parent among all bones; the root is its own."""
        starts = [0] + [
            above for (above, _), level in itertools.pairwise(self.levels) for _ in range(*level)
        ]
        return self.parents + self.parents.new_tensor(starts)

    @cached_property
    def point(self) -> Int[Tensor, " N"]:
        """The point that each pair is a part of."""
        parts = [torch.arange(g.start, g.stop, device=g.extra.device) for g in self.groups]
        return torch.cat(
            [torch.cat([own, g.start + g.extra]) for own, g in zip(parts, self.groups, strict=True)]
        )

    @cached_property
    def origin(self) -> Int[Tensor, " N"]:
        """The origin of each pair's group."""
        return torch.cat([self.bones.new_full((g.last - g.first,), g.origin) for g in self.groups])

    @cached_property
    def rest(self) -> Float[Tensor, " m"]:
        """The offsets, then the local places, flattened; zeros up to a width that multiplies
        quickly.
        """
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

    points: Float[Tensor, "*batch p 3"]
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
    """Places the points: rotation of each bone relative to its parent, shape = betas and
    expression, metres.

    `contour` holds the rows of `model.contour` that each body of the batch shows.
    """
    places = (model.rest + shared_matmul(shape, model.directions)).unflatten(-1, (-1, 3))
    bones = len(model.offsets)
    frames = _chain(model, torch.cat([rotation, places[:, :bones, :, None]], -1))
    local = places[:, bones : bones + len(model.local)]
    weights = model.weights.expand(len(shape), -1)
    if len(model.contour_at):
        shown = contour.local + (contour.local_dirs * shape[:, None, None]).sum(-1)
        local = local.index_copy(1, model.contour_at, shown)
        weights = weights.index_copy(1, model.contour_at, contour.weights)
    if len(model.posed_pair):
        local = local.index_add(1, model.posed_pair, _pose_features(model, rotation))
    homogeneous = torch.cat([local, weights[..., None]], -1)
    shares = (frames.index_select(1, model.bones) @ homogeneous[..., None])[..., 0]
    points = (
        torch.cat([g.of_points(shares[:, g.first : g.last]) for g in model.groups], 1)
        + transl[:, None]
    )
    return Posed(
        points, rotation, frames[..., :3], frames[..., 3], shares, weights, contour.local_dirs
    )


def _chain(model: PointModel, frames: Tensor) -> Tensor:
    """Every bone's frame [b, j, 3, 4] from those in its parent's: one product per depth of the
    tree.
    """
    done = [frames[:, :1]]
    last = torch.eye(4, dtype=frames.dtype, device=frames.device)[3:]
    frames = torch.cat([frames, last.expand(*frames.shape[:2], 1, 4)], -2)
    for start, stop in model.levels[1:]:
        done.append(done[-1].index_select(1, model.parents[start:stop]) @ frames[:, start:stop])
    return torch.cat(done, 1)


def _pose_features(model: PointModel, rotation: Tensor) -> Tensor:
    """What posedirs add to the local part of each (pair, bone) they touch: [b, q, 3]."""
    feature = rotation - torch.eye(3, dtype=rotation.dtype, device=rotation.device)
    return (
        model.posed_dirs * feature.index_select(1, model.posed_bone).flatten(2)[:, :, None]
    ).sum(-1)


def _moved(value: T, device: torch.device | str | None, dtype: torch.dtype) -> T:
    """Every tensor inside `value` on `device`, as `dtype` where it is floating-point."""
    if isinstance(value, Tensor):
        return value.to(device=device, dtype=dtype if value.is_floating_point() else None)
    if isinstance(value, tuple):
        return tuple(_moved(part, device, dtype) for part in value)
    if dataclasses.is_dataclass(value):
        fields = {
            f.name: _moved(getattr(value, f.name), device, dtype) for f in dataclasses.fields(value)
        }
        return dataclasses.replace(value, **fields)
    return value
