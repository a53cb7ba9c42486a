"""Runs one `smplifyx` command in this process and writes where its time went.

    python -m benchmarks.stopwatch FIGURES.json fit KEYPOINTS --out OUT ...

Each part is timed by the processor time of its threads and by the wall time during which at least one thread was in it.
Parts may lie in others (the solver in the fits). Drawing in other processes is their processor time altogether.
"""

from __future__ import annotations

import functools
import json
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class Part:
    """Seconds of one part of a program: of its threads' processors, and of the wall clock while any was in it."""

    cpu: float = 0.0
    wall: float = 0.0
    calls: int = 0
    began: float | None = None  # of time.perf_counter
    _inside: int = 0
    _since: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Counts the time of the block."""
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._since = time.perf_counter()
                self.began = self.began or self._since
        start = time.thread_time()
        try:
            yield
        finally:
            cpu = time.thread_time() - start
            with self._lock:
                self.cpu, self.calls, self._inside = self.cpu + cpu, self.calls + 1, self._inside - 1
                if not self._inside:
                    self.wall += time.perf_counter() - self._since

    def timed(self, function: Callable[..., object]) -> Callable[..., object]:
        """The function, its calls counted."""

        @functools.wraps(function)
        def timed(*arguments: object, **named: object) -> object:
            with self.running():
                return function(*arguments, **named)

        return timed

    def timed_steps(self, function: Callable[..., Iterator[object]]) -> Callable[..., Iterator[object]]:
        """The generator function, its steps counted."""

        @functools.wraps(function)
        def steps(*arguments: object) -> Iterator[object]:
            stream = function(*arguments)
            while True:
                with self.running():
                    item = next(stream, None)
                if item is None:
                    return
                yield item

        return steps

    def figures(self) -> dict[str, float]:
        """Processor seconds, wall seconds, calls."""
        return {"cpu": self.cpu, "wall": self.wall, "calls": self.calls}


@dataclass(frozen=True)
class Figures:
    """Of a whole command: seconds of the wall clock and of processors, here and in its other processes; its parts."""

    wall: float
    cpu: float
    cpu_others: float
    starting: float  # wall, until the first file was read
    parts: dict[str, dict[str, float]]


PARTS = ("reading", "fits", "first guess", "solver", "result", "saving", "waiting to draw", "drawing here")


def watch() -> dict[str, Part]:
    """Replaces the functions that make up each part by timed ones; the parts fill while a command runs."""
    from smplifyx import ages, stages
    from smplifyx.deliver import artist, drawing
    from smplifyx.scale import items, runner
    from smplifyx.solvers import LBFGS, Adam, LevenbergMarquardt

    parts = {name: Part() for name in PARTS}
    items.Source._items = parts["reading"].timed_steps(items.Source._items)
    runner.fit_people = parts["fits"].timed(runner.fit_people)
    stages.first_guess = parts["first guess"].timed(stages.first_guess)
    for solver in (LBFGS, Adam, LevenbergMarquardt):
        solver.minimise = parts["solver"].timed(solver.minimise)
    ages.result_of = parts["result"].timed(ages.result_of)  # of people who may be children: everybody, by default
    runner._Scribe._settle = parts["saving"].timed(runner._Scribe._settle)
    drawing.Drawing.take = parts["waiting to draw"].timed(drawing.Drawing.take)
    artist.Artist.__call__ = parts["drawing here"].timed(artist.Artist.__call__)
    return parts


def main() -> None:
    """Runs the command; ends with its exit code."""
    begun, target = time.perf_counter(), Path(sys.argv[1])
    from smplifyx import cli

    parts = watch()
    try:
        cli.main(sys.argv[2:])
    finally:
        own, others = (_cpu(resource.getrusage(who)) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        starting = (parts["reading"].began or begun) - begun
        found = {name: part.figures() for name, part in parts.items()}
        figures = Figures(time.perf_counter() - begun, own, others, starting, found)
        target.write_text(json.dumps(asdict(figures)), encoding="utf-8")


def _cpu(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
