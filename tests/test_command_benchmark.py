"""The benchmark of the whole command: times add up, memory is read, and a small run ends with its tables."""

from __future__ import annotations

import math
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from mocap_data import MOCAP, needs_mocap

from benchmarks import command
from benchmarks.command import Sample, describe, make_input, run
from benchmarks.stopwatch import PARTS, Part
from smplifyx.keypoints.reading import read_frames

FIGURES = {
    "wall": 10.0, "cpu": 12.0, "cpu_others": 4.0, "starting": 2.0,
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
    assert part.calls == 2 and part.wall >= 0.2 and part.cpu < part.wall


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
    assert "8.0 people/s, 10.0 without the start" in text and "| solver | 8.0 | 50.0 % | 5.0 | 50.0 % |" in text
    assert "| after 20% of the run | 100 | 100 |" in text and "| after 50% of the run | 300 | 350 |" in text
    assert "| after 100% of the run | 300 | 600 |" in text and "nan" not in text


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is read from /proc")
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
    arguments = ["fit", str(tmp_path / "keypoints"), "--images", str(tmp_path / "photos"), "--out", str(tmp_path / "o")]
    figures, samples = run([*arguments, "--preset", "fast", "--overlay", "--quiet"], tmp_path / "figures.json")
    parts = figures["parts"]
    assert parts.keys() == set(PARTS) and parts["saving"]["calls"] == parts["drawing here"]["calls"] == 3
    assert 0 < parts["solver"]["wall"] < parts["fits"]["wall"] < figures["wall"] and figures["starting"] > 0
    assert samples and math.isfinite(max(sample.own for sample in samples))
    assert "| solver |" in describe(figures, samples, 3)
    assert len(list((tmp_path / "o" / "overlays").iterdir())) == 3
