"""`smplifyx gate`: which people of an output folder are kept."""

from __future__ import annotations

from ..config import FieldError
from ..gates.decisions import read_decisions
from ..gates.gate import gate_name, load_gate
from ..gates.verdict import HAND, Loss
from ..gates.verdict_table import write_verdicts
from ..jobs.gating import GatedPeople, gated_people
from ..jobs.pictures import count_frames
from ..jobs.pictures.gate_sheet import SheetPeople
from ..jobs.store import Store, read_record
from .bars import Bar
from .codes import DONE, NOTHING_DONE
from .options import GateOptions
from .terminal import Terminal

MOST_TOLD = 3  # people that decisions name and nobody knows


def run(options: GateOptions, terminal: Terminal) -> int:
    """Writes the table of verdicts and the sheet that is asked for, and prints what was kept.

    Bad only if there is nobody to judge. Raises FieldError for a value that cannot be used, and
    ConfigError, DecisionsError, StoreError, FolderBusyError, OSError.
    """
    gate, name = load_gate(options.gate), gate_name(options.gate)
    if options.apply is not None and not options.apply.exists():
        raise FieldError("apply", f"{options.apply}: there is no such file")
    decisions = read_decisions(options.apply) if options.apply else {}
    store = Store(options.out)
    read_record(store)  # before anything is counted: is this an output folder at all
    sheet = SheetPeople(store)
    bar = Bar(options.quiet)
    with store.writing():
        bar.start(count_frames(store), unit="frame")
        try:
            look = sheet.look if options.sheet else None
            people = gated_people(store, gate, name, options.keep, decisions, look, bar.step)
        finally:
            bar.end()
        table = store.gate(name, ".csv")
        write_verdicts(table, people.verdicts)
        page = sheet.write(store.gate(name, ".html"), gate, name, people) if options.sheet else None
    if people.undecided:
        some = ", ".join(f"{stem} {person}" for stem, person in people.undecided[:MOST_TOLD])
        terminal.complain(
            f"{options.apply}: {len(people.undecided)} of {len(decisions)} decisions name nobody "
            f"with a result here ({some})"
        )
    if not options.quiet:
        for line in table_lines(people):
            terminal.say(line)
        terminal.say(f"see {page or table}")
    return DONE if people.verdicts else NOTHING_DONE


def table_lines(people: GatedPeople) -> list[str]:
    """How many are kept, and what the others are lost to, in at most 80 columns."""
    total = len(people.verdicts)
    kept = sum(verdict.kept for _, verdict in people.verdicts)
    by_hand = sum(verdict.by == HAND for _, verdict in people.verdicts)
    share = f" ({100 * kept / total:.1f} %)" if total else ""
    lines = [f"{kept} of {total} people kept{share}"]
    if by_hand:
        lines.append(f"{by_hand} by hand")
    lines.append(f"{'part':<12}{'must have':<44}{'lost':>8}{'by this alone':>15}")
    lines += [_loss_line(loss) for loss in people.losses]
    unfitted = total - len(people.values)
    if unfitted:
        lines.append(f"{'body':<12}{'been fitted':<44}{unfitted:>8}{unfitted:>15}")
    return lines


def _loss_line(loss: Loss) -> str:
    test = loss.test
    word = "at most" if test.at_most is not None else "at least"
    must = f"{test.measure.value} {word} {loss.bound:.3g}"
    return f"{test.part.value:<12}{must:<44}{loss.lost:>8}{loss.alone:>15}"
