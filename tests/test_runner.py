"""Jobs: a row for everyone, errors that cost only their person, resuming, and an output folder that
guards itself.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from job_tools import (
    Counting,
    end_state,
    person,
    quick_fit,
    run_quick,
    table,
    write_folder,
    write_frame,
)

from smplifyx.body.model import Gender
from smplifyx.camera import Camera
from smplifyx.fitting.result import FitResult, Origin
from smplifyx.jobs.batches import LARGEST_BATCH, FitTask, Item, auto_batch_size, chunks
from smplifyx.jobs.job import JobConfig
from smplifyx.jobs.runner import run_job
from smplifyx.jobs.store import StemTable, Store, StoreError, safe_stem
from smplifyx.jobs.summary import Row, RowStatus, read_summary
from smplifyx.keypoints import Keypoints
from smplifyx.parallel import resources
from smplifyx.parallel.resources import auto_processes, free_bytes, pick_device

ROOT = Path(__file__).parent.parent


def test_everyone_has_a_row_and_errors_cost_only_their_person(tmp_path: Path) -> None:
    outcome = run_quick(write_folder(tmp_path / "in"), tmp_path / "out")
    rows = table(tmp_path / "out")
    by_key = {(row["stem"], row["person"]): row for row in rows}
    assert [len([row for row in rows if row["stem"] == f"frame_{i:03d}"]) for i in range(6)] == [
        1,
        2,
        3,
        1,
        2,
        3,
    ]
    assert by_key["frame_002", "2"]["status"] == "ok"
    assert (
        by_key["g_few", "0"]["status"] == "low_evidence"
        and "8 confident" in by_key["g_few", "0"]["reason"]
    )
    assert by_key["h_nobody", ""]["status"] == "no_people"
    assert [by_key["i_poison", str(i)]["status"] for i in range(3)] == ["ok", "failed", "ok"]
    assert by_key["i_poison", "1"]["reason"] == "RuntimeError: poisoned"
    for stem in ("j_cut", "k_foreign"):
        assert by_key[stem, ""]["status"] == "unreadable" and by_key[stem, ""]["reason"]
    assert outcome.fitted == 15 and len(rows) == 12 + 1 + 1 + 3 + 2
    assert not Store(tmp_path / "out").result("i_poison", 1).exists()


def test_numbers_of_a_row(tmp_path: Path) -> None:
    write_frame(tmp_path / "in", "a", [person(1)])
    run_quick(tmp_path / "in", tmp_path / "out", focal=900.0)
    (row,) = table(tmp_path / "out")
    assert (
        float(row["body_px"]) == pytest.approx(1.0, rel=1e-3)
        and row["hands_px"] == row["face_px"] == ""
    )
    assert 0.1 < float(row["body_percent"]) < 1.0
    assert (row["focal"], row["steps"], row["gender"], row["confident_keypoints"]) == (
        "900",
        "1",
        "neutral",
        "25",
    )
    assert float(row["seconds"]) > 0 and row["focal_source"] and row["image_size_source"]


@pytest.mark.parametrize("batches", [0, 1, 4])
def test_a_killed_job_goes_on_to_the_same_end(tmp_path: Path, batches: int) -> None:
    keypoints = write_folder(tmp_path / "in")
    run_quick(keypoints, tmp_path / "whole")
    command = [
        sys.executable,
        "tests/job_tools.py",
        str(keypoints),
        str(tmp_path / "out"),
        str(batches),
    ]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    }
    killed = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    assert killed.returncode == -9 and not (tmp_path / "out" / "summary.csv").exists()
    (tmp_path / "out" / "results" / "frame_000").mkdir(parents=True, exist_ok=True)
    (tmp_path / "out" / "results" / "frame_000" / ".000.npz.1.tmp").write_bytes(b"half")
    run_quick(keypoints, tmp_path / "out")
    assert end_state(tmp_path / "out") == end_state(tmp_path / "whole")


def test_only_what_is_missing_is_fitted_again(tmp_path: Path) -> None:
    keypoints = write_folder(tmp_path / "in", frames=3)
    run_quick(keypoints, tmp_path / "out")
    store = Store(tmp_path / "out")
    kept, broken = store.result("frame_000", 0), store.result("frame_001", 1)
    made = kept.stat().st_mtime_ns
    broken.write_bytes(broken.read_bytes()[:500])
    write_frame(keypoints, "frame_002", [person(77)])  # another person than before
    write_frame(keypoints, "new", [person(78)])
    run_quick(keypoints, tmp_path / "out")
    assert kept.stat().st_mtime_ns == made
    assert FitResult.load(broken).origin.person == 1
    xy = person(77)["pose_keypoints_2d"][:2]
    assert FitResult.load(store.result("frame_002", 0)).keypoints.xy[0].tolist() == pytest.approx(
        xy
    )
    assert [row["status"] for row in table(tmp_path / "out") if row["stem"] == "new"] == ["ok"]


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"preset": "fast"}, "preset"),
        ({"focal": 700.0}, "focal"),
        ({"gender": "female"}, "gender"),
        ({"largest": 1}, "largest"),
        ({"collision": False}, "collision"),
        ({}, None),
        ({"overlay": False, "device": "cpu", "processes": 2}, None),
    ],
)
def test_a_changed_configuration_is_refused(
    tmp_path: Path, change: dict[str, object], refused: str | None
) -> None:
    keypoints = write_folder(tmp_path / "in", frames=1)
    run_quick(keypoints, tmp_path / "out")
    before = end_state(tmp_path / "out")
    if refused is None:
        run_quick(keypoints, tmp_path / "out", **change)
    else:
        with pytest.raises(StoreError, match=refused) as caught:
            run_quick(keypoints, tmp_path / "out", **change)
        assert "\n" not in str(caught.value)
    assert end_state(tmp_path / "out") == before


def test_overwrite_removes_only_what_a_job_made(tmp_path: Path) -> None:
    keypoints = write_folder(tmp_path / "in", frames=2)
    run_quick(keypoints, tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    write_frame(tmp_path / "other", "z", [person(5)])
    run_quick(tmp_path / "other", tmp_path / "out", overwrite=True)
    assert (
        Store(tmp_path / "out").stems() == ["z"]
        and (tmp_path / "out" / "notes.txt").read_text() == "mine"
    )


def test_overwrite_never_removes_an_input(tmp_path: Path) -> None:
    run_quick(write_folder(tmp_path / "in", frames=1), tmp_path / "out")
    write_frame(tmp_path / "out" / "results", "mine", [person(5)])
    with pytest.raises(StoreError, match="would remove the input"):
        run_quick(tmp_path / "out" / "results", tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "results" / "mine_keypoints.json").exists()


@pytest.mark.parametrize("name", ["config.yaml", "summary.csv", "results/x.txt"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_foreign_folder_is_refused(tmp_path: Path, name: str, overwrite: bool) -> None:
    foreign = tmp_path / "out" / name
    foreign.parent.mkdir(parents=True)
    foreign.write_text("name: somebody else's")
    with pytest.raises(StoreError):
        run_quick(write_folder(tmp_path / "in", frames=1), tmp_path / "out", overwrite=overwrite)
    assert foreign.read_text() == "name: somebody else's"


NAMES = ["plain", "a/b", "../up", "/etc/passwd", "..", ".", "", "a/../../b", "c:\\d", "x" * 400, "é" * 200, ".hidden",
         "new\nline", "a/./b", "-rf", "tab\t", "CON."]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_stem_never_leaves_the_folder(tmp_path: Path, name: str) -> None:
    stem = safe_stem(name)
    place = (tmp_path / stem).resolve()
    assert tmp_path.resolve() in place.parents and stem
    place.mkdir(parents=True)  # the file system takes it
    assert safe_stem(stem) == stem
    if name in ("plain", "a/b", "-rf"):
        assert stem == name


def test_names_do_not_collide() -> None:
    names, pairs = (
        StemTable(),
        [("a", "a.json"), ("A", "A.json"), ("a", "coco.json"), ("a", "coco.json"), ("b", "b")],
    )
    stems = [names.claim(*pair) for pair in pairs]
    assert (
        len({stem.casefold() for stem in stems}) == len(pairs)
        and stems[0] == "a"
        and stems[-1] == "b"
    )
    assert len({safe_stem(name) for name in NAMES}) == len(NAMES)


def test_chunks_bound_both_people_and_rows() -> None:
    row = Row("s", 0, RowStatus.OK)
    nobody = Keypoints.from_array(torch.zeros(137, 3))
    task = FitTask("s", nobody, Camera.from_focal(1.0, torch.ones(2)), Gender.NEUTRAL, Origin())
    items = [Item(row)] * 100 + [Item(task)] * 5 + [Item(row)] * 3
    cut = list(chunks(items, 2))
    assert sum(cut, []) == items
    assert all(
        sum(isinstance(item.work, FitTask) for item in chunk) <= 2 and len(chunk) <= 32
        for chunk in cut
    )


def test_rows_survive_the_file(tmp_path: Path) -> None:
    run_quick(write_folder(tmp_path / "in", frames=2), tmp_path / "out")
    rows = list(read_summary(tmp_path / "out" / "summary.csv"))
    assert rows[0].stem == "frame_000" and rows[0].status is RowStatus.OK and rows[0].steps == 1
    assert next(row for row in rows if row.stem == "h_nobody").person is None


def test_a_table_of_an_older_version_is_read(tmp_path: Path) -> None:
    (tmp_path / "summary.csv").write_text("stem,person,status\na,0,ok\n")
    (row,) = read_summary(tmp_path / "summary.csv")
    assert (row.stem, row.person, row.status, row.intersecting_triangles) == (
        "a",
        0,
        RowStatus.OK,
        None,
    )
    assert math.isnan(row.penetration_mm) and row.gender == ""


def test_the_order_and_the_batch_change_nothing(tmp_path: Path) -> None:
    keypoints = write_folder(tmp_path / "in", frames=4)
    seen = []

    def spying(*inputs: object) -> FitResult:
        seen.append(len(inputs[0].xy))
        return quick_fit(*inputs)

    progress = Counting()
    run_job(JobConfig(keypoints=keypoints, out=tmp_path / "b", batch_size=64), progress, spying)
    run_quick(keypoints, tmp_path / "a")
    assert end_state(tmp_path / "a") == end_state(tmp_path / "b")
    assert max(seen) == 11 and (progress.files, progress.people) == (9, 10) and progress.total == 9


def test_a_broken_camera_costs_only_its_frame(tmp_path: Path) -> None:
    keypoints = write_folder(tmp_path / "in", frames=2)
    (keypoints / "frame_001.camera.json").write_text('{"K": [[1, 2], [3, 4]]}')
    run_quick(keypoints, tmp_path / "out")
    rows = {(row["stem"], row["person"]): row for row in table(tmp_path / "out")}
    assert rows["frame_000", "0"]["status"] == "ok"
    assert [rows["frame_001", str(i)]["status"] for i in (0, 1)] == ["unreadable"] * 2
    assert "K should be" in rows["frame_001", "1"]["reason"]


def test_genders_come_from_the_input_when_asked(tmp_path: Path) -> None:
    people = [
        person(i) | {"gender_gt": gender} for i, gender in enumerate(("female", "male", "female"))
    ] + [person(9)]
    write_frame(tmp_path / "in", "a", people)
    run_quick(tmp_path / "in", tmp_path / "out", gender="input")
    results = [FitResult.load(path) for path in Store(tmp_path / "out").people("a")]
    genders = ["female", "male", "female", "neutral"]
    assert [result.provenance.gender for result in results] == genders
    assert [row["gender"] for row in table(tmp_path / "out")] == genders
    assert len({result.provenance.model_sha256 for result in results}) == 3


def test_people_are_chosen(tmp_path: Path) -> None:
    write_frame(
        tmp_path / "in", "a", [person(1, points=3), person(2, points=6), person(3), person(4)]
    )
    run_quick(tmp_path / "in", tmp_path / "out", largest=1, min_keypoints=7)
    rows = table(tmp_path / "out")
    assert sorted(row["status"] for row in rows) == ["not_selected"] * 3 + ["ok"]
    assert all(row["reason"] for row in rows if row["status"] == "not_selected")


@pytest.mark.parametrize(("name", "fault"), [("tpu", "tpu"), ("cuda:99", "CUDA devices")])
def test_a_device_that_is_not_there(name: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        pick_device(name)


def test_auto_batch_size_is_bounded() -> None:
    assert 1 <= auto_batch_size(torch.device("cpu")) <= LARGEST_BATCH["cpu"]


@pytest.mark.parametrize(
    ("limit", "free"), [(3 * 2**30, 2 * 2**30), (2**62, None), ("max", None), (0, 0)]
)
def test_a_container_has_its_share_of_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int | str, free: int | None
) -> None:
    for name, text in (("max", limit), ("current", 3 * 2**29), ("stat", f"anon 7\nfile {2**29}")):
        (tmp_path / f"memory.{name}").write_text(f"{text}\n")
    monkeypatch.setattr(resources, "_available", lambda: 2**40)
    monkeypatch.setattr(resources, "CONTROL_GROUP", tmp_path)
    assert free_bytes(torch.device("cpu")) == (2**40 if free is None else free)
    assert (auto_batch_size(torch.device("cpu")), auto_processes()) >= (1, 1)


def test_a_config_is_kept(tmp_path: Path) -> None:
    run_quick(write_folder(tmp_path / "in", frames=1), tmp_path / "out")
    record = yaml.safe_load((tmp_path / "out" / "config.yaml").read_text())
    assert (
        record["job"]["preset"] == "smplx"
        and record["preset"]["stages"]
        and len(record["models"]["neutral"]) == 64
    )
    assert "job ends" in (tmp_path / "out" / "log.txt").read_text()


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"keypoints": "nowhere"}, "nowhere"),
        ({"images": "nowhere"}, "nowhere"),
        ({"cameras": "nowhere"}, "nowhere"),
        ({"focal": 500.0, "fov": 50.0}, "give one"),
        ({"preset": "splendid"}, "no preset"),
        ({"model": "nowhere"}, "nowhere"),
    ],
)
def test_unknown_inputs_are_one_line(
    tmp_path: Path, options: dict[str, object], fault: str
) -> None:
    options = {"keypoints": write_folder(tmp_path / "in", frames=1)} | options
    with pytest.raises(ValueError, match=fault) as caught:
        run_quick(out=tmp_path / "out", **options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
