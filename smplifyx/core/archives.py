"""Zip archives of others, .npz among them, in memory: checked before anything in them is unpacked.

A file of three megabytes may unpack to gigabytes, members may lie over each other, and a directory
with one flipped bit calls a member encrypted or packed in a way that nobody knows.
"""

from __future__ import annotations

import io
import itertools
import struct
import zipfile
import zlib
from dataclasses import dataclass

ZIP_MAGIC = b"PK"
MOST_MEMBERS = 10_000
# What all members together may unpack to. Body models are packed to a fifth of their size at most.
ALWAYS_ALLOWED = 256 * 2**20  # bytes
TIMES_ITS_SIZE = 20
NEVER_MORE = 2**32  # bytes
_MEMBER_MAGIC = b"PK\x03\x04"
_UTF8 = 0x800  # of the flags
_HEADER_BYTES = 30  # before each member, at least
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1  # of the flags


@dataclass(frozen=True)
class Archive:
    """The members of an archive; made by `open_archive`."""

    _zip: zipfile.ZipFile
    _content: bytes

    @property
    def names(self) -> list[str]:
        """Of the members, in their order."""
        return self._zip.namelist()

    @property
    def is_compressed(self) -> bool:
        """Whether any member is."""
        return any(member.compress_type != zipfile.ZIP_STORED for member in self._zip.infolist())

    def read(self, name: str) -> bytes:
        """A member. Raises ValueError, or whatever the zip module raises, for one that is
        damaged.
        """
        member = self._zip.getinfo(name)
        if member.compress_type == zipfile.ZIP_STORED:
            return _stored(self._content, member)
        with self._zip.open(member) as stream:
            # never read(): that unpacks all there is before it looks at the size
            content = stream.read(member.file_size)
        if len(content) != member.file_size:
            raise ValueError(f"{name} is cut short")
        return content


def open_archive(content: bytes, allowed: int = ALWAYS_ALLOWED) -> Archive:
    """The archive in these bytes.

    allowed: bytes that its members may unpack to whatever its size; beyond that TIMES_ITS_SIZE.
    Raises ValueError or zipfile.BadZipFile where it is damaged, unpacks to more or is packed in an
    unusual way.
    """
    archive = zipfile.ZipFile(io.BytesIO(content))
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise ValueError(f"{len(members)} members")
    largest = min(max(allowed, TIMES_ITS_SIZE * len(content)), NEVER_MORE)
    unpacked = sum(member.file_size for member in members)
    if unpacked > largest:
        raise ValueError(
            f"unpacks to {unpacked / 2**20:.0f} MiB, far more than its {len(content)} bytes"
        )
    for member in members:
        if member.flag_bits & _ENCRYPTED:
            raise ValueError(f"{member.filename} is encrypted")
        if member.compress_type not in _METHODS:
            raise ValueError(f"{member.filename} is packed by method {member.compress_type}")
    if len({member.filename for member in members}) < len(members):
        raise ValueError("two members of one name")
    _refuse_overlaps(members, archive.start_dir)
    return Archive(archive, content)


def _stored(content: bytes, member: zipfile.ZipInfo) -> bytes:
    """A member that is not packed, as it lies there: a tenth of the time of a stream, which counts
    where results by the thousand have fifty members each. Raises zipfile.BadZipFile where it is
    damaged.
    """
    header = content[member.header_offset : member.header_offset + _HEADER_BYTES]
    if not header.startswith(_MEMBER_MAGIC) or len(header) < _HEADER_BYTES:
        raise zipfile.BadZipFile(f"{member.filename}: no header where it should be")
    name_bytes, extra_bytes = struct.unpack("<2H", header[-4:])
    name_at = member.header_offset + _HEADER_BYTES
    start = name_at + name_bytes + extra_bytes
    data = content[start : start + member.file_size]
    encoding = "utf-8" if member.flag_bits & _UTF8 else "cp437"
    same_name = content[name_at : name_at + name_bytes] == member.orig_filename.encode(encoding)
    is_whole = member.compress_size == member.file_size == len(data)
    if not (same_name and is_whole and zlib.crc32(data) == member.CRC):
        raise zipfile.BadZipFile(f"{member.filename} is damaged")
    return data


def _refuse_overlaps(members: list[zipfile.ZipInfo], end: int) -> None:
    """Raises ValueError where a member begins before the one in front of it ends."""
    in_order = sorted(members, key=lambda member: member.header_offset)
    starts = [member.header_offset for member in in_order] + [end]
    for member, (start, next_start) in zip(in_order, itertools.pairwise(starts), strict=True):
        if start + _HEADER_BYTES + member.compress_size > next_start:
            raise ValueError(f"{member.filename} lies over what follows it")
