"""Runs a job as a stream: read, fit and write at the same time, in bounded memory, able to go on
after a kill.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import torch

from ..core.choices import LABELLED, body_gender
from ..core.threads import one_thread_per_operation
from ..parallel.launch import Place, launch
from ..parallel.launcher import Launcher, LaunchPlan, PendingAnswers
from ..parallel.resources import auto_processes, pick_device
from ..parallel.spawning import check_begun
from ..readers.frames import Note
from .batches import BatchFit, Bodies, FitAnswer, FitTask, Item, auto_batch_size, chunks
from .fit_and_check import fit_and_check
from .fit_recipe import FitRecipe
from .job import JobConfig, preset_of
from .job_log import logging_to
from .notes import NoteTally
from .output import NO_FRAMES, FrameSink, JobOutput, telling_how_to_go_on
from .progress import NO_PROGRESS, JobProgress
from .record import record_of
from .source import Source, open_source
from .store import Store, open_store
from .summary import FITTED, RowStatus, writing_summary
from .video_fit import fit_video
from .views_source import ViewsSource, open_views_source

__all__ = ["FITTED", "NO_FRAMES", "JobOutcome", "run_job"]

LOG = logging.getLogger(__name__)
BATCHES_WAITING = 2  # fitted batches that may wait for the disk


@dataclass(frozen=True)
class JobOutcome:
    """What a job came to.

    counts: of the lines of its summary. notes: what was met in its images. leftovers: what was
    given and not used, a note of each kind.
    """

    store: Store
    counts: Counter[RowStatus]
    notes: NoteTally = field(default_factory=NoteTally)
    leftovers: tuple[Note, ...] = ()

    @property
    def fitted(self) -> int:
        """People with a result, from this run or an earlier one."""
        return sum(self.counts[status] for status in FITTED)


def run_job(
    job: JobConfig,
    progress: JobProgress = NO_PROGRESS,
    fit: BatchFit = fit_and_check,
    frames: FrameSink = NO_FRAMES,
) -> JobOutcome:
    """Fits everyone that the job names and writes results/, summary.csv, config.yaml and log.txt.

    A large job is fitted in `job.processes` processes, one with a `fit` of its own here. Each
    process imports the script that calls this, which should do so below `if __name__ ==
    "__main__":` only. `frames` is given every frame, from this run or an earlier one, and has
    finished when this returns. Nobody else may write to the output folder meanwhile. Raises
    ConfigError, KeypointError, BodyFileError, StoreError, FolderBusyError or ValueError, one line
    each, before anything is fitted if the job cannot begin; afterwards an error costs no more than
    its person. OSError if the disk refuses: what is done is kept, also in the summary.
    """
    check_begun()
    config = preset_of(job)
    device = pick_device(job.device)
    bodies = Bodies(job.model, device, job.kid_template)
    source = open_source(job) if job.views is None else open_views_source(job)
    if job.gender not in LABELLED:
        # a file that cannot be read ends the job here, in one line
        bodies.choice(body_gender(job.gender), job.age)
    inputs = [job.keypoints] if job.images is None else [job.keypoints, job.images]
    with (
        telling_how_to_go_on(),
        open_store(job.out, record_of(job, config), inputs, job.overwrite) as store,
    ):
        progress.begin(source.files)
        with logging_to(store.log):
            LOG.info("job begins: %s -> %s", job.keypoints, job.out)
            recipe = FitRecipe(config, job.model, job.kid_template, fit, job.scene)
            with (
                one_thread_per_operation(device),
                writing_summary(store.summary) as summary,
            ):
                output = JobOutput(store, summary, progress, frames)
                size = auto_batch_size(device) if job.batch_size == "auto" else job.batch_size
                if job.video:
                    _fit_video(job, source, recipe, bodies, size, store, output)
                else:
                    batches = chunks(source.items(store), size, whole_frames=job.scene)
                    with _launcher(job, recipe, bodies, device) as launcher:
                        _stream(batches, source.files, launcher, output)
            frames.finish(source.leftovers)
            counts = [f"{count} {status.value}" for status, count in output.counts.items()]
            LOG.info("job ends: %s", ", ".join(counts) or "no rows")
            for note in source.leftovers:
                LOG.warning("%s", note)
    return JobOutcome(store, output.counts, output.notes, source.leftovers)


def _fit_video(
    job: JobConfig,
    source: Source | ViewsSource,
    recipe: FitRecipe,
    bodies: Bodies,
    size: int,
    store: Store,
    output: JobOutput,
) -> None:
    """Reads all of a video, since people are tracked through it, and fits it."""
    try:
        items = list(source.items(store))
        fit_video(items, job.fps, recipe, bodies, size, store, output)
    except BaseException:
        output.frames.stop()
        raise


def _launcher(
    job: JobConfig, recipe: FitRecipe, bodies: Bodies, device: torch.device
) -> Launcher[FitTask, FitAnswer]:
    """Who fits: this process, and where they can help, others."""
    processes = auto_processes() if job.processes == "auto" else job.processes
    # A GPU is shared by all processes, and a `fit` of the caller's own may not pickle.
    only_here = device.type != "cpu" or recipe.fit is not fit_and_check or processes == 1
    place = Place.IN_PROCESS if only_here else Place.PROCESS_POOL
    here = partial(recipe.fitted, bodies=bodies)
    return launch(place, LaunchPlan(recipe, processes, here))


def _stream(
    batches: Iterable[list[Item]],
    files: int,
    launcher: Launcher[FitTask, FitAnswer],
    output: JobOutput,
) -> None:
    """Fits batches while those before are written.

    An error of the disk ends it; written files stay. So does an error of what gives the batches,
    but those before it are fitted and written.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="results") as disk:
        waiting: deque[Future[None]] = deque()
        most_waiting = launcher.capacity + BATCHES_WAITING
        files_seen = 0
        try:
            unread = None
            remaining = iter(batches)
            while True:
                try:
                    batch = next(remaining)
                except StopIteration:
                    break
                except Exception as error:
                    unread = error
                    break
                frames = sum(item.ends_frame for item in batch)
                files_seen += frames
                # Of a file with many images nobody knows how many follow: as many again, say.
                files_left = files - files_seen if files >= files_seen else files_seen
                people = [item.work for item in batch if isinstance(item.work, FitTask)]
                pending = None
                if people:
                    pending = launcher.submit(people, ahead=files_left / max(frames, 1))
                waiting.append(disk.submit(_write, output, batch, pending))
                # Those that are written are asked for at once, too: so an error ends the job soon.
                while len(waiting) > most_waiting or (waiting and waiting[0].done()):
                    waiting.popleft().result()
            while waiting:
                waiting.popleft().result()
            if unread is not None:
                raise unread
        except BaseException:
            # First: the thread of the disk may wait for these, and the block for that thread.
            output.frames.stop()
            launcher.stop()
            raise


def _write(
    output: JobOutput, batch: Sequence[Item], pending: PendingAnswers[FitAnswer] | None
) -> None:
    """Waits for the answers: those who come later are written later."""
    output.write(batch, () if pending is None else pending.result())
