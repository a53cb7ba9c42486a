"""How jobs in several processes end from outside: by Ctrl-C, and in a script that forgets its
guard.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from job_tools import person, write_frame
from test_fit_pool import FEW_STEPS

ROOT = Path(__file__).parent.parent


def test_a_script_that_begins_itself_again_is_stopped_in_time(tmp_path: Path) -> None:
    for index in range(4):
        write_frame(tmp_path / "in", f"f{index}", [person(index)])
    (tmp_path / "few.yaml").write_text(yaml.safe_dump(FEW_STEPS.model_dump(mode="json")))
    (tmp_path / "script.py").write_text(
        "import threading\n"
        "from smplifyx.jobs import FitRecipe, JobConfig, run_job\n"
        "from smplifyx.parallel import process_pool, worker_process\n"
        "process_pool.LOADING, begin = 0.0, worker_process.WorkerProcess.begin\n"
        "fitted, tried = FitRecipe.fitted, threading.Event()\n"
        "def trying(self):\n"
        "    try:\n"
        "        begin(self)\n"
        "    finally:\n"
        "        tried.set()\n"
        "def waiting(self, people, bodies, seen=[]):\n"
        "    assert not seen or tried.wait(60)\n"
        "    return seen.append(1) or fitted(self, people, bodies)\n"
        "worker_process.WorkerProcess.begin, FitRecipe.fitted = trying, waiting\n"
        "job = JobConfig(keypoints='in', out='out', preset='few.yaml', batch_size=1, processes=2, overwrite=True)\n"
        "print(run_job(job).fitted)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "script.py"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0 and done.stdout == "4\n" and "must do so below" in done.stderr
    assert len(list((tmp_path / "out").rglob("000.npz"))) == 4
    assert "fits go on without it" in (tmp_path / "out" / "log.txt").read_text()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks processes up in /proc")
def test_ctrl_c_ends_everything(tmp_path: Path) -> None:
    for index in range(60):
        write_frame(tmp_path / "in", f"f{index:02d}", [person(index)])
    (tmp_path / "job.py").write_text(
        "from smplifyx import cli\n"
        "from smplifyx.parallel import process_pool, worker_process\n"
        "if __name__ == '__main__':\n"
        "    process_pool.LOADING, begin = 0.0, worker_process.WorkerProcess.begin\n"
        "    worker_process.WorkerProcess.begin = lambda self: (begin(self), print(self._process.pid, flush=True))\n"
        f"    cli.main(['fit', {str(tmp_path / 'in')!r}, '--out', {str(tmp_path / 'out')!r}, '--processes', '2',\n"
        "              '--batch-size', '1', '--preset', 'fast', '--quiet'])\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(tmp_path / "job.py")]
    pipe = subprocess.PIPE
    running = subprocess.Popen(
        command,
        env=environment,
        stdout=pipe,
        stderr=pipe,
        text=True,
        start_new_session=True,
        cwd=ROOT,
    )
    processes = [int(running.stdout.readline()) for _ in range(2)]
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does
    _, error = running.communicate(timeout=60)
    assert (
        running.returncode == 130 and "goes on where it was" in error and "Traceback" not in error
    )
    assert not [pid for pid in processes if Path(f"/proc/{pid}").exists()]
    assert not list((tmp_path / "out").rglob("*.tmp"))
