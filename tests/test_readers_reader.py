"""Formats of keypoint files: what a reader is, and how one is added."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from keypoint_files import GOOD, flat, write

from smplifyx.keypoints.layouts import LayoutName, to_canonical
from smplifyx.readers.folder import count_files, read_frames
from smplifyx.readers.frames import Note, Person, SizeSource, unusable
from smplifyx.readers.reader import ImagePeople, KeypointFile, Reader
from smplifyx.readers.table import READERS


def body_person(index: int, numbers: list[float]) -> Person:
    points = np.array(numbers, np.float32).reshape(25, 3)
    layout = LayoutName.BODY_25
    return Person(index=index, keypoints=to_canonical(points, layout), layout=layout)


class PosesReader:
    """A format of the test, told by its content: a JSON object of images with people."""

    suffixes = (".json",)
    content = "'poses' by image"

    def recognises(self, file: KeypointFile) -> bool:
        return isinstance(file.document, dict) and "poses" in file.document

    def read(self, file: KeypointFile) -> Iterator[ImagePeople]:
        for name, people in file.document["poses"].items():
            found = tuple(body_person(index, numbers) for index, numbers in enumerate(people))
            yield ImagePeople(found, file_name=name, image_size=(640, 480))


class TableReader:
    """A format of the test, told by its suffix: a person a line, 75 numbers or nothing usable."""

    suffixes = (".people.txt",)
    content = "lines of 75 numbers"

    def recognises(self, file: KeypointFile) -> bool:
        return True

    def read(self, file: KeypointFile) -> Iterator[ImagePeople]:
        people: list[Person] = []
        for index, line in enumerate(file.path.read_text().splitlines()):
            numbers = [float(word) for word in line.split()]
            if len(numbers) == 75:
                people.append(body_person(index, numbers))
            else:
                people.append(unusable(index, f"75 numbers expected, got {len(numbers)}"))
        yield ImagePeople(tuple(people), notes=(Note("a table"),))


MORE: tuple[Reader, ...] = (*READERS, PosesReader(), TableReader())


def test_a_reader_told_by_content_is_one_class_and_one_line(tmp_path: Path) -> None:
    write(tmp_path, "a_keypoints.json", GOOD)
    write(tmp_path, "b.json", {"poses": {"x/1.jpg": [flat(25)], "2.jpg": [flat(25), flat(25)]}})
    frames = list(read_frames(tmp_path, readers=MORE))
    assert [(frame.stem, len(frame.people)) for frame in frames] == [("a", 1), ("x/1", 1), ("2", 2)]
    assert frames[1].image_size == (640, 480) and frames[1].size_source is SizeSource.SIDECAR
    assert np.array_equal(frames[1].people[0].keypoints, body_person(0, flat(25)).keypoints)


def test_a_reader_told_by_suffix_is_one_class_and_one_line(tmp_path: Path) -> None:
    line = " ".join(str(number) for number in flat(25))
    write(tmp_path, "a_keypoints.json", GOOD)
    write(tmp_path, "b_keypoints.People.TXT", f"{line}\n1 2 3\n")
    write(tmp_path, "notes.txt", "about anything")
    frames = list(read_frames(tmp_path, readers=MORE))
    assert [frame.stem for frame in frames] == ["a", "b"] and count_files(
        tmp_path, readers=MORE
    ) == 2
    good, bad = frames[1].people
    assert good.problem is None and "got 3" in bad.problem and frames[1].notes == (Note("a table"),)
    # without its line in the table nobody sees the file
    assert [frame.stem for frame in read_frames(tmp_path)] == ["a"]


def test_a_file_that_a_reader_cannot_go_on_with_is_a_problem(tmp_path: Path) -> None:
    write(tmp_path, "a.people.txt", "one two")
    write(tmp_path, "b.json", GOOD)
    first, second = read_frames(tmp_path, readers=MORE)
    assert "a.people.txt" in first.problem and "one" in first.problem and second.problem is None


def test_a_file_that_nobody_recognises_names_what_could_be_in_it(tmp_path: Path) -> None:
    write(tmp_path, "a.json", {"frames": []})
    (frame,) = read_frames(tmp_path)
    expected = (
        "holds neither OpenPose 'people' nor COCO 'annotations' or results nor people with "
        "keypoints in a detector's own form nor MediaPipe landmarks"
    )
    assert frame.problem == f"{tmp_path / 'a.json'}: {expected}"
    (frame,) = read_frames(tmp_path, readers=MORE)
    assert frame.problem.endswith(f"{expected} nor 'poses' by image")


@pytest.mark.parametrize("name", ["a.txt", "a", "a.JSON"])
def test_a_file_given_by_its_name_may_have_any_suffix(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name, GOOD)
    (frame,) = read_frames(path)
    assert frame.problem is None and len(frame.people) == 1
    assert frame.stem == name.removesuffix(".JSON")


def test_a_document_is_parsed_once(tmp_path: Path) -> None:
    file = KeypointFile(write(tmp_path, "a.json", GOOD))
    assert file.document is file.document == GOOD


def test_readers_are_told_apart() -> None:
    assert all(isinstance(reader, Reader) for reader in MORE)
    suffixes = [suffix for reader in MORE for suffix in reader.suffixes]
    assert all(suffix == suffix.lower() and suffix.startswith((".", "_")) for suffix in suffixes)
    assert len({reader.content for reader in MORE}) == len(MORE)
