"""Frames drawn: the same wherever they are drawn, whole after a kill, and faults that stay alone."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

from job_tools import Counting, end_state, person, quick_fit, run_quick, write_folder, write_frame
from picture_tools import ALL, drawn_with_job, made

from smplifyx.fitting.result import FitResult
from smplifyx.jobs.job import JobConfig, MeshFormat
from smplifyx.jobs.pictures import Drawing, FramePictures, count_frames, draw_all, report
from smplifyx.jobs.pictures.files import frames
from smplifyx.jobs.runner import run_job
from smplifyx.jobs.store import Store
from smplifyx.parallel.background_tasks import BackgroundTasks

ROOT = Path(__file__).parent.parent
DEADLY = 5  # frames, after which a job in `main` is killed


def test_every_frame_is_reported_and_every_person_exported(tmp_path: Path) -> None:
    write_frame(tmp_path / "in", "a", [person(1), person(2)])
    write_frame(tmp_path / "in", "sub_b", [])
    store = run_quick(tmp_path / "in", tmp_path / "out").store
    seen = []
    drawing = draw_all(store, dataclasses.replace(ALL, mesh=MeshFormat.OBJ), lambda: seen.append(1))
    text = report(store).read_text(encoding="utf-8")
    assert (drawing.made, drawing.failed) == (1, 0)
    assert len(seen) == count_frames(store) == 2
    assert "sub_b" in text and "no_people" in text
    meshes = sorted(path.name for path in (tmp_path / "out" / "meshes" / "a").iterdir())
    assert meshes == ["000.obj", "001.obj"]
    assert (tmp_path / "out" / "overlays" / "a.jpg").is_file()


def test_with_a_job_or_after_it_here_or_in_another_process_it_is_the_same(tmp_path: Path) -> None:
    keypoints = write_folder(tmp_path / "in", frames=3)
    drawing = drawn_with_job(keypoints, tmp_path / "a")
    store = run_quick(keypoints, tmp_path / "b").store
    after = draw_all(store, ALL, lambda: None)
    assert made(tmp_path / "a") == made(tmp_path / "b")
    assert (drawing.made, drawing.failed) == (after.made, 0) == (5, 0)
    answers = []
    elsewhere = BackgroundTasks(
        FramePictures(store, dataclasses.replace(ALL, again=True)),
        lambda *told: answers.append(told),
        few=0,  # all of them in other processes
    )
    for rows in reversed(list(frames(store))):
        elsewhere.put(tuple(rows))
    elsewhere.finish()
    assert all(answer == () for _, answer in answers)
    assert made(tmp_path / "a") == made(tmp_path / "b")


def test_a_killed_job_draws_what_lacks(tmp_path: Path) -> None:
    keypoints = write_folder(tmp_path / "in")
    drawn_with_job(keypoints, tmp_path / "whole")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    command = [sys.executable, "tests/test_drawing.py", str(keypoints), str(tmp_path / "out")]
    killed = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    before = made(tmp_path / "out")
    assert killed.returncode == -9 and 0 < len(before) < len(made(tmp_path / "whole"))
    kept = next(
        tmp_path / "out" / name
        for name in before
        if name.startswith("overlays") and not name.endswith("tmp")
    )
    drawn = kept.stat().st_mtime_ns
    drawn_with_job(keypoints, tmp_path / "out")
    assert kept.stat().st_mtime_ns == drawn
    assert made(tmp_path / "out") == made(tmp_path / "whole")
    assert end_state(tmp_path / "out") == end_state(tmp_path / "whole")


def test_a_frame_that_cannot_be_drawn_costs_only_itself(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_frame(tmp_path / "in", name, [person(1)])
    store = run_quick(tmp_path / "in", tmp_path / "out").store
    result = FitResult.load(store.result("b", 0))
    other = dataclasses.replace(result.provenance, model_name="other", model_sha256="0" * 64)
    result.replace(provenance=other).save(store.result("b", 0))
    store.result("c", 0).write_bytes(b"cut")
    drawing = draw_all(store, ALL, lambda: None)
    log = store.log.read_text(encoding="utf-8")
    assert (drawing.made, drawing.failed) == (2, 1)
    assert "fitted with other" in log and "c: " in log
    assert [path.name for path in (tmp_path / "out" / "overlays").iterdir()] == ["a.jpg"]
    assert report(store).read_text(encoding="utf-8").count("not drawn, log.txt says why") == 2


def main(keypoints: str, out: str) -> None:
    """Runs a job that is killed, without any chance to clean up, when it has drawn some frames."""

    class Deadly(Drawing):
        def _told(self, *told: object) -> None:
            super()._told(*told)
            if self.made == DEADLY:
                os.kill(os.getpid(), signal.SIGKILL)

    drawing = Deadly(FramePictures(Store(Path(out)), ALL))
    job = JobConfig(keypoints=Path(keypoints), out=Path(out), batch_size=2, quiet=True)
    run_job(job, Counting(), quick_fit, drawing)


if __name__ == "__main__":
    main(*sys.argv[1:])
