"""A problem is a value: terms, weights, what is free and what is fixed, for many people at once."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..config import Block
from ..core.bundle import Bundle
from ..features.feature import Feature, FoldedBody
from ..features.point_model import ContourTable
from ..features.variables import State
from ..solvers.contract import Evaluation
from ..solvers.linear_systems import Dense
from ..solvers.residual_objective import gradient_by_autograd
from ..terms.scene import Residual, Scene, WeightedTerm
from .chain_rule import ChainRule, jacobian_by_autograd
from .normal_equations import NormalEquations
from .view import View, look


@dataclass(frozen=True)
class ProblemRows(Bundle):
    """What a problem holds of each person."""

    state: State  # every unknown: x replaces the free blocks
    contour: ContourTable  # the face contour as the head is turned where the stage begins
    observed: dict[type, Any]  # by the kind of what was observed: a Bundle each
    matches: dict[Feature, Any] = field(
        default_factory=dict
    )  # what features keep for the time of a stage


@dataclass(frozen=True)
class Problem:
    """The energy of many people as a function of their free unknowns x [batch, dim]: an `Objective`
    for any solver.

    Rows are independent. `folded` says which blocks of unknowns are free, and in which order they
    lie in x.
    """

    folded: FoldedBody
    terms: tuple[WeightedTerm, ...]
    people: ProblemRows

    @property
    def state(self) -> State:
        """Every unknown of each person."""
        return self.people.state

    @property
    def slices(self) -> dict[Block, slice]:
        """Where each free block lies in x, in its order."""
        return dict(self.folded.slices)

    def pack(self, state: State) -> Float[Tensor, "batch dim"]:
        """The free unknowns of `state` as vectors."""
        return torch.cat([getattr(state, block.value) for block in self.folded.slices], -1)

    def unpack(self, x: Float[Tensor, "batch dim"]) -> State:
        """The state with the free unknowns taken from x."""
        free = {block.value: x[:, place] for block, place in self.folded.slices.items()}
        return self.state.replace(**free)

    def rows(self, index: Int[Tensor, " kept"]) -> Problem:
        """The same problem for some of its people."""
        return dataclasses.replace(self, people=self.people[index])

    def joined(self, other: Problem) -> Problem:
        """The people of both; the problems must differ in nothing else."""
        return dataclasses.replace(self, people=ProblemRows.cat([self.people, other.people]))

    def with_state(self, state: State) -> Problem:
        """The same people where `state` has them."""
        return dataclasses.replace(self, people=self.people.replace(state=state))

    def with_matches(self) -> Problem:
        """The same problem, its features matched as they lie at `state`: spheres that may meet,
        depths to keep.
        """
        scene = self.view(self.pack(self.state)).scene
        matches = {}
        for feature in dict.fromkeys(f for weighted in self.terms for f in weighted.matches):
            match = self.folded.bound(feature).correspond(scene[feature])
            if match is not None:
                matches[feature] = match
        return dataclasses.replace(self, people=self.people.replace(matches=matches))

    def residual(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch r"]:
        """All weighted residuals side by side; their square sum is the energy."""
        residuals = self._residuals_in(self.view(x).scene)
        weighted = [
            term.weight * residual.values
            for term, residual in zip(self.terms, residuals, strict=True)
        ]
        return torch.cat(weighted, -1)

    def energies(self, x: Float[Tensor, "batch dim"]) -> dict[str, Float[Tensor, " batch"]]:
        """The energy of each term by name."""
        return self.energies_in(self.view(x).scene)

    def energies_in(self, scene: Scene) -> dict[str, Float[Tensor, " batch"]]:
        """The energy of each term by name, in a scene that was looked at already."""
        return self._energies_of(self._residuals_in(scene))

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
        residuals = self._residuals_in(view.scene)

        def linearised(index: Tensor | None) -> Dense:
            if index is None:
                return self._linearised(view, residuals)
            some = view.rows(index)
            return self._linearised(some, self._residuals_in(some.scene))

        return Evaluation(_total(self._energies_of(residuals).values()), linearised)

    def gradient(self, x: Float[Tensor, "batch dim"]) -> tuple[Tensor, Tensor]:
        """Energy and its exact gradient [batch, dim], by reverse differentiation."""
        return gradient_by_autograd(self.energy, x)

    def normal(self, x: Float[Tensor, "batch dim"]) -> tuple[Float[Tensor, " batch"], Dense]:
        """Energy, exact gradient and Gauss-Newton Hessian, by the terms' closed forms."""
        return self.normal_at(self.view(x))

    def normal_at(self, view: View) -> tuple[Float[Tensor, " batch"], Dense]:
        """The same where the view is there already."""
        residuals = self._residuals_in(view.scene)
        energy = _total(self._energies_of(residuals).values())
        return energy, self._linearised(view, residuals)

    def view(self, x: Float[Tensor, "batch dim"]) -> View:
        """What the terms see at x, and the posed bodies."""
        people = self.people
        state = self.unpack(x)
        return look(self.folded, x, state, people.contour, people.observed, people.matches)

    def _residuals_in(self, scene: Scene) -> list[Residual]:
        return [weighted.term(scene) for weighted in self.terms]

    def _energies_of(self, residuals: Sequence[Residual]) -> dict[str, Tensor]:
        energies = {}
        for weighted, residual in zip(self.terms, residuals, strict=True):
            square_sum = (residual.values * residual.values).sum(-1)
            energies[weighted.name] = weighted.weight**2 * square_sum
        return energies

    def _linearised(self, view: View, residuals: Sequence[Residual]) -> Dense:
        """Gradient and Gauss-Newton Hessian; residuals: what each term says in the view."""
        chain_rule = ChainRule(self.folded, view)
        normal = NormalEquations(view.x)
        for weighted, residual in zip(self.terms, residuals, strict=True):
            if residual.jacobian is None:
                jacobian = jacobian_by_autograd(weighted.term, view.scene)
            else:
                jacobian = residual.jacobian()
            # The energy is a sum of squares without the usual half: its gradient is 2 J^T r.
            for part in chain_rule.parts(jacobian.scaled(2**0.5 * weighted.weight)):
                normal.add(part)
        return Dense(*normal.gradient_and_hessian())


def _total(energies: Iterable[Tensor]) -> Tensor:
    """The sum, in order: sums round."""
    return functools.reduce(torch.add, energies)
