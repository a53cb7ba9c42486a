"""Names that files and results share: a stem is a relative path of plain parts, without suffix."""

from __future__ import annotations

import re
from pathlib import Path

from .images import SUFFIXES

_UNSAFE = re.compile(r"[\x00-\x1f\x7f:*?\"<>|]")  # in file names, on one system or another


def plain_stem(name: str) -> str:
    """An image's name without its suffix, where it has one."""
    path = Path(name.strip())
    if path.suffix.lower() in SUFFIXES:
        path = path.with_suffix("")
    return path.as_posix()


def safe_name(name: str) -> str:
    """A relative path of plain parts, whatever `name` holds: it becomes the name of an output
    folder.
    """
    parts = [_UNSAFE.sub("_", part).strip() for part in name.replace("\\", "/").split("/")]
    plain_parts = [part for part in parts if part.strip(".")]  # neither empty nor `.` nor `..`
    return "/".join(plain_parts) or "unnamed"
