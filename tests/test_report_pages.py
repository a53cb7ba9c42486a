"""The report of an output folder: one card for each frame, pictures only where they are as new as
the results.
"""

from __future__ import annotations

import os
from pathlib import Path

from job_tools import person, run_quick, write_frame
from picture_tools import ALL

from smplifyx.jobs.pictures import draw_all, report

NOT_DRAWN = "not drawn, log.txt says why"


def test_pictures_older_than_their_results_are_not_shown(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_frame(tmp_path / "in", name, [person(1)])
    store = run_quick(tmp_path / "in", tmp_path / "out").store
    assert report(store).read_text(encoding="utf-8").count(NOT_DRAWN) == 2
    draw_all(store, ALL, lambda: None)
    assert NOT_DRAWN not in report(store).read_text(encoding="utf-8")
    photo = tmp_path / "out" / "pictures" / "b" / "photo.jpg"
    old = store.result("b", 0).stat().st_mtime - 1
    os.utime(photo, (old, old))
    text = report(store).read_text(encoding="utf-8")
    assert text.count(NOT_DRAWN) == 1
    assert "pictures/a/photo.jpg" in text and "pictures/b/photo.jpg" not in text


def test_the_facts_are_those_of_the_job(tmp_path: Path) -> None:
    write_frame(tmp_path / "in", "a", [])
    store = run_quick(tmp_path / "in", tmp_path / "out").store
    text = report(store).read_text(encoding="utf-8")
    assert "preset <b>smplx</b>" in text and "body <b>built-in</b>" in text
    assert "no_people" in text
