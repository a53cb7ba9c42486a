"""The chain rule of a fit: from what the terms see to the unknowns that a solver moves."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import torch
from torch import Tensor

from . import rotations
from .batching import gram, shared_matmul
from .body.params import POSE_ROWS
from .body.point_model import PointModel, Posed
from .body.point_slopes import Asked, Motion
from .config import Block
from .state import TURNED, Decoder, Hand
from .terms.scene import Picked, Scene, Slopes, Term

JOINTS_OF = MappingProxyType({  # where each rotation block sits in BodyParams.full_pose()
    Block.GLOBAL_ORIENT: POSE_ROWS["global_orient"], Block.BODY: POSE_ROWS["body_pose"],
    Block.JAW: POSE_ROWS["jaw_pose"], Block.LEYE: POSE_ROWS["leye_pose"], Block.REYE: POSE_ROWS["reye_pose"],
    Block.LEFT_HAND: POSE_ROWS["left_hand_pose"], Block.RIGHT_HAND: POSE_ROWS["right_hand_pose"],
})  # fmt: skip
MADE_BY = MappingProxyType({  # inputs of the terms that are not unknowns themselves
    "body_pose": Block.BODY, "left_hand_pose": Block.LEFT_HAND, "right_hand_pose": Block.RIGHT_HAND,
    "up": Block.GLOBAL_ORIENT,
})  # fmt: skip
HAND_TURNS = MappingProxyType({  # where they are among `Decoder.turns`
    name: slice(TURNED.index(POSE_ROWS[name].start), TURNED.index(POSE_ROWS[name].stop - 1) + 1)
    for name in ("left_hand_pose", "right_hand_pose")
})  # fmt: skip


@dataclass(frozen=True, eq=False)
class Bones:
    """How the bones of a point model get their rotations, from `Decoder.turns` and from the pose prior.

    Entries `turned` of the 34 axis-angles (34: one that is zero), then the 21 joints of the prior; `order` puts these
    in the order of the bones. Where the prior's latent is axis-angles as well: entries `all` of the 34, 1 and 21.
    """

    turned: Tensor
    order: Tensor
    all: Tensor

    @staticmethod
    @functools.lru_cache(maxsize=64)
    def of(joints: tuple[int, ...], device: torch.device) -> Bones:
        """For bones given as indices into the full pose, -1 for one that never turns."""
        body = POSE_ROWS["body_pose"]
        turned = [TURNED.index(j) if j >= 0 else len(TURNED) for j in joints if j not in body]
        place = iter(range(len(turned)))
        order = [len(turned) + j - body.start if j in body else next(place) for j in joints]
        places = {j: i for i, j in enumerate((*TURNED, -1, *body))}
        return Bones(*(torch.tensor(t, device=device) for t in (turned, order, [places[j] for j in joints])))


@dataclass(frozen=True)
class View:
    """One evaluation: what the terms see, and what the slopes of the points are made of."""

    scene: Scene
    posed: Posed
    turn: rotations.Turn  # [b, turned] of the bones that the pose prior does not turn; of all where it is jointwise


@dataclass(frozen=True)
class Columns:
    """Slopes of some rows along some unknowns: [b, r, c], or [r, c] when all of the batch share them, or picked."""

    at: tuple[int, ...]  # the place in x of each column
    slope: Tensor | Picked

    @property
    def dense(self) -> Tensor:
        """[b, r, c] or [r, c]."""
        return self.slope.dense(len(self.at)) if isinstance(self.slope, Picked) else self.slope


@dataclass(frozen=True)
class Part:
    """Some rows [b, r] of a term and all slopes of theirs that are not zero."""

    rows: Tensor
    columns: tuple[Columns, ...]


@dataclass(frozen=True, eq=False)
class Route:
    """The way from the turns and shape directions that move a group of points to the unknowns."""

    asked: Asked
    turns: tuple[tuple[Block, tuple[int, ...], slice], ...]  # block, which of its angles, where among the turns
    shapes: tuple[int, ...]  # the place in x of each of `asked.shapes`

    @staticmethod
    @functools.lru_cache(maxsize=64)
    def all(model: PointModel, free: tuple[tuple[Block, int, int], ...], betas: int) -> tuple[Route, ...]:
        """One for each group. free: each block's place in x, start and stop; betas: how many the body has."""
        place = {block: range(start, stop) for block, start, stop in free}
        shapes = dict(enumerate(place.get(Block.BETAS, ())))
        shapes |= dict(enumerate(place.get(Block.EXPRESSION, ()), betas))
        joints = sorted(joint for block in place for joint in JOINTS_OF.get(block, ()) if joint in model.joints)
        bones = [model.joints.index(joint) for joint in joints]
        return tuple(
            Route._of(model, Asked.of(model, g, bones, tuple(shapes)), tuple(place), shapes) for g in model.groups
        )

    @staticmethod
    def _of(model: PointModel, asked: Asked, free: tuple[Block, ...], shapes: Mapping[int, int]) -> Route:
        joints, turns = [model.joints[bone] for bone in asked.bones], []
        for block in sorted(set(free) & set(JOINTS_OF), key=lambda block: JOINTS_OF[block].start):
            own = [i for i, joint in enumerate(joints) if joint in JOINTS_OF[block]]
            angles = tuple(3 * (joints[i] - JOINTS_OF[block].start) + axis for i in own for axis in range(3))
            if own:
                turns.append((block, angles, slice(3 * own[0], 3 * own[-1] + 3)))
        return Route(asked, tuple(turns), tuple(shapes[s] for s in asked.shapes))


@dataclass(frozen=True)
class Chain:
    """The chain rule at one evaluation."""

    model: PointModel
    decoder: Decoder
    slices: Mapping[Block, slice]  # of x, in its order
    view: View

    def parts(self, slopes: Slopes) -> list[Part]:
        """Slopes of the inputs as slopes of x, for rows that go together; inputs that are not free drop out."""
        others = [self._pull(name, slope) for name, slope in slopes.wrt.items() if name != "points"]
        others = tuple(columns for columns in others if columns is not None)
        points = slopes.wrt.get("points")
        if points is None:
            return [Part(slopes.rows, others)]
        if points.dim() == 4:
            return [self._of_group(route, slopes.rows, points, others) for route in self._routes]
        return [Part(slopes.rows, (*others, self._through_all(points)))]

    def _of_group(self, route: Route, rows: Tensor, points: Tensor, others: tuple[Columns, ...]) -> Part:
        """The rows (p, k) that see the points of one group."""
        group, per_point = slice(route.asked.group.start, route.asked.group.stop), points.shape[2]
        own = slice(group.start * per_point, group.stop * per_point)
        pulled = self._pull_points(route, points[:, group])
        pulled = [Columns(c.at, c.slope.flatten(1, 2)) for c in pulled]
        return Part(rows[:, own], (*pulled, *(Columns(c.at, c.dense[..., own, :]) for c in others)))

    def _through_all(self, slope: Tensor) -> Columns:
        """Slopes of rows that see many points [b, r, 3 p], or [r, 3 p], through the Jacobian of all points."""
        batch, count = self.view.posed.points.shape[:2]
        size = max(at.stop for at in self.slices.values())
        jacobian = slope.new_zeros(batch, count, 3, size)
        for route in self._routes:
            group = slice(route.asked.group.start, route.asked.group.stop)
            axes = torch.eye(3, dtype=slope.dtype, device=slope.device).expand(batch, group.stop - group.start, 3, 3)
            for columns in self._pull_points(route, axes):
                jacobian[:, group, :, list(columns.at)] = columns.slope
        return Columns(tuple(range(size)), gram(slope.expand(batch, -1, -1).mT, jacobian.flatten(1, 2)))

    def _pull_points(self, route: Route, slope: Tensor) -> list[Columns]:
        """Slopes [b, p, k, 3] of rows that each see one point of a group, as slopes [b, p, k, c] of x."""
        posed, asked = self.view.posed, route.asked
        turns = asked.turn_rows(self.model, posed, self._motion, slope)
        found = [self._turned(block, angles, turns[..., at]) for block, angles, at in route.turns]
        if Block.TRANSL in self.slices:
            found.append(Columns(self._at(Block.TRANSL), turns[..., -3:]))
        if route.shapes:
            found.append(Columns(route.shapes, asked.shape_rows(self.model, posed, self._motion, slope)))
        return found

    def _turned(self, block: Block, angles: tuple[int, ...], columns: Tensor) -> Columns:
        """Slopes [b, p, k, a] along some of a block's angles, as slopes of its unknowns."""
        if block in self._hands:
            components = self._hands[block].components[:, list(angles)]
            pulled = shared_matmul(columns.flatten(0, 2), components.T)
            return Columns(self._at(block), pulled.unflatten(0, columns.shape[:3]))
        if block is Block.BODY and not self.decoder.jointwise:
            pulled = gram(columns.flatten(1, 2).mT, self._velocity[:, list(angles)])
            return Columns(self._at(block), pulled.unflatten(1, columns.shape[1:3]))
        return Columns(tuple(self.slices[block].start + angle for angle in angles), columns)

    def _pull(self, name: str, slope: Tensor | Picked) -> Columns | None:
        """Slopes of an input as slopes of the unknown that makes it; most inputs are unknowns already."""
        block = MADE_BY[name] if name in MADE_BY else Block(name)
        if block not in self.slices:
            return None
        if name == "up":  # turning by u moves it by u x up
            slope = slope @ (rotations.skew(self.view.scene["up"]).mT @ self._motion.left[:, 0])
        if name in MADE_BY and isinstance(slope, Picked) and not (block is Block.BODY and self.decoder.jointwise):
            slope = slope.dense(self.view.scene[name].shape[-1])
        if name == "body_pose" and not self.decoder.jointwise:
            rotvec = self.view.scene["body_pose"].unflatten(-1, (-1, 3))
            slope = gram(_per_joint(slope, rotations.left_jacobian_inverse(rotvec)).mT, self._velocity)
        if name in ("left_hand_pose", "right_hand_pose"):
            slope = shared_matmul(slope.flatten(0, -2), self._hands[block].components.T).unflatten(0, slope.shape[:-1])
        return Columns(self._at(block), slope)

    def _at(self, block: Block) -> tuple[int, ...]:
        return tuple(range(self.slices[block].start, self.slices[block].stop))

    @property
    def _routes(self) -> tuple[Route, ...]:
        free = tuple((block, at.start, at.stop) for block, at in self.slices.items())
        return Route.all(self.model, free, self.view.scene[Block.BETAS.value].shape[-1])

    @property
    def _hands(self) -> dict[Block, Hand]:
        return {Block.LEFT_HAND: self.decoder.left_hand, Block.RIGHT_HAND: self.decoder.right_hand}

    @cached_property
    def _motion(self) -> Motion:
        left = self.view.turn.left_jacobian()
        if not self.decoder.jointwise:
            body = torch.eye(3).to(left).expand(len(left), 21, 3, 3)
            left = torch.cat([left, body], 1).index_select(1, Bones.of(self.model.joints, left.device).order)
        return Motion.of(self.model, self.view.posed, left)

    @cached_property
    def _velocity(self) -> Tensor:
        return self.decoder.prior.velocity(self.view.scene[Block.BODY.value])


def slopes_by_autograd(term: Term, scene: Scene) -> Slopes:
    """The slopes of a term that states none: reverse differentiation, one pass per row of its residual."""
    with torch.enable_grad():
        inputs = {name: value.detach().requires_grad_() for name, value in scene.inputs.items()}
        residual = term(Scene(inputs, scene.observation)).residual
        batch, count = residual.shape
        basis = torch.eye(count, dtype=residual.dtype, device=residual.device)[:, None].expand(count, batch, count)
        found = torch.autograd.grad(
            residual, list(inputs.values()), basis, is_grads_batched=True, allow_unused=True, retain_graph=False
        )
    found = {name: slope for name, slope in zip(inputs, found, strict=True) if slope is not None}
    wrt = {name: slope.movedim(0, 1).contiguous().flatten(2) for name, slope in found.items()}
    return Slopes(residual.detach(), wrt)


def _per_joint(slope: Tensor, matrix: Tensor) -> Tensor:
    """Slopes [*, r, 3 j] times a matrix for each joint [b, j, 3, 3]: [b, r, 3 j]."""
    split = slope.unflatten(-1, (-1, 3))
    return (split[..., None] * matrix[:, None]).sum(-2).flatten(-2)
