"""Jobs: a line for everyone, errors that cost only their person, and resuming."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pydantic
import pytest
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

from smplifyx.fitting.result import FitResult
from smplifyx.jobs import source
from smplifyx.jobs.job import JobConfig
from smplifyx.jobs.runner import run_job
from smplifyx.jobs.store import Store
from smplifyx.readers.frames import Frame
from smplifyx.readers.reading import FrameReading

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
    # a schema's own error lists its faults; commands and files tell them in one line
    assert "\n" not in str(caught.value) or isinstance(caught.value, pydantic.ValidationError)
    assert not (tmp_path / "out").exists()


def test_an_input_that_ends_with_an_error_loses_nothing_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keypoints = write_folder(tmp_path / "in", frames=3)
    read = source.read_frames

    class Broken(FrameReading):
        """Ends with an error after three frames."""

        number = 0

        def __next__(self) -> Frame:
            self.number += 1
            if self.number > 3:
                raise RuntimeError("the reader broke")
            return super().__next__()

    def broken(*given: object) -> FrameReading:
        return Broken(read(*given), stems=(), leftovers=tuple)

    monkeypatch.setattr(source, "read_frames", broken)
    with pytest.raises(RuntimeError, match="the reader broke"):
        run_quick(keypoints, tmp_path / "out")
    rows = table(tmp_path / "out")
    assert [row["status"] for row in rows] == ["ok"] * 6 + ["unfinished"]
    assert "the reader broke" in rows[-1]["reason"]
    assert len(list((tmp_path / "out").rglob("*.npz"))) == 6
    monkeypatch.undo()
    run_quick(keypoints, tmp_path / "out")
    run_quick(keypoints, tmp_path / "whole")
    assert end_state(tmp_path / "out") == end_state(tmp_path / "whole")


def test_a_full_disk_names_the_file_and_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keypoints = write_folder(tmp_path / "in", frames=3)
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if ".001.npz" in path.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="goes on where it was") as caught:
        run_quick(keypoints, tmp_path / "out")
    assert "001.npz" in str(caught.value) and "\n" not in str(caught.value)
    rows = table(tmp_path / "out")
    assert rows[0]["status"] == "ok" and rows[-1]["status"] == "unfinished"
    assert not list((tmp_path / "out").rglob(".*"))
    monkeypatch.undo()
    run_quick(keypoints, tmp_path / "out")
    run_quick(keypoints, tmp_path / "whole")
    assert end_state(tmp_path / "out") == end_state(tmp_path / "whole")
