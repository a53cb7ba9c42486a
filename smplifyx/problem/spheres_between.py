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

from ..features.feature import Columns, Feature
from ..features.jacobian_blocks import SphereBlock
from ..features.spheres import SPHERES, CandidatePairs, SpheresOnBones, candidate_pairs
from ..features.unknowns import TRANSL
from ..solvers.linear_systems import Dense
from ..terms.scene import FeatureValues, Jacobian, Residual, Scene, WeightedTerm
from .chain_rule import ChainRule, LinearPart
from .couplings import Between
from .normal_equations import NormalEquations
from .problem import Problem
from .view import View

PAIRS = 64 * 440**2  # of spheres looked at together when candidate pairs are looked up


@dataclass(frozen=True)
class SpheresBetween:
    """A term of the spheres of all members of a group; the `Link` of a `Between` of problems.

    The spheres of all members are numbered through, and stand in the frame of the first member's
    `transl`. Members may have different bodies.
    """

    term: WeightedTerm
    candidates: CandidatePairs  # spheres, and those of others that each may meet

    def rows(self, index: Int[Tensor, " kept"]) -> SpheresBetween:
        """The same for some of the groups."""
        return dataclasses.replace(self, candidates=self.candidates[index])

    def energy(self, views: Sequence[View]) -> Float[Tensor, " batch"]:
        """The energy of what lies between the members."""
        weighted = self.residual(views)
        return (weighted * weighted).sum(-1)

    def residual(self, views: Sequence[View]) -> Float[Tensor, "batch r"]:
        """The weighted residuals of the term."""
        return self.term.weight * self._seen_by_term(views).values

    def linearised(
        self,
        x: Float[Tensor, "batch dim"],
        members: Sequence[Problem],
        views: Sequence[View],
        places: Sequence[slice],
    ) -> Dense:
        """Gradient and Gauss-Newton Hessian along the unknowns of all members."""
        closed_form = self._seen_by_term(views).jacobian
        if closed_form is None:
            raise TypeError(f"the term {self.term.name!r} between people states no Jacobian")
        jacobian = closed_form().scaled(2**0.5 * self.term.weight)
        columns: list[Columns] = []
        first = 0  # the number of the member's first sphere among those of all
        for member, view, place in zip(members, views, places, strict=True):
            count = len(_spheres_of(member).model.rest)
            own = range(first, first + count)
            columns += _columns_of_member(member, view, jacobian, own, place.start)
            first += count
        normal = NormalEquations(x)
        normal.add(LinearPart(jacobian.values, tuple(columns)))
        return Dense(*normal.gradient_and_hessian())

    def _seen_by_term(self, views: Sequence[View]) -> Residual:
        """What the term says of a scene that holds the spheres of all, and nothing else."""
        known: dict[Feature, Tensor] = {SPHERES: _spheres_of_all(views)}
        values = FeatureValues(known.__getitem__)
        return self.term.term(Scene(values, observed={}, matches={SPHERES: self.candidates}))


def spheres_between(members: Sequence[Problem], term: WeightedTerm) -> Between[Problem, View]:
    """The members' energies, and `term` between the spheres of one and those of the others.

    members: the problems of the first person of each group, of the second ..., all with TRANSL
    among their free blocks. Spheres are held apart from those of others that are near at the
    members' states.
    """
    views = [member.view(member.pack(member.state)) for member in members]
    spheres = _spheres_of_all(views)
    owner = torch.cat(
        [
            torch.full_like(_spheres_of(member).model.bone, number)
            for number, member in enumerate(members)
        ]
    )
    apart = owner[:, None] != owner
    # Every sphere is compared with every other: some groups at a time, so that memory holds it.
    at_once = max(PAIRS // spheres.shape[1] ** 2, 1)
    candidates = torch.cat([candidate_pairs(some, apart) for some in spheres.split(at_once)])
    ends = itertools.accumulate((member.folded.dim for member in members), initial=0)
    places = tuple(slice(start, stop) for start, stop in itertools.pairwise(ends))
    return Between(tuple(members), SpheresBetween(term, CandidatePairs(candidates)), places)


def _columns_of_member(
    member: Problem, view: View, jacobian: Jacobian, own: range, start: int
) -> list[Columns]:
    """The slopes of residuals between members along one member's unknowns, which begin at `start`.

    own: the numbers of the member's spheres among those of all.
    """
    on_all = jacobian.blocks[SPHERES]
    if not isinstance(on_all, SphereBlock):
        raise TypeError("a Jacobian between people must tell the two spheres of each residual")
    pulled = _spheres_of(member).pull(_own_ends(on_all, own), ChainRule(member.folded, view))
    return [
        Columns(tuple(start + at for at in columns.at), columns.block) for columns in pulled.whole
    ]


def _spheres_of_all(views: Sequence[View]) -> Float[Tensor, "batch s 4"]:
    """The spheres of all members, numbered through."""
    origin = views[0].scene[TRANSL]
    placed = []
    for view in views:
        spheres = view.scene[SPHERES]  # [batch, s, 4], transl not added
        # Translations are subtracted first: people are metres away, overlaps millimetres.
        offset = (view.scene[TRANSL] - origin)[:, None]
        placed.append(torch.cat([spheres[..., :3] + offset, spheres[..., 3:]], -1))
    return torch.cat(placed, 1)


def _own_ends(block: SphereBlock, own: range) -> SphereBlock:
    """Of residuals between two spheres of different people, the end that lies in `own`, counted
    from its start.

    A residual with neither end there has no slope.
    """
    mine = (block.at >= own.start) & (block.at < own.stop)  # [batch, r, 2]
    side = mine.to(torch.int64).argmax(-1, keepdim=True)
    any_mine = mine.any(-1, keepdim=True)
    at = torch.where(any_mine, block.at.gather(-1, side) - own.start, 0)
    pull = block.pull.gather(2, side[..., None].expand(-1, -1, -1, 4))
    return SphereBlock(at, pull * any_mine[..., None])


def _spheres_of(member: Problem) -> SpheresOnBones:
    bound = member.folded.bound(SPHERES)
    assert isinstance(bound, SpheresOnBones)  # what CollisionSpheres.bind gives
    return bound
