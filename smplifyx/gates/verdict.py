"""What a gate says of people: kept or rejected, and why, part by part."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.messages import plain
from ..fitting.result import FitResult
from .facts import GateFacts, GatePart
from .gate import Gate, GateTest
from .measures import MEASURES, measured

NEVER = -math.inf  # the margin of a test that is not met and does not rank
HAND = "hand"


@dataclass(frozen=True)
class Verdict:
    """Of one person.

    kept: whether the person is. reasons: of the parts that are lost, why, in words. score: how far
    the tightest bound of what is needed is met, from 1 (it could not be better) over 0 (just met)
    downwards; NaN where nobody was fitted. by: the gate's name, or `hand`.
    """

    kept: bool
    reasons: Mapping[GatePart, str] = field(default_factory=dict)
    score: float = math.nan
    by: str = ""

    def by_hand(self, keep: bool, needed: Sequence[GatePart]) -> Verdict:
        """The same, decided by a person who looked: parts that are not `needed` stay as they were
        judged.
        """
        reasons = dict(self.reasons)
        if keep:
            reasons = {part: why for part, why in reasons.items() if part not in needed}
        elif not any(part in reasons for part in needed):
            reasons[needed[0]] = "rejected by hand"
        return Verdict(keep, reasons, self.score, HAND)


def judge(gate: Gate, result: FitResult, by: str = "") -> Verdict:
    """The verdict on one person (no batch axes). by: the gate's name."""
    facts = GateFacts.of(result).map(lambda tensor: tensor[None])
    return judge_all(gate, values_of(gate, facts), by)[0]


def values_of(gate: Gate, facts: GateFacts) -> Float[Tensor, "people tests"]:
    """What each test of the gate looks at: all that is to be known of people [people]."""
    columns = [measured(test.measure, facts, test.part, test.confidence) for test in gate.tests]
    return torch.stack(columns, -1)


def judge_all(
    gate: Gate, values: Float[Tensor, "people tests"], by: str = "", margin: float = 0.0
) -> list[Verdict]:
    """The verdicts on people, in order, from `values_of` them.

    by: the gate's name. margin: by how much every bound that makes the score must be met (see
    `margin_for`); the others stay where they are.
    """
    lost: list[dict[GatePart, list[str]]] = [{} for _ in range(len(values))]
    for test, own in zip(gate.tests, values.unbind(-1), strict=True):
        least = _least(gate, test, margin)
        for person in (~(margins(test, own) >= least)).nonzero().flatten().tolist():
            reasons = lost[person].setdefault(test.part, [])
            reasons.append(_reason(test, float(own[person]), least))
    return [
        Verdict(
            kept=not any(part in reasons for part in gate.needed),
            reasons={part: "; ".join(reasons[part]) for part in GatePart if part in reasons},
            score=score,
            by=by,
        )
        for reasons, score in zip(lost, scores(gate, values).tolist(), strict=True)
    ]


def scores(gate: Gate, values: Float[Tensor, "people tests"]) -> Float[Tensor, " people"]:
    """How far the tightest bound of what is needed is met; see `Verdict.score`."""
    score = torch.ones_like(values[:, 0])
    for test, own in zip(gate.tests, values.unbind(-1), strict=True):
        if test.part in gate.needed:
            score = torch.minimum(score, margins(test, own))
    return score


@dataclass(frozen=True)
class Loss:
    """How many people fail a test, and how many of these no other test of the same part."""

    test: GateTest
    bound: float
    lost: int
    alone: int


def losses(
    gate: Gate, values: Float[Tensor, "people tests"], margin: float = 0.0
) -> tuple[Loss, ...]:
    """What people are lost to, test by test; arguments as of `judge_all`."""
    least = [_least(gate, test, margin) for test in gate.tests]
    columns = zip(gate.tests, values.unbind(-1), least, strict=True)
    failed = torch.stack([~(margins(test, own) >= level) for test, own, level in columns], -1)
    found: list[Loss] = []
    for number, test in enumerate(gate.tests):
        others = [
            other
            for other, its in enumerate(gate.tests)
            if its.part is test.part and other != number
        ]
        alone = failed[:, number] & ~failed[:, others].any(-1)
        bound = test.bound(least[number])
        found.append(Loss(test, bound, int(failed[:, number].sum()), int(alone.sum())))
    return tuple(found)


def margin_for(scored: Float[Tensor, " people"], share: float) -> float:
    """The margin that keeps a share 0..1 of the people with these scores; fewer where more have no
    chance.
    """
    count = round(share * len(scored))
    able = scored[scored > NEVER].sort(descending=True).values[:count]
    return float(able[-1]) if len(able) else 1.0


def margins(test: GateTest, values: Float[Tensor, " people"]) -> Float[Tensor, " people"]:
    """How far the bound is met: 1 at best, 0 just; of a test that does not rank 1 or NEVER."""
    if test.at_least is not None:
        margin = 1 - test.at_least / values.clamp(min=0)  # none at all: NEVER
    else:
        margin = 1 - values / test.bound()
    if not test.ranks:
        margin = torch.where(margin >= 0, 1.0, NEVER)
    unknown = 1.0 if test.keep_unknown else NEVER
    return torch.where(values.isnan(), unknown, margin)


def _least(gate: Gate, test: GateTest, margin: float) -> float:
    """The margin that a test needs: bounds that do not make the score stay where they are."""
    return margin if test.ranks and test.part in gate.needed else 0.0


def _reason(test: GateTest, value: float, margin: float) -> str:
    """Why a test is not met, in words."""
    kind = MEASURES[test.measure]
    if math.isnan(value):
        return f"{kind.what}: not told"
    bound = test.bound(margin)
    limit = "at most" if test.at_most is not None else "at least"
    unit = f" {kind.unit}" if kind.unit else ""
    return plain(f"{kind.what} {value:.3g}{unit}, {limit} {bound:.3g}")
