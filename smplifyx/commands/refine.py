"""`smplifyx refine`: what a network predicted, fitted to keypoints; before and after."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from ..config import FieldError
from ..jobs.job import JobConfig
from ..jobs.store import Store
from ..jobs.summary import FITTED, Row, read_summary
from . import fit
from .options import RefineOptions
from .terminal import Terminal

KEPT = "yes"  # in the table's column


def run(options: RefineOptions, terminal: Terminal) -> int:
    """Fits with the predictions as starts, and prints how those and the fits compare.

    Raises FieldError for a value that cannot be used, and as `fit` does.
    """
    if not options.predictions.exists():
        raise FieldError("predictions", f"{options.predictions}: there is no such file or folder")
    settings = options.model_dump(exclude={"predictions"})
    job = JobConfig.model_validate({**settings, "start": options.predictions})
    code = fit.run(job, terminal)
    people = [row for row in read_summary(Store(job.out).summary) if row.status in FITTED]
    for line in table_lines(people):
        terminal.say(line)
    return code


def table_lines(people: Sequence[Row]) -> list[str]:
    """Before and after of each network's people: medians of their errors, percent of the box."""
    started = [row for row in people if row.start_source]
    lines = [f"{len(started)} of {len(people)} people have a prediction"]
    if not started:
        return lines
    lines.append("median distance of body keypoints, % of the box; after: keypoints held out")
    lines.append(
        f"{'network':<12}{'people':>8}{'before':>9}{'after':>8}{'moved mm':>10}{'kept':>6}"
    )
    for source in sorted({row.start_source for row in started}):
        own = [row for row in started if row.start_source == source]
        told = [row for row in own if row.start_error == row.start_error]
        if not told:
            lines.append(f"{source:<12}{len(own):>8}  too little of them is told to compare")
            continue
        before = statistics.median(row.start_error for row in told)
        after = statistics.median(row.end_error for row in told)
        moved = statistics.median(row.moved_mm for row in told)
        kept = sum(row.kept_start == KEPT for row in own)
        lines.append(f"{source:<12}{len(own):>8}{before:>9.2f}{after:>8.2f}{moved:>10.0f}{kept:>6}")
    return lines
