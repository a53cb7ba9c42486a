"""What joblib packs its files with: unpacked in memory, up to a limit."""

from __future__ import annotations

import zlib

from ..core.archives import ALWAYS_ALLOWED, NEVER_MORE, TIMES_ITS_SIZE

_GZIP = b"\x1f\x8b"
_OTHERS = (
    (b"BZh", "bz2"), (b"\xfd7zXZ", "xz"), (b"\x5d\x00\x00", "lzma"), (b"\x04\x22\x4d\x18", "lz4"),
    (b"ZF", "a joblib of before 2016"), (b"\x28\xb5\x2f\xfd", "zstd"),
)  # fmt: skip


def is_packed(content: bytes) -> bool:
    """Whether a file begins as one that was packed, in a way that is read or not."""
    begins_as_other = any(content.startswith(magic) for magic, _ in _OTHERS)
    return content.startswith(_GZIP) or _is_zlib(content) or begins_as_other


def unpacked(content: bytes) -> bytes:
    """The bytes that were packed with zlib or gzip.

    Raises ValueError in one line where they are damaged, far too many or packed otherwise.
    """
    for magic, name in _OTHERS:
        if content.startswith(magic):
            raise ValueError(
                f"packed with {name}: load it with joblib and save it again by "
                "joblib.dump(value, path, compress=0)"
            )
    allowed = min(max(ALWAYS_ALLOWED, TIMES_ITS_SIZE * len(content)), NEVER_MORE)
    is_gzip = content.startswith(_GZIP)
    packer = zlib.decompressobj(zlib.MAX_WBITS | 16 if is_gzip else zlib.MAX_WBITS)
    found = packer.decompress(content, allowed + 1)
    if len(found) > allowed:
        raise ValueError(f"unpacks to more than {allowed // 2**20} MiB")
    if not packer.eof:
        raise ValueError("packed bytes that are cut short")
    return found


def _is_zlib(content: bytes) -> bool:
    """By its first two bytes, which have a check of their own."""
    return content[:1] == b"\x78" and int.from_bytes(content[:2], "big") % 31 == 0
