"""The command `smplifyx`: the only place that prints and that decides exit codes."""

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
from .core.choices import MeshFormat, Renderer
from .core.messages import one_line
from .core.signals import Terminated, terminable
from .core.terminal import Outlet, tell
from .jobs.job import JobConfig, load_job
from .jobs.progress import JobProgress
from .training.options import TrainOptions

# torch is loaded by the commands that need it, so that --help does not wait for it
if TYPE_CHECKING:
    from .jobs.pictures import Drawing
    from .jobs.store import Store

NOTHING_DONE = 1
BAD_INPUT = 2
INTERRUPTED = 130  # 128 and the number of the signal, as shells have it
TERMINATED = 143
OUT_FOLDER = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")]
JOB_FILE = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="JOB.yaml")]
MESH = Annotated[MeshFormat | None, tyro.conf.arg(metavar="obj|ply|glb")]

ABOUT = "2D keypoints of people in, expressive 3D people out."
app = tyro.extras.SubcommandApp()


class Bar:
    """A progress bar on stderr; there is none before it begins, nor where it shall be quiet."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: tqdm | None = None

    @property
    def seconds(self) -> float:
        """Since it began; 0 where it is quiet."""
        return self._begun().format_dict["elapsed"]

    def start(self, total: int, unit: str, what: str | None = None) -> None:
        """Shows a bar of so many units, after the word `what`."""
        outlet = Outlet(sys.stderr)
        self._bar = tqdm(
            total=total,
            desc=what,
            unit=unit,
            disable=self._quiet or not outlet.is_open,
            dynamic_ncols=True,
            file=outlet,
        )

    def step(self, units: int = 1, note: str = "") -> None:
        """So many units more are done; a note replaces the one before."""
        bar = self._begun()
        if note:
            bar.set_postfix_str(note, refresh=False)
        bar.update(units)

    def end(self) -> None:
        """Leaves the bar as it stands."""
        if self._bar is not None:
            self._bar.close()

    def _begun(self) -> tqdm:
        if self._bar is None:
            raise RuntimeError("a progress bar begins before it advances")
        return self._bar


class JobBar(Bar, JobProgress):
    """The progress of a job over keypoint files, with people per second."""

    def __init__(self, quiet: bool) -> None:
        super().__init__(quiet)
        self._people = 0

    def begin(self, files: int) -> None:
        """So many files will be read."""
        self.start(files, unit="file")

    def advance(self, files: int, people: int) -> None:
        """So many files and people more are done."""
        self._people += people
        note = ""
        if self._people and self.seconds:
            note = f"{self._people} people, {self._people / self.seconds:.1f} people/s"
        self.step(files, note)


class TrainingBar(Bar):
    """The progress of a training over its steps, with what it has reached."""

    def begin(self, what: str, total: int) -> None:
        """So many steps follow."""
        self.start(total, unit="it", what=what)

    def advance(self, note: str) -> None:
        """One is done."""
        self.step(note=note)


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
    out: OUT_FOLDER,
    /,
    mesh: MESH = None,
    renderer: Renderer = Renderer.SOFTWARE,
    quiet: bool = False,
) -> int:
    """Draw overlays, turned views and the report again from the results in an output folder.

    Args:
        out: the --out of an earlier fit
        mesh: write meshes too
        renderer: pyrender needs the extra [render] and GL libraries
        quiet: no progress bar, no closing line
    """
    from .jobs.pictures import Wanted, count_frames, draw_all
    from .jobs.store import Store, read_record

    store = Store(out)
    wanted = Wanted(overlay=True, mesh=mesh, report=True, renderer=renderer, again=True)
    wanted.check()
    read_record(store)  # before anything is counted: is this an output folder at all
    bar = Bar(quiet)
    bar.start(count_frames(store), unit="picture")
    try:
        with terminable():
            drawing = draw_all(store, wanted, bar.step)
    finally:
        bar.end()
    _say(quiet, f"see {drawing.page}")
    return _complain_of(drawing, store) if drawing.failed else 0


@app.command
def presets() -> int:
    """List the presets: ways of fitting that --preset names."""
    for name in preset_names():
        tell(sys.stdout, f"{name:18s} {load_preset(name).summary}")
    return 0


@app.command(name="train-prior")
def train_prior(options: tyro.conf.OmitArgPrefixes[TrainOptions]) -> int:
    """Train a body-pose prior: smplifyx train-prior --data FOLDER --kind vposer --out my_vposer

    The same command again goes on where it was stopped. Needs the extra [train].
    """
    from .training.train import Request, train_prior

    bar = TrainingBar(options.quiet)
    try:
        trained = train_prior(Request.of(options), bar)
    finally:
        bar.end()
    to_look_at = [trained.card] + ([trained.curve] if trained.curve else [])
    _say(options.quiet, f"wrote {trained.file}; see {', '.join(map(str, to_look_at))}")
    return 0


@app.command
def doctor() -> int:
    """Say what this installation can do, what it lacks, and the command that mends it."""
    from .doctor import Verdict, examine

    findings = examine()
    for finding in findings:
        remedy = f"   -> {finding.mend}" if finding.mend else ""
        tell(sys.stdout, f"[{finding.verdict.value}] {finding.what}{remedy}")
    is_broken = any(finding.verdict is Verdict.BROKEN for finding in findings)
    return NOTHING_DONE if is_broken else 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command and exits with its code; what the user can mend is told in one line on stderr.

    Codes: 0; 1 nothing could be done; 2 bad usage or input; 130 interrupted; 143 asked to end by
    SIGTERM. `arguments`: sys.argv's by default.
    """
    settings = (tyro.conf.EnumChoicesFromValues, tyro.conf.FlagCreatePairsOff)
    try:
        code = app.cli(args=arguments, prog="smplifyx", description=ABOUT, config=settings)
    except KeyboardInterrupt as error:
        line = "stopped; run the same command again and it goes on where it was"
        code = _complain(line, TERMINATED if isinstance(error, Terminated) else INTERRUPTED)
    except (ConfigError, OSError, ValueError, ImportError) as error:
        code = _complain(one_line(error, limit=None), BAD_INPUT)
    sys.exit(code)


def _run(job: JobConfig) -> int:
    """Fits what the job names, and draws what it wants drawn of each frame."""
    from .jobs.pictures import Drawing, FramePictures, Wanted
    from .jobs.runner import NO_FRAMES, run_job
    from .jobs.store import Store

    wanted = Wanted(job.overlay, job.mesh, job.report, job.renderer)
    wanted.check()
    drawing = None
    if wanted.anything:
        drawing = Drawing(FramePictures(Store(job.out), wanted, job.model, job.kid_template))
    bar = JobBar(job.quiet)
    try:
        with terminable():
            outcome = run_job(job, bar, frames=drawing or NO_FRAMES)
    finally:
        bar.end()
    page = drawing.page if drawing else None
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
        tell(sys.stdout, line)


def _complain(line: str, code: int) -> int:
    tell(sys.stderr, f"smplifyx: {line}")
    return code
