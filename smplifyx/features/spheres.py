"""The spheres of a body on the bones of a point model: where they are in a pose, and how they
answer to its unknowns.

A sphere's row is a covector (g, h): g on its centre, h on its radius. Its slope along a turn u of
bone j at or above the sphere's own is, as for points, a product of two 6-vectors: [c x g, g] . [u,
q_j x u]. See docs/collision.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..body.joints import pose_index
from ..body.model import BodyModel
from ..collision.proxies.spheres import Spheres, spheres_of
from ..core.invariant_linalg import column_index, gram, picked, shared_matmul
from ..terms.scene import OnSpheres
from .fold import fold
from .point_jacobian import Motion, twists
from .point_model import WIDTH, PointModel, Posed


@dataclass(frozen=True, eq=False)
class SphereModel:
    """Spheres on bones: the sphere at rest is `center`, `radius` + shape directions @ (betas and
    expression), in metres.
    """

    bone: Int[Tensor, " s"]  # of the point model
    rest: Float[Tensor, "s 4"]  # centre in the bone's frame, radius
    dirs: Float[Tensor, "s 4 n"]
    apart: Bool[Tensor, "s s"]  # pairs that must not pass through each other

    @cached_property
    def _flat(self) -> tuple[Tensor, Tensor]:
        """rest [m] and dirs [n, m], zeros up to a width that multiplies quickly."""
        gap = (0, -self.rest.numel() % WIDTH)
        directions = torch.nn.functional.pad(self.dirs.flatten(0, 1).T, gap)
        return torch.nn.functional.pad(self.rest.flatten(), gap), directions.contiguous()

    def place(self, posed: Posed, shape: Float[Tensor, "batch n"]) -> Float[Tensor, "batch s 4"]:
        """Centre and radius of each sphere in a pose; `transl` not added."""
        rest, directions = self._flat
        flat = (rest + shared_matmul(shape, directions))[:, : self.rest.numel()]
        local, radius = flat.unflatten(1, (-1, 4)).split([3, 1], -1)
        turned = (posed.orient.index_select(1, self.bone) @ local[..., None])[..., 0]
        return torch.cat([turned + posed.place.index_select(1, self.bone), radius], -1)


@lru_cache(maxsize=16)
def sphere_model(body: BodyModel, points: tuple[int, ...]) -> SphereModel:
    """The spheres of a body on the bones of its point model `fold(body, points)`.

    A sphere on a bone that moves none of the points goes with the nearest bone above that does.
    """
    spheres, model = spheres_of(body), fold(body, points)
    return _on_bones(spheres, body, model)


def _on_bones(spheres: Spheres, body: BodyModel, model: PointModel) -> SphereModel:
    index = pose_index(body.kind)
    bone_of = {
        joint: model.joints.index(row)
        for joint, row in enumerate(index)
        if row in model.joints and row >= 0
    }
    carrier = list(range(len(body.parents)))
    for joint in carrier:
        while carrier[joint] not in bone_of:
            carrier[joint] = body.parents[carrier[joint]]
    sphere_carrier = torch.tensor(carrier, device=spheres.joint.device)[spheres.joint]
    offset = body.joint_template[spheres.joint] - body.joint_template[sphere_carrier]
    drift = body.joint_directions[spheres.joint] - body.joint_directions[sphere_carrier]
    bones = torch.tensor([bone_of[joint] for joint in carrier], device=spheres.joint.device)
    return SphereModel(
        bone=bones[spheres.joint],
        rest=torch.cat([spheres.center + offset, spheres.radius[:, None]], -1),
        dirs=torch.cat([spheres.center_dirs + drift, spheres.radius_dirs[:, None]], 1),
        apart=spheres.apart,
    )


CANDIDATES = 12  # of each sphere
_BODIES = 16  # whose pairs of spheres are looked at together: what caches hold


def candidate_pairs(
    placed: Float[Tensor, "batch s 4"], apart: Bool[Tensor, "s s"], count: int = CANDIDATES
) -> Int[Tensor, "batch n m"]:
    """Half of the spheres, those nearest to others that they are held apart from or deepest in
    them; of each a row.

    It begins with the sphere itself and goes on with its `count` nearest others; where there are
    fewer, with itself.
    """
    return torch.cat(
        [
            _candidate_pairs(some, apart, min(count, placed.shape[1]))
            for some in placed.split(_BODIES)
        ]
    )


def _candidate_pairs(placed: Tensor, apart: Tensor, count: int) -> Tensor:
    """By the bilinear |c_i - c_j|^2 - (r_i + r_j)^2, negative for spheres that overlap: one product
    for all pairs.
    """
    power = (placed[..., :3] * placed[..., :3]).sum(-1, keepdim=True) - placed[..., 3:] * placed[
        ..., 3:
    ]
    one = torch.ones_like(power)
    gap = gram(torch.cat([-2 * placed, power, one], -1).mT, torch.cat([placed, one, power], -1).mT)
    gap = gap.masked_fill_(~apart, torch.inf)
    sphere = gap.amin(-1).topk((placed.shape[1] + 1) // 2, largest=False).indices[..., None]
    nearest = gap.gather(1, sphere.expand(-1, -1, gap.shape[2])).topk(count, largest=False).indices
    return torch.cat([sphere, torch.where(apart[sphere, nearest], nearest, sphere)], -1)


@dataclass(frozen=True, eq=False)
class AskedSpheres:
    """The bones and the shape directions that slopes of the spheres are wanted for."""

    spheres: SphereModel
    bones: tuple[int, ...]
    shapes: tuple[int, ...]
    at: Int[Tensor, " j"]  # the bones
    mask: Float[Tensor, "s d"]  # which spheres each turn and the translation move

    @classmethod
    def of(
        cls, model: PointModel, spheres: SphereModel, bones: Sequence[int], shapes: Sequence[int]
    ) -> AskedSpheres:
        """All of them; spheres of no bone below one of `bones` have zeros there."""
        above = _at_or_above(model)[spheres.bone][:, list(bones)].repeat_interleave(3, -1)
        mask = torch.cat([above, above.new_ones(len(above), 3)], -1)
        return cls(
            spheres,
            tuple(bones),
            tuple(shapes),
            spheres.bone.new_tensor(bones),
            mask.to(spheres.rest),
        )

    def turn_rows(
        self, posed: Posed, moved: Motion, placed: Float[Tensor, "batch s 4"], slope: OnSpheres
    ) -> Float[Tensor, "batch r d"]:
        """Slopes of rows along the turns of `bones`, three each, and the translation; placed: as
        `SphereModel.place`.
        """
        at, pull = slope.at, slope.pull
        origin = posed.place[:, None, self.bones[0] if self.bones else 0]
        levers = picked(placed[..., :3] - origin, at)
        wrench = torch.cat([torch.linalg.cross(levers, pull[..., :3]), pull[..., :3]], -1)
        axes = twists(
            posed.place.index_select(1, self.at) - origin, moved.axes.index_select(2, self.at)
        )
        rows = gram(wrench.flatten(1, 2).mT, axes).unflatten(1, at.shape[1:])
        return (rows * self.mask[at]).sum(2)

    def shape_rows(
        self, posed: Posed, moved: Motion, slope: OnSpheres
    ) -> Float[Tensor, "batch r s"]:
        """Slopes of rows along the directions `shapes`."""
        at, pull = slope.at, slope.pull
        bone, shapes = self.spheres.bone[at].flatten(1), column_index(self.shapes, at.device)
        row = torch.arange(len(at), device=at.device)[:, None]
        own = (pull[..., :3].flatten(1, 2)[..., None, :] @ posed.orient[row, bone])[..., 0, :]
        local = torch.cat([own, pull[..., 3:].flatten(1, 2)], -1).unflatten(1, at.shape[1:])
        rows = (local[..., None, :] @ self.spheres.dirs[..., shapes][at])[..., 0, :]
        carried = pull[..., :3].flatten(1, 2)[..., None, :] @ moved.place[..., shapes][row, bone]
        return (rows + carried[..., 0, :].unflatten(1, at.shape[1:])).sum(2)


def _at_or_above(model: PointModel) -> Bool[Tensor, "j j"]:
    """Whether bone [., j] is bone [j, .] or one above it."""
    above = torch.eye(len(model.above), dtype=torch.bool, device=model.above.device)
    for bone, parent in enumerate(model.above.tolist()):
        above[bone] |= above[parent]
    return above
