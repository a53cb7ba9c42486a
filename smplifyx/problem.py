"""A problem is a value: terms, weights, what is free and what is fixed, for many people at once."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from . import rotations
from .body import point_model
from .body.point_model import ContourTable, PointModel
from .chain import HAND_TURNS, Bones, Chain, View, slopes_by_autograd
from .config import Block
from .normal_equations import NormalEquations
from .solvers.residual_objective import gradient_by_autograd
from .state import Decoder, State
from .terms.scene import Inputs, Observation, Scene, Term


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
        scene = self.view(x).scene
        return torch.cat([t.weight * t.term(scene).residual for t in self.terms], -1)

    def energies(self, x: Float[Tensor, "batch dim"]) -> dict[str, Float[Tensor, " batch"]]:
        """The energy of each term by name."""
        return self.energies_in(self.view(x).scene)

    def energies_in(self, scene: Scene) -> dict[str, Float[Tensor, " batch"]]:
        """The energy of each term by name, in a scene that was looked at already."""
        return {t.name: t.weight**2 * _square_sum(t.term(scene).residual) for t in self.terms}

    def energy(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """The energy of each row."""
        return _total(self.energies(x).values())

    def gradient(self, x: Float[Tensor, "batch dim"]) -> tuple[Tensor, Tensor]:
        """Energy and its exact gradient [batch, dim], by reverse differentiation."""
        return gradient_by_autograd(self.energy, x)

    def normal(self, x: Float[Tensor, "batch dim"]) -> tuple[Tensor, Tensor, Tensor]:
        """Energy, exact gradient and Gauss-Newton Hessian [batch, dim, dim], by the terms' closed forms."""
        view = self.view(x)
        chain, normal = Chain(self.model, self.decoder, self.slices(), view), NormalEquations(x)
        energies = []
        for weighted in self.terms:
            rows = weighted.term(view.scene)
            slopes = rows.slopes() if rows.slopes else slopes_by_autograd(weighted.term, view.scene)
            energies.append(weighted.weight**2 * _square_sum(rows.residual))
            for part in chain.parts(slopes.scaled(2**0.5 * weighted.weight)):
                normal.add(part)
        return _total(energies), *normal.gradient_and_hessian()

    def view(self, x: Float[Tensor, "batch dim"]) -> View:
        """What the terms see at x, and the posed points."""
        state = self.unpack(x)
        turns, jointwise = self.decoder.turns(state), self.decoder.jointwise
        body = None if jointwise else self.decoder.prior.decode(state.body)
        turn, rotation = self._turned(turns, state.body, body)
        root = rotation[:, :1] @ state.orient[:, None]
        shape = torch.cat([state.betas, state.expression], -1)
        turned = torch.cat([root, rotation[:, 1:]], 1)
        posed = point_model.pose(self.model, turned, shape, state.transl, self.contour)
        inputs = {block.value: getattr(state, block.value) for block in Block} | {"points": posed.points}
        inputs |= {"up": root[:, 0, :, 1]}
        inputs |= {name: turns[:, HAND_TURNS[name]].flatten(1) for name in HAND_TURNS}
        pose = {"body_pose": lambda: state.body if jointwise else rotations.log(body).flatten(1)}
        return View(Scene(Inputs(inputs, pose), self.observation), posed, turn)

    def _turned(self, turns: Tensor, latent: Tensor, body: Tensor | None) -> tuple[rotations.Turn, Tensor]:
        """The turns of a `View`, and the rotation of each bone; body: what the pose prior decodes, if it has to."""
        bones = Bones.of(self.model.joints, turns.device)
        parts = [turns, torch.zeros_like(turns[:, :1])]  # the last: a bone that never turns
        if body is None:
            turn = rotations.Turn(torch.cat([*parts, latent.unflatten(-1, (-1, 3))], 1).index_select(1, bones.all))
            return turn, turn.matrix()
        turn = rotations.Turn(torch.cat(parts, 1).index_select(1, bones.turned))
        return turn, torch.cat([turn.matrix(), body], 1).index_select(1, bones.order)

    def slices(self) -> dict[Block, slice]:
        """Where each free block lies in x."""
        ends = list(itertools.accumulate(getattr(self.state, block.value).shape[-1] for block in self.free))
        return {block: slice(*bounds) for block, bounds in zip(self.free, itertools.pairwise([0, *ends]), strict=True)}


def _square_sum(rows: Tensor) -> Tensor:
    return (rows * rows).sum(-1)


def _total(parts: Iterable[Tensor]) -> Tensor:
    return functools.reduce(torch.add, parts)
