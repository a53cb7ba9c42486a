"""The people of an output folder before a gate: their verdicts, and the table of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..fitting.result import FitResult
from ..gates.facts import GateFacts, GatePart
from ..gates.gate import Gate
from ..gates.verdict import Loss, Verdict, judge_all, losses, margin_for, scores, values_of
from ..gates.verdict_table import Person
from .pictures.files import frames
from .store import Store
from .summary import FITTED, Row

AT_ONCE = 256  # people who are measured together
Look = Callable[[Row, FitResult], None]


@dataclass(frozen=True)
class GatedPeople:
    """Everybody of an output folder, in the order of its summary.

    rows: their lines of the summary. verdicts: on each. values: of those with a result what each
    test of the gate looks at, by (stem, person). losses: of those, test by test. undecided: whom
    decisions by hand name and nobody fitted.
    """

    rows: tuple[Row, ...]
    verdicts: tuple[tuple[Person, Verdict], ...]
    values: Mapping[Person, Float[Tensor, " tests"]]
    losses: tuple[Loss, ...]
    undecided: tuple[Person, ...]


def gated_people(
    store: Store,
    gate: Gate,
    name: str,
    keep: float | None = None,
    decisions: Mapping[Person, bool] | None = None,
    look: Look | None = None,
    advance: Callable[[], None] | None = None,
) -> GatedPeople:
    """Judges everybody in the folder whom somebody detected.

    name: the gate's. keep: the share 0..1 of those with a result that the bounds shall be moved to;
    None: they stay. decisions: whom somebody accepted (True) or rejected by hand, which goes before
    the gate. look: called with each result. advance: called after each frame. Raises OSError,
    ValueError where there is no summary.
    """
    rows: list[Row] = []
    measured: list[Float[Tensor, "people tests"]] = []
    who: list[Person] = []
    waiting: list[GateFacts] = []

    def measure_waiting() -> None:
        if waiting:
            measured.append(values_of(gate, GateFacts.stack(waiting)))
            waiting.clear()

    for frame in frames(store):
        for row in frame:
            if row.person is None:
                continue
            rows.append(row)
            result = store.existing(row.stem, row.person) if row.status in FITTED else None
            if result is None:
                continue
            if look is not None:
                look(row, result)
            who.append((row.stem, row.person))
            waiting.append(GateFacts.of(result))
            if len(waiting) == AT_ONCE:
                measure_waiting()
        if advance is not None:
            advance()
    measure_waiting()

    values = torch.cat(measured) if measured else torch.zeros(0, len(gate.tests))
    margin = 0.0 if keep is None else margin_for(scores(gate, values), keep)
    judged = dict(zip(who, judge_all(gate, values, name, margin), strict=True))
    verdicts = [((row.stem, int(row.person or 0)), row) for row in rows]
    found = tuple((person, judged.get(person) or _unfitted(row, name)) for person, row in verdicts)
    return GatedPeople(
        rows=tuple(rows),
        verdicts=tuple(_decided(found, judged, decisions or {}, gate.needed)),
        values=dict(zip(who, values.unbind(0), strict=True)),
        losses=losses(gate, values, margin),
        undecided=tuple(person for person in decisions or {} if person not in judged),
    )


def _unfitted(row: Row, name: str) -> Verdict:
    """On somebody without a result."""
    if row.status in FITTED:
        why = "its result cannot be read"
    else:
        why = f"not fitted: {row.status.value}" + (f": {row.reason}" if row.reason else "")
    return Verdict(kept=False, reasons={GatePart.BODY: why}, by=name)


def _decided(
    verdicts: Sequence[tuple[Person, Verdict]],
    judged: Mapping[Person, Verdict],
    decisions: Mapping[Person, bool],
    needed: Sequence[GatePart],
) -> Iterable[tuple[Person, Verdict]]:
    """The same, where somebody decided by hand; without a result there is nothing to decide."""
    for person, verdict in verdicts:
        if person in decisions and person in judged:
            verdict = verdict.by_hand(decisions[person], needed)
        yield person, verdict
