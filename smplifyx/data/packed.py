"""Files packed in a tar of any compression, one after the other: in memory, never extracted, and no
more of them than the archive's size makes likely.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Protocol, cast, runtime_checkable

from ..core.files import open_regular

ALWAYS_ALLOWED = 256 * 2**20  # bytes that any archive may unpack to
TIMES_ITS_SIZE = 20  # and beyond; numbers written as text are packed to a tenth
_BLOCK = 2**16  # bytes
_UNPACKERS = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\x00", lzma.open),
)


@runtime_checkable
class _Readable(Protocol):
    """What an unpacked stream is."""

    def read(self, size: int = ..., /) -> bytes: ...


class _Limited:
    """A stream that gives so many bytes and no more."""

    def __init__(self, stream: _Readable, allowed: int) -> None:
        self._stream = stream
        self._allowed = allowed
        self._left = allowed

    def read(self, size: int) -> bytes:
        """As a file's. Raises ValueError where the archive unpacks to more than is allowed."""
        content = self._stream.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise ValueError(f"unpacks to more than {self._allowed // 2**20} MiB")
        return content


def packed_files(path: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """The regular files of a tar by their paths in it, open for reading until the next is asked
    for.

    Raises anything for a damaged archive, ValueError for one that unpacks to far more than its
    size.
    """
    with open_regular(path) as stream:
        head = stream.read(8)
        stream.seek(0, 2)
        allowed = max(ALWAYS_ALLOWED, TIMES_ITS_SIZE * stream.tell())
        stream.seek(0)
        unpacked: _Readable = stream
        for magic, unpack in _UNPACKERS:
            if head.startswith(magic):
                unpacked = unpack(stream)
        # as a stream: a tar that is looked through from front to end is unpacked once
        limited = _Limited(unpacked, allowed)
        # it is only ever read from, front to end, which is all that tarfile asks of a stream
        with tarfile.open(fileobj=cast(Any, limited), mode="r|") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isfile() else None
                if content is not None:
                    yield Path(member.name), content
        while limited.read(_BLOCK):
            pass  # the checksum comes last
