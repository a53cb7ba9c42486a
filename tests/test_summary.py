"""The table of a job, written and read again."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from job_tools import (
    run_quick,
    write_folder,
)

from smplifyx.jobs.summary import Row, RowStatus, read_summary, writing_summary


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


def test_lines_that_are_none_of_ours_cost_themselves(tmp_path: Path) -> None:
    path = tmp_path / "summary.csv"
    lines = [
        "a,0,ok,1.5",
        "b,-3,ok,1",
        "c," + "9" * 5000 + ",ok,1",
        "d,,ok,1",  # fitted, but nobody
        "e,0,splendid,1",
        "f,0,ok,abc",
        "g,0",
        'h,0,ok,"' + "x" * 200_000 + '"',
        "i,0,ok,2",
        ",,unfinished,",
    ]
    path.write_text("stem,person,status,body_px\n" + "\n".join(lines) + "\n")
    rows = list(read_summary(path))
    assert [row.stem for row in rows if row.status is RowStatus.OK] == ["a", "i"]
    others = [row for row in rows if row.status is not RowStatus.OK]
    assert len(others) >= 7 and all(row.status is RowStatus.UNREADABLE for row in others)
    assert all("summary.csv" in row.reason and len(row.reason) < 1000 for row in others)


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "\0\0", "x" * 300_000])
def test_no_summary_at_all_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "summary.csv").write_text(content)
    with pytest.raises(ValueError, match="not a summary") as caught:
        list(read_summary(tmp_path / "summary.csv"))
    assert "\n" not in str(caught.value)


def test_a_job_that_stops_says_so_in_the_last_line(tmp_path: Path) -> None:
    path = tmp_path / "summary.csv"
    with pytest.raises(RuntimeError, match="odd"), writing_summary(path) as summary:
        summary.write(Row("a", 0, RowStatus.OK))
        raise RuntimeError("odd\nthing")
    last = path.read_text().splitlines()[-1]
    assert "unfinished" in last and "odd thing" in last
    assert [row.stem for row in read_summary(path)] == ["a"]
