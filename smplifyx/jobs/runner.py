"""Runs a job as a stream: read, fit and write at the same time, in bounded memory, able to go on
after a kill.
"""

from __future__ import annotations

import contextlib
import logging
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch

from ..core.choices import Gender
from ..fitting.quality import confident_body_points
from ..fitting.result import FitResult
from ..parallel.resources import auto_batch_size, auto_processes, pick_device
from ..parallel.spawning import check_begun
from .batches import Bodies, Failure, FitTask, Fitter, Item, chunks
from .fit_and_check import fit_and_check
from .job import JobConfig, preset_of
from .process_pool import FitRecipe, InProcess, PendingAnswers, ProcessPool
from .record import record_of
from .source import open_source
from .store import Store, open_store
from .summary import Row, RowStatus, SummaryWriter, row_of

LOG = logging.getLogger(__name__)
BATCHES_WAITING = 2  # fitted batches that may wait for the disk
FITTED = (RowStatus.OK, RowStatus.LOW_EVIDENCE, RowStatus.POOR)


@runtime_checkable
class JobProgress(Protocol):
    """Told how a job advances."""

    def begin(self, files: int) -> None:
        """So many keypoint files will be read."""

    def advance(self, files: int, people: int) -> None:
        """So many files and fitted people more are on the disk."""


class NoProgress:
    """A progress that tells nobody."""

    def begin(self, files: int) -> None:
        """Nothing to do."""

    def advance(self, files: int, people: int) -> None:
        """Nothing to do."""


NO_PROGRESS = NoProgress()


@runtime_checkable
class FrameSink(Protocol):
    """Takes the frames of a job, each as soon as everybody in it is on the disk."""

    def take(self, rows: Sequence[Row]) -> None:
        """The rows of one frame, in order; may make the job wait."""

    def finish(self) -> None:
        """There are no more: waits for what is under way."""

    def stop(self) -> None:
        """The job ends early: drops what can be dropped, makes nobody wait any more."""


class NoFrames:
    """Frames that nobody takes."""

    def take(self, rows: Sequence[Row]) -> None:
        """Nothing to do."""

    def finish(self) -> None:
        """Nothing to do."""

    def stop(self) -> None:
        """Nothing to do."""


NO_FRAMES = NoFrames()


@dataclass(frozen=True)
class JobOutcome:
    """What a job came to."""

    store: Store
    counts: Counter[RowStatus]

    @property
    def fitted(self) -> int:
        """People with a result, from this run or an earlier one."""
        return sum(self.counts[status] for status in FITTED)


def run_job(
    job: JobConfig,
    progress: JobProgress = NO_PROGRESS,
    fit: Fitter = fit_and_check,
    frames: FrameSink = NO_FRAMES,
) -> JobOutcome:
    """Fits everyone that the job names and writes results/, summary.csv, config.yaml and log.txt.

    A large job is fitted in `job.processes` processes, one with a `fit` of its own here. Each
    process imports the script that calls this, which should do so below `if __name__ ==
    "__main__":` only. `frames` is given every frame, from this run or an earlier one, and has
    finished when this returns. Raises ConfigError, KeypointError, BodyFileError, StoreError or
    ValueError, one line each, before anything is fitted if the job cannot begin; afterwards an
    error costs no more than its person. OSError if the disk refuses.
    """
    check_begun()
    config, device = preset_of(job), pick_device(job.device)
    bodies, source = Bodies(job.model, device, job.kid_template), open_source(job)
    if job.gender is not Gender.INPUT:
        # a file that cannot be read ends the job here, in one line
        bodies.choice(job.gender, job.age)
    store = open_store(
        job.out, record_of(job, config), [job.keypoints, *filter(None, [job.images])], job.overwrite
    )
    progress.begin(source.files)
    with logging_to(store.log):
        LOG.info("job begins: %s -> %s", job.keypoints, job.out)
        size = auto_batch_size(device) if job.batch_size == "auto" else job.batch_size
        recipe = FitRecipe(config, job.model, job.kid_template, fit, job.scene)
        with SummaryWriter(store.summary) as summary, _fitters(job, recipe, bodies, device) as pool:
            scribe = _Scribe(store, summary, progress, frames)
            _stream(chunks(source.items(store), size, job.scene), source.files, pool, scribe)
        frames.finish()
        LOG.info(
            "job ends: %s",
            ", ".join(f"{n} {status.value}" for status, n in scribe.counts.items()) or "no rows",
        )
    return JobOutcome(store, scribe.counts)


class _Scribe:
    """Puts answers on the disk, in the order of the input."""

    def __init__(
        self, store: Store, summary: SummaryWriter, progress: JobProgress, frames: FrameSink
    ) -> None:
        self._store, self._summary, self._progress, self.frames = store, summary, progress, frames
        self._frame: list[Row] = []  # so far
        self.counts: Counter[RowStatus] = Counter()

    def write(self, chunk: Sequence[Item], answers: Sequence[FitResult | Failure]) -> None:
        """One file per new result, one row per item. Raises OSError."""
        remaining, works = iter(answers), [item.work for item in chunk]
        rows = [
            self._settle(work, next(remaining)) if isinstance(work, FitTask) else work
            for work in works
        ]
        for row in rows:
            self._summary.write(row)
        self.counts.update(row.status for row in rows)
        self._progress.advance(
            sum(item.ends_frame for item in chunk), sum(row.status in FITTED for row in rows)
        )
        for item, row in zip(chunk, rows, strict=True):
            self._frame.append(row)
            if item.ends_frame:
                self.frames.take(self._frame)
                self._frame = []

    def _settle(self, person: FitTask, answer: FitResult | Failure) -> Row:
        if isinstance(answer, FitResult):
            answer.save(self._store.result(person.stem, person.origin.person))
            return row_of(person.stem, answer)
        return Row(
            person.stem,
            person.origin.person,
            RowStatus.FAILED,
            answer.reason,
            gender=person.gender.value,
            age=person.age.value,
            confident_keypoints=int(confident_body_points(person.keypoints)),
            focal=float(person.camera.focal.mean()),
            focal_source=person.origin.K_source,
            image_size_source=person.origin.image_size_source,
        )


def _fitters(
    job: JobConfig, recipe: FitRecipe, bodies: Bodies, device: torch.device
) -> ProcessPool | InProcess:
    """Who fits: this process, and where they can help, others."""
    here = partial(recipe.fitted, bodies=bodies)
    processes = auto_processes() if job.processes == "auto" else job.processes
    if device.type != "cpu" or recipe.fit is not fit_and_check or processes == 1:
        return InProcess(here)
    return ProcessPool(recipe, processes, here)


def _stream(
    cut: Iterable[list[Item]], files: int, pool: ProcessPool | InProcess, scribe: _Scribe
) -> None:
    """Fits batches while those before are written.

    An error of the disk ends it; written files stay.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="results") as disk:
        waiting: deque[Future[None]] = deque()
        seen = 0
        try:
            for chunk in cut:
                frames = sum(item.ends_frame for item in chunk)
                seen += frames
                # a file of many images: as many again, who knows
                ahead = files - seen if files >= seen else seen
                answers = _answers(chunk, pool, ahead / max(frames, 1))
                waiting.append(disk.submit(_write, scribe, chunk, answers))
                while len(waiting) > pool.room + BATCHES_WAITING or waiting and waiting[0].done():
                    waiting.popleft().result()
            while waiting:
                waiting.popleft().result()
        except BaseException:
            scribe.frames.stop()
            pool.stop()
            raise


def _answers(
    chunk: Sequence[Item], pool: ProcessPool | InProcess, ahead: float
) -> PendingAnswers | None:
    people = [item.work for item in chunk if isinstance(item.work, FitTask)]
    return pool.submit(people, ahead) if people else None


def _write(scribe: _Scribe, chunk: Sequence[Item], answers: PendingAnswers | None) -> None:
    """Waits for the answers: those who come later are written later."""
    scribe.write(chunk, answers.result() if answers else ())


@contextlib.contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Everything that smplifyx logs goes to a file as well, for the time of the block."""
    logger = logging.getLogger("smplifyx")
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
        handler.close()
