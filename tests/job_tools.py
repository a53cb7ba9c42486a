"""Makers for the tests of jobs: keypoint folders, and a fit that is quick, wrong, and always the
same.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from smplifyx.body.model import BodyModel
from smplifyx.body.params import BodyParams
from smplifyx.camera import Camera
from smplifyx.config import FitConfig
from smplifyx.core.bundle import Bundle
from smplifyx.evidence.evidence import by_kind
from smplifyx.fitting.quality import status_of
from smplifyx.fitting.result import FitResult, Provenance
from smplifyx.fitting.uncertainty import ShapeUncertainty
from smplifyx.jobs.job import JobConfig
from smplifyx.jobs.runner import JobOutcome, run_job
from smplifyx.keypoints import Keypoints

POISON = 666.0  # x of the nose of a person whose fit raises an error


class Counting:
    """A progress that only counts."""

    def __init__(self) -> None:
        self.files, self.people, self.total = 0, 0, 0

    def begin(self, files: int) -> None:
        self.total = files

    def advance(self, files: int, people: int) -> None:
        self.files += files
        self.people += people


def person(seed: int, points: int = 25, nose: float | None = None) -> dict[str, list[float]]:
    """An OpenPose person with that many seen body points."""
    body = np.random.default_rng(seed).uniform(50, 450, (25, 3))
    body[:, 2] = 0.9
    body[points:] = 0
    if nose is not None:
        body[0, 0] = nose
    return {"pose_keypoints_2d": [round(float(x), 3) for x in body.ravel()]}


def write_frame(folder: Path, name: str, people: list[dict[str, list[float]]]) -> None:
    """One OpenPose file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}_keypoints.json").write_text(json.dumps({"version": 1.3, "people": people}))


def write_folder(folder: Path, frames: int = 6) -> Path:
    """A folder with several people, nobody, too little evidence, broken and foreign files, one
    poisoned person.
    """
    for index in range(frames):
        write_frame(
            folder, f"frame_{index:03d}", [person(10 * index + i) for i in range(1 + index % 3)]
        )
    write_frame(folder, "g_few", [person(1000, points=5)])
    write_frame(folder, "h_nobody", [])
    write_frame(folder, "i_poison", [person(2000), person(2001, nose=POISON), person(2002)])
    (folder / "j_cut_keypoints.json").write_text('{"version": 1.3, "people": [{"pose_keyp')
    (folder / "k_foreign_keypoints.json").write_text("[1, 2, 3]")
    return folder


def quick_fit(
    keypoints: Keypoints,
    camera: Camera,
    bodies: tuple[BodyModel, ...],
    config: FitConfig,
    evidence: Sequence[Bundle] = (),
) -> list[FitResult]:
    """Puts every point 1 px from where it was seen; raises an error for a poisoned person."""
    if (keypoints.xy[:, 0, 0] == POISON).any():
        raise RuntimeError("poisoned")
    count = len(keypoints.xy)
    params = BodyParams.zeros((count,), 10, 10, like=keypoints.xy).replace(
        betas=keypoints.xy[:, :5].flatten(1) / 100
    )
    params = params.replace(transl=torch.tensor([0.0, 0.0, 3.0]).expand(count, 3))
    points2d = keypoints.xy + torch.tensor([1.0, 0.0])
    points3d = torch.cat([points2d / 100, torch.ones(count, 137, 1)], -1)
    energy = keypoints.xy.mean((1, 2))
    shape = ShapeUncertainty(energy, energy / 10, torch.ones(count))
    result = FitResult(
        params, camera, keypoints, points3d, points2d, {"reprojection": energy}, energy, energy[:, None],
        torch.zeros(count, dtype=torch.long), torch.full((count,), torch.nan), status_of(keypoints, points2d, energy, torch.ones(count, dtype=torch.bool)),
        torch.ones(count, dtype=torch.long), params.body_pose.flatten(1), shape,
        Provenance.of(bodies[0], config.name, "gaussian"), evidence=by_kind(evidence),
    )  # fmt: skip
    return [result[row] for row in range(count)]


def run_quick(keypoints: Path, out: Path, **options: object) -> JobOutcome:
    """Runs a job with `quick_fit`."""
    return run_job(
        JobConfig(keypoints=keypoints, out=out, batch_size=2, quiet=True, **options),
        Counting(),
        quick_fit,
    )


def table(out: Path) -> list[dict[str, str]]:
    """The rows of summary.csv."""
    with open(out / "summary.csv", newline="") as stream:
        return list(csv.DictReader(stream))


def end_state(out: Path) -> dict[str, object]:
    """All that a job leaves, but for the clock: rows, arrays, and the names of all files."""
    state: dict[str, object] = {
        "rows": [{k: v for k, v in row.items() if k != "seconds"} for row in table(out)]
    }
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        state[name] = True
        if path.suffix == ".npz":
            with np.load(path) as archive:
                state[name] = {
                    key: archive[key].tobytes() for key in archive.files if key != "seconds"
                }
    return state


def main(keypoints: str, out: str, die_after: str) -> None:
    """Runs a job that is killed, without any chance to clean up, when its n-th batch begins."""
    begun = 0

    def deadly(*inputs: object) -> list[FitResult]:
        nonlocal begun
        begun += 1
        if begun > int(die_after):
            os.kill(os.getpid(), signal.SIGKILL)
        return quick_fit(*inputs)

    run_job(JobConfig(keypoints=keypoints, out=out, batch_size=2, quiet=True), Counting(), deadly)


if __name__ == "__main__":
    main(*sys.argv[1:])
