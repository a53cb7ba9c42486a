"""The table of a job, written and read again."""

from __future__ import annotations

import math
from pathlib import Path

from job_tools import (
    run_quick,
    write_folder,
)

from smplifyx.jobs.summary import RowStatus, read_summary


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
