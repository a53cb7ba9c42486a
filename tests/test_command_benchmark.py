"""The benchmark of the whole command: times add up, memory is read, and a small run ends with its
tables.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from mocap_data import MOCAP, needs_mocap

from benchmarks import command
from benchmarks.command import Sample, describe, make_input, run
from benchmarks.stopwatch import PARTS, Part, covered, together
from smplifyx.readers.folder import read_frames

FIGURES = {
    "wall": 10.0, "cpu": 12.0, "cpu_others": 4.0, "starting": 2.0, "processes": 2,
    "parts": {name: {"cpu": 8.0, "wall": 5.0, "calls": 1} for name in PARTS},
}  # fmt: skip


def test_a_part_counts_the_time_somebody_is_in_it_once() -> None:
    part = Part()
    inside = threading.Barrier(2)

    def work() -> None:
        with part.running():
            inside.wait()
            time.sleep(0.2)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert part.calls == 2 and len(part.spans) == 1 and part.cpu < 0.2 <= covered(part.spans)


def test_a_part_within_itself_counts_once() -> None:
    part = Part()
    with part.running(), part.running():
        sum(range(10**6))
    assert part.calls == 1 and 0 < part.cpu <= 1.1 * covered(part.spans)


def test_parts_in_pieces_count_the_threads_that_do_them() -> None:
    part = Part()

    def side_by_side(work: Callable[[int], int], rows: Sequence[int], threads: int) -> list[int]:
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(work, rows))

    assert part.timed_pieces(side_by_side)(lambda n: sum(range(n)), [10**6, 3], 2) == [
        499999500000,
        3,
    ]
    assert part.calls == 2 and part.cpu > 0.001


def test_parts_of_processes_add_up() -> None:
    one, other = ({name: Part().kept() for name in PARTS} for _ in range(2))
    one["solver"] = {"cpu": 2.0, "calls": 3, "spans": [(1.0, 2.0), (5.0, 6.0)]}
    other["solver"] = {"cpu": 1.0, "calls": 1, "spans": [[1.5, 3.0], [5.2, 5.8]]}
    assert together([one, other])["solver"] == {"cpu": 3.0, "wall": 3.0, "calls": 4}
    assert together([one, other])["saving"] == {"cpu": 0, "wall": 0.0, "calls": 0}


def test_a_timed_function_and_a_timed_stream_are_what_they_were() -> None:
    part = Part()
    assert part.timed(divmod)(7, 2) == (3, 1) and part.calls == 1
    assert list(part.timed_steps(lambda n: iter(range(1, n)))(4)) == [1, 2, 3] and part.calls == 5
    with pytest.raises(ZeroDivisionError):
        part.timed(divmod)(1, 0)
    assert part.calls == 6


def test_tables() -> None:
    samples = [Sample(1.0, 100.0, 0.0), Sample(5.0, 300.0, 50.0), Sample(10.0, 200.0, 400.0)]
    text = describe(FIGURES, samples, people=80)
    assert (
        "8.0 people/s, 10.0 without the start" in text
        and "12.0 s in its own process, 4.0 s in 2 others" in text
    )
    assert (
        "50.0 % of all in the solver" in text and "| solver | 8.0 | 50.0 % | 5.0 | 50.0 % |" in text
    )
    assert (
        "| after 20% of the run | 100 | 100 |" in text
        and "| after 50% of the run | 300 | 350 |" in text
    )
    assert "| after 100% of the run | 300 | 600 |" in text and "nan" not in text


@pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="memory is read from /proc"
)
def test_memory_is_read() -> None:
    before = command._memory(os.getpid())
    held = np.ones(2**24)  # 128 MiB
    assert 100 < command._memory(os.getpid()) - before < 160 and held.size
    assert command._memory(2**30) == 0.0


@needs_mocap
def test_a_small_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "CHUNK", 2)
    make_input(tmp_path, MOCAP, people=3, photos=1)
    frames = list(read_frames(tmp_path / "keypoints", tmp_path / "photos"))
    assert [len(frame.people) for frame in frames] == [1, 1, 1]
    assert [frame.image is not None for frame in frames] == [True, False, False]
    arguments = [
        "fit",
        str(tmp_path / "keypoints"),
        "--images",
        str(tmp_path / "photos"),
        "--out",
        str(tmp_path / "o"),
    ]
    figures, samples = run(
        [*arguments, "--preset", "fast", "--overlay", "--quiet"], tmp_path / "figures.json"
    )
    parts = figures["parts"]
    assert parts.keys() == set(PARTS) and parts["saving"]["calls"] == parts["drawing"]["calls"] == 3
    assert figures["processes"] == 0 and parts["collision check"]["calls"] > 0
    assert (
        0 < parts["solver"]["wall"] < parts["fits"]["wall"] < figures["wall"]
        and figures["starting"] > 0
    )
    assert samples and math.isfinite(max(sample.own for sample in samples))
    assert "| solver |" in describe(figures, samples, 3)
    assert len(list((tmp_path / "o" / "overlays").iterdir())) == 3
