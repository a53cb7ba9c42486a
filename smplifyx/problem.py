"""A problem is a value: terms, weights, what is free and what is fixed, for many people at once."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from jaxtyping import Float, Int
from torch import Tensor

from . import rotations
from .batching import gram
from .body import point_model
from .body.params import POSE_ROWS
from .body.point_model import ContourTable, PointModel, Posed
from .config import Block
from .solvers.residual_objective import gradient_by_autograd
from .state import Decoder, State
from .terms.scene import Observation, Scene, Slopes, Term

JOINTS_OF = MappingProxyType({  # where each rotation block sits in BodyParams.full_pose()
    Block.GLOBAL_ORIENT: POSE_ROWS["global_orient"], Block.BODY: POSE_ROWS["body_pose"],
    Block.JAW: POSE_ROWS["jaw_pose"], Block.LEYE: POSE_ROWS["leye_pose"], Block.REYE: POSE_ROWS["reye_pose"],
    Block.LEFT_HAND: POSE_ROWS["left_hand_pose"], Block.RIGHT_HAND: POSE_ROWS["right_hand_pose"],
})  # fmt: skip
POSE_NAMES = MappingProxyType({
    "body_pose": Block.BODY, "left_hand_pose": Block.LEFT_HAND, "right_hand_pose": Block.RIGHT_HAND,
})  # fmt: skip


@dataclass(frozen=True)
class WeightedTerm:
    """A term of the energy by name; the weight multiplies its residual."""

    name: str
    weight: float
    term: Term


@dataclass(frozen=True)
class Problem:
    """The energy of many people as a function of their free unknowns x [batch, dim]: an `Objective` for any solver.

    Rows are independent. `state` holds every unknown; the blocks in `free`, in that order, are those x replaces.
    """

    model: PointModel
    decoder: Decoder
    terms: tuple[WeightedTerm, ...]
    free: tuple[Block, ...]
    state: State
    observation: Observation
    contour: ContourTable

    def pack(self, state: State) -> Float[Tensor, "batch dim"]:
        """The free unknowns of `state` as vectors."""
        return torch.cat([getattr(state, block.value) for block in self.free], -1)

    def unpack(self, x: Float[Tensor, "batch dim"]) -> State:
        """The state with the free unknowns taken from x."""
        widths = [getattr(self.state, block.value).shape[-1] for block in self.free]
        parts = x.split(widths, -1)
        return self.state.replace(**{block.value: part for block, part in zip(self.free, parts, strict=True)})

    def rows(self, index: Int[Tensor, " kept"]) -> Problem:
        """The same problem for some of its people."""
        return dataclasses.replace(
            self, state=self.state[index], observation=self.observation[index], contour=self.contour[index]
        )

    def residual(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch rows"]:
        """All weighted residuals side by side; their square sum is the energy."""
        scene = self._scene(x).scene
        return torch.cat([t.weight * t.term(scene).residual for t in self.terms], -1)

    def energies(self, x: Float[Tensor, "batch dim"]) -> dict[str, Float[Tensor, " batch"]]:
        """The energy of each term by name."""
        scene = self._scene(x).scene
        return {t.name: t.weight**2 * _square_sum(t.term(scene).residual) for t in self.terms}

    def energy(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """The energy of each row."""
        return _total(self.energies(x).values())

    def gradient(self, x: Float[Tensor, "batch dim"]) -> tuple[Tensor, Tensor]:
        """Energy and its exact gradient [batch, dim], by reverse differentiation."""
        return gradient_by_autograd(self.energy, x)

    def normal(self, x: Float[Tensor, "batch dim"]) -> tuple[Tensor, Tensor, Tensor]:
        """Energy, exact gradient and Gauss-Newton Hessian [batch, dim, dim], by the terms' closed forms."""
        view = self._scene(x)
        chain = _Chain(self, view)
        gradient = x.new_zeros(x.shape)
        hessian = x.new_zeros(*x.shape, x.shape[-1])
        energies = []
        for weighted in self.terms:
            rows = weighted.term(view.scene)
            slopes = rows.slopes() if rows.slopes else slopes_by_autograd(weighted.term, view.scene)
            energies.append(weighted.weight**2 * _square_sum(rows.residual))
            _accumulate(gradient, hessian, 2 * weighted.weight**2, slopes.rows, chain.columns(slopes))
        return _total(energies), gradient, hessian

    def _scene(self, x: Tensor) -> _View:
        state = self.unpack(x)
        pose = self.decoder.pose(state)
        padded = torch.cat([pose, torch.zeros_like(pose[:, :1])], 1)  # index -1: a bone that never turns
        rotvec = padded[:, list(self.model.joints)]
        rotation = rotations.exp(rotvec)
        root = rotation[:, :1] @ state.orient[:, None]
        shape = torch.cat([state.betas, state.expression], -1)
        turned = torch.cat([root, rotation[:, 1:]], 1)
        posed = point_model.pose(self.model, turned, shape, state.transl, self.contour)
        inputs = {block.value: getattr(state, block.value) for block in Block} | {"points": posed.points}
        inputs["up"] = root[:, 0, :, 1]
        inputs |= {name: pose[:, list(JOINTS_OF[block])].flatten(1) for name, block in POSE_NAMES.items()}
        return _View(Scene(inputs, self.observation), posed, rotvec)


@dataclass(frozen=True)
class _View:
    """One evaluation: what the terms see, and what the slopes of the points are made of."""

    scene: Scene
    posed: Posed
    rotvec: Tensor


class _Chain:
    """The chain rule from what terms see to x. Columns are (slice of x, slopes [b, r, d] or shared [r, d])."""

    def __init__(self, problem: Problem, view: _View) -> None:
        self._problem, self._view = problem, view
        self._slices, at = {}, 0
        for block in problem.free:
            width = getattr(problem.state, block.value).shape[-1]
            self._slices[block] = slice(at, at + width)
            at += width
        self._everything = slice(0, at)

    def columns(self, slopes: Slopes) -> list[tuple[slice, Tensor]]:
        """Slopes of x from slopes of the inputs; inputs that are not free drop out."""
        found: dict[tuple[int, int], Tensor] = {}
        for name, slope in slopes.wrt.items():
            for at, column in self._pull(name, slope):
                key = (at.start, at.stop)
                found[key] = found[key] + column if key in found else column
        return [(slice(*key), column) for key, column in found.items()]

    def _pull(self, name: str, slope: Tensor) -> list[tuple[slice, Tensor]]:
        if name == "points":
            return [(self._everything, self._pull_points(slope))]
        block = POSE_NAMES.get(name) or (Block.GLOBAL_ORIENT if name == "up" else Block(name))
        return [(self._slices[block], self._pull_pose(name, slope))] if block in self._slices else []

    def _pull_points(self, slope: Tensor) -> Tensor:
        jacobian = self.points_jacobian()
        if slope.dim() == 4:  # row (p, k) sees point p alone
            parts = (slope[..., i, None] * jacobian[:, :, None, i] for i in range(3))
            return _total(parts).flatten(1, 2)
        return slope @ jacobian.flatten(1, 2)

    def _pull_pose(self, name: str, slope: Tensor) -> Tensor:
        """Slopes of poses as slopes of the unknowns that make them; other inputs are unknowns already."""
        decoder = self._problem.decoder
        if name == "up":  # turning by u moves it by u x up
            turn = rotations.left_jacobian(self._view.scene[Block.GLOBAL_ORIENT.value])
            return slope @ (rotations.skew(self._view.scene["up"]).mT @ turn)
        if name == "body_pose":
            matrix = decoder.prior.decode(self._view.scene[Block.BODY.value]).d_rotvec_d_latent
            return slope if matrix is None else slope @ matrix
        if name == "left_hand_pose":
            return slope @ decoder.left_hand.components.T
        return slope @ decoder.right_hand.components.T if name == "right_hand_pose" else slope

    def points_jacobian(self) -> Tensor:
        """d points / d x: [b, p, 3, dim]."""
        problem, view = self._problem, self._view
        turn = point_model.turn_jacobian(problem.model, view.posed, rotations.left_jacobian(view.rotvec))
        shape = None
        if Block.BETAS in self._slices or Block.EXPRESSION in self._slices:
            shape = point_model.shape_jacobian(problem.model, view.posed)
        return torch.cat([self._block_jacobian(block, turn, shape) for block in problem.free], -1)

    def _block_jacobian(self, block: Block, turn: Tensor, shape: Tensor | None) -> Tensor:
        batch, points = turn.shape[:2]
        betas = self._problem.state.betas.shape[-1]
        if block is Block.TRANSL:
            return torch.eye(3, dtype=turn.dtype, device=turn.device).expand(batch, points, 3, 3)
        if block is Block.BETAS:
            return shape[..., :betas]
        if block is Block.EXPRESSION:
            return shape[..., betas:]
        if block is Block.FOCAL:
            return turn.new_zeros(batch, points, 3, 1)
        columns = _columns_of(turn, self._problem.model.joints, JOINTS_OF[block])
        name = next((n for n, b in POSE_NAMES.items() if b is block), block.value)
        return self._pull_pose(name, columns.flatten(1, 2)).unflatten(1, (points, 3))


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


def _columns_of(turn: Tensor, joints: Sequence[int], wanted: range) -> Tensor:
    """Columns of the wanted joints [b, p, 3, 3 * wanted]; a joint the points do not have gives zeros."""
    place = {joint: i for i, joint in enumerate(joints)}
    if all(joint in place for joint in wanted):
        return turn[:, :, :, [place[j] for j in wanted]].flatten(3)
    padded = torch.cat([turn, torch.zeros_like(turn[:, :, :, :1])], 3)
    return padded[:, :, :, [place.get(j, len(joints)) for j in wanted]].flatten(3)


def _accumulate(
    gradient: Tensor, hessian: Tensor, factor: float, rows: Tensor, columns: list[tuple[slice, Tensor]]
) -> None:
    """Adds factor x J^T r and factor x J^T J of one term."""
    for at, left in columns:
        gradient[:, at] += factor * (rows[..., None] * left).sum(-2)
        for other, right in columns:
            hessian[:, at, other] += factor * (
                left.mT @ right if left.dim() == right.dim() == 2 else _gram(left, right)
            )


def _gram(left: Tensor, right: Tensor) -> Tensor:
    batch = max(len(m) for m in (left, right) if m.dim() == 3)
    return gram(*(m if m.dim() == 3 else m.expand(batch, *m.shape) for m in (left, right)))


def _square_sum(rows: Tensor) -> Tensor:
    return (rows * rows).sum(-1)


def _total(parts: Iterable[Tensor]) -> Tensor:
    return functools.reduce(torch.add, parts)
