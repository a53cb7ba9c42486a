"""A problem is a value: terms, weights, what is free and what is fixed, for many people at once."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..config import Block
from ..core import rotations
from ..features import point_model
from ..features.point_model import ContourTable, PointModel
from ..features.spheres import SphereModel, candidate_pairs
from ..solvers.contract import Evaluation
from ..solvers.linear_systems import Dense
from ..solvers.residual_objective import gradient_by_autograd
from ..terms.scene import Inputs, Observation, Rows, Scene, Term
from .jacobian import Bones, Chain, View, jacobian_by_autograd
from .normal_equations import NormalEquations
from .variables import Decoder, State


@dataclass(frozen=True)
class WeightedTerm:
    """A term of the energy by name; the weight multiplies its residual."""

    name: str
    weight: float
    term: Term


@dataclass(frozen=True)
class Problem:
    """The energy of many people as a function of their free unknowns x [batch, dim]: an `Objective`
    for any solver.

    Rows are independent. `state` holds every unknown; the blocks in `free`, in that order, are
    those x replaces.
    """

    model: PointModel
    decoder: Decoder
    terms: tuple[WeightedTerm, ...]
    free: tuple[Block, ...]
    state: State
    observation: Observation
    contour: ContourTable
    spheres: SphereModel | None = None  # what the terms may hold apart

    def pack(self, state: State) -> Float[Tensor, "batch dim"]:
        """The free unknowns of `state` as vectors."""
        return torch.cat([getattr(state, block.value) for block in self.free], -1)

    def unpack(self, x: Float[Tensor, "batch dim"]) -> State:
        """The state with the free unknowns taken from x."""
        widths = [getattr(self.state, block.value).shape[-1] for block in self.free]
        parts = x.split(widths, -1)
        return self.state.replace(
            **{block.value: part for block, part in zip(self.free, parts, strict=True)}
        )

    def rows(self, index: Int[Tensor, " kept"]) -> Problem:
        """The same problem for some of its people."""
        return dataclasses.replace(
            self,
            state=self.state[index],
            observation=self.observation[index],
            contour=self.contour[index],
        )

    def joined(self, other: Problem) -> Problem:
        """The people of both; the problems must differ in nothing else."""
        return dataclasses.replace(
            self,
            state=State.cat([self.state, other.state]),
            observation=Observation.cat([self.observation, other.observation]),
            contour=ContourTable.cat([self.contour, other.contour]),
        )

    def with_candidates(self) -> Problem:
        """The same problem, its spheres held apart from those that are near at `state`."""
        placed = self.view(self.pack(self.state)).scene["spheres"]
        candidates = candidate_pairs(placed, self.spheres.apart)
        return dataclasses.replace(
            self, observation=self.observation.replace(candidates=candidates)
        )

    def residual(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch rows"]:
        """All weighted residuals side by side; their square sum is the energy."""
        scene = self.view(x).scene
        return torch.cat([t.weight * t.term(scene).residual for t in self.terms], -1)

    def energies(self, x: Float[Tensor, "batch dim"]) -> dict[str, Float[Tensor, " batch"]]:
        """The energy of each term by name."""
        return self.energies_in(self.view(x).scene)

    def energies_in(self, scene: Scene) -> dict[str, Float[Tensor, " batch"]]:
        """The energy of each term by name, in a scene that was looked at already."""
        return self._energies_of(self._rows_in(scene))

    def energy(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """The energy of each row."""
        return _total(self.energies(x).values())

    def evaluate(self, x: Float[Tensor, "batch dim"]) -> Evaluation:
        """The energy of each row; the derivatives, when asked for, are worked out from the same
        view.
        """
        return self.evaluate_at(self.view(x))

    def evaluate_at(self, view: View) -> Evaluation:
        """The same where the view is there already."""
        rows = self._rows_in(view.scene)

        def linearised(index: Tensor | None) -> Dense:
            if index is None:
                return self._linearised(view, rows)
            some = view.rows(index)
            return self._linearised(some, self._rows_in(some.scene))

        return Evaluation(_total(self._energies_of(rows).values()), linearised)

    def gradient(self, x: Float[Tensor, "batch dim"]) -> tuple[Tensor, Tensor]:
        """Energy and its exact gradient [batch, dim], by reverse differentiation."""
        return gradient_by_autograd(self.energy, x)

    def normal(self, x: Float[Tensor, "batch dim"]) -> tuple[Tensor, Dense]:
        """Energy, exact gradient and Gauss-Newton Hessian [batch, dim, dim], by the terms' closed
        forms.
        """
        view = self.view(x)
        rows = self._rows_in(view.scene)
        return _total(self._energies_of(rows).values()), self._linearised(view, rows)

    def _rows_in(self, scene: Scene) -> list[Rows]:
        return [weighted.term(scene) for weighted in self.terms]

    def _energies_of(self, rows: Sequence[Rows]) -> dict[str, Tensor]:
        return {
            t.name: t.weight**2 * _square_sum(r.residual)
            for t, r in zip(self.terms, rows, strict=True)
        }

    def _linearised(self, view: View, rows: Sequence[Rows]) -> Dense:
        """Gradient and Gauss-Newton Hessian; rows: what each term says in the view."""
        chain = Chain(self.model, self.decoder, self.slices(), view, self.spheres)
        normal = NormalEquations(view.x)
        for weighted, own in zip(self.terms, rows, strict=True):
            slopes = own.slopes() if own.slopes else jacobian_by_autograd(weighted.term, view.scene)
            for part in chain.parts(slopes.scaled(2**0.5 * weighted.weight)):
                normal.add(part)
        return Dense(*normal.gradient_and_hessian())

    def view(self, x: Float[Tensor, "batch dim"]) -> View:
        """What the terms see at x, and the posed points."""
        state = self.unpack(x)
        body = None if self.decoder.jointwise else self.decoder.prior.decode(state.body)
        inputs = self._inputs(state, body)
        turn, rotation = self._turned(inputs, body)
        root = rotation[:, :1] @ state.orient[:, None]
        shape = torch.cat([state.betas, state.expression], -1)
        turned = torch.cat([root, rotation[:, 1:]], 1)
        posed = point_model.pose(self.model, turned, shape, state.transl, self.contour)
        spheres = (
            {} if self.spheres is None else {"spheres": lambda: self.spheres.place(posed, shape)}
        )
        inputs = inputs.also({"points": posed.points, "up": root[:, 0, :, 1]}, spheres)
        return View(x, Scene(inputs, self.observation), posed, turn)

    def _inputs(self, state: State, body: Tensor | None) -> Inputs:
        """The unknowns and the poses made of them; body: what the pose prior decodes, if it has to."""
        known = {block.value: getattr(state, block.value) for block in Block}
        made = {
            "body_pose": lambda: state.body if body is None else rotations.log(body).flatten(1),
            "left_hand_pose": lambda: self.decoder.left_hand.decode(state.left_hand),
            "right_hand_pose": lambda: self.decoder.right_hand.decode(state.right_hand),
        }
        return Inputs(known, made)

    def _turned(self, inputs: Inputs, body: Tensor | None) -> tuple[rotations.Turn, Tensor]:
        """The turns of a `View`, and the rotation of each bone."""
        transl = inputs[Block.TRANSL.value]
        bones = Bones.of(self.model.joints, body is None, transl.device)
        angles = torch.cat([torch.zeros_like(transl), *(inputs[name] for name in bones.sources)], 1)
        turn = rotations.Turn.of(angles.unflatten(1, (-1, 3)).index_select(1, bones.turned))
        if body is None:
            return turn, turn.matrix()
        return turn, torch.cat([turn.matrix(), body], 1).index_select(1, bones.order)

    def slices(self) -> dict[Block, slice]:
        """Where each free block lies in x."""
        ends = list(
            itertools.accumulate(getattr(self.state, block.value).shape[-1] for block in self.free)
        )
        return {
            block: slice(*bounds)
            for block, bounds in zip(self.free, itertools.pairwise([0, *ends]), strict=True)
        }


def _square_sum(rows: Tensor) -> Tensor:
    return (rows * rows).sum(-1)


def _total(parts: Iterable[Tensor]) -> Tensor:
    return functools.reduce(torch.add, parts)
