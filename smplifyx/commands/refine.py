"""`smplifyx refine`: what a network predicted, fitted to keypoints; before and after."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from ..config import FieldError
from ..core.messages import plain
from ..jobs.job import JobConfig
from ..jobs.store import Store
from ..jobs.summary import FITTED, Row, read_summary
from ..jobs.truth import TruthErrors, truth_errors, truth_table
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
    if options.truth is not None and not options.truth.exists():
        raise FieldError("truth", f"{options.truth}: there is no such file or folder")
    settings = options.model_dump(exclude={"predictions", "truth"})
    job = JobConfig.model_validate({**settings, "start": options.predictions})
    # truth that cannot be read is told before anybody is fitted
    truth = None if options.truth is None else truth_table(options.truth, job.model)
    code = fit.run(job, terminal)
    store = Store(job.out)
    people = [row for row in read_summary(store.summary) if row.status in FITTED]
    lines = table_lines(people)
    if truth is not None:
        for note in truth.notes:
            terminal.err.write(f"truth: {plain(note)}\n")
        lines += truth_lines([*truth_errors(store, people, truth)])
    for line in lines:
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


def truth_lines(people: Sequence[TruthErrors]) -> list[str]:
    """Before and after against 3D truth, for each network: means over its people, mm."""
    lines = [f"{len(people)} of them have 3D truth"]
    if not people:
        return lines
    lines.append("mean error of body points in mm, aligned (PA) and by the root alone")
    lines.append(
        f"{'network':<12}{'people':>8}{'PA before':>11}{'after':>8}{'root before':>13}{'after':>8}"
    )
    for source in sorted({one.start_source for one in people}):
        own = [one for one in people if one.start_source == source]
        rooted = [one for one in own if one.fit_mpjpe == one.fit_mpjpe]
        by_root = f"{'-':>13}{'-':>8}"
        if rooted:
            before = statistics.fmean(one.start_mpjpe for one in rooted)
            after = statistics.fmean(one.fit_mpjpe for one in rooted)
            by_root = f"{before:>13.1f}{after:>8.1f}"
        before = statistics.fmean(one.start_pa for one in own)
        after = statistics.fmean(one.fit_pa for one in own)
        lines.append(f"{source:<12}{len(own):>8}{before:>11.1f}{after:>8.1f}{by_root}")
    return lines
