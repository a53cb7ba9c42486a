"""Children and adults told apart: fits that find the age, jobs and sidecars."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from cases import embedded_body, preset
from job_tools import person, table, write_frame
from make_bodies import body_arrays, write
from mocap_data import random_poses
from test_body_kid import FLOAT, child_body

from smplifyx.body.joints import BodyKind
from smplifyx.body.loading.raw import BodyFileError
from smplifyx.body.model import Age
from smplifyx.data.synthetic import GeneratedPeople, GenerateOptions, generate_people
from smplifyx.evaluation.metrics import person_errors
from smplifyx.fitting.age_choice import YOUNG, fit_best_age
from smplifyx.fitting.fit import fit
from smplifyx.fitting.result import FitResult
from smplifyx.jobs.job import JobConfig
from smplifyx.jobs.runner import run_job
from smplifyx.keypoints import Keypoints

PHOTOS = Path(__file__).resolve().parents[1] / "../shared/data/photos_openpose"


@lru_cache(maxsize=4)
def people(age: Age, count: int = 12) -> GeneratedPeople:
    """Adults, or children with coefficients from .45 to 1, in calm poses."""
    body = child_body() if age is Age.CHILD else embedded_body(FLOAT)
    options = GenerateOptions(kid=(0.45, 1.0))
    return generate_people(body, random_poses(40, seed=2), count, 7, options)


# ---- fits


@lru_cache(maxsize=8)
def fitted(who: Age, with_body: Age) -> FitResult:
    body = child_body() if with_body is Age.CHILD else embedded_body(FLOAT)
    return fit(people(who).keypoints, people(who).camera, body, preset())


@lru_cache(maxsize=4)
def found(who: Age) -> tuple[FitResult, ...]:
    bodies = (embedded_body(FLOAT), child_body())
    return tuple(fit_best_age(people(who).keypoints, people(who).camera, bodies, preset()))


def test_a_childs_body_finds_the_child() -> None:
    result, truth = fitted(Age.CHILD, Age.CHILD), people(Age.CHILD).truth
    off = (result.params.betas[:, 10] - truth.betas[:, 10]).abs()
    assert float(off.median()) < 0.08 and float(off.quantile(0.9)) < 0.2
    childs = person_errors(child_body(), result.params, truth).mpjpe
    adults = (fitted(Age.CHILD, Age.ADULT).points3d - result.points3d).norm(dim=-1).nanmean() * 1000
    # an adult's body is far too large and far away
    assert float(childs.median()) < 0.5 * float(adults)


def test_children_are_told_from_adults() -> None:
    assert [r.provenance.age for r in found(Age.ADULT)] == ["adult"] * 12
    assert [r.provenance.age for r in found(Age.CHILD)].count("child") >= 9
    assert all(
        float(r.params.betas[10]) >= YOUNG for r in found(Age.CHILD) if r.provenance.age == "child"
    )


def test_an_adult_gets_what_the_adults_body_alone_gives() -> None:
    for row, one in enumerate(found(Age.ADULT)):
        alone = fitted(Age.ADULT, Age.ADULT)[row]
        assert torch.equal(one.params.betas, alone.params.betas) and torch.equal(
            one.points3d, alone.points3d
        )


def test_one_body_decides_the_age() -> None:
    some = people(Age.ADULT)
    results = fit_best_age(some.keypoints[:2], some.camera[:2], (child_body(),), preset("fast"))
    assert [r.provenance.age for r in results] == ["child"] * 2 and results[
        0
    ].params.betas.shape == (11,)
    with pytest.raises(ValueError, match="adult"):
        fit_best_age(
            some.keypoints[:2], some.camera[:2], (child_body(), child_body()), preset("fast")
        )


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the shared photos are not in ../shared/data")
def test_the_baby_in_the_photos_is_a_child(tmp_path: Path) -> None:
    name = "COCO_val2014_000000000428_keypoints.json"
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes((PHOTOS / "keypoints" / name).read_bytes())
    job = JobConfig(
        keypoints=tmp_path / "in", images=PHOTOS / "images", out=tmp_path / "out", quiet=True
    )
    run_job(job)
    (row,) = table(tmp_path / "out")
    assert (
        row["age"] == "child" and float(row["stature_m"]) < 1.1 and float(row["body_percent"]) < 3.5
    )


# ---- files and jobs


def test_a_child_is_saved_loaded_drawn_and_refused_by_adults(tmp_path: Path) -> None:
    child = fitted(Age.CHILD, Age.CHILD)[0]
    child.save(tmp_path / "a.npz")
    loaded = FitResult.load(tmp_path / "a.npz")
    assert loaded.params.betas.shape == (11,) and loaded.provenance == child.provenance
    torch.testing.assert_close(loaded.vertices(child_body()), child.vertices(child_body()))
    with pytest.raises(ValueError, match="child"):
        loaded.vertices(embedded_body(FLOAT))


def keypoint_files(folder: Path, who: Age, count: int) -> Path:
    for row in range(count):
        points = people(who).keypoints[row].to_array().numpy()
        names = {"pose_keypoints_2d": slice(0, 25), "hand_left_keypoints_2d": slice(25, 46),
                 "hand_right_keypoints_2d": slice(46, 67), "face_keypoints_2d": slice(67, 137)}  # fmt: skip
        write_frame(
            folder,
            f"p{row}",
            [{name: points[part].ravel().tolist() for name, part in names.items()}],
        )
    return folder


def test_a_job_of_all_ages(tmp_path: Path) -> None:
    """Sidecars win over the job; auto over both ages; a second run keeps what is there; results are
    drawn.
    """
    folder = keypoint_files(tmp_path / "in", Age.CHILD, 3)
    (folder / "p1.people.json").write_text(json.dumps([{"age": "adult"}]))
    (folder / "p2.people.json").write_text(json.dumps({"0": {"age": "child", "height": 1.0}}))
    job = JobConfig(keypoints=folder, out=tmp_path / "out", quiet=True, preset="fast")
    run_job(job)
    rows = table(tmp_path / "out")
    assert [row["age"] for row in rows][1:] == ["adult", "child"] and rows[0]["age"] in (
        "adult",
        "child",
    )
    assert float(rows[2]["stature_m"]) == pytest.approx(1.0, abs=0.03)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.npz")}
    (folder / "p1.people.json").write_text(json.dumps([{"age": "child"}]))
    run_job(job)
    again = {path.parent.name for path, time in times.items() if path.stat().st_mtime_ns != time}
    assert again == {"p1"} and [row["age"] for row in table(tmp_path / "out")][1:] == [
        "child",
        "child",
    ]


def test_a_job_of_children_needs_a_template(tmp_path: Path) -> None:
    write_frame(tmp_path / "in", "a", [person(1)])
    model = write(tmp_path / "a.npz", body_arrays(BodyKind.SMPLX))
    job = JobConfig(
        keypoints=tmp_path / "in", out=tmp_path / "out", model=model, quiet=True, age=Age.CHILD
    )
    with pytest.raises(BodyFileError, match="kid template"):
        run_job(job)
    run_job(job.model_copy(update={"age": Age.AUTO}))
    assert table(tmp_path / "out")[0]["age"] == "adult"


def test_nobody_and_the_hopeless_have_an_age_too() -> None:
    some = people(Age.ADULT)
    unseen = Keypoints(some.keypoints.xy[:2], torch.zeros(2, 137), some.keypoints.trust[:2])
    bodies = (embedded_body(FLOAT), child_body())
    assert [
        r.provenance.age for r in fit_best_age(unseen, some.camera[:2], bodies, preset("fast"))
    ] == ["adult"] * 2
