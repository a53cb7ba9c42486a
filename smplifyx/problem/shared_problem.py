"""People who share a problem: the energies of each, and rows that hold the spheres of one apart
from another's.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..features.spheres import candidate_pairs
from ..solvers.contract import Evaluation
from ..solvers.residual_objective import gradient_by_autograd
from ..terms.scene import OnSpheres, Scene, Slopes
from .jacobian import Chain, Columns, Part, View
from .normal_equations import NormalEquations
from .problem import Problem, WeightedTerm

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
        residual = self.between.weight * self.between.term(self._scene(views)).residual
        return (residual * residual).sum(-1)

    def _scene(self, views: list[View]) -> Scene:
        seen = views[0].scene.observation.replace(candidates=self.candidates)
        return Scene({"spheres": _spheres(views)}, seen)

    def _joined(
        self, x: Tensor, views: list[View], own: list[tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, Tensor]:
        """Gradient and Hessian from those of each member's own energy."""
        slopes = self.between.term(self._scene(views)).slopes().scaled(2**0.5 * self.between.weight)
        normal = NormalEquations(x)
        normal.add(Part(slopes.rows, tuple(self._columns(views, slopes))))
        gradient, hessian = normal.gradient_and_hessian()
        gradient = gradient + torch.cat([g for g, _ in own], -1)
        for at, (_, block) in zip(self._slices, own, strict=True):
            hessian[:, at, at] += block
        return gradient, hessian

    def _columns(self, views: list[View], slopes: Slopes) -> list[Columns]:
        """The slopes of rows between members along the unknowns of all."""
        found, first = [], 0
        for member, view, place in zip(self.members, views, self._slices, strict=True):
            ends = _ends(slopes.wrt["spheres"], range(first, first + len(member.spheres.rest)))
            chain = Chain(member.model, member.decoder, member.slices(), view, member.spheres)
            (part,) = chain.parts(Slopes(slopes.rows, {"spheres": ends}))
            found += [
                Columns(tuple(place.start + at for at in own.at), own.slope) for own in part.columns
            ]
            first += len(member.spheres.rest)
        return found

    @functools.cached_property
    def _slices(self) -> tuple[slice, ...]:
        widths = (
            sum(getattr(m.state, block.value).shape[-1] for block in m.free) for m in self.members
        )
        ends = itertools.accumulate(widths, initial=0)
        return tuple(slice(*bounds) for bounds in itertools.pairwise(ends))


def _spheres(views: list[View]) -> Float[Tensor, "batch s 4"]:
    """The spheres of all.

    Translations are subtracted first: people are metres away, overlaps millimetres.
    """
    first = views[0].scene["transl"]
    offsets = ((view.scene["transl"] - first)[:, None] for view in views)
    return torch.cat(
        [
            torch.cat([view.scene["spheres"][..., :3] + offset, view.scene["spheres"][..., 3:]], -1)
            for view, offset in zip(views, offsets, strict=True)
        ],
        1,
    )


def _owner(members: tuple[Problem, ...]) -> Int[Tensor, " s"]:
    """Which member each of the spheres belongs to."""
    number = [torch.full_like(member.spheres.bone, place) for place, member in enumerate(members)]
    return torch.cat(number)


def _ends(slopes: OnSpheres, own: range) -> OnSpheres:
    """Of rows between two spheres of different people, the end that lies in `own`, counted from its
    start.
    """
    mine = (slopes.at >= own.start) & (slopes.at < own.stop)
    side = mine.to(torch.int64).argmax(-1, keepdim=True)
    ours = mine.any(-1, keepdim=True)
    at = torch.where(ours, slopes.at.gather(-1, side) - own.start, 0)
    pull = slopes.pull.gather(2, side[..., None].expand(-1, -1, -1, 4))
    return OnSpheres(at, pull * ours[..., None])
