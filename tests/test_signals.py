"""A request to end is an exception within the block, once, and nothing outside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from job_tools import person, run_quick, table, write_frame

from smplifyx.core.signals import Terminated, terminable

ROOT = Path(__file__).parent.parent


def test_the_signal_is_an_exception_within_the_block() -> None:
    with pytest.raises(Terminated), terminable():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_handler_of_the_caller_stays() -> None:
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *told: heard.append(told))
    try:
        with terminable():
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert len(heard) == 1


def test_a_command_asked_to_end_leaves_nothing_half_done(tmp_path: Path) -> None:
    for index in range(40):
        write_frame(tmp_path / "in", f"f{index:03d}", [person(index)])
    command = [sys.executable, "-m", "smplifyx", "fit", str(tmp_path / "in"), "--out"]
    command += [str(tmp_path / "out"), "--batch-size", "1", "--quiet", "--preset", "fast"]
    running = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "out").rglob("0*.npz")) and time.monotonic() < deadline:
        time.sleep(0.05)
    running.terminate()
    _, error = running.communicate(timeout=60)
    assert running.returncode == 143 and "goes on where it was" in error
    assert error.count("\n") == 1
    assert not list((tmp_path / "out").rglob(".*"))
    assert table(tmp_path / "out")[-1]["status"] == "unfinished"
    run_quick(tmp_path / "in", tmp_path / "out", preset="fast")
    assert len(table(tmp_path / "out")) == 40
