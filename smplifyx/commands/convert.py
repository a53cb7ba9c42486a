"""`smplifyx convert`: people of one body model as people of another."""

from __future__ import annotations

import statistics

from ..config import FieldError
from ..jobs.convert import convert_people
from ..jobs.convert_options import ConvertOptions
from ..jobs.summary import RowStatus
from .bars import JobBar
from .codes import DONE, NOTHING_DONE
from .terminal import Terminal


def run(options: ConvertOptions, terminal: Terminal) -> int:
    """Converts what the options name; bad only if nobody could be converted.

    Raises FieldError for a value that cannot be used, and as `convert_people` does.
    """
    for field in ("model", "kid_template", "source_model", "correspondences"):
        place = getattr(options, field)
        if place is not None and not place.exists():
            raise FieldError(field, f"{place}: there is no such file or folder")
    bar = JobBar(options.quiet)
    try:
        outcome = convert_people(options, bar)
    finally:
        bar.end()
    if not outcome.converted:
        terminal.complain(f"nobody could be converted; {outcome.table} says why")
        return NOTHING_DONE
    if not options.quiet:
        middle = statistics.median(outcome.mean_mm)
        asked = outcome.converted + outcome.counts[RowStatus.FAILED]
        terminal.say(
            f"{outcome.converted} of {asked} converted, {middle:.1f} mm from where they were on "
            f"average (median of people, {max(outcome.mean_mm):.1f} at most); see {outcome.table}"
        )
    return DONE
