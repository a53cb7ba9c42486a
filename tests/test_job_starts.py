"""Jobs that begin with predictions: whose each is, what the table says, and going on."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from cases import embedded_body
from job_tools import table
from mocap_data import random_poses

from smplifyx.commands import refine
from smplifyx.commands.options import RefineOptions
from smplifyx.commands.refine import table_lines, truth_lines
from smplifyx.commands.terminal import SteadyStream, Terminal
from smplifyx.config import FieldError
from smplifyx.core import rotations
from smplifyx.data.synthetic import GeneratedPeople, generate_people
from smplifyx.evaluation.metrics import pa_mpjpe
from smplifyx.jobs.batches import FitTask
from smplifyx.jobs.job import JobConfig
from smplifyx.jobs.runner import run_job
from smplifyx.jobs.source import open_source
from smplifyx.jobs.starts import StartTable
from smplifyx.jobs.store import Store
from smplifyx.jobs.summary import Row, read_summary
from smplifyx.jobs.truth import truth_errors, truth_table
from smplifyx.keypoints import names
from smplifyx.predictions.prediction import Prediction
from smplifyx.predictions.table import PredictionError
from smplifyx.readers.frames import Frame

COUNT = 3


class Silent:
    """Nobody watches."""

    def begin(self, files: int) -> None: ...

    def advance(self, files: int, people: int) -> None: ...


@lru_cache(maxsize=1)
def people() -> GeneratedPeople:
    return generate_people(embedded_body(torch.float32), random_poses(40, seed=3), COUNT, 9)


def write_keypoints(folder: Path) -> Path:
    """A photo for each person, each with a camera of its own."""
    folder.mkdir()
    seen = people()
    for row in range(COUNT):
        points = seen.keypoints.to_array()[row].numpy()
        parts = {"pose": slice(0, 25), "hand_left": slice(25, 46), "hand_right": slice(46, 67)}
        entry = {f"{k}_keypoints_2d": points[at].ravel().tolist() for k, at in parts.items()}
        (folder / f"photo_{row}_keypoints.json").write_text(
            json.dumps({"version": 1.3, "people": [entry]})
        )
        K, size = seen.camera.K[row].tolist(), seen.camera.image_size[row].int().tolist()
        (folder / f"photo_{row}.camera.json").write_text(json.dumps({"K": K, "image_size": size}))
    return folder


def copied(keypoints: Path, folder: Path, *stems: str) -> Path:
    """A folder with some of the photos."""
    folder.mkdir()
    for stem in stems:
        for name in (f"{stem}_keypoints.json", f"{stem}.camera.json"):
            (folder / name).write_text((keypoints / name).read_text())
    return folder


def write_predictions(
    path: Path,
    turned: float = 0.0,
    rows: int = COUNT,
    photos: Sequence[str] = tuple(f"elsewhere/photo_{row}.jpg" for row in range(COUNT)),
) -> Path:
    """The true poses, the last person's turned about the vertical."""
    truth = people().truth
    root = rotations.exp(truth.global_orient)
    root[-1] = rotations.about("y", torch.tensor(turned), root) @ root[-1]
    np.savez(
        path,
        smplifyx_prediction=1,
        system="tested",
        global_orient=rotations.log(root).numpy()[:rows],
        body_pose=truth.body_pose.numpy()[:rows],
        photo=np.array(photos[:rows]),
    )
    return path


def run(keypoints: Path, out: Path, start: Path | None, **options: object) -> list[dict[str, str]]:
    job = JobConfig(
        keypoints=keypoints, out=out, start=start, preset="fast", quiet=True, processes=1, **options
    )
    run_job(job, Silent())
    return table(out)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory):
    """A job whose last person has somebody else's prediction."""
    folder = tmp_path_factory.mktemp("starts")
    keypoints = write_keypoints(folder / "keypoints")
    start = write_predictions(folder / "told.npz", turned=2.0)
    return folder, keypoints, start, run(keypoints, folder / "out", start)


def test_the_table_tells_before_and_after(outcome):
    _, _, _, rows = outcome
    for row in rows[:2]:
        assert row["start_source"] == "tested" and row["kept_start"] in ("yes", "no")
        assert float(row["start_error"]) > 0 and float(row["end_error"]) > 0
        assert float(row["moved_mm"]) > 0 and row["notes"] == ""


def test_somebody_elses_prediction_is_told_and_left_out(outcome):
    _, _, _, rows = outcome
    assert rows[2]["start_source"] == "" and rows[2]["start_error"] == ""
    assert "no prediction is of this person (the nearest is" in rows[2]["notes"]


def test_the_same_again_fits_nobody_and_another_prediction_does(outcome):
    folder, keypoints, start, rows = outcome
    results = {path: path.stat().st_mtime_ns for path in sorted((folder / "out").rglob("*.npz"))}
    assert run(keypoints, folder / "out", start) == rows
    assert {path: path.stat().st_mtime_ns for path in results} == results
    write_predictions(start, turned=0.0)
    now = run(keypoints, folder / "out", start)
    assert [row["start_source"] for row in now] == ["tested"] * 3
    changed = [path for path in results if path.stat().st_mtime_ns != results[path]]
    assert len(changed) == 1  # the one whose prediction is another
    write_predictions(start, turned=2.0)


def test_people_of_one_image_are_joined_whoever_has_a_prediction(outcome, tmp_path: Path):
    _, keypoints, start, _ = outcome
    rows = run(keypoints, tmp_path / "out", start, scene=True)
    assert [row["status"] for row in rows] == ["ok"] * 3 or all(row["body_px"] for row in rows)


NAMED = {
    # said of photo 0, the photo that the file tells, and what becomes of the person
    "the only one": ('"pred.npz"', ["photo_0.jpg"], ""),
    "the only one, of another photo": ('"pred.npz"', ["else.jpg"], ""),
    "by the photo": ('"pred.npz"', ["photo_0.jpg", "photo_1.jpg", "photo_2.jpg"], ""),
    "nearest": ('"pred.npz"', ["", "", ""], ""),
    "by place": ('{"file": "pred.npz", "person": 0}', ["x.jpg", "y.jpg", "z.jpg"], ""),
    "somebody else": ('{"file": "pred.npz", "person": 2}', ["", "", ""], "somebody else (the ne"),
    "of no such photo": ('"pred.npz"', ["x.jpg", "y.jpg"], "none of the 2 people in the file"),
    "no such place": ('{"file": "pred.npz", "person": 3}', ["", "", ""], "person is 3, the file"),
    "no prediction": ('"photo_0_keypoints.json"', [""], "photo_0_keypoints.json: no prediction in"),
}


@pytest.mark.parametrize("name", NAMED)
def test_a_sidecar_names_a_start(outcome, tmp_path: Path, name: str):
    _, keypoints, _, _ = outcome
    said, photos, told = NAMED[name]
    here = copied(keypoints, tmp_path / "keypoints", "photo_0")
    write_predictions(here / "pred.npz", turned=2.0, rows=len(photos), photos=photos)
    (here / "photo_0.people.json").write_text(f'[{{"start": {said}}}]')
    job = JobConfig(keypoints=here, out=tmp_path / "out")
    (item,) = open_source(job).items(Store(job.out))
    if isinstance(item.work, Row):
        assert told and told in item.work.reason
        assert "photo_0.people.json: person 0: start: " in item.work.reason
    else:
        assert item.work.origin.start_source == ("" if told else "tested")
        assert told in item.work.origin.notes


def test_a_named_start_goes_before_those_of_the_job(outcome, tmp_path: Path):
    _, keypoints, start, _ = outcome
    here = copied(keypoints, tmp_path / "keypoints", "photo_0", "photo_2")
    write_predictions(here / "pred.npz", turned=0.0)
    (here / "photo_2.people.json").write_text('[{"start": "pred.npz"}]')
    job = JobConfig(keypoints=here, out=tmp_path / "out", start=start)  # whose last is another
    tasks = [item.work for item in open_source(job).items(Store(job.out))]
    assert [isinstance(task, FitTask) and task.origin.start_source for task in tasks] == [
        "tested",
        "tested",
    ]


def test_people_of_one_image_are_joined_whoever_has_a_start(outcome, tmp_path: Path):
    _, keypoints, _, _ = outcome
    here = copied(keypoints, tmp_path / "keypoints", "photo_0", "photo_1")
    for place in (0, 1):  # each twice, in two images, of which one has a start
        file = here / f"photo_{place}_keypoints.json"
        document = json.loads(file.read_text())
        document["people"] *= 2
        file.write_text(json.dumps(document))
    write_predictions(here / "pred.npz")
    (here / "photo_0.people.json").write_text('[null, {"start": "pred.npz"}]')
    rows = run(here, tmp_path / "out", None, scene=True)
    assert [row["start_source"] for row in rows] == ["", "tested", "", ""]
    assert all(row["body_px"] for row in rows)
    assert "stay as fitted alone" not in (tmp_path / "out" / "log.txt").read_text()


def test_predictions_of_nobody_are_told(outcome, tmp_path: Path):
    _, keypoints, start, _ = outcome
    one = copied(keypoints, tmp_path / "one", "photo_0")
    job = JobConfig(
        keypoints=one, out=tmp_path / "out", start=start, preset="fast", quiet=True, processes=1
    )
    outcome_of_one = run_job(job, Silent())
    said = " ".join(str(note) for note in outcome_of_one.leftovers)
    assert "2 are of nobody who was fitted (photo_1, photo_2)" in said


def test_a_file_that_is_no_prediction_is_one_line(outcome, tmp_path: Path):
    _, keypoints, _, _ = outcome
    strange = tmp_path / "strange.npz"
    np.savez(strange, something=np.zeros(3))
    with pytest.raises(PredictionError) as caught:
        run(keypoints, tmp_path / "out", strange)
    assert "\n" not in str(caught.value) and "strange.npz" in str(caught.value)


def test_refine_prints_a_line_for_each_network(outcome):
    folder, _, _, _ = outcome
    rows = list(read_summary(Store(folder / "out").summary))
    lines = table_lines(rows)
    assert lines[0].startswith(("2 of 3", "3 of 3")) and any("tested" in line for line in lines)
    assert all(len(line) <= 80 for line in lines)
    assert table_lines([])[0] == "0 of 0 people have a prediction"


def write_truth(path: Path) -> Path:
    """The true points of all but the first person, none with a left wrist, the last without a
    middle hip.
    """
    points = people().points.clone()
    points[0] = torch.nan
    points[:, names.POINT_INDEX["left_wrist"]] = torch.nan
    points[2, names.POINT_INDEX["mid_hip"]] = torch.nan
    np.savez(
        path,
        smplifyx_prediction=1,
        points3d=points.numpy(),
        photo=np.array([f"photo_{row}.jpg" for row in range(COUNT)]),
    )
    return path


def test_starts_and_fits_are_compared_with_truth(outcome, tmp_path: Path):
    folder, keypoints, start, _ = outcome
    write_predictions(start)
    out = tmp_path / "out"
    run(keypoints, out, start)
    write_predictions(start, turned=2.0)
    table = truth_table(write_truth(tmp_path / "truth.npz"), None)
    rows = list(read_summary(Store(out).summary))
    second, third = truth_errors(Store(out), rows, table)
    result = Store(out).existing("photo_1", 0)
    assert result is not None
    true = people().points[1, :25]
    use = true.isfinite().all(-1) & result.points3d[:25].isfinite().all(-1)
    use[names.POINT_INDEX["left_wrist"]] = False
    expected = pa_mpjpe(result.points3d[:25][use].double(), true[use].double())
    assert second.fit_pa == pytest.approx(float(expected), abs=1e-3)
    assert second.start_source == "tested" and 0 < second.start_pa < 60
    assert second.start_mpjpe > second.start_pa and second.fit_mpjpe > second.fit_pa
    assert third.fit_pa > 0 and math.isnan(third.fit_mpjpe) and math.isnan(third.start_mpjpe)

    lines = truth_lines([second, third])
    assert lines[0].startswith("2 of") and all(len(line) <= 80 for line in lines)
    before, after = (second.start_pa + third.start_pa) / 2, (second.fit_pa + third.fit_pa) / 2
    by_root = [second.start_mpjpe, second.fit_mpjpe]
    means = [f"{mean:.1f}" for mean in (before, after, *by_root)]
    assert lines[-1].split() == ["tested", "2", *means]
    assert truth_lines([]) == ["0 of them have 3D truth"]


def test_truth_that_is_not_there_is_told_at_once(outcome, tmp_path: Path):
    _, keypoints, start, _ = outcome
    options = RefineOptions(
        predictions=start, keypoints=keypoints, out=tmp_path / "out", truth=tmp_path / "none"
    )
    with pytest.raises(FieldError, match="none: there is no such file"):
        refine.run(options, Terminal(SteadyStream(sys.stdout), SteadyStream(sys.stderr)))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("told", "stem", "is_found"),
    [
        (dict(photo="a/photo_1.jpg"), "photo_1", True),
        (dict(photo="a/photo_1.jpg", frame=7), "photo_1", True),  # images, numbered
        (dict(frame=7), "clip_000007", True),
        (dict(frame=7), "clip_000017", False),
        (dict(photo="clip.mp4", frame=7), "clip_000007", True),
        (dict(photo="other.mp4", frame=7), "clip_000007", False),
        (dict(photo="000007.jpg", frame=7), "clip_000007", True),
        (dict(frame=7), "portrait", False),
    ],
)
def test_a_prediction_is_of_the_frame_that_it_names(told: dict, stem: str, is_found: bool):
    prediction = Prediction("tested", **told)
    table = StartTable(embedded_body(torch.float32))
    table.add(prediction)
    frame = Frame(stem, Path("keypoints.json"))
    assert (prediction in table.of(frame)) == is_found
