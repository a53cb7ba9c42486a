"""How a frame's results are called: like the frame, as far as file systems take its name."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence

from ..core.messages import plain

LONGEST_PART = 200  # bytes; file systems allow 255, and suffixes follow
LONGEST_NAME = 800  # bytes
DEEPEST = 8  # folders

# What one system or another takes for something else than a character of a name; `plain` makes
# question marks of what cannot be printed.
_UNSAFE = re.compile(r'[\\:*?"<>|]')
_WINDOWS_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])", re.IGNORECASE)
# Files that lie in the folders of frames: a folder of such a name would stand in their way.
_OWN_FILE = re.compile(
    r"\d.*\.npz|\d+\.(obj|ply|glb)|(photo|overlay|turned|panel)\.jpg", re.IGNORECASE
)
_OWN_FILE_ABOVE = re.compile(r".*\.jpg", re.IGNORECASE)  # the overlay of the frame of that name


def safe_stem(name: str) -> str:
    """The name as a relative path of plain parts that cannot leave its parent.

    Letters, spaces and punctuation stay. What file systems do not take becomes `_`, as does what
    could be taken for a file of another frame, and much too long parts are cut; a changed name ends
    in a hash of the original. The answer depends on the name alone, and is its own safe stem.
    """
    given = [_safe_part(part) for part in name.split("/")]
    parts = [part for part in given if part]  # "", "." and ".." are gone
    *folders, last = _deepest(parts) or ["unnamed"]
    folders = [_marked(part) if _OWN_FILE_ABOVE.fullmatch(part) else part for part in folders]
    safe = "/".join([*folders, last])
    return safe if safe == name else _with_hash(safe, name)


class StemTable:
    """Gives every frame of a job its own folder name, also where two files would share one."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def claim(self, name: str, source: str) -> str:
        """The folder name for the frame called `name`; `source` tells frames of one name apart."""
        wanted = safe_stem(name)
        stem = wanted
        while _alike(stem) in self._used:
            source = _short_hash(source)
            stem = _with_hash(wanted, source)
        self._used.add(_alike(stem))
        return stem


def _alike(stem: str) -> str:
    """The same for names that some disk takes for one: they differ in case, or in how an accent is
    written.
    """
    return unicodedata.normalize("NFC", stem.casefold())


def _safe_part(part: str) -> str:
    """One part of a path, as every file system takes it; empty where nothing is left."""
    # Hidden files are our own half-written ones, and Windows drops dots and spaces at the end.
    safe = _short(_UNSAFE.sub("_", plain(part, limit=None)).strip(". "), LONGEST_PART)
    if _WINDOWS_DEVICE.fullmatch(safe.split(".")[0].rstrip()):
        return f"_{safe}"
    return _marked(safe) if _OWN_FILE.fullmatch(safe) else safe


def _marked(part: str) -> str:
    """A part that could be taken for a file, without the dot before its suffix."""
    return "_".join(part.rsplit(".", 1))


def _short(part: str, most: int) -> str:
    """The part, cut to so many bytes if it is longer."""
    data = part.encode()
    if len(data) <= most:
        return part
    return data[:most].decode(errors="ignore").rstrip(". ")


def _deepest(parts: Sequence[str]) -> list[str]:
    """The last of the parts: as many as a path may have."""
    kept: list[str] = []
    length = 0
    for part in reversed(parts[-DEEPEST:]):
        length += len(part.encode()) + len("/")
        if kept and length > LONGEST_NAME:
            break
        kept.insert(0, part)
    return kept


def _with_hash(stem: str, text: str) -> str:
    """The stem with a hash of the text at its end, no longer than a stem may be."""
    ending = f"-{_short_hash(text)}"
    folders, slash, last = stem.rpartition("/")
    room = min(LONGEST_PART, LONGEST_NAME - len((folders + slash).encode()))
    return f"{folders}{slash}{_short(last, room - len(ending))}{ending}"


def _short_hash(text: str) -> str:
    return hashlib.sha1(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
