"""Files of others: regular ones only, read up to a limit; what goes wrong is the file's own error.

Every reader of a file that the program did not write goes through here. A list of the exceptions
that a decoder may raise is a guess, and 13 kinds got through such lists once: so the boundary takes
all of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from .messages import one_line

LONGEST_REASON = 300  # characters of what a decoder says
_BLOCK = 2**20  # bytes read at once


@contextlib.contextmanager
def boundary(path: Path | str, what: str, error: type[ValueError]) -> Iterator[None]:
    """Around everything that is done with the content of one untrusted file.

    Whatever is raised inside leaves as `error`, one line "PATH: not WHAT (reason)", a missing file
    as "PATH: no such file"; an `error` that is raised inside leaves as it is, since it says more.
    Ctrl-C and the like pass.
    """
    try:
        yield
    except error:
        raise
    except FileNotFoundError as missing:
        raise error(f"{path}: no such file") from missing
    except Exception as reason:
        raise error(f"{path}: not {what} ({one_line(reason, limit=LONGEST_REASON)})") from reason


def open_regular(path: Path | str) -> BinaryIO:
    """The file opened for reading, if it is a regular one.

    Raises OSError where it cannot be opened or is a pipe, a device, a socket or a folder: those
    may never end, or never begin.
    """
    # a pipe without a writer would wait in open for ever
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("not a regular file")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_bounded(path: Path | str, largest: int) -> bytes:
    """The bytes of a regular file of at most `largest` bytes.

    Raises OSError as `open_regular` does, and ValueError for a larger file.
    """
    with open_regular(path) as stream:
        # asked for `largest`, it would set aside that much memory for every small file
        expected = os.fstat(stream.fileno()).st_size
        content = stream.read(min(expected, largest) + 1)
        if len(content) > expected:  # it grows, or its system does not tell sizes
            content += stream.read(max(largest + 1 - len(content), 0))
    if len(content) > largest:
        raise ValueError(f"more than {_in_units(largest)}")
    return content


def _in_units(count: int) -> str:
    return f"{count // 2**20} MiB" if count >= 2**20 else f"{count} bytes"


def sha256_of(path: Path) -> str:
    """The hash of a regular file's bytes, in hexadecimal. Raises OSError as `open_regular`."""
    digest = hashlib.sha256()
    with open_regular(path) as stream:
        for block in iter(partial(stream.read, _BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()
