"""`smplifyx export`: the people of a fit as a dataset."""

from __future__ import annotations

from ..jobs.exporting import (
    LEFT_OUT,
    ExportRules,
    JobPeople,
    dataset_format,
    export_people,
    reader_body,
    verdicts_of,
)
from ..jobs.pictures.recorded_job import recorded_job
from ..jobs.store import Store
from .bars import Bar
from .codes import DONE
from .options import ExportOptions
from .terminal import Terminal

NO_REGRESSOR = "no J_regressor_extra.npy: nine joints have weight 0; see --joint-regressor"
MOST_REASONS = 6  # that are told; the table has all


def run(options: ExportOptions, terminal: Terminal) -> int:
    """Writes the dataset and says what is in it, and who is not.

    Raises FieldError for a value that cannot be used, and as `export_people` does.
    """
    format = dataset_format(options.format)
    store = Store(options.out)
    job = recorded_job(store)
    rules = ExportRules(
        format=format,
        reader=reader_body(format, options.reader_model, options.joint_regressor, job.model),
        verdicts=None if options.gate is None else verdicts_of(store, options.gate),
        doubtful=options.doubtful,
        photos=options.photos,
    )
    people = JobPeople(store, job, rules)
    bar = Bar(options.quiet)
    bar.start(people.count(), unit="person")

    def advance(count: int) -> None:
        for _ in range(count):
            bar.step()

    try:
        exported = export_people(people, options.to, advance)
    finally:
        bar.end()
        # who is left out is told also where nobody is left to export
        for line in [] if options.quiet else _left_out(people, options):
            terminal.say(line)
    if not options.quiet:
        if format.facts.regressed and rules.reader.joint_regressor is None:
            terminal.say(NO_REGRESSOR)
        terminal.say(f"{exported.people} people in {len(exported.files)} files; see {options.to}")
    return DONE


def _left_out(people: JobPeople, options: ExportOptions) -> list[str]:
    """How many were left out, and for what."""
    counts = people.left_out
    if not counts:
        return []
    lines = [f"{counts.total()} left out; {options.to}{LEFT_OUT} has each:"]
    return lines + [f"{count:>7}  {reason}" for reason, count in counts.most_common(MOST_REASONS)]
