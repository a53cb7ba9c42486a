"""`smplifyx track`: the table of a folder, and what is wrong with a file costs only itself."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from test_command_line import is_one_line, said
from walkers import Scene, Walker, scene

from smplifyx.jobs.tracking import COLUMNS, track_folder
from smplifyx.keypoints import names
from smplifyx.tracking import TrackRules

LEFT, RIGHT = (300.0, 500.0), (900.0, 520.0)


def write_clip(folder: Path, name: str, clip: Scene) -> None:
    """A file for each frame, in OpenPose's form."""
    folder.mkdir(parents=True, exist_ok=True)
    for frame in clip.frames:
        people = []
        for number, person in enumerate(frame.keypoints):
            entry = {"pose_keypoints_2d": person[names.BODY].ravel().tolist()}
            people.append({"person_id": [frame.id_of(number) or -1], **entry})
        path = folder / f"{name}{frame.frame}_keypoints.json"
        path.write_text(json.dumps({"version": 1.3, "people": people}))


def rows(out: Path) -> list[dict[str, str]]:
    with open(out / "tracked_people.csv", newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_clips_of_a_folder_are_tracked_each_by_itself(tmp_path: Path) -> None:
    two = scene([Walker(LEFT, (5, 0)), Walker(RIGHT, (-5, 0), 0.8)], range(7, 14))
    write_clip(tmp_path / "in", "a", two)
    write_clip(tmp_path / "in", "b", scene([Walker(LEFT)], 4))
    summary = track_folder(tmp_path / "in", tmp_path / "out")
    assert str(summary) == "3 tracks of 18 people in 11 frames of 2 clips; 0 in no track"
    table = rows(tmp_path / "out")
    assert tuple(table[0]) == COLUMNS
    stems = [row["stem"] for row in table[::2]]
    assert stems[:7] == [f"a{number}" for number in range(7, 14)]
    people = {(row["stem"], int(row["person"])): row["track"] for row in table}
    for frame, who in zip(two.frames, two.who, strict=True):
        assert [people[f"a{frame.frame}", at] for at in range(2)] == [str(one) for one in who]
    assert {row["track"] for row in table if row["stem"].startswith("b")} == {"2"}
    assert all(row["id_given"] == "no" and not row["notes"] for row in table)


def test_gaps_are_noted_and_ids_believed(tmp_path: Path) -> None:
    write_clip(tmp_path / "in", "f", scene([Walker(LEFT, away=range(3, 9), id="=ann")], 12))
    track_folder(tmp_path / "in", tmp_path / "out", TrackRules(fps=20))
    table = rows(tmp_path / "out")
    assert [row["track"] for row in table] == ["0"] * 6
    assert {(row["id"], row["id_given"]) for row in table} == {("'=ann", "yes")}
    notes = [row["notes"] for row in table]
    assert notes == ["", "", "", "unseen for 6 frames, 0.30 s", "", ""]


def test_a_join_is_noted(tmp_path: Path) -> None:
    write_clip(tmp_path / "in", "f", scene([Walker(LEFT, away=range(10, 55))], 70))
    track_folder(tmp_path / "in", tmp_path / "out")
    (note,) = [row["notes"] for row in rows(tmp_path / "out") if row["notes"]]
    assert note == "unseen for 45 frames, 1.50 s; joined to the piece before by place and shape"


def test_a_file_that_cannot_be_read_costs_itself(tmp_path: Path) -> None:
    write_clip(tmp_path / "in", "f", scene([Walker(LEFT)], 6))
    (tmp_path / "in" / "f3_keypoints.json").write_text("{")
    summary = track_folder(tmp_path / "in", tmp_path / "out")
    bad, *good = sorted(rows(tmp_path / "out"), key=lambda row: row["stem"] != "f3")
    assert bad["stem"] == "f3" and not bad["person"] and not bad["track"] and bad["notes"]
    assert {row["track"] for row in good} == {"0"} and len(good) == 5 and summary.tracks == 1


def test_a_short_track_is_none(tmp_path: Path) -> None:
    write_clip(tmp_path / "in", "f", scene([Walker(LEFT), Walker(RIGHT, away=range(2, 9))], 9))
    summary = track_folder(tmp_path / "in", tmp_path / "out", TrackRules(min_frames=3))
    assert (summary.tracks, summary.untracked) == (1, 2)
    notes = {row["notes"] for row in rows(tmp_path / "out") if not row["track"]}
    assert notes == {"in too few frames, or too few points"}


def test_the_command_writes_the_table_and_sums_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_clip(tmp_path / "in", "f", scene([Walker(LEFT)], 5))
    out = tmp_path / "out"
    code, told, _ = said("track", tmp_path / "in", "--out", out, "--fps", "25", capsys=capsys)
    line = f"1 tracks of 5 people in 5 frames of 1 clips; 0 in no track; see {out / 'tracked_people.csv'}"
    assert code == 0 and told == f"{line}\n"
    again = said("track", tmp_path / "in", "--out", out, "--min-frames", "6", capsys=capsys)
    assert again[0] == 1 and "0 tracks of 5 people" in again[1]


FAULTS = {
    "track": "KEYPOINTS: missing",
    "track nowhere --out o": "KEYPOINTS: nowhere: there is no such file or folder",
    "track . --out o --fps 0": "--fps: 0 is not above 0 and at most 10000",
    "track . --out o --max-gap -1": "--max-gap: -1 s is not between 0 and 60 s",
    "track . --out o --min-frames 0": "--min-frames: 0 is not a whole number of at least 1",
}


@pytest.mark.parametrize("line", FAULTS)
def test_a_fault_of_the_command_is_one_line(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, error = said(*line.split(), capsys=capsys)
    assert code == 2 and not out and is_one_line(error) and FAULTS[line] in error
