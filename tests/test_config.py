"""Presets changed by a switch: without collision nothing of it is left."""

from __future__ import annotations

from pathlib import Path

import pytest
from cases import preset

from smplifyx.config import Block, SolverConfig, StageConfig, preset_names, without_collision
from smplifyx.jobs.job import JobConfig, preset_of


def weighing(stage: StageConfig, collision: float, shape: float | None = None) -> StageConfig:
    """The stage with these weights."""
    changed = {"collision": collision, "shape": stage.weights.shape if shape is None else shape}
    return stage.model_copy(update={"weights": stage.weights.model_copy(update=changed)})


BEFORE = without_collision(preset("fast"))
LAST, SOLVER = BEFORE.stages[-1], SolverConfig(max_steps=99)
CASES = {  # stages after the last, and the names of those that are left of them without collision
    "nothing": ((), []),
    "for collision alone": (
        (weighing(LAST, 1.0).model_copy(update={"name": "a", "solver": SOLVER}),),
        [],
    ),
    "two": (tuple(weighing(LAST, w).model_copy(update={"name": f"a{w}"}) for w in (1.0, 3.0)), []),
    "no heavier": ((LAST.model_copy(update={"name": "a", "solver": SOLVER}),), ["a"]),
    "other weight": ((weighing(LAST, 1.0, shape=9.0).model_copy(update={"name": "a"}),), ["a"]),
    "some unknowns held": (
        (weighing(LAST, 1.0).model_copy(update={"name": "a", "free": LAST.free[:1]}),),
        [],
    ),
    "other unknowns": (
        (weighing(LAST, 1.0).model_copy(update={"name": "a", "free": (*LAST.free, Block.LEYE)}),),
        ["a"],
    ),
    "more go on": (
        (weighing(LAST, 1.0).model_copy(update={"name": "a", "keep": LAST.keep + 1}),),
        ["a"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_stages_for_collision_alone_go_with_it(case: str) -> None:
    added, left = CASES[case]
    freed = without_collision(BEFORE.model_copy(update={"stages": (*BEFORE.stages, *added)}))
    count = len(BEFORE.stages)
    assert (
        freed.stages[:count] == BEFORE.stages
        and [stage.name for stage in freed.stages[count:]] == left
    )
    assert all(stage.weights.collision == 0 for stage in freed.stages)


@pytest.mark.parametrize("name", preset_names())
def test_the_job_without_collision_has_the_preset_without(tmp_path: Path, name: str) -> None:
    config = preset_of(JobConfig(keypoints=tmp_path, out=tmp_path, preset=name, collision=False))
    assert config == without_collision(preset(name)) == without_collision(config)
    assert preset_of(JobConfig(keypoints=tmp_path, out=tmp_path, preset=name)) == preset(name)
