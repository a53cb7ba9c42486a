"""`smplifyx fit`: bodies to a folder of keypoints."""

from __future__ import annotations

from ..config import FieldError
from ..core.messages import one_line
from ..jobs.closing import headline, warning_lines
from ..jobs.job import JobConfig
from ..jobs.pictures import Drawing, FramePictures, Wanted, write_films
from ..jobs.runner import NO_FRAMES, run_job
from ..jobs.store import Store
from ..parallel.resources import pick_device
from .bars import JobBar
from .codes import DONE, NOTHING_DONE
from .terminal import Terminal


def run(job: JobConfig, terminal: Terminal) -> int:
    """Fits what the job names, and draws what it wants drawn of each frame.

    Raises FieldError for a value that cannot be used, and as `run_job` does.
    """
    check_machine(job)
    wanted = Wanted(job.overlay, job.mesh, job.report, job.renderer)
    wanted.check()
    drawing = None
    if wanted.anything:
        drawing = Drawing(FramePictures(Store(job.out), wanted, job.model, job.kid_template))
    bar = JobBar(job.quiet)
    try:
        outcome = run_job(job, bar, frames=drawing or NO_FRAMES)
    finally:
        bar.end()
    if job.video and job.overlay:
        try:
            write_films(outcome.store, job.fps)
        except OSError as error:  # results and pictures are there
            terminal.complain(f"no film was made: {one_line(error)}")
    page = drawing.page if drawing else None
    if not job.quiet:
        terminal.say(headline(outcome, page or outcome.store.summary))
    for line in warning_lines(outcome):
        terminal.err.write(f"{line}\n")
    if drawing and drawing.failed:
        complain_of(drawing, outcome.store, terminal)
    if outcome.fitted:
        return DONE
    terminal.complain(f"nobody could be fitted; {outcome.store.summary} says why")
    return NOTHING_DONE


def check_machine(job: JobConfig) -> None:
    """Raises FieldError for the first file, folder or device that the job names and that is not
    there.
    """
    for field in ("keypoints", "images", "model", "kid_template", "cameras", "views", "start"):
        place = getattr(job, field)
        if place is not None and not place.exists():
            raise FieldError(field, f"{place}: there is no such file or folder")
    try:
        pick_device(job.device)
    except ValueError as error:
        raise FieldError("device", str(error).removeprefix("device ")) from error


def complain_of(drawing: Drawing, store: Store, terminal: Terminal) -> None:
    """Says that pictures are missing."""
    terminal.complain(f"{drawing.failed} photos could not be drawn; {store.log} says why")
