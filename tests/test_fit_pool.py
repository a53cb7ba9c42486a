"""Fits in other processes: the same answers in the same order, deaths that cost nobody else, and no
process left.
"""

from __future__ import annotations

import dataclasses
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
import yaml
from job_tools import Counting, end_state, person, write_frame
from torch import Tensor

from smplifyx.body.model import BodyModel, Gender
from smplifyx.camera import Camera
from smplifyx.config import FitConfig, load_preset
from smplifyx.core.bundle import Bundle
from smplifyx.evidence.height import KnownHeight
from smplifyx.fitting.age_choice import fit_best_age
from smplifyx.fitting.fit import fit
from smplifyx.fitting.result import FitResult, Origin
from smplifyx.jobs.batches import Failure, FitAnswer, FitTask
from smplifyx.jobs.fit_pool import FitPool
from smplifyx.jobs.fit_recipe import FitRecipe
from smplifyx.jobs.job import JobConfig
from smplifyx.jobs.runner import run_job
from smplifyx.jobs.store import Store
from smplifyx.keypoints import Keypoints
from smplifyx.parallel import process_pool
from smplifyx.parallel.launcher import LaunchPlan
from smplifyx.parallel.process_pool import ProcessPool
from smplifyx.parallel.worker_process import WorkerProcess

ROOT = Path(__file__).parent.parent
# x of the nose of people whose fit raises, kills, kills the first time
POISONED, DEADLY, SHY = 666.0, 13.0, 7.0
FEW_STEPS = load_preset("fast").model_copy(
    update={
        "stages": tuple(
            stage.model_copy(update={"solver": stage.solver.model_copy(update={"max_steps": 2})})
            for stage in load_preset("fast").stages
        )
    }
)


@dataclasses.dataclass(frozen=True)
class Odd:
    """A real fit, of few steps; odd things happen to some people."""

    folder: Path

    def __call__(
        self,
        keypoints: Keypoints,
        camera: Camera,
        bodies: tuple[BodyModel, ...],
        config: FitConfig,
        evidence: Sequence[Bundle],
    ) -> Sequence[FitResult]:
        noses = set(keypoints.xy[:, 0, 0].tolist())
        before = self.folder / "died_before"
        if DEADLY in noses or SHY in noses and not before.exists():
            before.touch() if SHY in noses else None
            os.kill(os.getpid(), signal.SIGKILL)
        if POISONED in noses:
            raise RuntimeError("poisoned")
        logging.getLogger("smplifyx.odd").info("%d people in process %d", len(noses), os.getpid())
        return fit_best_age(keypoints, camera, bodies, config, evidence)


@dataclasses.dataclass(frozen=True)
class Unloadable:
    """A fit that no process can load."""

    def __call__(self, *inputs: object) -> list[FitResult]:
        raise NotImplementedError

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (3,)


UNLOADABLE, HERE = FitRecipe(FEW_STEPS, fit=Unloadable()), Failure("fitted here")


@pytest.fixture(scope="module")
def fit_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FitPool]:
    """Two processes for all tests."""
    before = processes()
    with FitPool(FitRecipe(FEW_STEPS, fit=Odd(tmp_path_factory.mktemp("odd"))), 2) as fit_pool:
        yield fit_pool
    assert processes() <= before


@pytest.fixture(scope="module")
def pool(fit_pool: FitPool) -> ProcessPool[FitTask, FitAnswer]:
    """The same two, for single people."""
    return fit_pool._pool


def processes() -> set[int | None]:
    """The processes that this one has now."""
    return {child.pid for child in multiprocessing.active_children()}


def seen(count: int) -> tuple[Keypoints, Camera]:
    """Some people that nobody looks like."""
    points = torch.rand(count, 137, 3, generator=torch.Generator().manual_seed(count))
    points = points * torch.tensor([400.0, 400.0, 0.5]) + torch.tensor([50.0, 50.0, 0.5])
    return Keypoints.from_array(points), Camera.from_focal(
        800.0, torch.tensor([500.0, 500.0]).expand(count, 2)
    )


def tasks(*noses: float) -> list[FitTask]:
    """People with these noses."""
    keypoints, camera = seen(len(noses))
    keypoints.xy[:, 0, 0] = torch.tensor(noses)
    return [
        FitTask(
            "photo", keypoints[i], camera[i], Gender.NEUTRAL, Origin(person=i, source=str(nose))
        )
        for i, nose in enumerate(noses)
    ]


def same(one: FitResult, other: FitResult) -> bool:
    """Whether two results are the same to the last bit."""
    pairs = zip(_tensors(one), _tensors(other), strict=True)
    return all(
        a.dtype == b.dtype and torch.equal(a.nan_to_num(nan=-1.0), b.nan_to_num(nan=-1.0))
        for a, b in pairs
    )


def _tensors(result: FitResult) -> list[Tensor]:
    found: list[Tensor] = []
    result.map(lambda tensor: found.append(tensor) or tensor)
    return found


def test_a_batch_is_fitted_as_in_this_process(fit_pool: FitPool, neutral: BodyModel) -> None:
    keypoints, camera = seen(70)
    height = torch.full((70,), torch.nan)
    height[3] = 1.9
    found = fit_pool.fit(keypoints, camera, evidence=[KnownHeight(height)])
    assert same(found, fit(keypoints, camera, neutral, FEW_STEPS, height=height))
    assert (
        float(found.evidence[KnownHeight].metres[3]) == pytest.approx(1.9)
        and found.origin == Origin()
    )


@pytest.fixture(scope="module")
def neutral() -> BodyModel:
    from smplifyx.body.loading.files import load_body

    return load_body(None)


def test_errors_cost_only_their_person_and_the_order_stays(
    pool: ProcessPool[FitTask, FitAnswer], caplog: pytest.LogCaptureFixture
) -> None:
    noses = [[100.0 + i, POISONED, 200.0 + i] for i in range(6)]
    with caplog.at_level(logging.INFO, "smplifyx"):
        promises = [pool.submit(tasks(*these)) for these in noses]
        answers = [promise.result() for promise in promises]
    for these, found in zip(noses, answers, strict=True):
        assert isinstance(found[1], Failure) and found[1].reason == "RuntimeError: poisoned"
        assert [float(found[i].keypoints.xy[0, 0]) for i in (0, 2)] == [these[0], these[2]]
        assert [found[i].origin.source for i in (0, 2)] == [str(these[0]), str(these[2])]
    told = [record.getMessage() for record in caplog.records if record.name == "smplifyx.odd"]
    places = {line.rsplit(" ", 1)[1] for line in told}
    assert len(told) == 12 and len(places) == 2 and str(os.getpid()) not in places
    assert any(
        record.levelno == logging.ERROR and "poisoned" in record.getMessage()
        for record in caplog.records
    )


def test_one_who_cannot_be_fitted_is_named(fit_pool: FitPool) -> None:
    keypoints, camera = seen(3)
    keypoints.xy[1, 0, 0] = POISONED
    with pytest.raises(RuntimeError, match="row 1 .*poisoned"):
        fit_pool.fit(keypoints, camera)
    with pytest.raises(ValueError, match="one camera per person"):
        fit_pool.fit(keypoints, camera[:2])


def test_a_death_costs_only_the_one_who_kills_every_time(
    pool: ProcessPool[FitTask, FitAnswer], caplog: pytest.LogCaptureFixture
) -> None:
    before = processes()
    promises = [pool.submit(tasks(*noses)) for noses in ([101.0, DEADLY], [102.0], [SHY], [103.0])]
    (good, bad), *others = [promise.result() for promise in promises]
    assert isinstance(bad, Failure) and "died: killed by SIGKILL" in bad.reason
    assert [float(r.keypoints.xy[0, 0]) for r in (good, *(r for (r,) in others))] == [
        101.0,
        102.0,
        SHY,
        103.0,
    ]
    assert caplog.text.count("a process died") == 2 and caplog.text.count("the process died") == 1
    assert before - processes()


def test_a_process_that_cannot_load_is_told() -> None:
    with (
        pytest.raises(ChildProcessError, match="exit code 3.*__main__"),
        ProcessPool(LaunchPlan(UNLOADABLE, 1)) as broken,
    ):
        broken.submit(tasks(1.0)).result()


def test_little_work_begins_no_process_and_stopping_drops_the_rest() -> None:
    gate, done = threading.Event(), []

    def here(people: Sequence[FitTask]) -> list[FitAnswer]:
        gate.wait(20)
        done.append(len(people))
        return [HERE] * len(people)

    before, few = processes(), ProcessPool(LaunchPlan(FitRecipe(FEW_STEPS), 2, here))
    promises = [few.submit(tasks(1.0), ahead=0.5) for _ in range(9)]
    threading.Timer(0.2, gate.set).start()
    few.stop()
    assert len(done) == 1 and processes() <= before
    with pytest.raises(BaseException, match="stopped|^$"):
        promises[-1].result()


@pytest.mark.parametrize(
    ("stems", "scene", "middle"),
    [
        ("aabb", False, 2),
        ("aaab", False, 2),
        ("aaab", True, 3),
        ("abbb", True, 1),
        ("aaa", True, 1),
        ("a", True, 0),
    ],
)
def test_images_are_halved_last(stems: str, scene: bool, middle: int) -> None:
    people = [
        dataclasses.replace(task, stem=stem)
        for task, stem in zip(tasks(*range(len(stems))), stems, strict=True)
    ]
    assert FitRecipe(FEW_STEPS, scene=scene).cut(people) == middle


def test_a_job_in_processes_ends_as_one_in_this(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(4):
        write_frame(
            tmp_path / "in", f"f{index}", [person(index), person(100 + index)][: 1 + index % 2]
        )

    def job(out: str, processes: int) -> Counting:
        progress = Counting()
        options = {"preset": str(preset), "age": "adult", "batch_size": 2, "processes": processes}
        run_job(JobConfig(keypoints=tmp_path / "in", out=tmp_path / out, **options), progress)
        return progress

    preset = tmp_path / "few.yaml"
    preset.write_text(yaml.safe_dump(FEW_STEPS.model_dump(mode="json")))
    before, loaded, asked = processes(), threading.Event(), []
    begin, ask, fitted = WorkerProcess.begin, WorkerProcess.ask, FitRecipe.fitted
    monkeypatch.setattr(WorkerProcess, "begin", lambda worker: (begin(worker), loaded.set()))
    monkeypatch.setattr(
        WorkerProcess,
        "ask",
        lambda worker, people: asked.append(len(people)) or ask(worker, people),
    )
    assert job("alone", 1).people == 6 and not asked
    here = []

    def waiting(
        recipe: FitRecipe, people: Sequence[FitTask], bodies: object
    ) -> list[FitResult | Failure]:
        """The first batch in this process; the next when a process has loaded."""
        here.append(len(people))
        assert len(here) == 1 or loaded.wait(60)
        return fitted(recipe, people, bodies)

    monkeypatch.setattr(FitRecipe, "fitted", waiting)
    monkeypatch.setattr(process_pool, "LOADING", 0.0)
    progress = job("pool", 2)
    assert (
        (progress.files, progress.people) == (4, 6)
        and sum(here) + sum(asked) == 6
        and sum(asked) >= 2
    )
    assert end_state(tmp_path / "pool") == end_state(tmp_path / "alone")
    log = Store(tmp_path / "pool").log.read_text()
    assert log.count("people measured") == len(here) + len(asked) and "2 processes are begun" in log
    assert processes() <= before
