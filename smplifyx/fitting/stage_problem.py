"""From a stage of the preset and the evidence to the problem that its solver gets."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from ..body import skinning
from ..config import StageConfig
from ..features.fold import PointSet
from ..features.variables import State
from ..problem.problem import Problem, ProblemRows
from ..problem.stage_terms import stage_terms
from ..terms.scene import WeightedTerm
from .batch import FitBatch


@dataclass(frozen=True)
class StageProblem:
    """Makes the problems of one stage, for some of a batch at a time.

    The terms are made for the whole batch: whoever stays behind goes on beside others in one
    problem.
    """

    stage: StageConfig
    people: FitBatch
    points: PointSet
    terms: tuple[WeightedTerm, ...]

    @classmethod
    def of(
        cls, stage: StageConfig, people: FitBatch, extra_terms: tuple[WeightedTerm, ...] = ()
    ) -> StageProblem:
        """For a batch; extra_terms: the user's own."""
        body = people.setup.body
        points = _union([one.points(stage, body) for one in people.evidence])
        terms = stage_terms(stage, people.setup.priors, people.evidence)
        return cls(stage, people, points, terms + extra_terms)

    @property
    def names(self) -> tuple[str, ...]:
        """What its energies are called, in the order of its terms."""
        return tuple(dict.fromkeys(weighted.name for weighted in self.terms))

    def rows(self, index: Int[Tensor, " kept"]) -> StageProblem:
        """That of some of the people."""
        return dataclasses.replace(self, people=self.people[index])

    def at(self, state: State, hypotheses: int = 1) -> Problem:
        """The problem at `state` [batch x hypotheses], hypotheses of one person side by side.

        The face contour is that which the heads show there, and matches are those that the features
        find there.
        """
        setup = self.people.setup
        folded = setup.folded(self.points, self.stage.free)
        observed = {}
        for evidence in self.people.evidence:
            one = evidence.observe(self.stage, self.points)
            observed[type(one)] = one.map(lambda t: t.repeat_interleave(hypotheses, 0))

        contour_row = state.transl.new_zeros(len(state.transl), dtype=torch.int64)
        if len(folded.model.contour_at):
            contour_row = skinning.contour_row(setup.body, setup.decoder.params(state))
        contour = folded.model.contour[contour_row]

        problem = Problem(folded, self.terms, ProblemRows(state, contour, observed))
        return problem.with_matches() if any(term.matches for term in self.terms) else problem


def _union(wanted: list[PointSet]) -> PointSet:
    """The points that any evidence looks at, once each, in the order asked for."""
    canonical = dict.fromkeys(point for points in wanted for point in points.canonical)
    surface = dict.fromkeys(point for points in wanted for point in points.surface)
    return PointSet(tuple(canonical), tuple(surface))
