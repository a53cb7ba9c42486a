"""One `smplifyx` command that begins other processes early, and writes down which it begins.

    python -m benchmarks.kills_command PROCESSES.txt fit KEYPOINTS --out OUT ...

Of use to `benchmarks.kills` alone: a small job would fit and draw everything in its own process.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from smplifyx import cli
from smplifyx.parallel.background_tasks import BackgroundTasks
from smplifyx.parallel.launcher import LaunchPlan
from smplifyx.parallel.process_pool import ProcessPool

PATIENCE = 60.0  # seconds
FITS = "_serve"  # what a process runs that fits; any other one draws


def write_down_processes(path: Path) -> None:
    """Appends a line "fit NUMBER" or "draw NUMBER" to a file for each process that is begun."""
    start = SpawnProcess.start

    def started(process: SpawnProcess) -> None:
        target = getattr(getattr(process, "_target", None), "__name__", "")
        start(process)  # which forgets what it runs
        kind = "fit" if target == FITS else "draw"
        with path.open("a", encoding="ascii") as stream:
            stream.write(f"{kind} {process.pid}\n")

    SpawnProcess.start = started


def begin_pools_at_once() -> None:
    """Has a pool begin its processes at once, and this process wait for them before it fits."""
    make = ProcessPool.__init__

    def made(pool: ProcessPool[Any, Any], plan: LaunchPlan[Any, Any]) -> None:
        here = plan.here
        assert here is not None, "a job fits here, too"

        def after_others(tasks: Sequence[Any]) -> Sequence[Any]:
            pool._joined.wait(PATIENCE)
            return here(tasks)

        make(pool, replace(plan, here=after_others))
        pool._begin()

    ProcessPool.__init__ = made


def main(arguments: list[str]) -> None:
    """Runs the command."""
    write_down_processes(Path(arguments[0]))
    begin_pools_at_once()
    BackgroundTasks.__init__.__defaults__ = (1,)  # one frame is drawn here
    cli.main(arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
