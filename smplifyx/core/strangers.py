"""Names a file that was given in place of another, for the error that says it cannot be read."""

from __future__ import annotations

from .messages import plain
from .signatures import HEAD_BYTES, FileKind, kind_of

_SHOWN = 40  # characters of a text


def named(data: bytes, *wanted: FileKind) -> str | None:
    """What the file is that begins so, in words that go after its path and a colon.

    None where its bytes tell nothing or say that it is of a `wanted` kind, perhaps a damaged one:
    ask only about files that could not be read.
    """
    head = data[:HEAD_BYTES]
    if not head:
        return "an empty file"
    kind = kind_of(head)
    beginning = _beginning(head)
    if kind in wanted:
        return None
    if kind is FileKind.LFS_POINTER:
        return "a Git LFS pointer, not the file: git lfs pull"
    if kind is not None:
        is_text = kind is FileKind.WEB_PAGE and beginning
        return f"{kind.value}, begins with {beginning!r}" if is_text else kind.value
    return f"a text, begins with {beginning!r}" if beginning else None


def _beginning(head: bytes) -> str:
    """The first words of a text; empty for what is none."""
    try:
        text = head[:-3].decode() if len(head) == HEAD_BYTES else head.decode()
    except UnicodeDecodeError:
        return ""
    line = " ".join(text.split())
    is_text = line.isprintable() and len(line) > 1
    return plain(line, limit=_SHOWN) if is_text else ""
