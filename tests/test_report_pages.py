"""The report of an output folder: one card for each frame, pictures only where they show the
results as they are.
"""

from __future__ import annotations

import html
import os
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from job_tools import person, run_quick, write_frame
from picture_tools import ALL

from smplifyx.fitting.result import FitResult
from smplifyx.jobs.pictures import draw_all, report
from smplifyx.readers.frames import Note

NOT_DRAWN = "not drawn, log.txt says why"


def test_pictures_of_other_results_are_not_shown(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_frame(tmp_path / "in", name, [person(1)])
    store = run_quick(tmp_path / "in", tmp_path / "out").store
    assert report(store).read_text(encoding="utf-8").count(NOT_DRAWN) == 2
    page = draw_all(store, ALL, lambda: None).page
    assert page is not None and NOT_DRAWN not in page.read_text(encoding="utf-8")

    result = FitResult.load(store.result("b", 0))
    result.replace(energy=result.energy + 1).save(store.result("b", 0))
    text = report(store).read_text(encoding="utf-8")
    assert text.count(NOT_DRAWN) == 1
    assert "pictures/a/photo.jpg" in text and "pictures/b/photo.jpg" not in text


def test_clocks_do_not_matter(tmp_path: Path) -> None:
    """Results from a machine whose clock is ahead; seconds that differ."""
    write_frame(tmp_path / "in", "a", [person(1)])
    store = run_quick(tmp_path / "in", tmp_path / "out").store
    draw_all(store, ALL, lambda: None)
    drawn = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.jpg")}
    result = FitResult.load(store.result("a", 0))
    result.replace(origin=replace(result.origin, seconds=99.0)).save(store.result("a", 0))
    ahead = time.time() + 3600
    os.utime(store.result("a", 0), (ahead, ahead))
    draw_all(store, replace(ALL, again=False), lambda: None)
    assert drawn and all(path.stat().st_mtime_ns == made for path, made in drawn.items())
    assert NOT_DRAWN not in report(store).read_text(encoding="utf-8")


def test_the_facts_are_those_of_the_job(tmp_path: Path) -> None:
    write_frame(tmp_path / "in", "a", [])
    store = run_quick(tmp_path / "in", tmp_path / "out").store
    text = report(store).read_text(encoding="utf-8")
    assert "preset <b>smplx</b>" in text and "body <b>built-in</b>" in text
    assert "no_people" in text


NAMES = ["IMG 01 (1)", "Anna's 50% #1 & more", "写真;x"]


def test_names_stay_and_every_link_leads_somewhere(tmp_path: Path) -> None:
    for name in NAMES:
        write_frame(tmp_path / "in", name, [person(1)])
    store = run_quick(tmp_path / "in", tmp_path / "out").store
    assert store.stems() == sorted(NAMES)
    draw_all(store, ALL, lambda: None)
    text = report(store).read_text(encoding="utf-8")
    addresses = [html.unescape(found) for found in re.findall(r'(?:href|src)="([^"]+)"', text)]
    assert len(addresses) == 6 * len(NAMES)
    assert all((tmp_path / "out" / unquote(address)).is_file() for address in addresses)
    assert all(set(address).isdisjoint(" #';") for address in addresses)


def test_notes_of_a_frame_are_told_once_and_of_a_person_in_its_line(tmp_path: Path) -> None:
    low = person(1)
    low["pose_keypoints_2d"][2::3] = [0.05] * 25
    odd = person(2) | {"gender_gt": "x"}
    for entry in (low, odd):
        entry["pose_keypoints_2d"][2::3] = [0.05] * 25
    write_frame(tmp_path / "in", "a", [low, odd])
    store = run_quick(tmp_path / "in", tmp_path / "out").store
    text = report(store, [Note("photos without keypoints", "z.jpg")]).read_text(encoding="utf-8")
    assert text.count('<span class="remark">scores below the threshold') == 1
    assert text.count('<span class="remark">gender ignored') == 1
    box = text[text.index('<div class="remarks">') : text.index("<main>")]
    for about in ("photos without keypoints", "scores below the threshold", "gender ignored"):
        assert f"<li><b>{about}</b>" in box


def test_a_summary_that_leads_elsewhere_costs_its_rows(tmp_path: Path) -> None:
    """Rows of a table that somebody else wrote: nothing is read or written outside the folder."""
    write_frame(tmp_path / "in", "a", [person(1)])
    store = run_quick(tmp_path / "in", tmp_path / "out").store
    victim = tmp_path / "victim" / "cover.jpg"
    shutil.copytree(tmp_path / "out" / "results" / "a", victim.with_suffix(""))
    victim.write_bytes(b"mine")
    text = store.summary.read_text()
    own = text.splitlines()[1]
    stems = ["../../victim/cover", str(victim.with_suffix("")), "a/../a", "b\x1b[31m", "=1+1"]
    store.summary.write_text(
        text + "".join(own.replace("a,", f"{stem},", 1) + "\n" for stem in stems)
    )
    drawing = draw_all(store, ALL, lambda: None)
    assert victim.read_bytes() == b"mine" and drawing.failed == 0
    assert [path.name for path in (tmp_path / "out" / "overlays").iterdir()] == ["a.jpg"]
    assert drawing.page is not None
    page = drawing.page.read_text(encoding="utf-8")
    assert page.count("not a name of an output folder") == 3 and "\x1b" not in page
    assert "unreadable" in store.log.read_text()
