"""A preset with something left out or cut down: what its stages and hypotheses buy."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from benchmarks.judge import common_energy
from benchmarks.quality import BATCH
from smplifyx.body.model import BodyModel
from smplifyx.config import FitConfig, StageConfig
from smplifyx.data.synthetic import GeneratedPeople
from smplifyx.evaluation.metrics import person_errors
from smplifyx.fitting.fit import fit
from smplifyx.fitting.result import FitResult

WORTH_TELLING = 0.01  # of the energy


def variants(config: FitConfig) -> dict[str, FitConfig]:
    """The preset, and the preset with something left out or cut down."""
    found = {"default": config}
    names = [stage.name for stage in config.stages]
    found |= {f"no {name}": without(config, name) for name in names[:-1]}
    if {"mirror", "settle"} <= set(names):
        found["no mirror, no settle"] = without(without(config, "settle"), "mirror")
    start = config.first_guess
    if start.yaws > 1:
        found[f"{start.yaws // 2} yaws"] = _started(config, {"yaws": start.yaws // 2})
    if len(start.poses) > 1:
        found |= {f"{pose} alone": _started(config, {"poses": (pose,)}) for pose in start.poses}
    for stage in config.stages:
        if 1 < stage.keep < start.yaws * len(start.poses):
            found[f"keep 1 after {stage.name}"] = _changed(config, stage.name, {"keep": 1})
    found["nothing merged"] = config.model_copy(
        update={"stages": tuple(stage.model_copy(update={"merge": 0.0}) for stage in config.stages)}
    )
    last = config.stages[-1]
    for looser in (10, 100):
        tolerance = looser * last.solver.tolerance
        solver = last.solver.model_copy(update={"tolerance": tolerance})
        found[f"{last.name} to {tolerance:g}"] = _changed(config, last.name, {"solver": solver})
    return found


def without(config: FitConfig, name: str) -> FitConfig:
    """The preset without a stage; the one before it keeps no more hypotheses than that one did."""
    at = [stage.name for stage in config.stages].index(name)
    before, gone, after = config.stages[:at], config.stages[at], config.stages[at + 1 :]
    if before:
        before = (
            *before[:-1],
            before[-1].model_copy(update={"keep": min(before[-1].keep, gone.keep)}),
        )
    return config.model_copy(update={"stages": (*before, *after)})


def _changed(config: FitConfig, name: str, update: Mapping[str, object]) -> FitConfig:
    def one(stage: StageConfig) -> StageConfig:
        return stage.model_copy(update=update) if stage.name == name else stage

    return config.model_copy(update={"stages": tuple(map(one, config.stages))})


def _started(config: FitConfig, update: Mapping[str, object]) -> FitConfig:
    return config.model_copy(update={"first_guess": config.first_guess.model_copy(update=update)})


@dataclass(frozen=True)
class Fitted:
    """A variant's people [batch]."""

    energy: Tensor  # the common one
    pa_mpjpe: Tensor  # mm
    steps: float  # of the solver, mean
    milliseconds: float  # of CPU per person


def fitted(config: FitConfig, judge: FitConfig, people: GeneratedPeople, body: BodyModel) -> Fitted:
    """Fits everybody in batches; the energy is that of the last stage of `judge`."""
    count, start = len(people.keypoints.confidence), time.process_time()
    parts = [
        fit(people.keypoints[at : at + BATCH], people.camera[at : at + BATCH], body, config)
        for at in range(0, count, BATCH)
    ]
    seconds, result = time.process_time() - start, FitResult.cat(parts)
    energy = common_energy(people.keypoints, result.camera, result.params, body, judge)
    error = person_errors(body, result.params, people.truth).pa_mpjpe
    return Fitted(energy, error, float(result.steps.float().mean()), 1000 * seconds / count)


def table(runs: Mapping[str, Fitted]) -> str:
    """Markdown: every variant against the first one, person by person."""
    head = ["preset", "energy", "higher by > 1 %", "lower by > 1 %", "PA-MPJPE", "p90", "change ± s.e.", "steps",
            "CPU ms", "x default"]  # fmt: skip
    lines = [line(head), "|---" * len(head) + "|"]
    default = next(iter(runs.values()))
    for name, run in runs.items():
        ratio, change = run.energy / default.energy - 1, run.pa_mpjpe - default.pa_mpjpe
        error = float(change.std()) / len(change) ** 0.5 if len(change) > 1 else math.nan
        shares = [float((sign * ratio > WORTH_TELLING).float().mean()) for sign in (1, -1)]
        cells = [
            f"{run.energy.mean():.2f}",
            *(f"{share:.3f}" for share in shares),
            f"{run.pa_mpjpe.mean():.2f}",
        ]
        cells += [
            f"{run.pa_mpjpe.quantile(0.9):.1f}",
            f"{change.mean():+.2f} ± {error:.2f}",
            f"{run.steps:.1f}",
        ]
        lines.append(
            line(
                [
                    name,
                    *cells,
                    f"{run.milliseconds:.1f}",
                    f"{run.milliseconds / default.milliseconds:.2f}",
                ]
            )
        )
    return "\n".join(lines)


def line(cells: list[str]) -> str:
    """A row of a Markdown table."""
    return "|" + "|".join(cells) + "|"
