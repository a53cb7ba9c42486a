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
from .batching import gram
from .body import point_model
from .body.point_model import ContourTable, PointModel
from .chain import Bones, Chain, View, slopes_by_autograd
from .config import Block
from .solvers.residual_objective import gradient_by_autograd
from .state import Decoder, State
from .terms.scene import Observation, Scene, Term


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
        scene = self._view(x).scene
        return torch.cat([t.weight * t.term(scene).residual for t in self.terms], -1)

    def energies(self, x: Float[Tensor, "batch dim"]) -> dict[str, Float[Tensor, " batch"]]:
        """The energy of each term by name."""
        scene = self._view(x).scene
        return {t.name: t.weight**2 * _square_sum(t.term(scene).residual) for t in self.terms}

    def energy(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """The energy of each row."""
        return _total(self.energies(x).values())

    def gradient(self, x: Float[Tensor, "batch dim"]) -> tuple[Tensor, Tensor]:
        """Energy and its exact gradient [batch, dim], by reverse differentiation."""
        return gradient_by_autograd(self.energy, x)

    def normal(self, x: Float[Tensor, "batch dim"]) -> tuple[Tensor, Tensor, Tensor]:
        """Energy, exact gradient and Gauss-Newton Hessian [batch, dim, dim], by the terms' closed forms."""
        view = self._view(x)
        chain = Chain(self.model, self.decoder, self._slices(), view)
        gradient = x.new_zeros(x.shape)
        hessian = x.new_zeros(*x.shape, x.shape[-1])
        energies = []
        for weighted in self.terms:
            rows = weighted.term(view.scene)
            slopes = rows.slopes() if rows.slopes else slopes_by_autograd(weighted.term, view.scene)
            energies.append(weighted.weight**2 * _square_sum(rows.residual))
            _accumulate(gradient, hessian, 2 * weighted.weight**2, slopes.rows, chain.columns(slopes))
        return _total(energies), gradient, hessian

    def _slices(self) -> dict[Block, slice]:
        """Where each free block lies in x."""
        ends = list(itertools.accumulate(getattr(self.state, block.value).shape[-1] for block in self.free))
        return {block: slice(*bounds) for block, bounds in zip(self.free, itertools.pairwise([0, *ends]), strict=True)}

    def _view(self, x: Tensor) -> View:
        state = self.unpack(x)
        turns = self.decoder.turns(state)
        padded = torch.cat([turns, torch.zeros_like(turns[:, :1])], 1)  # the last: a bone that never turns
        bones = Bones.of(self.model.joints)
        rotvec, body = padded[:, bones.turned], self.decoder.prior.decode(state.body)
        rotation = torch.cat([rotations.exp(rotvec), body], 1)[:, bones.order]
        root = rotation[:, :1] @ state.orient[:, None]
        shape = torch.cat([state.betas, state.expression], -1)
        turned = torch.cat([root, rotation[:, 1:]], 1)
        posed = point_model.pose(self.model, turned, shape, state.transl, self.contour)
        inputs = {block.value: getattr(state, block.value) for block in Block} | {"points": posed.points}
        inputs |= {"up": root[:, 0, :, 1], "body_pose": rotations.log(body).flatten(1)}
        inputs |= {
            "left_hand_pose": self.decoder.left_hand.decode(state.left_hand),
            "right_hand_pose": self.decoder.right_hand.decode(state.right_hand),
        }
        return View(Scene(inputs, self.observation), posed, rotvec)


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
