"""JSON as it comes: packed, in lines, damaged, deep, huge, and files too large to be held."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from keypoint_files import GOOD, flat, write

from smplifyx.readers import documents, read_frames
from smplifyx.readers.documents import DamagedEntry, RecordList, read_document
from smplifyx.readers.people import MOST_PEOPLE

RESULTS = [{"image_id": f"{i % 3}.jpg", "keypoints": flat(17), "score": 1} for i in range(7)]
COCO = {
    "info": {"note": 'a \u00e9 \\ " ] } , ['},
    "annotations": [
        {"id": i, "image_id": i % 2, "category_id": 1, "keypoints": flat(17, 2)} for i in range(5)
    ],
    "categories": [],
    "images": [{"id": 0, "file_name": "\u00fc.jpg"}, {"id": 1, "file_name": "b.jpg", "width": 9}],
}
LARGE = {"a list": RESULTS, "an object": COCO, "nobody": {"annotations": [], "images": []}}


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("block", [1, 7, 4096])
def test_a_file_too_large_to_be_held_reads_like_a_small_one(tmp_path, monkeypatch, name, block):
    document = LARGE[name]
    path = write(tmp_path, "a.json", json.dumps(document, ensure_ascii=False, indent=1))
    small = _summary(path)
    monkeypatch.setattr(documents, "LARGEST_HELD", 10)
    monkeypatch.setattr(documents, "_BLOCK", block)
    held = read_document(path)
    assert isinstance(held, RecordList) or isinstance(held["annotations"], RecordList)
    assert _summary(path) == small


def _summary(path: Path) -> list[object]:
    return [
        (frame.stem, frame.photo, [(p.id, p.keypoints.tolist()) for p in frame.people])
        for frame in read_frames(path)
    ]


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_a_large_file_that_is_cut_off_is_told(tmp_path, monkeypatch, cut):
    path = write(tmp_path, "a.json", json.dumps(RESULTS)[:-cut])
    monkeypatch.setattr(documents, "LARGEST_HELD", 10)
    (frame,) = read_frames(path)
    assert "not valid JSON" in frame.problem and "byte" in frame.problem


def test_a_large_file_of_lines_reads_like_a_small_one(tmp_path, monkeypatch):
    path = write(tmp_path, "a.jsonl", "\n".join(json.dumps(entry) for entry in RESULTS) + "\n\n")
    small = _summary(path)
    monkeypatch.setattr(documents, "LARGEST_HELD", 10)
    assert isinstance(read_document(path), RecordList) and _summary(path) == small


PACKED = {"a_keypoints.json.gz": GOOD, "b.json.gz": RESULTS[:1]}


@pytest.mark.parametrize("name", PACKED)
def test_packed_files(tmp_path, name):
    write(tmp_path, name, gzip.compress(json.dumps(PACKED[name]).encode()))
    (frame,) = read_frames(tmp_path)
    assert frame.problem is None and len(frame.people) == 1
    assert frame.stem == {"a": "a", "b": "0"}[name[0]]


def test_a_packed_file_may_not_unpack_to_anything(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "LARGEST_UNPACKED", 1000)
    bomb = write(tmp_path, "a.json.gz", gzip.compress(b"[" + b" " * 100_000))
    broken = write(tmp_path, "b.json.gz", gzip.compress(b"[]")[:-4])
    assert "unpacks to more than" in next(read_frames(bomb)).problem
    assert "not a whole gzip file" in next(read_frames(broken)).problem


def test_a_damaged_line_costs_only_itself(tmp_path):
    lines = [json.dumps({"image": "a.jpg", **GOOD}), "{", json.dumps({"image": "b.jpg", **GOOD})]
    path = write(tmp_path, "x.jsonl", "\n".join(lines))
    assert isinstance(read_document(path)[1], DamagedEntry)
    frames = {frame.stem: frame for frame in read_frames(path)}
    assert frames["a"].people and frames["b"].people


NUMBERS = ", ".join(map(str, flat(25)))
REST = ", 5.0, 6.0, 0.9" * 24


def _of(numbers: str, before: str = "", person: str = "") -> str:
    """A document of one person with these numbers."""
    return f'{{{before}"people": [{{{person}"pose_keypoints_2d": [{numbers}]}}]}}'


HOSTILE = {  # content -> whether somebody can be read
    "numbers of 5000 digits": (_of("9" * 5000 + ", 1, 1" + REST), True),
    "nested 100000 deep": ("[" * 100_000 + "]" * 100_000, False),
    "NaN and Infinity": (_of("NaN, -Infinity, 1e999" + REST), True),
    "keys twice": (_of(NUMBERS, before='"people": 3, '), True),
    "true for numbers": (
        _of(", ".join(["true"] * 75), before='"width": 90, "height": 90, '),
        True,
    ),
    "surrogates": (_of(NUMBERS, person='"person_id": "\\ud800", '), True),
    "an empty file": ("", False),
    "blanks": ("   \n", False),
    "a number": ("3", False),
    "text in no encoding": (b"\xff\xfe\x00{", False),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_documents_are_a_problem_or_read(tmp_path, name):
    content, readable = HOSTILE[name]
    write(tmp_path, "a.json", content)
    (frame,) = read_frames(tmp_path)
    assert (frame.problem is None) == readable
    if readable:
        assert frame.people[0].problem is None and "\ud800" not in frame.people[0].id


CROWDS = {
    "people": '{"people": ENTRIES}',
    "results": "ENTRIES",
    "annotations": '{"annotations": ENTRIES}',
}


@pytest.mark.parametrize("name", CROWDS)
def test_too_many_people_in_one_image_are_one_line(tmp_path, name):
    entries = json.dumps([{"keypoints": 0}] * (MOST_PEOPLE + 1))
    write(tmp_path, "a.json", CROWDS[name].replace("ENTRIES", entries))
    (found,) = list(read_frames(tmp_path))
    assert found.people == ()


def test_the_unusable_share_one_array(tmp_path):
    write(tmp_path, "a.json", {"people": [0] * 100})
    (frame,) = read_frames(tmp_path)
    assert len({id(person.keypoints) for person in frame.people}) == 1
    assert not frame.people[0].keypoints.flags.writeable
