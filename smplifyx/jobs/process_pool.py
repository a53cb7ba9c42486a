"""Fits in processes of their own, one core each: the threads of one process hinder each other."""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ..camera import Camera
from ..config import FitConfig, load_preset
from ..core.choices import Age, BodyAge, BodyGender, Gender
from ..core.threads import even
from ..fitting.age_choice import fit_best_age
from ..fitting.result import FitResult, Origin
from ..keypoints import Keypoints
from ..parallel.resources import auto_processes
from ..parallel.spawning import check_begun
from ..parallel.worker_process import Died, WorkerProcess
from .batches import Bodies, Failure, FitTask, Fitter, fit_people
from .scenes import fit_scenes

LOG = logging.getLogger(__name__)
Answers = list[FitResult | Failure]
# seconds that others must save to be begun: they take 5 s and more to load, and less may be ahead
LOADING = 15.0
BUSY = 1.5  # cores that threads of one process keep busy with fits, however many they are
# people that a process fits at once, where there are so many: fewer cost more each, more no less
LEAST, MOST = 32, 256


@dataclass(frozen=True)
class FitRecipe:
    """How people are fitted, small enough to be told to another process, which loads preset and
    bodies itself.

    model, kid_template: as for `Bodies`. fit: a function that pickles. scene: the people of an
    image are held apart.
    """

    config: FitConfig = field(default_factory=lambda: load_preset("smplx"))
    model: Path | None = None
    kid_template: Path | None = None
    fit: Fitter = fit_best_age
    scene: bool = False

    def __call__(self, people: Sequence[FitTask]) -> Answers:
        """The answers for these people, on the CPU."""
        return self.fitted(people, _bodies(self.model, self.kid_template))

    def fitted(self, people: Sequence[FitTask], bodies: Bodies) -> Answers:
        """The answers for these people with bodies that are loaded already, on their device."""
        answers = fit_people(people, bodies, self.config, self.fit)
        return fit_scenes(people, answers, bodies, self.config) if self.scene else answers


@dataclass(frozen=True)
class PendingAnswers:
    """Answers that are being worked out."""

    parts: tuple[Future[Answers], ...]

    def result(self) -> Answers:
        """Waits for them, and raises what kept them from coming."""
        return [answer for part in self.parts for answer in part.result()]


class ProcessPool:
    """Processes that fit people, one core each; to be closed, best as a context manager.

        if __name__ == "__main__":  # needed: each process imports the script that began it
            with ProcessPool() as pool:
                result = pool.fit(keypoints, camera)

    processes: how many, of some 700 MB each; None: as many as there are cores and memory for. here:
    fits in this process; with it the others are begun only when so much is left to do that they
    pay, and fit as soon as they have loaded. A process that dies, for want of memory, say, costs
    nobody: its people are tried again in new ones, by halves down to the one who kills it. No
    result depends on any of this.
    """

    def __init__(
        self,
        recipe: FitRecipe | None = None,
        processes: int | None = None,
        here: Callable[[Sequence[FitTask]], Answers] | None = None,
    ) -> None:
        check_begun()
        count, recipe = processes or auto_processes(), recipe or FitRecipe()
        self._workers, self._scene = [WorkerProcess(recipe) for _ in range(count)], recipe.scene
        self._here, self._idle = here, queue.SimpleQueue()
        # seconds per second of one core's work
        self._gain = 1 / min(BUSY, torch.get_num_threads()) - 1 / count
        self._threads = ThreadPoolExecutor(count + 1, thread_name_prefix="fits")
        self._loading: list[threading.Thread] = []
        self._joined, self._stopped = threading.Event(), False
        self.room = 2 * count  # batches that may be unfinished: so nobody waits for the next
        if here is None:
            self._begin()
        else:
            self._idle.put(None)

    def __enter__(self) -> ProcessPool:
        return self

    def __exit__(self, *fault: object) -> None:
        if fault[0] is None:
            self.close()
        else:
            self.stop()

    def fit(
        self,
        keypoints: Keypoints,
        camera: Camera,
        gender: BodyGender = Gender.NEUTRAL,
        age: BodyAge = Age.ADULT,
        height: Float[Tensor, " batch"] | None = None,
    ) -> FitResult:
        """Fits everybody of a batch; to the bit what `smplifyx.fit` finds, in the same order.

        keypoints, camera and height as for `smplifyx.fit`. Raises RuntimeError where somebody
        cannot be fitted for an error, ChildProcessError where no process can be begun, ValueError
        for an empty batch.
        """
        people = _fit_tasks(keypoints, camera, gender, age, height)
        pieces = even(len(people), min(len(self._workers), len(people) // LEAST))
        parts = [self.submit(people[rows]) for rows in pieces]
        answers = [answer for part in parts for answer in part.result()]
        for person, answer in zip(people, answers, strict=True):
            if isinstance(answer, Failure):
                raise RuntimeError(f"{person.stem} could not be fitted: {answer.reason}")
        return FitResult.stack(answers).replace(origin=Origin())

    def submit(self, people: Sequence[FitTask], ahead: float = 0.0) -> PendingAnswers:
        """Takes people in; no more than `room` of these should wait.

        ahead: how many times as much is yet to come.
        """
        # here: side by side, in threads
        whole = self._scene or self._here is not None and not self._joined.is_set()
        pieces = [slice(None)] if whole else even(len(people), math.ceil(len(people) / MOST))
        return PendingAnswers(
            tuple(self._threads.submit(self._fit, people[rows], ahead) for rows in pieces)
        )

    def close(self) -> None:
        """Waits until everything is done; leaves no process behind."""
        try:
            self._threads.shutdown()
        except BaseException:  # an interruption
            self.stop()
            raise
        self._stopped = True
        for worker in self._workers:
            worker.dismiss()
        for worker in self._workers:
            worker.end()
        self.stop()

    def stop(self) -> None:
        """Drops what is not done, kills the processes, waits for what this process fits."""
        self._stopped = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.kill()
        self._threads.shutdown()
        for thread in self._loading:
            thread.join()

    def _begin(self) -> None:
        self._loading = [
            threading.Thread(target=self._join, args=(worker,), name="pool loads")
            for worker in self._workers
        ]
        for thread in self._loading:
            thread.start()

    def _join(self, worker: WorkerProcess[Sequence[FitTask], Answers]) -> None:
        """Takes a process in when it has loaded; without one that cannot, where this process can do
        its work.
        """
        try:
            worker.begin()
        except ChildProcessError as error:
            if self._here is not None:
                return None if self._stopped else LOG.warning("%s: fits go on without it", error)
        self._joined.set()
        return self._idle.put(worker)

    def _fit(self, people: Sequence[FitTask], ahead: float) -> Answers:
        worker = self._idle.get()
        try:
            if self._stopped:
                raise Died("stopped")
            return (
                self._fit_here(people, ahead) if worker is None else self._patiently(worker, people)
            )
        finally:
            # this process goes on until the others are there
            if worker is not None or not self._joined.is_set():
                self._idle.put(worker)

    def _fit_here(self, people: Sequence[FitTask], ahead: float) -> Answers:
        start = time.process_time()
        answers = self._here(people)
        saved = (time.process_time() - start) * ahead * self._gain
        if saved > LOADING and not self._loading and not self._stopped:
            LOG.info(
                "%d processes are begun for the fits, to save about %.0f s",
                len(self._workers),
                saved,
            )
            self._begin()
        return answers

    def _patiently(
        self, worker: WorkerProcess, people: Sequence[FitTask], again: bool = False
    ) -> Answers:
        """A death is halved down to the person who causes it, and who has then died in two
        processes at least.
        """
        try:
            return worker.ask(people)
        except Died as death:
            if self._stopped:
                raise
            if again and len(people) == 1:
                LOG.warning(
                    "%s person %d: the process died: %s",
                    people[0].stem,
                    people[0].origin.person,
                    death,
                )
                return [Failure(f"the process that fitted this person died: {death}")]
            LOG.warning(
                "a process died over %d people (%s): they are tried again", len(people), death
            )
        halves = _halves(people, self._scene)
        return [
            answer
            for part in halves
            if part
            for answer in self._patiently(worker, part, again=True)
        ]


class InProcess:
    """Fits in this process, at once, and takes people as a pool does."""

    room = 0

    def __init__(self, here: Callable[[Sequence[FitTask]], Answers]) -> None:
        self._here = here

    def __enter__(self) -> InProcess:
        return self

    def __exit__(self, *fault: object) -> None:
        """Nothing to do."""

    def submit(self, people: Sequence[FitTask], ahead: float = 0.0) -> PendingAnswers:
        """Takes people in; their answers are there when this returns."""
        future: Future[Answers] = Future()
        future.set_result(self._here(people))
        return PendingAnswers((future,))

    def stop(self) -> None:
        """Nothing to do."""


def _halves(people: Sequence[FitTask], scene: bool) -> tuple[Sequence[FitTask], Sequence[FitTask]]:
    """Cut near the middle; between images, as far as there are several, where these are fitted as a
    whole.
    """
    cuts = range(1, len(people))
    between = [i for i in cuts if people[i].stem != people[i - 1].stem] if scene else []
    middle = min(between or cuts, key=lambda i: abs(2 * i - len(people)), default=0)
    return people[:middle], people[middle:]


@lru_cache(maxsize=1)
def _bodies(model: Path | None, kid_template: Path | None) -> Bodies:
    """A process fits thousands of people with the same bodies."""
    return Bodies(model, torch.device("cpu"), kid_template)


def _fit_tasks(
    keypoints: Keypoints,
    camera: Camera,
    gender: BodyGender,
    age: BodyAge,
    height: Float[Tensor, " batch"] | None,
) -> list[FitTask]:
    """The rows of a batch as people of a job.

    Raises ValueError where batches differ or are empty.
    """
    count = len(keypoints.xy)
    if keypoints.confidence.dim() != 2 or not count or len(camera.K) != count:
        raise ValueError(
            f"a pool takes one camera per person: got keypoints {list(keypoints.confidence.shape)} "
            f"and cameras {list(camera.K.shape)}"
        )
    heights = [math.nan] * count if height is None else height.tolist()
    return [
        FitTask(
            f"row {i}",
            keypoints[i],
            camera[i],
            gender,
            replace(Origin(), person=i),
            age,
            heights[i],
        )
        for i in range(count)
    ]
