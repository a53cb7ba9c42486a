"""Makers for the tests of what is drawn of a job."""

from __future__ import annotations

from pathlib import Path

from job_tools import Counting, quick_fit

from smplifyx.jobs.job import JobConfig, MeshFormat
from smplifyx.jobs.pictures import Drawing, FramePictures, Wanted
from smplifyx.jobs.runner import run_job
from smplifyx.jobs.store import Store

ALL = Wanted(overlay=True, mesh=MeshFormat.PLY, report=True)


def drawn_with_job(keypoints: Path, out: Path, wanted: Wanted = ALL) -> Drawing:
    """Runs a job with the quick fit and draws its frames in the background."""
    drawing = Drawing(FramePictures(Store(out), wanted))
    job = JobConfig(keypoints=keypoints, out=out, batch_size=2, quiet=True)
    run_job(job, Counting(), quick_fit, drawing)
    return drawing


def made(out: Path) -> dict[str, bytes]:
    """Everything that was drawn or exported."""
    files: dict[str, bytes] = {}
    for folder in ("overlays", "pictures", "meshes"):
        for path in (out / folder).rglob("*"):
            if path.is_file():
                files[path.relative_to(out).as_posix()] = path.read_bytes()
    return files
