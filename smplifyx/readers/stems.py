"""Names that files and results share: a stem is a relative path of plain parts, without suffix."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePosixPath

from .images import SUFFIXES

LONGEST_PART = 240  # bytes of UTF-8; file systems take 255, and more is put behind it
MOST_PARTS = 16  # folders within folders; more of them are left out in the middle
# in file names, on one system or another; lone surrogates are bytes that are no UTF-8
_UNSAFE = re.compile(r"[\x00-\x1f\x7f:*?\"<>|\ud800-\udfff]")

_PLAIN = re.compile(r"[\w-]+")  # what most names are
# a path that could be written shorter
_UNUSUAL = re.compile(r"^\.?/?$|^\.?/|//|/\.?$|/\./")


def plain_stem(name: str) -> str:
    """An image's name without its suffix, where it has one."""
    name = name.strip()
    stem, _, suffix = name.rpartition(".")
    if f".{suffix.lower()}" in SUFFIXES and stem.rpartition("/")[2]:
        name = stem
    return PurePosixPath(name).as_posix() if _UNUSUAL.search(name) else name


def safe_name(name: str) -> str:
    """A relative path of plain parts, whatever `name` holds: it becomes the name of an output
    folder.

    What is too long for a file system is cut and ends in a mark of the whole, so that two such
    names stay two.
    """
    if name.isascii() and len(name) <= LONGEST_PART and _PLAIN.fullmatch(name):
        return name
    parts = [_UNSAFE.sub("_", part).strip() for part in name.replace("\\", "/").split("/")]
    plain_parts = [part for part in parts if part.strip(".")]  # neither empty nor `.` nor `..`
    if len(plain_parts) > MOST_PARTS:
        plain_parts = [_mark_of(name), *plain_parts[1 - MOST_PARTS :]]
    return "/".join(map(_short, plain_parts)) or "unnamed"


def _short(part: str) -> str:
    encoded = part.encode()
    if len(encoded) <= LONGEST_PART:
        return part
    # a character that the cut goes through is left out
    return encoded[: LONGEST_PART - 9].decode(errors="ignore") + "-" + _mark_of(part)


def _mark_of(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]
