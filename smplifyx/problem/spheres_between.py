"""What holds the collision spheres of several people apart: the part of a `Between` that knows
bodies.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..features.spheres import SphereModel, candidate_pairs
from ..solvers.linear_systems import Dense
from ..terms.scene import OnSpheres, Scene, Slopes
from .couplings import Between
from .jacobian import Chain, Columns, Part, View
from .normal_equations import NormalEquations
from .problem import Problem, WeightedTerm

PAIRS = 64 * 440**2  # of spheres looked at together when candidate pairs are looked up


@dataclass(frozen=True)
class SpheresBetween:
    """A term of the spheres of all members of a group; the `Link` of a `Between` of problems.

    The spheres of all members are numbered through, and stand in the frame of the first member's
    `transl`. Members may have different bodies.
    """

    term: WeightedTerm
    # as in `Observation`: spheres, and those of others that each may meet
    candidates: Int[Tensor, "batch n m"]

    def rows(self, index: Int[Tensor, " kept"]) -> SpheresBetween:
        """The same for some of the groups."""
        return dataclasses.replace(self, candidates=self.candidates[index])

    def energy(self, views: Sequence[View]) -> Float[Tensor, " batch"]:
        """The energy of what lies between the members."""
        residual = self.residual(views)
        return (residual * residual).sum(-1)

    def residual(self, views: Sequence[View]) -> Float[Tensor, "batch lines"]:
        """The weighted residual of the term."""
        return self.term.weight * self.term.term(self._scene(views)).residual

    def linearised(
        self,
        x: Float[Tensor, "batch dim"],
        members: Sequence[Problem],
        views: Sequence[View],
        places: Sequence[slice],
    ) -> Dense:
        """Gradient and Gauss-Newton Hessian along the unknowns of all members."""
        closed_form = self.term.term(self._scene(views)).slopes
        if closed_form is None:
            raise TypeError(f"the term {self.term.name!r} between people states no slopes")
        slopes = closed_form().scaled(2**0.5 * self.term.weight)
        columns: list[Columns] = []
        first = 0  # the number of the member's first sphere among those of all
        for member, view, place in zip(members, views, places, strict=True):
            count = len(_sphere_model(member).rest)
            own = range(first, first + count)
            columns += _columns_of_member(member, view, slopes, own, place.start)
            first += count
        normal = NormalEquations(x)
        normal.add(Part(slopes.rows, tuple(columns)))
        return Dense(*normal.gradient_and_hessian())

    def _scene(self, views: Sequence[View]) -> Scene:
        seen = views[0].scene.observation.replace(candidates=self.candidates)
        return Scene({"spheres": _spheres_of_all(views)}, seen)


def spheres_between(members: Sequence[Problem], term: WeightedTerm) -> Between[Problem, View]:
    """The members' energies, and `term` between the spheres of one and those of the others.

    members: the problems of the first person of each group, of the second ..., all with `spheres`
    and with TRANSL among `free`. Spheres are held apart from those of others that are near at the
    members' states.
    """
    views = [member.view(member.pack(member.state)) for member in members]
    spheres = _spheres_of_all(views)
    owner = torch.cat(
        [
            torch.full_like(_sphere_model(member).bone, number)
            for number, member in enumerate(members)
        ]
    )
    apart = owner[:, None] != owner
    # Every sphere is compared with every other: some groups at a time, so that memory holds it.
    at_once = max(PAIRS // spheres.shape[1] ** 2, 1)
    candidates = torch.cat([candidate_pairs(some, apart) for some in spheres.split(at_once)])
    widths = [member.pack(member.state).shape[-1] for member in members]
    ends = itertools.accumulate(widths, initial=0)
    places = tuple(slice(start, stop) for start, stop in itertools.pairwise(ends))
    return Between(tuple(members), SpheresBetween(term, candidates), places)


def _columns_of_member(
    member: Problem, view: View, slopes: Slopes, own: range, start: int
) -> list[Columns]:
    """The slopes of lines between members along one member's unknowns, which begin at `start`.

    own: the numbers of the member's spheres among those of all.
    """
    on_all = slopes.wrt["spheres"]
    if not isinstance(on_all, OnSpheres):
        raise TypeError("slopes between people must tell the two spheres of each line")
    chain = Chain(member.model, member.decoder, member.slices(), view, member.spheres)
    (part,) = chain.parts(Slopes(slopes.rows, {"spheres": _own_ends(on_all, own)}))
    return [
        Columns(tuple(start + at for at in columns.at), columns.slope) for columns in part.columns
    ]


def _spheres_of_all(views: Sequence[View]) -> Float[Tensor, "batch s 4"]:
    """The spheres of all members, numbered through."""
    origin = views[0].scene["transl"]
    placed = []
    for view in views:
        spheres = view.scene["spheres"]  # [batch, s, 4], transl not added
        # Translations are subtracted first: people are metres away, overlaps millimetres.
        offset = (view.scene["transl"] - origin)[:, None]
        placed.append(torch.cat([spheres[..., :3] + offset, spheres[..., 3:]], -1))
    return torch.cat(placed, 1)


def _own_ends(slopes: OnSpheres, own: range) -> OnSpheres:
    """Of lines between two spheres of different people, the end that lies in `own`, counted from
    its start; a line with neither end there has no slope.
    """
    mine = (slopes.at >= own.start) & (slopes.at < own.stop)  # [batch, lines, 2]
    side = mine.to(torch.int64).argmax(-1, keepdim=True)
    any_mine = mine.any(-1, keepdim=True)
    at = torch.where(any_mine, slopes.at.gather(-1, side) - own.start, 0)
    pull = slopes.pull.gather(2, side[..., None].expand(-1, -1, -1, 4))
    return OnSpheres(at, pull * any_mine[..., None])


def _sphere_model(member: Problem) -> SphereModel:
    if member.spheres is None:
        raise ValueError("a problem without spheres cannot be held apart from others")
    return member.spheres
