"""The npz of plain arrays: whole or not at all, without pickle, and told apart from other files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from smplifyx.core import npz

ARRAYS = {
    "numbers": np.arange(6, dtype=np.float32).reshape(2, 3),
    "one": np.array(7),
    "words": np.array(["left", "right"]),
    "turned": np.arange(6).reshape(2, 3).T,  # not in C order
}


def test_numpy_reads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.npz"
    npz.write(path, ARRAYS)
    with np.load(path, allow_pickle=False) as archive:
        assert archive.files == list(ARRAYS)
        for name, array in ARRAYS.items():
            assert archive[name].dtype == array.dtype
            assert np.array_equal(archive[name], array)
    assert [file.name for file in path.parent.iterdir()] == ["a.npz"]


def test_equal_arrays_make_equal_files(tmp_path: Path) -> None:
    npz.write(tmp_path / "a.npz", ARRAYS)
    npz.write(tmp_path / "b.npz", ARRAYS)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_objects_are_refused_and_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without pickle"):
        npz.write(tmp_path / "a.npz", {"a": np.array({"b": 1}, dtype=object)})
    assert list(tmp_path.iterdir()) == []


def test_a_block_that_fails_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), npz.replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_read_gives_everything_and_takes_any_length_for_none(tmp_path: Path) -> None:
    npz.write(tmp_path / "a.npz", ARRAYS)
    found = npz.read(
        tmp_path / "a.npz", {"numbers": npz.Expected((2, None), "f"), "one": npz.Expected((), "i")}
    )
    assert found.keys() == ARRAYS.keys()


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({"lost": npz.Expected((), "f")}, "no 'lost'"),
        (
            {"numbers": npz.Expected((2, 4), "f")},
            r"'numbers' has shape \[2, 3\], expected \[2, 4\]",
        ),
        ({"numbers": npz.Expected((None,), "f")}, r"'numbers' has shape \[2, 3\], expected \[n\]"),
        ({"one": npz.Expected((1,), "i")}, r"'one' has shape \[\], expected \[1\]"),
        ({"one": npz.Expected((), "f")}, "'one' is of dtype int64"),
    ],
)
def test_other_contents_are_told(tmp_path: Path, expected: dict, message: str) -> None:
    npz.write(tmp_path / "a.npz", ARRAYS)
    with pytest.raises(npz.ResultFileError, match=message):
        npz.read(tmp_path / "a.npz", expected)


@pytest.mark.parametrize("content", [None, b"", b"words", b"PK\x03\x04half"])
def test_other_files_are_told_in_one_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(npz.ResultFileError) as caught:
        npz.read(path, {})
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
