"""Untrusted files: regular ones only, read up to a limit, with one boundary."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from smplifyx.core.files import boundary, open_regular, read_bounded


class OwnError(ValueError):
    """What the boundary of these tests makes of everything."""


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def to_device(path: Path) -> Path:
    path.symlink_to("/dev/zero")
    return path


@pytest.mark.parametrize("make", [fifo, folder, to_device])
def test_only_regular_files_are_opened(tmp_path: Path, make) -> None:
    with pytest.raises(OSError):
        open_regular(make(tmp_path / "x"))
    with pytest.raises(OSError):
        read_bounded(tmp_path / "x", 10)


@pytest.mark.parametrize("size", [0, 9, 10])
def test_a_file_is_read_whole_up_to_the_limit(tmp_path: Path, size: int) -> None:
    (tmp_path / "x").write_bytes(b"a" * size)
    assert read_bounded(tmp_path / "x", 10) == b"a" * size


def test_a_larger_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"a" * 11)
    with pytest.raises(ValueError, match="more than 10 bytes"):
        read_bounded(tmp_path / "x", 10)


@pytest.mark.parametrize(
    "error",
    [
        KeyError("k"),
        RecursionError("deep"),
        MemoryError(),
        OverflowError("two\nlines"),
        OSError(5, "io"),
    ],
)
def test_whatever_is_raised_is_the_file_s_own_error_in_one_line(error: Exception) -> None:
    with pytest.raises(OwnError) as caught, boundary("a.json", "a letter", OwnError):
        raise error
    message = str(caught.value)
    assert message.startswith("a.json: not a letter (") and "\n" not in message


def test_what_says_more_passes_and_so_does_ctrl_c() -> None:
    with pytest.raises(OwnError, match="^precise$"), boundary("a", "b", OwnError):
        raise OwnError("precise")
    with pytest.raises(KeyboardInterrupt), boundary("a", "b", OwnError):
        raise KeyboardInterrupt
    with pytest.raises(OwnError, match="^a: no such file$"), boundary("a", "b", OwnError):
        open_regular("/no/such/file")
