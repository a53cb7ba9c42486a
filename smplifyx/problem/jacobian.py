"""The chain rule of a fit: from what the terms see to the unknowns that a solver moves."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import torch
from torch import Tensor

from ..body.params import POSE_ROWS
from ..config import Block
from ..core import rotations
from ..core.invariant_linalg import column_index, gram, shared_matmul
from ..features.point_jacobian import Asked, Motion, Pulls
from ..features.point_model import PointModel, Posed
from ..features.spheres import AskedSpheres, SphereModel
from ..pose_priors.contract import is_learned
from ..terms.scene import Chosen, OnSpheres, Picked, Scene, Slopes, Term
from .variables import Decoder, Hand

JOINTS_OF = MappingProxyType({  # where each rotation block sits in BodyParams.full_pose()
    Block.GLOBAL_ORIENT: POSE_ROWS["global_orient"], Block.BODY: POSE_ROWS["body_pose"],
    Block.JAW: POSE_ROWS["jaw_pose"], Block.LEYE: POSE_ROWS["leye_pose"], Block.REYE: POSE_ROWS["reye_pose"],
    Block.LEFT_HAND: POSE_ROWS["left_hand_pose"], Block.RIGHT_HAND: POSE_ROWS["right_hand_pose"],
})  # fmt: skip
MADE_BY = MappingProxyType({  # inputs of the terms that are not unknowns themselves
    "body_pose": Block.BODY, "left_hand_pose": Block.LEFT_HAND, "right_hand_pose": Block.RIGHT_HAND,
    "up": Block.GLOBAL_ORIENT,
})  # fmt: skip
# the input that holds the axis-angles of each part of BodyParams.full_pose()
ANGLES_OF = MappingProxyType({
    "global_orient": Block.GLOBAL_ORIENT.value, "body_pose": "body_pose", "jaw_pose": Block.JAW.value,
    "leye_pose": Block.LEYE.value, "reye_pose": Block.REYE.value,
    "left_hand_pose": "left_hand_pose", "right_hand_pose": "right_hand_pose",
})  # fmt: skip


@dataclass(frozen=True, eq=False)
class Bones:
    """How the bones of a point model get their rotations: from axis-angles, and from what the pose
    prior decodes.

    Entries `turned` of an axis-angle of zero and those in the inputs `sources`; then the 21 joints
    of the prior, unless its latent is axis-angles too, which are among the sources then. `order`
    puts these in the order of the bones.
    """

    sources: tuple[str, ...]
    turned: Tensor
    order: Tensor

    @staticmethod
    @functools.lru_cache(maxsize=64)
    def of(joints: tuple[int, ...], jointwise: bool, device: torch.device) -> Bones:
        """For bones given as indices into the full pose, -1 for one that never turns;
        `Decoder.jointwise`.
        """
        decoded = range(0) if jointwise else POSE_ROWS["body_pose"]
        parts = [
            part for part, rows in POSE_ROWS.items() if set(rows) & (set(joints) - set(decoded))
        ]
        places = {j: i for i, j in enumerate((-1, *(j for part in parts for j in POSE_ROWS[part])))}
        turned = [places[j] for j in joints if j not in decoded]
        place = iter(range(len(turned)))
        order = [len(turned) + j - decoded.start if j in decoded else next(place) for j in joints]
        index = (torch.tensor(t, device=device) for t in (turned, order))
        return Bones(tuple(ANGLES_OF[part] for part in parts), *index)


@dataclass(frozen=True)
class View:
    """One evaluation at x [b, dim]: what the terms see, and what the slopes of the points are made
    of.
    """

    x: Tensor
    scene: Scene
    posed: Posed
    # [b, turned] of the bones that the pose prior does not turn; of all where it is jointwise
    turn: rotations.Turn

    def rows(self, index: Tensor) -> View:
        """The same for some people."""
        return View(self.x[index], self.scene.rows(index), self.posed[index], self.turn[index])


@dataclass(frozen=True)
class Columns:
    """Slopes of some rows along some unknowns: [b, r, c], or [r, c] when all of the batch share
    them, or sparse.
    """

    at: tuple[int, ...]  # the place in x of each column
    slope: Tensor | Picked | Chosen

    @property
    def dense(self) -> Tensor:
        """[b, r, c] or [r, c]."""
        if isinstance(self.slope, Picked):
            return self.slope.dense(len(self.at))
        return self.slope.dense() if isinstance(self.slope, Chosen) else self.slope


@dataclass(frozen=True)
class Part:
    """Some rows [b, r] of a term and all slopes of theirs that are not zero."""

    rows: Tensor
    columns: tuple[Columns, ...]


@dataclass(frozen=True, eq=False)
class Route:
    """The way from the turns and shape directions that move a group of points, or the spheres, to
    the unknowns.
    """

    asked: Asked | AskedSpheres
    # block, which of its angles, where among the turns
    turns: tuple[tuple[Block, tuple[int, ...], slice], ...]
    shapes: tuple[int, ...]  # the place in x of each of `asked.shapes`

    @staticmethod
    @functools.lru_cache(maxsize=64)
    def all(
        model: PointModel, free: tuple[tuple[Block, int, int], ...], betas: int
    ) -> tuple[Route, ...]:
        """One for each group.

        free: each block's place in x, start and stop; betas: how many the body has.
        """
        bones, shapes = Route._moving(model, free, betas)
        asked = (Asked.of(model, group, bones, tuple(shapes)) for group in model.groups)
        return tuple(
            Route._of(model, a, tuple(block for block, _, _ in free), shapes) for a in asked
        )

    @staticmethod
    @functools.lru_cache(maxsize=64)
    def of_spheres(
        model: PointModel,
        spheres: SphereModel,
        free: tuple[tuple[Block, int, int], ...],
        betas: int,
    ) -> Route:
        """That of the spheres; arguments as those of `all`."""
        bones, shapes = Route._moving(model, free, betas)
        asked = AskedSpheres.of(model, spheres, bones, tuple(shapes))
        return Route._of(model, asked, tuple(block for block, _, _ in free), shapes)

    @staticmethod
    def _moving(
        model: PointModel, free: tuple[tuple[Block, int, int], ...], betas: int
    ) -> tuple[list[int], dict[int, int]]:
        """The bones that turn, and the place in x of each shape direction."""
        place = {block: range(start, stop) for block, start, stop in free}
        shapes = dict(enumerate(place.get(Block.BETAS, ())))
        shapes |= dict(enumerate(place.get(Block.EXPRESSION, ()), betas))
        joints = sorted(
            joint for block in place for joint in JOINTS_OF.get(block, ()) if joint in model.joints
        )
        return [model.joints.index(joint) for joint in joints], shapes

    @staticmethod
    def _of(
        model: PointModel,
        asked: Asked | AskedSpheres,
        free: tuple[Block, ...],
        shapes: Mapping[int, int],
    ) -> Route:
        joints, turns = [model.joints[bone] for bone in asked.bones], []
        for block in sorted(set(free) & set(JOINTS_OF), key=lambda block: JOINTS_OF[block].start):
            own = [i for i, joint in enumerate(joints) if joint in JOINTS_OF[block]]
            angles = tuple(
                3 * (joints[i] - JOINTS_OF[block].start) + axis for i in own for axis in range(3)
            )
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
    spheres: SphereModel | None = None

    def parts(self, slopes: Slopes) -> list[Part]:
        """Slopes of the inputs as slopes of x, for rows that go together; inputs that are not free
        drop out.
        """
        others = [
            self._pull(name, slope)
            for name, slope in slopes.wrt.items()
            if name not in ("points", "spheres")
        ]
        others = tuple(columns for columns in others if columns is not None)
        points, spheres = slopes.wrt.get("points"), slopes.wrt.get("spheres")
        if spheres is not None:
            others += self._through_spheres(
                spheres if isinstance(spheres, OnSpheres) else OnSpheres.of_dense(spheres)
            )
        if points is None:
            return [Part(slopes.rows, others)]
        if points.dim() == 4:
            pulls = Pulls.of(self.model, self.view.posed, points)
            return [self._of_group(route, slopes.rows, pulls, others) for route in self._routes]
        return [Part(slopes.rows, (*others, self._through_all(points)))]

    def _of_group(
        self, route: Route, rows: Tensor, pulls: Pulls, others: tuple[Columns, ...]
    ) -> Part:
        """The rows (p, k) that see the points of one group."""
        group, per_point = route.asked.group, pulls.force.shape[2]
        own = slice(group.start * per_point, group.stop * per_point)
        pulled = self._pull_points(route, pulls)
        pulled = [Columns(c.at, c.slope.flatten(1, 2)) for c in sorted(pulled, key=lambda c: c.at)]
        return Part(rows[:, own], (*pulled, *(Columns(c.at, c.dense[..., own, :]) for c in others)))

    def _through_all(self, slope: Tensor) -> Columns:
        """Slopes of rows that see many points [b, r, 3 p], or [r, 3 p], through the Jacobian of all
        points.
        """
        batch, count = self.view.posed.points.shape[:2]
        size = max(at.stop for at in self.slices.values())
        jacobian = slope.new_zeros(batch, count, 3, size)
        axes = torch.eye(3, dtype=slope.dtype, device=slope.device).expand(batch, count, 3, 3)
        pulls = Pulls.of(self.model, self.view.posed, axes)
        for route in self._routes:
            group = slice(route.asked.group.start, route.asked.group.stop)
            for columns in self._pull_points(route, pulls):
                jacobian[:, group, :, list(columns.at)] = columns.slope
        return Columns(
            tuple(range(size)), gram(slope.expand(batch, -1, -1).mT, jacobian.flatten(1, 2))
        )

    def _through_spheres(self, slope: OnSpheres) -> tuple[Columns, ...]:
        """Slopes of rows that see a few spheres each."""
        posed, route = self.view.posed, Route.of_spheres(self.model, self.spheres, *self._unknowns)
        turns = route.asked.turn_rows(posed, self._motion, self.view.scene["spheres"], slope)[
            :, :, None
        ]
        found = [self._turned(block, angles, turns[..., at]) for block, angles, at in route.turns]
        found = [Columns(c.at, c.slope.flatten(1, 2)) for c in found]
        if Block.TRANSL in self.slices:
            found.append(Columns(self._at(Block.TRANSL), turns[:, :, 0, -3:]))
        if route.shapes:
            found.append(Columns(route.shapes, route.asked.shape_rows(posed, self._motion, slope)))
        return tuple(found)

    def _pull_points(self, route: Route, pulls: Pulls) -> list[Columns]:
        """Slopes [b, p, k, c] of x of the rows that each see one point of a group."""
        posed, asked = self.view.posed, route.asked
        turns = asked.turn_rows(posed, self._motion, pulls)
        found = [self._turned(block, angles, turns[..., at]) for block, angles, at in route.turns]
        if Block.TRANSL in self.slices:
            found.append(Columns(self._at(Block.TRANSL), turns[..., -3:]))
        if route.shapes:
            found.append(Columns(route.shapes, asked.shape_rows(posed, self._motion, pulls)))
        return found

    def _turned(self, block: Block, angles: tuple[int, ...], columns: Tensor) -> Columns:
        """Slopes [b, p, k, a] along some of a block's angles, as slopes of its unknowns."""
        if block in self._hands:
            components = self._hands[block].components[:, column_index(angles, columns.device)]
            pulled = shared_matmul(columns.flatten(0, 2), components.T)
            return Columns(self._at(block), pulled.unflatten(0, columns.shape[:3]))
        if block is Block.BODY and not self.decoder.jointwise:
            pulled = gram(
                columns.flatten(1, 2).mT, self._velocity[:, column_index(angles, columns.device)]
            )
            return Columns(self._at(block), pulled.unflatten(1, columns.shape[1:3]))
        return Columns(tuple(self.slices[block].start + angle for angle in angles), columns)

    def _pull(self, name: str, slope: Tensor | Picked | Chosen) -> Columns | None:
        """Slopes of an input as slopes of the unknown that makes it; most inputs are unknowns
        already.
        """
        block = MADE_BY[name] if name in MADE_BY else Block(name)
        if block not in self.slices:
            return None
        if name == "up":  # turning by u moves it by u x up
            slope = slope @ (rotations.skew(self.view.scene["up"]).mT @ self._motion.left[:, 0])
        if (
            name in MADE_BY
            and isinstance(slope, Picked)
            and not (block is Block.BODY and self.decoder.jointwise)
        ):
            slope = slope.dense(self.view.scene[name].shape[-1])
        if name == "body_pose" and not self.decoder.jointwise:
            rotvec = self.view.scene["body_pose"].unflatten(-1, (-1, 3))
            slope = gram(
                _per_joint(slope, rotations.left_jacobian_inverse(rotvec)).mT, self._velocity
            )
        if name in ("left_hand_pose", "right_hand_pose"):
            slope = shared_matmul(slope.flatten(0, -2), self._hands[block].components.T).unflatten(
                0, slope.shape[:-1]
            )
        return Columns(self._at(block), slope)

    def _at(self, block: Block) -> tuple[int, ...]:
        return tuple(range(self.slices[block].start, self.slices[block].stop))

    @property
    def _routes(self) -> tuple[Route, ...]:
        return Route.all(self.model, *self._unknowns)

    @property
    def _unknowns(self) -> tuple[tuple[tuple[Block, int, int], ...], int]:
        """Where each free block lies in x, and how many betas the body has."""
        free = tuple((block, at.start, at.stop) for block, at in self.slices.items())
        return free, self.view.scene[Block.BETAS.value].shape[-1]

    @property
    def _shapes(self) -> int:
        """How many shape directions, betas before expression, hold those that are free."""
        betas, expression = (
            self.view.scene[block.value].shape[-1] for block in (Block.BETAS, Block.EXPRESSION)
        )
        return (
            betas + expression
            if Block.EXPRESSION in self.slices
            else betas * (Block.BETAS in self.slices)
        )

    @property
    def _hands(self) -> dict[Block, Hand]:
        return {Block.LEFT_HAND: self.decoder.left_hand, Block.RIGHT_HAND: self.decoder.right_hand}

    @cached_property
    def _motion(self) -> Motion:
        left = self.view.turn.left_jacobian()
        if not self.decoder.jointwise:
            body = torch.eye(3).to(left).expand(len(left), 21, 3, 3)
            left = torch.cat([left, body], 1).index_select(
                1, Bones.of(self.model.joints, False, left.device).order
            )
        return Motion.of(self.model, self.view.posed, left, self._shapes)

    @cached_property
    def _velocity(self) -> Tensor:
        prior = self.decoder.prior
        assert is_learned(prior)  # asked for only where the prior is not jointwise
        return prior.velocity(self.view.scene[Block.BODY.value])


def jacobian_by_autograd(term: Term, scene: Scene) -> Slopes:
    """The slopes of a term that states none: reverse differentiation, one pass per row of its
    residual.
    """
    with torch.enable_grad():
        inputs = {name: value.detach().requires_grad_() for name, value in scene.inputs.items()}
        residual = term(Scene(inputs, scene.observation)).residual
        batch, count = residual.shape
        basis = torch.eye(count, dtype=residual.dtype, device=residual.device)[:, None].expand(
            count, batch, count
        )
        found = torch.autograd.grad(
            residual,
            list(inputs.values()),
            basis,
            is_grads_batched=True,
            allow_unused=True,
            retain_graph=False,
        )
    found = {name: slope for name, slope in zip(inputs, found, strict=True) if slope is not None}
    wrt = {name: slope.movedim(0, 1).contiguous().flatten(2) for name, slope in found.items()}
    return Slopes(residual.detach(), wrt)


def _per_joint(slope: Tensor, matrix: Tensor) -> Tensor:
    """Slopes [*, r, 3 j] times a matrix for each joint [b, j, 3, 3]: [b, r, 3 j]."""
    split = slope.unflatten(-1, (-1, 3))
    return (split[..., None] * matrix[:, None]).sum(-2).flatten(-2)
