"""Runs one `smplifyx` command in this process and writes where its time went, there and in the
processes it begins.

    python -m benchmarks.stopwatch FIGURES.json fit KEYPOINTS --out OUT ...

Each part is timed by the processor time of its threads, in all processes, and by the wall time
during which at least one thread was in it. Parts may lie in others (the solver in the fits). A
process that the command begins imports this module as `__mp_main__` and so times the same parts; it
writes them to a file next to the figures when it ends by itself.
"""

from __future__ import annotations

import functools
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from multiprocessing.util import Finalize
from pathlib import Path

Span = tuple[float, float]  # of time.perf_counter, one clock for all processes of a machine


@dataclass
class Part:
    """One part of a program: the processor seconds of its threads, and when any was in it."""

    cpu: float = 0.0
    calls: int = 0
    spans: list[Span] = field(default_factory=list)
    _inside: int = 0
    _since: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.local = field(default_factory=threading.local)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Counts the time of the block, and nothing more in blocks within it of the same thread."""
        if getattr(self._thread, "inside", False):
            yield
            return
        self._thread.inside = True
        self._enter()
        start = time.thread_time()
        try:
            yield
        finally:
            self._leave(time.thread_time() - start)
            self._thread.inside = False

    def _enter(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._since = time.perf_counter()

    def _leave(self, cpu: float) -> None:
        with self._lock:
            self.cpu, self.calls, self._inside = self.cpu + cpu, self.calls + 1, self._inside - 1
            if not self._inside:
                self.spans.append((self._since, time.perf_counter()))

    def timed(self, function: Callable[..., object]) -> Callable[..., object]:
        """The function, its calls counted."""
        return self.running()(function)

    def timed_pieces(
        self, side_by_side: Callable[..., list[object]]
    ) -> Callable[..., list[object]]:
        """`core.threads.side_by_side`, the work counted in whatever threads do it."""
        return lambda work, rows, threads: side_by_side(self.timed(work), rows, threads)

    def timed_steps(
        self, function: Callable[..., Iterator[object]]
    ) -> Callable[..., Iterator[object]]:
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

    def kept(self) -> dict[str, object]:
        """Processor seconds, calls and spans, as JSON takes them."""
        return {"cpu": self.cpu, "calls": self.calls, "spans": self.spans}


@dataclass(frozen=True)
class Figures:
    """Of a whole command: seconds of the wall clock and of processors, here and in its other
    processes; its parts.
    """

    wall: float
    cpu: float
    cpu_others: float
    starting: float  # wall, until the first file was read
    processes: int  # others that told their parts
    parts: dict[str, dict[str, float]]


PARTS = (
    "reading", "fits", "first guess", "solver", "result", "collision check", "saving", "waiting to draw", "drawing",
)  # fmt: skip


def watch() -> dict[str, Part]:
    """Replaces the functions that make up each part by timed ones; the parts fill while a command
    runs.
    """
    from smplifyx.fitting import age_choice, fitter, schedule, stage_runner
    from smplifyx.jobs import fit_and_check, fit_recipe, output, source
    from smplifyx.jobs.pictures import drawing, frame_pictures
    from smplifyx.solvers import LBFGS, Adam, LevenbergMarquardt

    parts = {name: Part() for name in PARTS}
    source.Source._items = parts["reading"].timed_steps(source.Source._items)
    fit_recipe.fit_people = parts["fits"].timed(fit_recipe.fit_people)
    fitter.side_by_side = parts["fits"].timed_pieces(fitter.side_by_side)
    schedule.first_guess = parts["first guess"].timed(schedule.first_guess)
    stage_runner.run_some = parts["solver"].timed(stage_runner.run_some)
    for solver in (LBFGS, Adam, LevenbergMarquardt):
        solver.minimise = parts["solver"].timed(solver.minimise)
    age_choice.result_of = parts["result"].timed(
        age_choice.result_of
    )  # of people who may be children: everybody, by default
    for part in (parts["collision check"], parts["fits"]):
        fit_and_check.with_penetration = part.timed(fit_and_check.with_penetration)
        fit_and_check.side_by_side = part.timed_pieces(fit_and_check.side_by_side)
    output.JobOutput.saved = parts["saving"].timed(output.JobOutput.saved)
    drawing.Drawing.take = parts["waiting to draw"].timed(drawing.Drawing.take)
    frame_pictures.FramePictures.__call__ = parts["drawing"].timed(
        frame_pictures.FramePictures.__call__
    )
    return parts


def together(processes: Sequence[dict[str, dict]]) -> dict[str, dict[str, float]]:
    """The parts of all processes: processor seconds, wall seconds during which any was in it,
    calls.
    """
    return {
        name: {
            "cpu": sum(parts[name]["cpu"] for parts in processes),
            "wall": covered(tuple(span) for parts in processes for span in parts[name]["spans"]),
            "calls": sum(parts[name]["calls"] for parts in processes),
        }
        for name in PARTS
    }


def covered(spans: Iterable[Span]) -> float:
    """Seconds that lie in any of the spans."""
    total, until = 0.0, float("-inf")
    for start, stop in sorted(spans):
        total += max(stop - max(start, until), 0.0)
        until = max(until, stop)
    return total


def main() -> None:
    """Runs the command; ends with its exit code."""
    begun, target = time.perf_counter(), Path(sys.argv[1])
    from smplifyx import cli

    parts = watch()
    try:
        cli.main(sys.argv[2:])
    finally:
        own, others = (
            _cpu(resource.getrusage(who))
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        told = [
            json.loads(path.read_text(encoding="utf-8"))
            for path in target.parent.glob(f"{target.name}.*")
        ]
        first = min((start for start, _ in parts["reading"].spans), default=begun)
        found = together([{name: part.kept() for name, part in parts.items()}, *told])
        figures = Figures(time.perf_counter() - begun, own, others, first - begun, len(told), found)
        target.write_text(json.dumps(asdict(figures)), encoding="utf-8")


def _watch_process() -> None:
    """In a process that the command began: writes its parts at its end."""
    parts, target = watch(), Path(f"{sys.argv[1]}.{os.getpid()}")
    Finalize(
        None,
        lambda: target.write_text(json.dumps({name: part.kept() for name, part in parts.items()})),
        exitpriority=1,
    )


def _cpu(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
elif __name__ == "__mp_main__":
    _watch_process()
