"""The collision spheres of a body as a feature: where they are in a pose, and how they answer to
its unknowns.

Spheres ride on the bones of a point model. A residual on a sphere is a covector (g, h): g on its
centre, h on its radius. Its slope along a turn u of bone j at or above the sphere's own is, as for
points, a product of two 6-vectors: [c x g, g] . [u, q_j x u]. See docs/collision.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..body.joints import pose_index
from ..body.model import BodyModel
from ..collision.proxies.spheres import spheres_of
from ..core.bundle import Bundle
from ..core.invariant_linalg import column_index, gram, picked, shared_matmul
from .feature import BodyMotion, Columns, FoldedBody, PosedBody, Pulled
from .jacobian_blocks import DenseBlock, JacobianBlock, SphereBlock, written_out
from .point_jacobian import BoneMotion, twists
from .point_model import WIDTH, PointModel, Posed
from .routes import BlockTurns, Moving, turns_of

CANDIDATES = 12  # of each sphere
_BODIES = 16  # whose pairs of spheres are looked at together: what caches hold


@dataclass(frozen=True)
class CollisionSpheres:
    """Centre and radius of each sphere [batch, s, 4] in the camera's frame, metres, `transl` not
    added.

    People are metres away and overlaps are millimetres: without the translation the centres keep
    their digits.
    """

    def bind(self, folded: FoldedBody) -> SpheresOnBones:
        """The spheres of the body on the bones of its points, with the way from the unknowns to
        them.
        """
        spheres = sphere_model(folded.body, folded.model)
        moving = Moving.of(folded.model, folded.slices, folded.betas)
        asked = SphereJacobian.of(folded.model, spheres, moving.bones, tuple(moving.shapes))
        turns = turns_of(folded.model, moving.bones, tuple(folded.slices))
        return SpheresOnBones(spheres, asked, turns, tuple(moving.shapes.values()))


SPHERES = CollisionSpheres()


@dataclass(frozen=True)
class CandidatePairs(Bundle):
    """Which spheres may meet for the time of a stage."""

    # a sphere and those it may meet, n times; the sphere itself where there are fewer
    spheres: Int[Tensor, "*batch n m"]


@dataclass(frozen=True, eq=False)
class SpheresOnBones:
    """The spheres of one body."""

    model: SphereModel
    asked: SphereJacobian
    turns: tuple[BlockTurns, ...]
    shapes: tuple[int, ...]  # the place in x of each shape direction that is free

    def place(self, pose: PosedBody) -> Float[Tensor, "batch s 4"]:
        """Centre and radius of each sphere."""
        return self.model.place(pose.bones, pose.shape)

    def pull(self, block: JacobianBlock, motion: BodyMotion) -> Pulled:
        """Residuals that see a few spheres each, along turns, translation and shape."""
        match block:
            case SphereBlock():
                seen = block
            case DenseBlock():  # of a user's term, by autograd
                seen = SphereBlock.of_dense(block)
            case _:
                seen = SphereBlock.of_dense(DenseBlock(written_out(block).slope))
        posed, bones = motion.pose.bones, motion.bones
        by_turns = self.asked.along_turns(posed, bones, motion.value(SPHERES), seen)[:, :, None]
        columns = []
        for turns in self.turns:
            of_block = by_turns[..., turns.where]
            places, slopes = motion.of_turns(turns.block, turns.angles, of_block)
            columns.append(Columns(places, DenseBlock(slopes.flatten(1, 2))))
        if motion.places_of_transl:
            columns.append(Columns(motion.places_of_transl, DenseBlock(by_turns[:, :, 0, -3:])))
        if self.shapes:
            by_shapes = self.asked.along_shapes(posed, bones, seen)
            columns.append(Columns(self.shapes, DenseBlock(by_shapes)))
        return Pulled(whole=tuple(columns))

    def correspond(self, placed: Float[Tensor, "batch s 4"]) -> CandidatePairs:
        """The nearest of those that are held apart."""
        return CandidatePairs(candidate_pairs(placed, self.model.apart))


@dataclass(frozen=True, eq=False)
class SphereModel:
    """Spheres on bones: at rest, `rest` + `dirs` @ (betas and expression), in metres."""

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
        shaped = (rest + shared_matmul(shape, directions))[:, : self.rest.numel()]
        in_bone, radius = shaped.unflatten(1, (-1, 4)).split([3, 1], -1)  # [batch, s, 3 | 1]
        orient = posed.orient.index_select(1, self.bone)
        place = posed.place.index_select(1, self.bone)
        center = (orient @ in_bone[..., None])[..., 0] + place
        return torch.cat([center, radius], -1)


def sphere_model(body: BodyModel, model: PointModel) -> SphereModel:
    """The spheres of a body on the bones of a point model of that body.

    A sphere on a bone that moves none of the points goes with the nearest bone above that does.
    """
    spheres = spheres_of(body)
    bone_of = {}  # the model's bone of each joint that is one
    for joint, row in enumerate(pose_index(body.kind)):
        if row >= 0 and row in model.joints:
            bone_of[joint] = model.joints.index(row)
    carrier = list(range(len(body.parents)))  # the joint whose bone carries each joint's spheres
    for joint in carrier:
        while carrier[joint] not in bone_of:
            carrier[joint] = body.parents[carrier[joint]]

    device = spheres.joint.device
    joint_of_carrier = torch.tensor(carrier, device=device)[spheres.joint]
    # Centres are relative to their own joint; on a carrier's bone they are relative to that joint
    # at rest.
    offset = body.joint_template[spheres.joint] - body.joint_template[joint_of_carrier]
    drift = body.joint_directions[spheres.joint] - body.joint_directions[joint_of_carrier]
    bones = torch.tensor([bone_of[joint] for joint in carrier], device=device)
    return SphereModel(
        bone=bones[spheres.joint],
        rest=torch.cat([spheres.center + offset, spheres.radius[:, None]], -1),
        dirs=torch.cat([spheres.center_dirs + drift, spheres.radius_dirs[:, None]], 1),
        apart=spheres.apart,
    )


def candidate_pairs(
    placed: Float[Tensor, "batch s 4"], apart: Bool[Tensor, "s s"], count: int = CANDIDATES
) -> Int[Tensor, "batch n m"]:
    """Half of the spheres, those nearest to others that they are held apart from or deepest in
    them.

    Each is followed by its `count` nearest others; where there are fewer, by itself.
    """
    count = min(count, placed.shape[1])
    found = [_candidate_pairs(some, apart, count) for some in placed.split(_BODIES)]
    return torch.cat(found)


def _candidate_pairs(placed: Tensor, apart: Tensor, count: int) -> Tensor:
    """By |c_i - c_j|^2 - (r_i + r_j)^2, which is negative for spheres that overlap.

    That is bilinear in (-2 c_i, -2 r_i, |c_i|^2 - r_i^2, 1) and (c_j, r_j, 1, |c_j|^2 - r_j^2): one
    product for all pairs.
    """
    center = placed[..., :3]
    radius = placed[..., 3:]
    power = (center * center).sum(-1, keepdim=True) - radius * radius
    one = torch.ones_like(power)
    left = torch.cat([-2 * placed, power, one], -1)
    right = torch.cat([placed, one, power], -1)
    gap = gram(left.mT, right.mT)  # [batch, s, s]
    gap = gap.masked_fill_(~apart, torch.inf)

    half = (placed.shape[1] + 1) // 2
    gap_to_nearest = gap.amin(-1)  # [batch, s]
    sphere = gap_to_nearest.topk(half, largest=False).indices[..., None]  # [batch, n, 1]
    gap_of_sphere = gap.gather(1, sphere.expand(-1, -1, gap.shape[2]))  # [batch, n, s]
    nearest = gap_of_sphere.topk(count, largest=False).indices
    may_meet = torch.where(apart[sphere, nearest], nearest, sphere)
    return torch.cat([sphere, may_meet], -1)


@dataclass(frozen=True, eq=False)
class SphereJacobian:
    """The bones and the shape directions that slopes of the spheres are wanted for."""

    spheres: SphereModel
    bones: tuple[int, ...]
    shapes: tuple[int, ...]
    at: Int[Tensor, " j"]  # the bones
    mask: Float[Tensor, "s d"]  # which spheres each turn and the translation move

    @classmethod
    def of(
        cls, model: PointModel, spheres: SphereModel, bones: Sequence[int], shapes: Sequence[int]
    ) -> SphereJacobian:
        """All of them; spheres of no bone below one of `bones` have zeros there."""
        at_or_above = _at_or_above(model)[spheres.bone]  # [s, j]
        turned = at_or_above[:, list(bones)].repeat_interleave(3, -1)
        moved = turned.new_ones(len(turned), 3)  # the translation moves them all
        return cls(
            spheres=spheres,
            bones=tuple(bones),
            shapes=tuple(shapes),
            at=spheres.bone.new_tensor(bones),
            mask=torch.cat([turned, moved], -1).to(spheres.rest),
        )

    def along_turns(
        self,
        posed: Posed,
        bones: BoneMotion,
        placed: Float[Tensor, "batch s 4"],
        block: SphereBlock,
    ) -> Float[Tensor, "batch r d"]:
        """Slopes along the turns of `bones`, three each, and the translation; placed: as
        `SphereModel.place`.
        """
        # Both halves of the product are about one bone's place: short levers round finely.
        origin = posed.place[:, None, self.bones[0] if self.bones else 0]
        levers = picked(placed[..., :3] - origin, block.at)  # [batch, r, e, 3]
        force = block.pull[..., :3]
        wrench = torch.cat([torch.linalg.cross(levers, force), force], -1)  # [batch, r, e, 6]

        from_origin = posed.place.index_select(1, self.at) - origin
        motions = twists(from_origin, bones.axes.index_select(2, self.at))  # [batch, 6, d]
        slopes = gram(wrench.flatten(1, 2).mT, motions)  # [batch, r e, d]
        by_end = slopes.unflatten(1, block.at.shape[1:])
        return (by_end * self.mask[block.at]).sum(2)

    def along_shapes(
        self, posed: Posed, bones: BoneMotion, block: SphereBlock
    ) -> Float[Tensor, "batch r s"]:
        """Slopes along the directions `shapes`."""
        at = block.at  # [batch, r, e]
        ends = at.shape[1:]
        bone = self.spheres.bone[at].flatten(1)  # [batch, r e]
        person = torch.arange(len(at), device=at.device)[:, None]
        shapes = column_index(self.shapes, at.device)
        force = block.pull[..., :3].flatten(1, 2)[..., None, :]  # [batch, r e, 1, 3]
        on_radius = block.pull[..., 3:].flatten(1, 2)  # [batch, r e, 1]

        # What the shape does to the sphere within its bone's frame, and to its radius.
        force_in_bone = (force @ posed.orient[person, bone])[..., 0, :]
        on_sphere = torch.cat([force_in_bone, on_radius], -1).unflatten(1, ends)
        dirs = self.spheres.dirs[..., shapes][at]  # [batch, r, e, 4, n]
        within_bone = (on_sphere[..., None, :] @ dirs)[..., 0, :]

        # What it does to the bone's place.
        bone_moves = bones.place[..., shapes][person, bone]  # [batch, r e, 3, n]
        with_bone = (force @ bone_moves)[..., 0, :].unflatten(1, ends)
        return (within_bone + with_bone).sum(2)


def _at_or_above(model: PointModel) -> Bool[Tensor, "j j"]:
    """Whether bone [., j] is bone [j, .] or one above it."""
    above = torch.eye(len(model.above), dtype=torch.bool, device=model.above.device)
    for bone, parent in enumerate(model.above.tolist()):
        above[bone] |= above[parent]
    return above
