"""Whose body the people of a job get: who is asked, in which order, and what results say of it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from job_tools import person, run_quick, table, write_frame
from test_source import items, tasks

from smplifyx.body.model import BodyModel
from smplifyx.core import assets
from smplifyx.core.bundle import Bundle
from smplifyx.core.choices import Gender, GenderSource
from smplifyx.fitting.gender_choice import load_gender_calibration
from smplifyx.fitting.result import FitResult
from smplifyx.jobs import batches
from smplifyx.jobs.gender_order import GenderOrder, order_of
from smplifyx.jobs.job import JobConfig
from smplifyx.jobs.store import Store
from smplifyx.readers.frames import GenderLabel, Person

FEMALE, MALE, NEUTRAL = Gender.FEMALE, Gender.MALE, Gender.NEUTRAL
GT = GenderLabel(FEMALE, GenderSource.GT)
GIVEN, DEFAULT, EVIDENCE = GenderSource.GIVEN, GenderSource.DEFAULT, GenderSource.EVIDENCE

# who is asked, the person's label -> whose body, who said so
ASKED = {
    "everybody's": (GenderOrder(MALE), GT, MALE, GIVEN),
    "nobody asked": (GenderOrder(NEUTRAL), GT, NEUTRAL, GIVEN),
    "the label": (GenderOrder(Gender.LABEL), GT, FEMALE, GenderSource.GT),
    "the older word": (GenderOrder(Gender.INPUT), GT, FEMALE, GenderSource.GT),
    "a label before the evidence": (GenderOrder(Gender.AUTO), GT, FEMALE, GenderSource.GT),
    "no label": (GenderOrder(Gender.LABEL), None, NEUTRAL, DEFAULT),
    "the evidence": (GenderOrder(Gender.AUTO), None, NEUTRAL, EVIDENCE),
    "no evidence": (GenderOrder(Gender.AUTO, no_evidence="x"), None, NEUTRAL, DEFAULT),
    "no such body": (GenderOrder(Gender.AUTO, missing={FEMALE: "x"}), GT, NEUTRAL, DEFAULT),
}  # fmt: skip


@pytest.mark.parametrize("case", ASKED)
def test_who_is_asked(case: str) -> None:
    order, label, gender, source = ASKED[case]
    found = order.asked(Person(0, np.zeros((137, 3), np.float32), label=label))
    assert (found.label.gender, found.label.source) == (gender, source)
    assert len(found.notes) == (case == "no such body")


def test_labels_come_from_their_sources_and_from_nobody_before(tmp_path: Path) -> None:
    people = [
        person(1) | {"gender_gt": "female"}, person(2), person(3) | {"gender_pd": "m"},
        person(4) | {"gender_pd": "male", "gender_prob": 0.8}, person(5), person(6), person(7),
    ]  # fmt: skip
    write_frame(tmp_path / "in", "a", people)
    write_frame(tmp_path / "in", "b", [person(8)])
    (tmp_path / "in" / "a.people.json").write_text('{"4": {"gender": "male"}}')
    (tmp_path / "genders.csv").write_text(
        "photo,person,gender,probability\na,0,male,1\na,5,female,0.95\na,6,female,0.85\n"
    )
    found = tasks(items(tmp_path, gender="label", genders=tmp_path / "genders.csv"))
    told = [
        (task.gender.value, task.origin.gender_source, task.origin.gender_probability)
        for task in found
    ]
    assert told == [
        ("female", "gt", None), ("neutral", "default", None), ("male", "pd", None),
        ("neutral", "default", None), ("male", "sidecar", None), ("female", "csv", 0.95),
        ("neutral", "default", None), ("neutral", "default", None),
    ]  # fmt: skip
    doubted = [i for i, task in enumerate(found) if "below 0.9" in task.origin.notes]
    assert doubted == [3, 6] and not any(task.weighed for task in found)


def test_a_folder_with_the_neutral_body_alone(tmp_path: Path) -> None:
    """One line, and neutral."""
    models = tmp_path / "models"
    models.mkdir()
    shutil.copy(assets.folder("priors") / "bodies" / "neutral.npz", models / "SMPLX_NEUTRAL.npz")
    write_frame(tmp_path / "in", "a", [person(1) | {"gender_gt": "female"}, person(2)])
    for gender, lines in (("label", 0), ("auto", 1)):
        job = JobConfig(keypoints=tmp_path / "in", out=tmp_path, gender=gender, model=models)
        order = order_of(job)
        assert set(order.missing) == {FEMALE, MALE} and len(order.leftovers) == lines
    outcome = run_quick(tmp_path / "in", tmp_path / "out", gender="auto", model=models)
    rows = table(tmp_path / "out")
    assert [(row["gender"], row["gender_source"]) for row in rows] == [("neutral", "default")] * 2
    assert "no body of that gender: female" in rows[0]["notes"] and not rows[1]["notes"]
    assert "proportions decide no gender" in str(outcome.leftovers)


def test_other_bodies_than_the_measured_ones_decide_nothing(tmp_path: Path) -> None:
    shipped = assets.folder("priors") / "bodies"
    for gender, file in (("FEMALE", "male"), ("MALE", "female"), ("NEUTRAL", "neutral")):
        shutil.copy(shipped / f"{file}.npz", tmp_path / f"SMPLX_{gender}.npz")
    job = JobConfig(keypoints=tmp_path, out=tmp_path, gender="auto", model=tmp_path)
    assert not order_of(job).missing and "built-in bodies" in order_of(job).no_evidence


def test_a_table_that_nobody_reads_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is for gender label or auto, gender is male"):
        JobConfig(keypoints=tmp_path, out=tmp_path, gender="male", genders=tmp_path / "x.csv")


def test_the_evidence_decides_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_frame(tmp_path / "in", "a", [person(1), person(2), person(3) | {"gender_gt": "male"}])
    card = load_gender_calibration()
    calls: list[int] = []

    def evidence(
        fits: FitResult, female: BodyModel, male: BodyModel, known: Sequence[Bundle] = ()
    ) -> torch.Tensor:
        """The first person's is a woman's beyond doubt, the second's says nothing."""
        calls.append(len(fits.energy))
        odds = [10.0, 0.0] if len(fits.energy) == 2 else [0.0]
        return card.offset + card.temperature * torch.tensor(odds, dtype=torch.float64)

    monkeypatch.setattr(batches, "gender_evidence", evidence)
    options = {"gender": "auto", "age": "adult"}
    run_quick(tmp_path / "in", tmp_path / "out", **{**options, "processes": 1})
    rows = table(tmp_path / "out")
    assert [row["gender"] for row in rows] == ["female", "neutral", "male"]
    assert [row["gender_source"] for row in rows] == ["evidence", "evidence", "gt"]
    assert [row["gender_probability"] for row in rows] == ["0.999955", "0.5", ""]
    files = Store(tmp_path / "out").people("a")
    results = [FitResult.load(path) for path in files]
    assert [result.provenance.gender for result in results] == ["female", "neutral", "male"]
    assert [result.origin.gender_log_odds for result in results] == pytest.approx([10, 0, None])
    assert calls == [2]
    assert not tasks(items(tmp_path, **options))  # nobody is fitted again
    assert FitResult.load(files[0]).origin == results[0].origin

    def broken(
        fits: FitResult, female: BodyModel, male: BodyModel, known: Sequence[Bundle] = ()
    ) -> torch.Tensor:
        raise RuntimeError("no")

    monkeypatch.setattr(batches, "gender_evidence", broken)
    run_quick(tmp_path / "in", tmp_path / "other", **{**options, "processes": 1})
    rows = table(tmp_path / "other")
    assert [row["gender"] for row in rows] == ["neutral", "neutral", "male"]
    assert [row["status"] for row in rows] == ["ok"] * 3


def test_files_of_older_versions_say_nothing_of_gender(tmp_path: Path) -> None:
    write_frame(tmp_path / "in", "a", [person(1)])
    store = run_quick(tmp_path / "in", tmp_path / "out").store
    path = store.result("a", 0)
    with np.load(path) as archive:
        assert str(archive["gender_source"]) == "given" and np.isnan(archive["gender_log_odds"])
        older = {key: archive[key] for key in archive.files if not key.startswith("gender_")}
    np.savez(path, **older)
    origin = FitResult.load(path).origin
    assert (origin.gender_source, origin.gender_probability, origin.gender_log_odds) == (
        "", None, None,
    )  # fmt: skip
    assert not tasks(items(tmp_path))  # and is good as it is
