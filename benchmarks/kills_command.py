"""One `smplifyx` command that begins other processes early, and writes down which it begins.

    python -m benchmarks.kills_command PROCESSES.txt fit KEYPOINTS --out OUT ...

Of use to `benchmarks.kills` alone: a small job would fit and draw everything in its own process.
"""

from __future__ import annotations

import sys
from multiprocessing.context import SpawnProcess
from pathlib import Path

from smplifyx import cli
from smplifyx.parallel import background_tasks, process_pool

FITS = "_serve"  # what a process runs that fits; any other one draws


def write_down_processes(path: Path) -> None:
    """Appends a line "fit NUMBER" or "draw NUMBER" to a file for each process that is begun."""
    start = SpawnProcess.start

    def started(process: SpawnProcess) -> None:
        start(process)
        target = getattr(getattr(process, "_target", None), "__name__", "")
        kind = "fit" if target == FITS else "draw"
        with path.open("a", encoding="ascii") as stream:
            stream.write(f"{kind} {process.pid}\n")

    SpawnProcess.start = started


def main(arguments: list[str]) -> None:
    """Runs the command."""
    write_down_processes(Path(arguments[0]))
    process_pool.LOADING = 0.0
    few = background_tasks.BackgroundTasks.__init__.__defaults__
    assert few is not None
    background_tasks.BackgroundTasks.__init__.__defaults__ = (1,)  # of one frame
    cli.main(arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
