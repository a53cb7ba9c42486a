"""Who of an output folder is exported, and who is left out and why."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from golden_body import PRIORS
from job_tools import person, run_quick, table, write_folder, write_frame
from PIL import Image

from smplifyx.config import FieldError
from smplifyx.gates.facts import GatePart
from smplifyx.gates.verdict import Verdict
from smplifyx.gates.verdict_table import write_verdicts
from smplifyx.jobs.exporting import (
    LEFT_OUT,
    ExportRules,
    JobPeople,
    dataset_format,
    export_people,
    reader_body,
    verdicts_of,
)
from smplifyx.jobs.pictures.recorded_job import recorded_job
from smplifyx.jobs.store import Store


def export(out: Path, to: Path, name: str = "bedlam", **rules: object) -> JobPeople:
    """Exports for readers that load the embedded body."""
    format = dataset_format(name)
    reader = reader_body(format, PRIORS / "neutral.npz")
    store = Store(out)
    people = JobPeople(store, recorded_job(store), ExportRules(format, reader, **rules))
    export_people(people, to, lambda count: None)
    return people


def lines(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    run_quick(write_folder(tmp_path / "keypoints"), tmp_path / "out")
    return tmp_path / "out"


def test_everybody_is_a_row_or_left_out_with_a_reason(out: Path, tmp_path: Path) -> None:
    export(out, tmp_path / "x.npz")
    rows, others = lines(tmp_path / "x.npz.rows.csv"), lines(tmp_path / f"x.npz{LEFT_OUT}")
    exported = {row["id"] for row in rows}
    missing = {f"{row['stem']}/{row['person']}" for row in others}
    everybody = {f"{row['stem']}/{row['person']}" for row in table(out)}
    assert exported | missing == everybody
    assert not exported & missing
    assert all(row["reason"] for row in others)
    with np.load(tmp_path / "x.npz") as file:
        assert len(file["imgname"]) == len(rows) > 8


def test_doubtful_people_on_request(out: Path, tmp_path: Path) -> None:
    few = "g_few/0"
    export(out, tmp_path / "x.npz")
    assert few not in {row["id"] for row in lines(tmp_path / "x.npz.rows.csv")}
    export(out, tmp_path / "y.npz", doubtful=True)
    told = {row["id"]: row["status"] for row in lines(tmp_path / "y.npz.rows.csv")}
    assert told[few] == "low_evidence"


def test_a_broken_result_costs_only_itself(out: Path, tmp_path: Path) -> None:
    (out / "results/frame_000/000.npz").write_bytes(b"PK\x03\x04 cut")
    export(out, tmp_path / "x.npz")
    (lost,) = [row for row in lines(tmp_path / f"x.npz{LEFT_OUT}") if row["stem"] == "frame_000"]
    assert "000.npz" in lost["reason"]
    assert "frame_001/0" in {row["id"] for row in lines(tmp_path / "x.npz.rows.csv")}


def test_a_gate_decides_who_and_what(out: Path, tmp_path: Path) -> None:
    store = Store(out)
    with pytest.raises(FieldError, match="smplifyx gate"):
        verdicts_of(store, "mine")
    verdicts = [
        (("frame_001", 0), Verdict(True, {GatePart.LEFT_HAND: "3 points"}, 0.5, "mine")),
        (("frame_001", 1), Verdict(False, {GatePart.BODY: "81 mm, at most 60"}, -0.3, "mine")),
        (("frame_002", 0), Verdict(True, {GatePart.SHAPE: "a giant"}, 0.5, "mine")),
        # rejected by its status, kept by hand
        (("g_few", 0), Verdict(True, {}, 0.1, "hand")),
    ]
    write_verdicts(store.gate("mine", ".csv"), verdicts)
    people = export(out, tmp_path / "x.npz", verdicts=verdicts_of(store, "mine"))
    rows = {row["id"]: row for row in lines(tmp_path / "x.npz.rows.csv")}
    assert set(rows) == {"frame_001/0", "g_few/0"}
    assert rows["frame_001/0"]["left_hand"] == "0"
    assert "3 points" in rows["frame_001/0"]["reasons"]
    reasons = {
        f"{row['stem']}/{row['person']}": row["reason"]
        for row in lines(tmp_path / f"x.npz{LEFT_OUT}")
    }
    assert "81 mm" in reasons["frame_001/1"]
    assert "a giant" in reasons["frame_002/0"]  # BEDLAM cannot say that a shape means nothing
    assert "not in the gate's table" in reasons["frame_002/1"]
    assert people.left_out["rejected by the gate"] >= 3


def test_an_unknown_format_is_told_with_the_nearest() -> None:
    with pytest.raises(FieldError, match="bedlam"):
        dataset_format("bedlan")


@pytest.fixture
def with_photos(tmp_path: Path) -> Path:
    """Two photos of 80 x 60, of which one lies on its side and says so."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, orientation in (("flat", 1), ("turned", 6)):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.new("RGB", (800, 600), (9, 9, 9)).save(photos / f"{name}.jpg", exif=exif)
        write_frame(tmp_path / "keypoints", name, [person(1)])
    run_quick(tmp_path / "keypoints", tmp_path / "out", images=photos)
    return tmp_path / "out"


def test_turned_photos_are_left_out_or_copied_upright(with_photos: Path, tmp_path: Path) -> None:
    export(with_photos, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as file:
        assert file["imgname"].tolist() == ["flat.jpg"]
    (lost,) = lines(tmp_path / f"x.npz{LEFT_OUT}")
    assert "--photos" in lost["reason"]

    export(with_photos, tmp_path / "y.npz", photos=tmp_path / "copies")
    with np.load(tmp_path / "y.npz") as file:
        assert sorted(file["imgname"].tolist()) == ["flat.jpg", "turned.jpg"]
    with Image.open(tmp_path / "copies/turned.jpg") as copy:
        assert copy.size == (600, 800)
        assert copy.getexif().get(0x0112, 1) == 1
    original = (tmp_path / "photos/flat.jpg").read_bytes()
    assert (tmp_path / "copies/flat.jpg").read_bytes() == original


def test_copies_stay_in_their_folder(with_photos: Path, tmp_path: Path) -> None:
    """A result may name any path for its photo."""
    outside = tmp_path / "elsewhere.jpg"
    Image.new("RGB", (800, 600)).save(outside)
    result = with_photos / "results/flat/000.npz"
    with np.load(result) as file:
        arrays = dict(file)
    arrays["image"] = np.array(str(tmp_path / "photos" / ".." / "elsewhere.jpg"))
    np.savez(result, **arrays)
    export(with_photos, tmp_path / "x.npz", photos=tmp_path / "a/copies")
    assert {path.name for path in (tmp_path / "a").rglob("*.jpg")} == {
        "elsewhere.jpg",
        "turned.jpg",
    }
    assert (tmp_path / "a/copies/elsewhere.jpg").is_file()
