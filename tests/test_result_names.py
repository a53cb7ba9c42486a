"""Names of results: as the frames are called, as far as file systems take it; within the output
folder, and never two in one place.
"""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from smplifyx.core.choices import MeshFormat
from smplifyx.core.messages import LONGEST_TEXT, cell, uncell
from smplifyx.jobs.pictures.files import Picture, mesh_path, panel_path, report_pictures
from smplifyx.jobs.result_names import LONGEST_NAME, LONGEST_PART, StemTable, safe_stem
from smplifyx.jobs.store import Store

KEPT = ["plain", "a/b", "-rf", "IMG 01 (1)", "Anna's photo, 2024 - copy", "~a", "50% #1 & more", "=1+1", "Ωμέγα/写真 01",
        "naïve é", "a.b.c", "clip_000000000012", "$HOME", "x" * 200, "[1]{2}!", "a  b", "'=x", "photo", "000",
        "nulls", "com10", "IMG.jpg", "a/b.jpg"]  # fmt: skip
CHANGED = ["../up", "/etc/passwd", "..", ".", "", "a/../../b", "c:\\d", "x" * 400, "é" * 200, ".hidden", "new\nline",
           "a/./b", "tab\t", "CON.", "con", "Nul.txt", "a/LPT1/b", "what?", "a<b>", "end ", " start", "end.", "a//b",
           "lone\ud800", "rlo\u202ename", "000.npz", "a/000.npz", "a/12.obj", "a/photo.jpg", "b.jpg/c", "a|b", 'q"q',
           "/".join("abcdefghijk"), "/".join(["y" * 190] * 8), "\x00", "aux .x"]  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_what_file_systems_take_stays(name: str) -> None:
    assert safe_stem(name) == name


@pytest.mark.parametrize("name", KEPT + CHANGED)
def test_a_stem_never_leaves_the_folder(tmp_path: Path, name: str) -> None:
    stem = safe_stem(name)
    place = (tmp_path / stem).resolve()
    assert tmp_path.resolve() in place.parents and stem
    place.mkdir(parents=True)  # the file system takes it
    assert safe_stem(stem) == stem
    assert (stem == name) == (name in KEPT)
    assert len(stem.encode()) <= LONGEST_NAME < LONGEST_TEXT
    assert max(len(part.encode()) for part in stem.split("/")) <= LONGEST_PART
    assert uncell(cell(stem)) == stem  # as the table keeps it


def test_names_do_not_collide() -> None:
    table = StemTable()
    pairs = [("a", "a.json"), ("A", "A.json"), ("a", "coco.json"), ("a", "coco.json"), ("b", "b")]
    pairs += [("é", "1"), ("e\u0301", "2"), ("y" * 200, "1"), ("y" * 200, "2")]
    stems = [table.claim(*pair) for pair in pairs]
    assert len({stem.casefold() for stem in stems}) == len(pairs)
    assert stems[0] == "a" and stems[4] == "b"
    assert all(safe_stem(stem) == stem for stem in stems)
    assert len({safe_stem(name) for name in KEPT + CHANGED}) == len(KEPT + CHANGED)


@pytest.mark.parametrize("below", ["000.npz", "a/000.npz", "a/000.npz/b", "a/photo.jpg", "a.jpg/x"])
def test_a_frame_is_never_a_file_of_another(tmp_path: Path, below: str) -> None:
    """In whatever order they come, the files of both can be written."""
    store = Store(tmp_path)
    for order in itertools.permutations(("a", "000", safe_stem(below))):
        for stem in order:
            files = [store.result(stem, 0), panel_path(store, stem)]
            files += report_pictures(store, stem).values()
            files += [mesh_path(store, stem, 0, kind) for kind in MeshFormat]
            for path in files:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        assert store.stems() == sorted(order)
        assert all(len(store.people(stem)) == 1 for stem in order)


def test_every_file_of_a_frame_is_known() -> None:
    store = Store(Path("out"))
    names = [f"{picture.value}.jpg" for picture in Picture]
    names += [mesh_path(store, "a", 12, kind).name for kind in MeshFormat]
    names += [store.result("a", 1000).name]
    assert all(safe_stem(f"a/{name}") != f"a/{name}" for name in names)


def test_any_name_has_a_stem(tmp_path: Path) -> None:
    rng = random.Random(0)
    letters = "ab.. /\\:*\x00\x1f\ud800\u202eé写'=-#%"
    for index in range(2000):
        name = "".join(rng.choices(letters, k=rng.randrange(12)))
        stem = safe_stem(name)
        assert stem and safe_stem(stem) == stem, name
        place = tmp_path / str(index) / stem
        assert tmp_path / str(index) in place.parents and ".." not in place.parts
        stem.encode()
