"""One writer per output folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from job_tools import quick_fit, write_folder

from smplifyx.jobs.job import JobConfig
from smplifyx.jobs.lock import LOCK, FolderBusyError, locked
from smplifyx.jobs.pictures import draw_all
from smplifyx.jobs.pictures.frame_pictures import Wanted
from smplifyx.jobs.runner import run_job
from smplifyx.jobs.store import Store
from smplifyx.readers.frames import Note

ROOT = Path(__file__).parent.parent
HOLD = "import sys; from smplifyx.jobs.lock import locked\nfrom pathlib import Path\n" \
    "with locked(Path(sys.argv[1])):\n    print('held', flush=True); sys.stdin.read()"  # fmt: skip


def test_a_second_writer_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    with locked(tmp_path):
        with (
            pytest.raises(FolderBusyError, match=f"process {os.getpid()}") as caught,
            locked(tmp_path),
        ):
            pass
        assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)
    assert not list(tmp_path.iterdir())
    with locked(tmp_path):
        pass


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    with pytest.raises(FolderBusyError, match=f"process {holder.pid}"), locked(tmp_path):
        pass
    holder.kill()
    holder.wait()
    assert (tmp_path / LOCK).exists()
    with locked(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_a_lock_never_leads_elsewhere(tmp_path: Path, kind: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "out").mkdir()
    lock = tmp_path / "out" / LOCK
    if kind == "link":
        lock.symlink_to(victim)
    elif kind == "folder":
        lock.mkdir()
    else:
        os.mkfifo(lock)
    with pytest.raises((OSError, FolderBusyError)), locked(tmp_path / "out"):
        pass
    assert victim.read_text() == "mine"


def test_jobs_and_drawing_keep_others_out(tmp_path: Path) -> None:
    keypoints = write_folder(tmp_path / "in", frames=1)
    job = JobConfig(keypoints=keypoints, out=tmp_path / "out", batch_size=2, quiet=True)

    class Second:
        """Tries to run a second time while the first is at work."""

        told: list[str] = []

        def take(self, rows: object) -> None:
            """Nothing to do."""

        def stop(self) -> None:
            """Nothing to do."""

        def finish(self, leftovers: Sequence[Note] = ()) -> None:
            """Runs again, and draws."""
            for second in (
                lambda: run_job(job, fit=quick_fit),
                lambda: draw_all(Store(job.out), Wanted(report=True), lambda: None),
            ):
                with pytest.raises(FolderBusyError) as caught:
                    second()
                self.told.append(str(caught.value))

    run_job(job, fit=quick_fit, frames=Second())
    assert len(Second.told) == 2 and not list((tmp_path / "out").glob(".*"))
