"""JSON as it comes: plain, packed (`.gz`), one document a line, too large to be held, damaged.

What is returned is what `json` makes of a file, with two exceptions: a large file's lists stay on
the disk (`RecordList`), and a damaged line stands as `DamagedEntry` among the others.
"""

from __future__ import annotations

import gzip
import json
import os
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, overload

from ..core.files import open_regular
from ..core.messages import one_line

LARGEST_HELD = 64 * 2**20  # bytes; parsed JSON takes ten to twenty times the file's size
LARGEST_UNPACKED = 256 * 2**20  # bytes, of a packed file, whose lists cannot stay on the disk
LARGEST_RECORD = 64 * 2**20  # bytes; of a large file only one entry at a time is held
_LINES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
_BLOCK = 4 * 2**20
_NO_BLANK = re.compile(r"[^ \t\r\n]")
_LONGEST_INTEGER = 400  # digits; Python refuses to read some thousands, and none is a coordinate


@dataclass(frozen=True)
class DamagedEntry:
    """An entry that is not JSON, and why."""

    reason: str


class RecordList(Sequence[object]):
    """The entries of a list in a large file: each is read from the disk when it is asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._starts = array("q")
        self._ends = array("q")

    def add(self, start: int, end: int) -> None:
        """One more entry, from byte `start` to before byte `end`."""
        self._starts.append(start)
        self._ends.append(end)

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, index: int) -> object: ...
    @overload
    def __getitem__(self, index: slice) -> list[object]: ...
    def __getitem__(self, index: int | slice) -> object:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        start = self._starts[index]
        with open_regular(self._path) as stream:
            stream.seek(start)
            return parse_or_damaged(stream.read(self._ends[index] - start))


def read_document(path: Path) -> object:
    """The file as one JSON document; a file of one document a line is the list of them.

    Raises OSError, and ValueError in one line for a file that is empty, not JSON or packs too much.
    """
    lower_name = path.name.lower()
    if lower_name.endswith(".gz"):
        content = _unpack(path)
    else:
        with open_regular(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > LARGEST_HELD:
                return _large_document(path, stream, lower_name.endswith(_LINES))
            content = stream.read(size)
    if not content.strip():
        raise ValueError("the file is empty")
    if lower_name.endswith(_LINES):
        return _parse_lines(content)
    try:
        return _parse(content)
    except (ValueError, RecursionError) as error:
        if isinstance(error, json.JSONDecodeError) and error.msg == "Extra data":
            return _parse_lines(content)
        raise ValueError(
            f"not valid JSON, perhaps cut off ({one_line(error, limit=None)})"
        ) from error


def _unpack(path: Path) -> bytes:
    with open_regular(path) as packed, gzip.GzipFile(fileobj=packed) as stream:
        try:
            content = stream.read(LARGEST_UNPACKED + 1)
        except Exception as error:
            raise ValueError(f"not a whole gzip file ({one_line(error)})") from error
    if len(content) > LARGEST_UNPACKED:
        size = LARGEST_UNPACKED // 2**20
        raise ValueError(f"unpacks to more than {size} MiB: unpack it, plain files may be larger")
    return content


def _parse(content: bytes | str) -> object:
    try:
        return json.loads(content)
    except json.JSONDecodeError:
        raise
    except ValueError:  # an integer of thousands of digits, or text in no encoding
        return json.loads(content, parse_int=_bounded_int)


def _bounded_int(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float("inf")


def parse_or_damaged(content: bytes | str) -> object:
    """One entry, whatever is wrong with it."""
    try:
        return _parse(content)
    except (ValueError, RecursionError) as error:
        return DamagedEntry(f"not valid JSON ({one_line(error)})")


def _parse_lines(content: bytes) -> list[object]:
    """One document a line. Raises ValueError where none of them is one."""
    lines = [line for line in content.splitlines() if line.strip()]
    found = [parse_or_damaged(line) for line in lines]
    if all(isinstance(document, DamagedEntry) for document in found):
        raise ValueError(f"neither JSON nor JSON lines: {found[0].reason}")  # type: ignore[union-attr]
    return found


def _large_document(path: Path, stream: BinaryIO, has_lines: bool) -> object:
    if has_lines:
        return _index_lines(path, stream)
    reader = _LargeJson(path, stream)
    if reader.peek() == "[":
        return reader.list_here()
    if reader.peek() == "{":
        return dict(reader.object_here())
    raise ValueError("not valid JSON: begins with neither an object nor a list")


def _index_lines(path: Path, stream: BinaryIO) -> RecordList:
    found = RecordList(path)
    start = 0
    while line := stream.readline(LARGEST_RECORD + 1):
        if len(line) > LARGEST_RECORD:
            raise ValueError(f"a line of more than {LARGEST_RECORD // 2**20} MiB")
        if line.strip():
            found.add(start, start + len(line))
        start += len(line)
    return found


class _LargeJson:
    """Goes through a large file once, holding one entry at a time.

    The bytes are read as Latin-1, which keeps every byte a character: JSON's own marks are ASCII,
    and places in the text are places in the file. What is kept is parsed again as UTF-8.
    """

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self._path = path
        self._stream = stream
        self._decoder = json.JSONDecoder(parse_int=_bounded_int)
        stream.seek(0)
        if stream.read(3) != b"\xef\xbb\xbf":
            stream.seek(0)
        self._first = stream.tell()  # place in the file of the text's first character
        self._text = ""
        self._at = 0

    def peek(self) -> str:
        """The next mark, blanks passed over; empty at the end of the file."""
        while True:
            mark = _NO_BLANK.search(self._text, self._at)
            if mark:
                self._at = mark.start()
                return mark.group()
            self._at = len(self._text)
            if not self._read_more(_BLOCK):
                return ""

    def list_here(self) -> RecordList:
        """The list that begins here; the place is after it then."""
        self._take("[")
        found = RecordList(self._path)
        while self.peek() != "]":
            start, _ = self._value_here()
            found.add(start, self._first + self._at)
            if self.peek() == ",":
                self._take(",")
        self._take("]")
        return found

    def object_here(self) -> Iterator[tuple[str, object]]:
        """Keys and values of the object that begins here; lists stay on the disk."""
        self._take("{")
        while self.peek() != "}":
            _, key = self._value_here()
            self._take(":")
            if self.peek() == "[":
                value: object = self.list_here()
            else:
                _, value = self._value_here()
            yield str(key), value
            if self.peek() == ",":
                self._take(",")
        self._take("}")

    def _value_here(self) -> tuple[int, object]:
        """(Place in the file, value) of what begins here; the place is after it then."""
        self.peek()
        wanted = _BLOCK
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                reason: Exception | None = error
            else:
                reason = None
                if end < len(self._text):  # else a number might go on
                    break
            if not self._read_more(wanted):
                if reason is None:
                    break
                place = self._first + self._at
                raise ValueError(f"not valid JSON, perhaps cut off (byte {place})") from reason
            wanted *= 2  # so that one long entry is not parsed anew for every block
        start, piece = self._at, self._text[self._at : end]
        self._at = end
        if not piece.isascii():
            value = json.loads(piece.encode("latin-1"), parse_int=_bounded_int)
        return self._first + start, value

    def _take(self, mark: str) -> None:
        found = self.peek()
        if found != mark:
            place = self._first + self._at
            raise ValueError(f"not valid JSON: expected {mark!r} at byte {place}")
        self._at += 1

    def _read_more(self, count: int) -> bool:
        """More text behind what is left of it; False at the end of the file."""
        kept = self._text[self._at :]
        if len(kept) > LARGEST_RECORD:
            raise ValueError(f"an entry of more than {LARGEST_RECORD // 2**20} MiB")
        self._stream.seek(self._first + len(self._text))
        more = self._stream.read(count).decode("latin-1")
        self._first += self._at
        self._at = 0
        self._text = kept + more
        return bool(more)
