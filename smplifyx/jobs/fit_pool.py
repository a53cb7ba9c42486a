"""Fits in processes of their own, from Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType

from ..camera import Camera
from ..core.bundle import Bundle
from ..core.choices import Age, BodyGender, Detector, Gender
from ..core.threads import even
from ..evidence.evidence import EvidenceRows, by_kind, check_rows
from ..evidence.kinds import of_facts
from ..fitting.result import FitResult, Origin
from ..keypoints import Keypoints
from ..parallel.launcher import LaunchPlan
from ..parallel.process_pool import ProcessPool
from ..parallel.resources import auto_processes
from .batches import Failure, FitTask
from .fit_recipe import FitRecipe

LEAST = 32  # people that a process gets at once, where there are so many: fewer cost more each


class FitPool:
    """Processes that fit people, one core each; to be closed, best as a context manager.

        if __name__ == "__main__":  # needed: each process imports the script that began it
            with FitPool() as pool:
                result = pool.fit(keypoints, camera)

    recipe: how to fit; by default as `smplifyx.fit` does, with the built-in body. processes: how
    many, of some 700 MB each; None: as many as there are cores and memory for. A process that dies,
    for want of memory, say, costs nobody: its people are tried again in new ones, by halves down to
    the one who kills it. No result depends on any of this.
    """

    def __init__(self, recipe: FitRecipe | None = None, processes: int | None = None) -> None:
        self._processes = processes or auto_processes()
        self._pool = ProcessPool(LaunchPlan(recipe or FitRecipe(), self._processes))

    def __enter__(self) -> FitPool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.__exit__(kind, error, traceback)

    def fit(
        self,
        keypoints: Keypoints,
        camera: Camera,
        gender: BodyGender = Gender.NEUTRAL,
        age: Age = Age.ADULT,
        evidence: Sequence[Bundle] = (),
        detector: Detector = Detector.OPENPOSE,
    ) -> FitResult:
        """Fits everybody of a batch; to the bit what `smplifyx.fit` finds, in the same order.

        keypoints and camera as for `smplifyx.fit`, evidence as for `Fitter.fit`, detector as for
        `load_body`. Raises RuntimeError where somebody cannot be fitted for an error,
        ChildProcessError where no process can be begun, ValueError for an empty batch.
        """
        people = _fit_tasks(keypoints, camera, gender, age, detector, evidence)
        pieces = even(len(people), min(self._processes, len(people) // LEAST))
        parts = [self._pool.submit(people[rows]) for rows in pieces]
        answers = [answer for part in parts for answer in part.result()]
        results: list[FitResult] = []
        for person, answer in zip(people, answers, strict=True):
            if isinstance(answer, Failure):
                raise RuntimeError(f"{person.stem} could not be fitted: {answer.reason}")
            results.append(answer)
        return FitResult.stack(results).replace(origin=Origin())

    def close(self) -> None:
        """Waits until everything is done; leaves no process behind."""
        self._pool.close()

    def stop(self) -> None:
        """Drops what is not done, and kills the processes."""
        self._pool.stop()


def _fit_tasks(
    keypoints: Keypoints,
    camera: Camera,
    gender: BodyGender,
    age: Age,
    detector: Detector,
    evidence: Sequence[Bundle],
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
    check_rows(evidence, count)
    given = by_kind(evidence)
    return [
        FitTask(
            stem=f"row {i}",
            keypoints=keypoints[i],
            camera=camera[i],
            gender=gender,
            origin=replace(Origin(), person=i),
            age=age,
            detector=detector,
            evidence=_one_row(given, i),
        )
        for i in range(count)
    ]


def _one_row(given: EvidenceRows, index: int) -> tuple[Bundle, ...]:
    """The evidence about one row; that nothing is known, of the kinds which are not given."""
    unknown = by_kind(of_facts({}))
    return tuple((unknown | {kind: rows[index] for kind, rows in given.items()}).values())
