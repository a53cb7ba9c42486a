"""Fitting a video: people on tracks as clips, others alone, a row for everybody, going on after a
kill.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from job_tools import Counting, end_state, quick_fit, table

from smplifyx.body import skinning
from smplifyx.body.loading.files import load_body
from smplifyx.body.model import BodyModel
from smplifyx.body.params import BodyParams
from smplifyx.camera import Camera
from smplifyx.config import FitConfig, load_preset
from smplifyx.core.bundle import Bundle
from smplifyx.core.choices import Age
from smplifyx.fitting.clip_fit import Clips
from smplifyx.fitting.result import FitResult
from smplifyx.jobs import video_fit
from smplifyx.jobs.job import JobConfig
from smplifyx.jobs.runner import JobOutcome, run_job
from smplifyx.jobs.store import Store
from smplifyx.keypoints import Keypoints, names

FRAMES = 19  # three chunks
KILLED_AFTER = 24  # results: in the second chunk of the first track
MISSING = (5, 9, 10)  # frames in which the left person is not detected
PEOPLE = 2 * FRAMES - len(MISSING) + 2  # one in a single frame, one in a picture of its own
SIZE = (1280, 720)


def write_preset(path: Path) -> Path:
    """A quick preset with small chunks."""
    preset = load_preset("fast").model_dump(mode="json")
    preset["name"] = "quick"
    preset["stages"] = [preset["stages"][0], preset["stages"][-1]]
    preset["stages"][0] |= {"keep": 1}
    preset["clip"] |= {"chunk": 8, "ahead": 2, "shape_frames": 4}
    path.write_text(yaml.safe_dump(preset, sort_keys=False))
    return path


def write_video(folder: Path) -> Path:
    """Two people who sway, one of them with gaps; somebody who is there in a single frame; a frame
    without anybody; a picture that is of no video.
    """
    folder.mkdir()
    body = load_body()
    camera = Camera.from_focal(900.0, torch.tensor([SIZE]))
    rng = np.random.default_rng(0)

    def seen(frame: int, x: float, swing: float) -> dict[str, list[float]]:
        params = BodyParams.zeros((1,), 10, 10, like=body.v_template)
        params.global_orient[0, 0] = np.pi  # upright before a camera whose y points down
        params.body_pose[0, 16, 2] = swing * np.sin(frame / 4)
        params.transl[0] = torch.tensor([x + 0.01 * frame, 0.2, 4.0])
        points = camera.project(skinning.points(body, params))
        values = np.full((25, 3), 0.9)
        values[:, :2] = points[0, names.BODY].numpy()
        values[:, :2] += rng.normal(0, 1.0, (25, 2))
        return {"pose_keypoints_2d": values.ravel().round(3).tolist()}

    for frame in range(FRAMES):
        people = [seen(frame, 0.7, 0.4)]
        if frame not in MISSING:
            people.insert(0, seen(frame, -0.9, 0.8))
        if frame == 12:
            people.append(seen(frame, 0.0, 0.0))
        write(folder, f"shot_{frame:04d}", people)
    write(folder, f"shot_{FRAMES:04d}", [])
    write(folder, "portrait", [seen(0, 0.0, 0.2)])
    return folder


def write(folder: Path, name: str, people: list[dict[str, list[float]]]) -> None:
    """One OpenPose file."""
    content = {"version": 1.3, "people": people}
    (folder / f"{name}_keypoints.json").write_text(json.dumps(content))


def job_of(folder: Path, out: Path, preset: Path, age: Age = Age.ADULT) -> JobConfig:
    """The job of these tests."""
    return JobConfig(
        keypoints=folder,
        out=out,
        preset=str(preset),
        keypoint_size=SIZE,
        focal=900.0,
        age=age,
        video=True,
        fps=25.0,
        quiet=True,
    )


def fit(folder: Path, out: Path, preset: Path) -> JobOutcome:
    """Runs it."""
    return run_job(job_of(folder, out, preset), Counting())


def tracks_of(out: Path) -> list[dict[str, str]]:
    """The rows of tracks.csv."""
    with open(out / "tracks.csv", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `in`, `quick.yaml` and `out`, which is fitted."""
    root = tmp_path_factory.mktemp("video")
    fit(write_video(root / "in"), root / "out", write_preset(root / "quick.yaml"))
    return root


def test_everybody_has_a_row_in_the_order_of_the_input(fitted: Path) -> None:
    rows = table(fitted / "out")
    stems = [row["stem"] for row in rows]
    assert stems == sorted(stems) and len(rows) == PEOPLE + 1
    empty = [row for row in rows if not row["person"]]
    assert [row["status"] for row in empty] == ["no_people"]
    fitted_rows = [row for row in rows if row["person"]]
    assert {row["status"] for row in fitted_rows} == {"ok"}
    store = Store(fitted / "out")
    for row in fitted_rows:
        result = FitResult.load(store.result(row["stem"], int(row["person"])))
        track = result.origin.track
        assert row["track"] == ("" if track is None else str(track))


def test_who_is_on_no_track_is_fitted_alone(fitted: Path) -> None:
    rows = table(fitted / "out")
    people = [row for row in rows if row["person"]]
    alone = {(row["stem"], row["person"]) for row in people if not row["track"]}
    assert alone == {("portrait", "0"), ("shot_0012", "2")}
    with open(fitted / "out" / "tracked_people.csv", newline="") as stream:
        lines = list(csv.DictReader(stream))
    untracked = [line for line in lines if not line["track"]]
    assert {(line["stem"], line["person"]) for line in untracked} == alone
    assert len(lines) == PEOPLE


def test_a_track_has_one_shape_and_its_gaps_are_filled(fitted: Path) -> None:
    store = Store(fitted / "out")
    filled = sorted(path.name for path in (fitted / "out" / "tracks" / "000").iterdir())
    assert filled == [f"{frame:06d}.npz" for frame in MISSING]
    seen = [FitResult.load(store.result(f"shot_{frame:04d}", 0)) for frame in (0, 4, 6, 18)]
    between = FitResult.load(store.filled(0, 5))
    for one in (*seen, between):
        assert torch.equal(one.params.betas, seen[0].params.betas)
    assert between.keypoints.confidence.sum() == 0 and between.origin.notes
    middle = (seen[1].points3d[:25] + seen[2].points3d[:25]) / 2
    assert (between.points3d[:25] - middle).norm(dim=-1).max() < 0.05


def test_the_table_of_tracks(fitted: Path) -> None:
    first, second = tracks_of(fitted / "out")
    assert (first["clip"], first["first"], first["last"]) == ("shot_*", "0", "18")
    assert (first["frames"], first["filled"]) == ("19", "3") and second["filled"] == "0"
    for line in (first, second):
        assert 0 < float(line["accel_m_s2"]) < 20 and float(line["jitter_m_s3"]) > 0
        assert 0.2 < float(line["seam_ratio"]) < 5


def test_a_killed_run_goes_on_to_the_same_end(
    fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = end_state(fitted / "out")
    real = video_fit.JobOutput.saved
    saved = 0

    def deadly(*inputs: object) -> object:
        nonlocal saved
        saved += 1
        if saved > KILLED_AFTER:
            raise KeyboardInterrupt
        return real(*inputs)

    monkeypatch.setattr(video_fit.JobOutput, "saved", deadly)
    with pytest.raises(KeyboardInterrupt):
        fit(fitted / "in", tmp_path / "out", fitted / "quick.yaml")

    begun_anew = []

    def counting(*inputs: object) -> object:
        begun_anew.append(inputs)
        return real(*inputs)

    monkeypatch.setattr(video_fit.JobOutput, "saved", counting)
    fit(fitted / "in", tmp_path / "out", fitted / "quick.yaml")
    assert without_hidden(end_state(tmp_path / "out")) == without_hidden(whole)
    assert tracks_of(tmp_path / "out") == tracks_of(fitted / "out")
    assert len(begun_anew) == PEOPLE - (KILLED_AFTER - 1)  # that one's chunk is not whole


def without_hidden(state: dict[str, object]) -> dict[str, object]:
    """Without what tells of the run itself."""
    return {name: value for name, value in state.items() if not name.startswith(".")}


def test_nothing_is_fitted_twice(fitted: Path, tmp_path: Path) -> None:
    shutil.copytree(fitted / "out", tmp_path / "out")
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.npz")}
    fit(fitted / "in", tmp_path / "out", fitted / "quick.yaml")
    assert {path: path.stat().st_mtime_ns for path in made} == made
    assert tracks_of(tmp_path / "out") == tracks_of(fitted / "out")


@pytest.mark.parametrize("age", [Age.ADULT, Age.CHILD])
def test_a_track_that_cannot_be_fitted_costs_it_being_one(
    fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age: Age
) -> None:
    """Its frames are fitted alone; and its body has the age that most of some frames have."""
    tried: list[tuple[int, object]] = []

    def refusing(clips: Clips, people: object, tracks: Sequence[object], done: object) -> object:
        tried.append((len(tracks), clips.fitter.setup.body.age))
        raise RuntimeError("refused")

    def quick(
        keypoints: Keypoints,
        camera: Camera,
        bodies: tuple[BodyModel, ...],
        config: FitConfig,
        evidence: Sequence[Bundle] = (),
    ) -> list[FitResult]:
        own = [body for body in bodies if body.age is age]
        return quick_fit(keypoints, camera, tuple(own), config, evidence)

    monkeypatch.setattr(Clips, "chunks", refusing)
    job = job_of(fitted / "in", tmp_path / "out", fitted / "quick.yaml", Age.AUTO)
    outcome = run_job(job, Counting(), quick)
    assert tried == [(2, age), (1, age), (1, age)]
    assert outcome.fitted == PEOPLE
    result = FitResult.load(Store(tmp_path / "out").result("shot_0003", 1))
    assert result.origin.track == 1 and result.origin.track_sha256 == ""
    assert [line["accel_m_s2"] for line in tracks_of(tmp_path / "out")] == ["", ""]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"scene": True}, "do not go together"),
        ({"free_focal": True}, "do not go together"),
        ({"start": Path("predictions.npz")}, "do not go together"),
        ({"gender": "auto"}, "single frames"),
    ],
)
def test_what_does_not_go_with_a_video(options: dict[str, object], told: str) -> None:
    JobConfig(keypoints=Path("in"), out=Path("out"), **options)
    with pytest.raises(ValueError, match=told):
        JobConfig(keypoints=Path("in"), out=Path("out"), video=True, **options)
