"""The command `smplifyx`: the only place that prints and that decides exit codes."""

# ruff: noqa: E402 (the environment must be set before an import loads torch)
from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from tqdm import tqdm

# Waiting threads of OpenMP sleep. Spinning ones make a fit twenty times slower on a busy machine.
# OpenMP reads this once, when torch loads it; this module is the command, and nothing imports it
# but who runs one. A user's own choice stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from .config import ConfigError, load_preset, preset_names
from .jobs.job import Drawer, JobConfig, MeshFormat, load_job
from .jobs.progress import JobProgress
from .training.options import TrainOptions

# loaded by the commands that need them
if TYPE_CHECKING:
    from .jobs.pictures import Drawing
    from .jobs.store import Store

NOTHING_DONE, BAD_INPUT, INTERRUPTED = 1, 2, 130
OUT_FOLDER = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")]
JOB_FILE = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="JOB.yaml")]
MESH = Annotated[MeshFormat | None, tyro.conf.arg(metavar="obj|ply|glb")]

ABOUT = "2D keypoints of people in, expressive 3D people out."
app = tyro.extras.SubcommandApp()


class Bar(JobProgress):
    """A progress bar over keypoint files that also tells people per second."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._people = 0
        self._bar: tqdm | None = None

    def begin(self, files: int) -> None:
        """So many files will be read."""
        self._bar = tqdm(
            total=files, unit="file", disable=self._quiet, dynamic_ncols=True, file=sys.stderr
        )

    def advance(self, files: int, people: int = 0) -> None:
        """So many files and people more are done; `begin` comes first."""
        assert self._bar is not None
        self._people += people
        elapsed = self._bar.format_dict["elapsed"]
        if self._people and elapsed:
            speed = self._people / elapsed
            self._bar.set_postfix_str(f"{self._people} people, {speed:.1f} people/s", refresh=False)
        self._bar.update(files)

    def end(self) -> None:
        """Leaves the bar as it stands."""
        if self._bar is not None:
            self._bar.close()


class Steps:
    """A progress bar over the steps of a training, with what it has reached."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: tqdm | None = None

    def begin(self, what: str, total: int) -> None:
        """So many steps follow."""
        self._bar = tqdm(
            total=total, desc=what, disable=self._quiet, dynamic_ncols=True, file=sys.stderr
        )

    def advance(self, note: str) -> None:
        """One is done; `begin` comes first."""
        assert self._bar is not None
        self._bar.set_postfix_str(note, refresh=False)
        self._bar.update()

    def end(self) -> None:
        """Leaves the bar as it stands."""
        if self._bar is not None:
            self._bar.close()


@app.command
def fit(job: tyro.conf.OmitArgPrefixes[JobConfig]) -> int:
    """Fit bodies to a folder of keypoints: smplifyx fit KEYPOINTS --images PHOTOS --out OUT
    --overlay --report
    """
    return _run(job)


@app.command
def run(job: JOB_FILE, /) -> int:
    """Run a job file: smplifyx run configs/demo.yaml"""
    return _run(load_job(job))


@app.command
def render(
    out: OUT_FOLDER, /, mesh: MESH = None, renderer: Drawer = Drawer.SOFTWARE, quiet: bool = False
) -> int:
    """Draw overlays, turned views and the report again from the results in an output folder.

    Args:
        out: the --out of an earlier fit
        mesh: write meshes too
        renderer: pyrender needs the extra [render] and GL libraries
        quiet: no progress bar, no closing line
    """
    from .jobs.pictures import Wanted, count_frames, draw_all, report
    from .jobs.store import Store, read_record
    from .viz import Renderer

    store = Store(out)
    wanted = Wanted(
        overlay=True, mesh=mesh, report=True, renderer=Renderer(renderer.value), again=True
    )
    wanted.check()
    read_record(store)
    with tqdm(
        total=count_frames(store),
        unit="picture",
        disable=quiet,
        dynamic_ncols=True,
        file=sys.stderr,
    ) as bar:

        def advance() -> None:
            bar.update()

        drawing = draw_all(store, wanted, advance)
    _say(quiet, f"see {report(store)}")
    return _complain_of(drawing, store) if drawing.failed else 0


@app.command
def presets() -> int:
    """List the presets: ways of fitting that --preset names."""
    for name in preset_names():
        print(f"{name:18s} {load_preset(name).summary}")
    return 0


@app.command(name="train-prior")
def train_prior(options: tyro.conf.OmitArgPrefixes[TrainOptions]) -> int:
    """Train a body-pose prior: smplifyx train-prior --data FOLDER --kind vposer --out my_vposer

    The same command again goes on where it was stopped. Needs the extra [train].
    """
    from .training.train import Request, train_prior

    steps = Steps(options.quiet)
    try:
        trained = train_prior(Request.of(options), steps)
    finally:
        steps.end()
    _say(
        options.quiet,
        f"wrote {trained.file}; see {trained.card}"
        + (f", {trained.curve}" if trained.curve else ""),
    )
    return 0


@app.command
def doctor() -> int:
    """Say what this installation can do, what it lacks, and the command that mends it."""
    from .doctor import Verdict, examine

    findings = examine()
    for finding in findings:
        print(
            f"[{finding.verdict.value}] {finding.what}"
            + (f"   -> {finding.mend}" if finding.mend else "")
        )
    return NOTHING_DONE if any(finding.verdict is Verdict.BROKEN for finding in findings) else 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command and exits with its code; what the user can mend is told in one line on stderr.

    Codes: 0; 1 nothing could be done; 2 bad usage or input; 130 interrupted. `arguments`:
    sys.argv's by default.
    """
    settings = (tyro.conf.EnumChoicesFromValues, tyro.conf.FlagCreatePairsOff)
    try:
        code = app.cli(args=arguments, prog="smplifyx", description=ABOUT, config=settings)
    except KeyboardInterrupt:
        code = _complain(
            "stopped; run the same command again and it goes on where it was", INTERRUPTED
        )
    except (ConfigError, OSError, ValueError, ImportError) as error:
        code = _complain(" ".join(str(error).split()), BAD_INPUT)
    sys.exit(code)


def _run(job: JobConfig) -> int:
    """Fits what the job names, and draws what it wants drawn of each frame."""
    from .jobs.pictures import Drawing, FramePictures, Wanted, report
    from .jobs.runner import NO_FRAMES, run_job
    from .jobs.store import Store
    from .viz import Renderer

    wanted = Wanted(job.overlay, job.mesh, job.report, Renderer(job.renderer.value))
    wanted.check()
    drawing = None
    if wanted.anything:
        drawing = Drawing(FramePictures(Store(job.out), wanted, job.model, job.kid_template))
    bar = Bar(job.quiet)
    try:
        outcome = run_job(job, bar, frames=drawing or NO_FRAMES)
    finally:
        bar.end()
    page = report(outcome.store) if job.report else None
    counts = [f"{count} {status.value}" for status, count in outcome.counts.most_common()]
    told = ", ".join(counts) or "nothing to read"
    _say(job.quiet, f"{told}; see {page or outcome.store.summary}")
    if drawing and drawing.failed:
        _complain_of(drawing, outcome.store)
    if outcome.fitted:
        return 0
    return _complain(f"nobody could be fitted; {outcome.store.summary} says why", NOTHING_DONE)


def _complain_of(drawing: Drawing, store: Store) -> int:
    """Says that pictures are missing; bad only if all are."""
    code = 0 if drawing.made else NOTHING_DONE
    return _complain(f"{drawing.failed} photos could not be drawn; {store.log} says why", code)


def _say(quiet: bool, line: str) -> None:
    if not quiet:
        print(line)


def _complain(line: str, code: int) -> int:
    print(f"smplifyx: {line}", file=sys.stderr)
    return code
