"""People who share a problem: the energies of each, and residuals that hold the spheres of one apart from another's."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..features.feature import Columns, Feature
from ..features.jacobian_blocks import SphereBlock
from ..features.spheres import SPHERES, CandidatePairs, SpheresOnBones, candidate_pairs
from ..features.unknowns import TRANSL
from ..solvers.contract import Evaluation
from ..solvers.residual_objective import gradient_by_autograd
from ..terms.scene import FeatureValues, Jacobian, Scene, WeightedTerm
from .chain_rule import ChainRule, LinearPart
from .normal_equations import NormalEquations
from .problem import Problem
from .view import View

PAIRS = 64 * 440**2  # of spheres looked at together when partners are looked up


@dataclass(frozen=True)
class SharedProblem:
    """The energy of groups of people, each a row, as a function of x [batch, dim]: an `Objective`
    for any solver.

    `members`: the problems of the first person of each group, of the second ..., all with `spheres`
    and with TRANSL among `free`; x holds their unknowns side by side. `between` is a term of the
    spheres of all of them in the frame of the first's `transl`, numbered through. Members may have
    different bodies.
    """

    members: tuple[Problem, ...]
    between: WeightedTerm
    # as in `Observation`: spheres, and those of others that each may meet
    candidates: Int[Tensor, "batch n m"]

    @classmethod
    def of(cls, members: tuple[Problem, ...], between: WeightedTerm) -> SharedProblem:
        """Spheres are held apart from those of the others that are near at the members' states."""
        views = [member.view(member.pack(member.state)) for member in members]
        spheres, owner = _spheres(views), _owner(members)
        some = spheres.split(max(PAIRS // spheres.shape[1] ** 2, 1))
        candidates = torch.cat(
            [candidate_pairs(placed, owner[:, None] != owner) for placed in some]
        )
        return cls(members, between, candidates)

    def pack(self) -> Float[Tensor, "batch dim"]:
        """The unknowns of all members where they are."""
        return torch.cat([member.pack(member.state) for member in self.members], -1)

    def split(self, x: Float[Tensor, "batch dim"]) -> tuple[Float[Tensor, "batch own"], ...]:
        """Each member's unknowns."""
        return tuple(x[:, own].contiguous() for own in self._slices)

    def rows(self, index: Int[Tensor, " kept"]) -> SharedProblem:
        """The same problem for some of its groups."""
        members = tuple(member.rows(index) for member in self.members)
        return dataclasses.replace(self, members=members, candidates=self.candidates[index])

    def energy(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """The energy of each group."""
        return self.evaluate(x).energy

    def evaluate(self, x: Float[Tensor, "batch dim"]) -> Evaluation:
        """The energy of each group; the derivatives, when asked for, are worked out from the same
        views.
        """
        views = self.views(x)
        found = [member.evaluate_at(view) for member, view in zip(self.members, views, strict=True)]

        def linearised(index: Tensor | None) -> tuple[Tensor, Tensor]:
            own = [one.linearised(index) for one in found]
            if index is None:
                return self._joined(x, views, own)
            return self.rows(index)._joined(x[index], [view.rows(index) for view in views], own)

        energies = (one.energy for one in found)
        return Evaluation(
            functools.reduce(torch.add, energies, self.between_energy(views)), linearised
        )

    def gradient(self, x: Float[Tensor, "batch dim"]) -> tuple[Tensor, Tensor]:
        """Energy and its exact gradient [batch, dim], by reverse differentiation."""
        return gradient_by_autograd(self.energy, x)

    def normal(self, x: Float[Tensor, "batch dim"]) -> tuple[Tensor, Tensor, Tensor]:
        """Energy, exact gradient and Gauss-Newton Hessian [batch, dim, dim], by the terms' closed
        forms.
        """
        found = self.evaluate(x)
        return found.energy, *found.linearised(None)

    def views(self, x: Float[Tensor, "batch dim"]) -> list[View]:
        """What the terms of each member see at x."""
        return [member.view(own) for member, own in zip(self.members, self.split(x), strict=True)]

    def between_energy(self, views: list[View]) -> Float[Tensor, " batch"]:
        """The energy of what lies between the members."""
        residual = self.between.weight * self.between.term(self._scene(views)).values
        return (residual * residual).sum(-1)

    def _scene(self, views: list[View]) -> Scene:
        """What the term between them sees: the spheres of all, and those that may meet."""
        spheres = _spheres(views)
        known: dict[Feature, Tensor] = {SPHERES: spheres}
        values = FeatureValues(known.__getitem__)
        return Scene(values, {}, {SPHERES: CandidatePairs(self.candidates)})

    def _joined(
        self, x: Tensor, views: list[View], own: list[tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, Tensor]:
        """Gradient and Hessian from those of each member's own energy."""
        residual = self.between.term(self._scene(views))
        if residual.jacobian is None:
            raise TypeError(
                f"the term {self.between.name!r} between people must state its Jacobian"
            )
        jacobian = residual.jacobian().scaled(2**0.5 * self.between.weight)
        normal = NormalEquations(x)
        normal.add(LinearPart(jacobian.values, tuple(self._columns(views, jacobian))))
        gradient, hessian = normal.gradient_and_hessian()
        gradient = gradient + torch.cat([g for g, _ in own], -1)
        for at, (_, block) in zip(self._slices, own, strict=True):
            hessian[:, at, at] += block
        return gradient, hessian

    def _columns(self, views: list[View], jacobian: Jacobian) -> list[Columns]:
        """The slopes of residuals between members along the unknowns of all."""
        block = jacobian.blocks[SPHERES]
        if not isinstance(block, SphereBlock):
            raise TypeError(
                "residuals between people see spheres one by one: expected a SphereBlock"
            )
        found, first = [], 0
        for member, view, place in zip(self.members, views, self._slices, strict=True):
            spheres = _bound(member)
            own = _ends(block, range(first, first + len(spheres.model.rest)))
            pulled = spheres.pull(own, ChainRule(member.folded, view))
            for columns in pulled.whole:
                at = tuple(place.start + at for at in columns.at)
                found.append(Columns(at, columns.block))
            first += len(spheres.model.rest)
        return found

    @functools.cached_property
    def _slices(self) -> tuple[slice, ...]:
        ends = itertools.accumulate((member.folded.dim for member in self.members), initial=0)
        return tuple(slice(*bounds) for bounds in itertools.pairwise(ends))


def _bound(member: Problem) -> SpheresOnBones:
    bound = member.folded.bound(SPHERES)
    assert isinstance(bound, SpheresOnBones)
    return bound


def _spheres(views: list[View]) -> Float[Tensor, "batch s 4"]:
    """The spheres of all. Translations are subtracted first: people are metres away, overlaps millimetres."""
    first = views[0].scene[TRANSL]
    placed = []
    for view in views:
        spheres = view.scene[SPHERES]
        offset = (view.scene[TRANSL] - first)[:, None]
        placed.append(torch.cat([spheres[..., :3] + offset, spheres[..., 3:]], -1))
    return torch.cat(placed, 1)


def _owner(members: tuple[Problem, ...]) -> Int[Tensor, " s"]:
    """Which member each of the spheres belongs to."""
    numbers = []
    for place, member in enumerate(members):
        numbers.append(torch.full_like(_bound(member).model.bone, place))
    return torch.cat(numbers)


def _ends(block: SphereBlock, own: range) -> SphereBlock:
    """Of residuals between two spheres of different people, the end that lies in `own`, counted from its start."""
    mine = (block.at >= own.start) & (block.at < own.stop)
    side = mine.to(torch.int64).argmax(-1, keepdim=True)
    ours = mine.any(-1, keepdim=True)
    at = torch.where(ours, block.at.gather(-1, side) - own.start, 0)
    pull = block.pull.gather(2, side[..., None].expand(-1, -1, -1, 4))
    return SphereBlock(at, pull * ours[..., None])
