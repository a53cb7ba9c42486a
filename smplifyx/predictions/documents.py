"""What stands in a file of any kind that results are saved in, as plain values and numpy arrays.

npz and npy, also of objects; pickles, plain and joblib's; torch's checkpoints; JSON. Told apart by
their bytes. Nothing that a file brings is run (see `pickled`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..core import npy
from ..core.archives import ZIP_MAGIC, Archive, open_archive
from ..core.files import open_regular, read_bounded
from ..core.messages import one_line, plain
from ..core.pickles import DEEPEST
from ..core.strangers import named
from ..pose_priors.torch_files import LEGACY_MAGIC, parse_checkpoint
from .packed import is_packed, unpacked
from .pickled import as_numpy, read_pickle

LARGEST = 2**30  # bytes of a file; most have a few million, with meshes some hundred
LARGEST_JSON = 64 * 2**20
HEAD_BYTES = 16
# protocols 2 to 5, then how older ones begin with a dictionary or a list
_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"(dp", b"(lp", b"}q", b"]q")


class NpzArrays(Mapping[str, object]):
    """The arrays of an npz by name, each read when it is asked for, once.

    Raises ValueError in one line that names the array where that is damaged.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._members = {name.removesuffix(".npy"): name for name in archive.names}
        self._read: dict[str, object] = {}

    def __getitem__(self, key: str) -> object:
        if key not in self._read:
            member = self._members[key]
            try:
                self._read[key] = _read_npy(self._archive.read(member))
            except Exception as error:
                raise ValueError(f"{plain(key, limit=60)}: {one_line(error)}") from error
        return self._read[key]

    def __contains__(self, key: object) -> bool:
        return key in self._members  # without reading it

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)


def is_document(path: Path) -> bool:
    """Whether a file begins as one that results may stand in.

    Raises OSError where it cannot be opened or is not a regular file.
    """
    with open_regular(path) as stream:
        head = stream.read(HEAD_BYTES)
    starts = (ZIP_MAGIC, npy.MAGIC, LEGACY_MAGIC[:HEAD_BYTES], *_PICKLES)
    return head.startswith(starts) or is_packed(head) or _is_json(head)


def read_document(path: Path) -> object:
    """What a file holds. Raises ValueError in one line, without the path."""
    try:
        content = read_bounded(path, LARGEST)
    except Exception as error:
        raise ValueError(one_line(error)) from error
    if not content:
        raise ValueError("the file is empty")
    try:
        return _parsed(content)
    # damaged files raise anything, and memory and depth have ends of their own
    except Exception as error:
        reason = named(content) if _is_stranger(content) else None
        raise ValueError(reason or f"not readable ({one_line(error)})") from error


def _parsed(content: bytes) -> object:
    if content.startswith(ZIP_MAGIC):
        archive = open_archive(content)
        if any(name.endswith(".npy") for name in archive.names):
            return NpzArrays(archive)
        return _read_torch(archive)
    if content.startswith(npy.MAGIC):
        return _read_npy(content)
    if content.startswith(LEGACY_MAGIC):
        return _without_torch(parse_checkpoint(content), 0)
    if _is_json(content[:HEAD_BYTES]) and not content.startswith(_PICKLES):
        if len(content) > LARGEST_JSON:
            raise ValueError(f"JSON of more than {LARGEST_JSON // 2**20} MiB")
        return json.loads(content)
    if is_packed(content):
        content = unpacked(content)
    return read_pickle(content)


def _read_torch(archive: Archive) -> object:
    """What `torch.save` was given, numpy's arrays in it, too."""
    pickles = [name for name in archive.names if name.endswith("data.pkl")]
    if not pickles:
        raise ValueError("a zip archive, neither of numpy nor of torch")
    root = pickles[0].removesuffix("data.pkl")
    byteorder = f"{root}byteorder"
    if byteorder in archive.names and archive.read(byteorder) != b"little":
        raise ValueError("written on a big-endian machine")
    storages: dict[tuple[str, torch.dtype], Tensor] = {}  # read once: tensors may share one

    def storage_of(key: str, dtype: torch.dtype) -> Tensor:
        if (key, dtype) not in storages:
            numbers = bytearray(archive.read(f"{root}data/{key}"))
            # torch makes no tensor of an empty buffer: eight bytes are one number of any type
            storages[key, dtype] = torch.frombuffer(numbers or bytearray(8), dtype=dtype)
        return storages[key, dtype]

    return read_pickle(archive.read(pickles[0]), storage_of)


def _is_json(head: bytes) -> bool:
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")


def _is_stranger(content: bytes) -> bool:
    """Whether the bytes begin as nothing that is read here."""
    known = (ZIP_MAGIC, npy.MAGIC, *_PICKLES)
    head = content[:HEAD_BYTES]
    return not (head.startswith(known) or is_packed(head) or _is_json(head))


def _read_npy(content: bytes) -> object:
    """The array of an .npy, or the objects of one."""
    parsed = npy.parse(content)
    return read_pickle(bytes(parsed.data)) if parsed.dtype.hasobject else parsed.array()


def _without_torch(value: object, depth: int) -> object:
    """The same values, tensors as numpy's arrays."""
    if depth > DEEPEST:
        raise ValueError(f"nested more than {DEEPEST} deep")
    if isinstance(value, Tensor):
        return as_numpy(value)
    if isinstance(value, Mapping):
        return {key: _without_torch(each, depth + 1) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_torch(each, depth + 1) for each in value]
    return value
