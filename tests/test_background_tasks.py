"""Tasks in the background: everything is done once, what goes wrong costs only itself, and nobody is left
hanging.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from smplifyx.parallel.background_tasks import WAITING, BackgroundTasks

ROOT = Path(__file__).parent.parent
HERE, ELSEWHERE = 10**6, 0  # the first so many tasks in a thread of this process
DEADLY = 13


@dataclass(frozen=True)
class Double:
    """Doubles numbers; odd things happen to some."""

    def __call__(self, task: int) -> tuple[int, int]:
        if task < 0:
            raise ValueError(f"{task} is negative")
        if task == DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        return 2 * task, os.getpid()


@dataclass(frozen=True)
class Hold:
    """Waits until a file is there."""

    gate: Path

    def __call__(self, task: int) -> int:
        while not self.gate.exists():
            time.sleep(0.01)
        return task


def collect(tasks: list[int], few: int) -> dict[int, list[object]]:
    """All answers by task."""
    answers: dict[int, list[object]] = {}
    work = BackgroundTasks(
        Double(), lambda task, answer: answers.setdefault(task, []).append(answer), few
    )
    for task in tasks:
        work.put(task)
    work.finish()
    return answers


@pytest.mark.parametrize("few", [HERE, 2])
def test_each_task_is_done_once_and_errors_cost_only_themselves(few: int) -> None:
    tasks = [3, -1, *range(20, 20 + 2 * WAITING), -2]
    answers = collect(tasks, few)
    assert sorted(answers) == sorted(tasks) and all(len(told) == 1 for told in answers.values())
    assert all(isinstance(answers[bad][0], ValueError) for bad in (-1, -2))
    assert all(answers[good][0][0] == 2 * good for good in tasks if good > 0)
    places = {answers[good][0][1] for good in tasks if good > 0}
    assert (os.getpid() in places) == (few > 0) and bool(places - {os.getpid()}) == (
        few < len(tasks)
    )


def test_a_process_that_dies_costs_only_the_task_that_killed_it() -> None:
    answers = collect([1, 2, DEADLY, *range(20, 40)], ELSEWHERE)
    assert len(answers) == 23 and isinstance(answers.pop(DEADLY)[0], Exception)
    assert all(told[0][0] == 2 * task and len(told) == 1 for task, told in answers.items())


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), NotImplementedError("x")]
)
def test_where_no_process_can_be_begun_the_thread_does_everything(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(count: int) -> None:
        raise error

    monkeypatch.setattr("smplifyx.parallel.background_tasks._processes", refuse)
    tasks = [3, -1, *range(20, 20 + 2 * WAITING)]
    answers = collect(tasks, few=1)
    assert sorted(answers) == sorted(tasks)
    assert all(answers[good][0] == (2 * good, os.getpid()) for good in tasks if good > 0)
    assert caplog.text.count("no processes can be begun") == 1


def test_nobody_runs_far_ahead(tmp_path: Path) -> None:
    work = BackgroundTasks(Hold(tmp_path / "gate"), lambda task, answer: None, HERE)
    put = []
    feeder = threading.Thread(
        target=lambda: [(work.put(i), put.append(i)) for i in range(3 * WAITING)]
    )
    feeder.start()
    deadline = time.monotonic() + 20
    while len(put) < WAITING and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert len(put) == WAITING
    (tmp_path / "gate").touch()
    feeder.join()
    work.finish()


def test_stopping_frees_whoever_waits_and_drops_the_rest(tmp_path: Path) -> None:
    done = []
    work = BackgroundTasks(Hold(tmp_path / "gate"), lambda task, answer: done.append(task), HERE)
    feeder = threading.Thread(target=lambda: [work.put(i) for i in range(3 * WAITING)])
    feeder.start()
    threading.Timer(0.3, (tmp_path / "gate").touch).start()
    work.stop()
    feeder.join(timeout=20)
    assert not feeder.is_alive() and len(done) < 3 * WAITING
    work.put(1)  # quietly nothing


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks processes up in /proc")
def test_processes_do_not_outlive_the_one_that_began_them(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; sys.path[:0] = ['tests', '.']\n"
        "from test_background_tasks import BackgroundTasks, Double\n"
        "if __name__ == '__main__':\n"
        "    work = BackgroundTasks(Double(), lambda task, answer: print(answer[1], flush=True), 0)\n"
        "    work.put(1)\n"
        "    import time; time.sleep(300)\n"
    )
    (tmp_path / "parent.py").write_text(script)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    command = [sys.executable, str(tmp_path / "parent.py")]
    parent = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while _alive(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(worker)


def _alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
