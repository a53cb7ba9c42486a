"""One writer per output folder: a locked file in it, for as long as the writer lives."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

LOCK = ".smplifyx.lock"  # there while a folder is written to, and after a kill until the next run
_UNLOCKABLE = (errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK, errno.EINVAL)
_BUSY = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)


class FolderBusyError(ValueError):
    """An output folder that another run writes to; the message is one line."""


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """Nobody else writes to the folder `root` during the block; the lock ends with the process,
    however that ends.

    Raises FolderBusyError, one line, at once where somebody does, and OSError where the lock cannot
    be made. A file system that knows no locks gives none, and nothing is said.
    """
    path = root / LOCK
    descriptor = _locked_file(path)
    try:
        _write_process(descriptor)
        yield
    finally:
        # removed while it is locked: whoever opened it meanwhile sees that it is no longer there
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)
        if sys.platform == "win32":  # which does not remove an open file
            with contextlib.suppress(OSError):
                path.unlink()


def _locked_file(path: Path) -> int:
    """The descriptor of the lock file, locked, and still the one at that path."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    while True:
        descriptor = os.open(path, flags, 0o644)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise FolderBusyError(f"{path}: not a lock of smplifyx; remove it")
            _lock(descriptor, path)
            if _is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its owner has just removed it


def _lock(descriptor: int, path: Path) -> None:
    """Locks the file or raises FolderBusyError."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _UNLOCKABLE:
            return
        if error.errno not in _BUSY:
            raise
        process = _read_process(descriptor)
        who = f" (process {process})" if process else ""
        raise FolderBusyError(
            f"{path.parent}: another run{who} writes to this folder: wait for it,"
            " or choose another --out"
        ) from error


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _write_process(descriptor: int) -> None:
    """Tells others which process it is; nothing depends on it."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())


def _read_process(descriptor: int) -> str:
    """The number that the owner wrote; "" where there is none."""
    with contextlib.suppress(OSError):
        os.lseek(descriptor, 0, os.SEEK_SET)
        content = os.read(descriptor, 20).decode("ascii", "replace").strip()
        return content if content.isdecimal() else ""
    return ""
