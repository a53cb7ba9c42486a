"""Takes the weights out of torch checkpoints without running anything that they bring.

`torch.load(weights_only=True)` refuses a checkpoint that also holds the settings of its training as
objects of other packages, as those of Lightning do. Here such objects become inert stand-ins:
nothing is imported, nothing is called.
"""

from __future__ import annotations

import io
import math
import pickle
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ..core.archives import ZIP_MAGIC, open_archive
from ..core.files import boundary, read_bounded
from ..core.messages import one_line, plain
from ..core.pickles import MOST_GLOBALS, Damaged, Makers, Refused, check
from ..core.signatures import FileKind
from ..core.strangers import named
from .arrays import PriorFileError

# the number that old checkpoints begin with, pickled
LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
LARGEST_FILE = 2**31  # bytes; VPoser's has 3 million
MOST_AXES = 64
_MEMBER = re.compile(r"(?P<root>[^/]+/)?data\.pkl")
_REFUSAL = "weights need no such thing, so it is not run"
_HOSTILE = frozenset("os posix nt subprocess sys shutil socket runpy importlib pty ctypes".split())
_HOSTILE_BUILTINS = frozenset(
    "eval exec execfile compile open file __import__ input breakpoint setattr".split()
)
_STORAGES = {
    "Double": torch.float64,
    "Float": torch.float32,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
    "Bool": torch.bool,
}


class CheckpointError(PriorFileError):
    """A checkpoint that cannot be used; the message is one line with its path."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint, in its `state_dict` or at its top, old serialisation or new, on
    the CPU.

    Raises CheckpointError, one line that names the file, where it is damaged, holds no tensors by
    name or is hostile.
    """
    weights = _tensors_by_name(read_checkpoint(path))
    if not weights:
        raise CheckpointError(f"{path}: holds no tensors by name, expected a state_dict")
    return weights


def read_checkpoint(path: Path) -> object:
    """What `torch.save` was given, its tensors on the CPU; what is foreign stands inert.

    Raises CheckpointError as `read_weights` does.
    """
    with boundary(path, "readable", CheckpointError):
        content = read_bounded(path, LARGEST_FILE)
    try:
        return parse_checkpoint(content)
    except Refused as error:
        raise CheckpointError(f"{path}: {one_line(error)}: {_REFUSAL}") from error
    # damaged archives and pickles raise anything; all of it means the same
    except Exception as error:
        reason = named(content, FileKind.TORCH, FileKind.ZIP) or one_line(error)
        raise CheckpointError(f"{path}: not a whole checkpoint: {reason}") from error


def parse_checkpoint(content: bytes) -> object:
    """What `torch.save` was given, as `read_checkpoint` returns it, from the bytes of a file.

    Raises `Refused` for what would do harm and, for damaged bytes, anything.
    """
    return _read_zip(content) if content.startswith(ZIP_MAGIC) else _read_legacy(content)


def _tensors_by_name(content: object) -> dict[str, Tensor]:
    """The tensors of a dictionary, or of its `state_dict`; empty for all else, also where a key is
    no name.
    """
    if isinstance(content, Mapping):
        content = content.get("state_dict", content)
    if not isinstance(content, Mapping):
        return {}
    if not all(isinstance(key, str) for key in content):
        return {}
    return {key: value for key, value in content.items() if isinstance(value, Tensor)}


class _StandIn:
    """Stands for anything foreign: takes whatever is done to it and does nothing."""

    def __new__(cls, *ignored: object, **also: object) -> _StandIn:
        return object.__new__(cls)

    def __init__(self, *ignored: object, **also: object) -> None:
        """Ignores what it is built from."""

    def __call__(self, *ignored: object, **also: object) -> _StandIn:
        return self

    def __setstate__(self, state: object) -> None:
        """Ignores its fields."""

    def __setitem__(self, key: object, value: object) -> None:
        """Ignores its entries, if it stands for a dictionary."""

    def append(self, item: object) -> None:
        """Ignores its items, if it stands for a list."""

    def extend(self, items: object) -> None:
        """Ignores its items, if it stands for a list."""

    add = append


@dataclass(frozen=True)
class _StorageType:
    """What torch.FloatStorage and its kin are read as."""

    dtype: torch.dtype


class _Unpickler(pickle.Unpickler):
    """Knows tensors and plain containers; the rest is refused where it could only do harm, else
    stands inert.
    """

    def __init__(self, data: bytes, storage_of: Callable[[tuple], Tensor]) -> None:
        super().__init__(io.BytesIO(data), encoding="latin1")
        self._storage_of = storage_of
        self._makers = Makers(len(data))
        self._stand_ins: dict[tuple[str, str], type] = {}

    # Every global of a pickle comes through here: what this does not return cannot be called.
    def find_class(self, module: str, name: str) -> object:
        """What stands for a global name of the pickle.

        Nothing that outlives the load: a pickle can set attributes on what it is given.
        """
        is_builtin = module in ("builtins", "__builtin__")  # of Python 3, of Python 2
        made = self._makers.of(name) if is_builtin else None
        if made is not None:
            return made
        if (module, name) == ("collections", "OrderedDict"):
            return self._makers.ordered_dict()
        if (module, name) == ("_codecs", "encode"):
            return self._makers.encode()
        if module == "torch._utils" and name in _MAKERS:
            return partial(_MAKERS[name])
        storage = name.removesuffix("Storage")
        if module == "torch" and storage in _STORAGES:
            return _StorageType(_STORAGES[storage])
        package = module.partition(".")[0]
        if package in _HOSTILE or (is_builtin and name in _HOSTILE_BUILTINS):
            raise Refused(f"refused global {plain(f'{module}.{name}', limit=80)}")
        if (module, name) not in self._stand_ins:
            if len(self._stand_ins) >= MOST_GLOBALS:
                raise Refused(f"more than {MOST_GLOBALS} names of classes")
            self._stand_ins[module, name] = type("StandIn", (_StandIn,), {})
        return self._stand_ins[module, name]

    # pickle hands over whatever the file says
    def persistent_load(self, pid: tuple) -> Tensor:
        """The storage of a tensor, by what the pickle says of it."""
        return self._storage_of(pid)


def _key_and_dtype(pid: tuple) -> tuple[str, torch.dtype]:
    """Of a storage that a pickle refers to. Raises ValueError for anything else."""
    _, kind, key, *_ = pid
    if not isinstance(key, str):
        raise ValueError("a storage without a name")
    return key, kind.dtype if isinstance(kind, _StorageType) else torch.uint8


def _read_zip(content: bytes) -> object:
    """The pickle in the archive of a new checkpoint, its tensors from the members beside it."""
    archive = open_archive(content)
    names = archive.names
    root = _root(names)
    if archive.is_compressed:
        raise ValueError("a compressed archive, which torch does not write")
    byteorder = f"{root}byteorder"
    if byteorder in names and archive.read(byteorder) != b"little":
        raise ValueError("written on a big-endian machine")

    storages: dict[str, Tensor] = {}  # read once: tensors may share one

    def storage_of(pid: tuple) -> Tensor:
        key, dtype = _key_and_dtype(pid)
        if key not in storages:
            storages[key] = _storage(archive.read(f"{root}data/{key}"), dtype)
        return storages[key]

    pickled = archive.read(f"{root}data.pkl")
    check(pickled)
    return _Unpickler(pickled, storage_of).load()


def _read_legacy(content: bytes) -> object:
    """The third pickle of an old checkpoint, its tensors from the bytes behind the fourth.

    Before it come torch's number, a version and facts about the machine; behind it the names of the
    storages, then of each the count of its numbers (8 bytes) and these.
    """
    if not content.startswith(LEGACY_MAGIC):
        raise Damaged("neither an archive nor torch's old layout")
    start = check(content, check(content, len(LEGACY_MAGIC)))
    storages: dict[str, Tensor] = {}
    left = len(content)

    def storage_of(pid: tuple) -> Tensor:
        nonlocal left
        key, dtype = _key_and_dtype(pid)
        _, _, _, _, count, view, *_ = *pid, None
        if view is not None:
            raise ValueError("views of storages, which torch no longer writes")
        if key not in storages:
            # filled below, since the bytes come later: no more than the file can have
            left -= int(count) * dtype.itemsize
            if left < 0:
                raise Refused("storages larger than the file")
            storages[key] = torch.zeros(int(count), dtype=dtype)
        return storages[key]

    names_at = check(content, start)
    value = _Unpickler(content[start:names_at], storage_of).load()
    position = check(content, names_at)
    names = _Unpickler(content[names_at:position], storage_of).load()
    for name in names if isinstance(names, list) else []:
        storage = storages[name]
        position += 8  # the count is known
        size = len(storage) * storage.itemsize
        if position + size > len(content):
            raise Damaged("cut short")
        storage.copy_(_storage(content[position : position + size], storage.dtype)[: len(storage)])
        position += size
    return value


def _storage(content: bytes, dtype: torch.dtype) -> Tensor:
    if sys.byteorder != "little":
        raise ValueError("read on a big-endian machine")
    # torch.frombuffer takes no empty buffer: eight bytes are one number of any type
    return torch.frombuffer(bytearray(content or b"\0" * 8), dtype=dtype)


def _root(names: list[str]) -> str:
    """The folder that holds the archive's data.pkl, with its slash; empty at the top."""
    for name in names:
        member = _MEMBER.fullmatch(name)
        if member:
            return member["root"] or ""
    raise ValueError("an archive without data.pkl")


def _tensor(
    storage: Tensor, start: int, size: tuple[int, ...], stride: tuple[int, ...], *ignored: object
) -> Tensor:
    """A tensor as a pickle spells it; torch checks that it lies within its storage."""
    if len(size) > MOST_AXES or not all(isinstance(length, int) for length in size):
        raise ValueError("a tensor without a size")
    if math.prod(size) > len(storage):
        raise ValueError("a tensor larger than its data")
    return torch.as_strided(storage, size, stride, start)


def _parameter(data: Tensor, *ignored: object) -> Tensor:
    return data


_MAKERS = {
    "_rebuild_tensor": _tensor,  # of torch 0.3
    "_rebuild_tensor_v2": _tensor,
    "_rebuild_parameter": _parameter,
}
