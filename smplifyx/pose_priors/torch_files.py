"""Takes the weights out of torch checkpoints without running anything that they bring.

`torch.load(weights_only=True)` refuses a checkpoint that also holds the settings of its training as
objects of other packages, as those of Lightning do. Here such objects become inert stand-ins:
nothing is imported, nothing is called.
"""

from __future__ import annotations

import collections
import io
import math
import pickle
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ..core.messages import one_line

ZIP_MAGIC = b"PK"
# the number that old checkpoints begin with, pickled
LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_MEMBER = re.compile(r"(?P<root>[^/]+/)?data\.pkl")
_REFUSAL = "weights need no such thing, so it is not run"
_HOSTILE = frozenset("os posix nt subprocess sys shutil socket runpy importlib pty ctypes".split())
_HOSTILE_BUILTINS = frozenset(
    "eval exec execfile compile open file __import__ input breakpoint setattr".split()
)
_CONTAINERS = {
    kind.__name__: kind
    for kind in (
        dict,
        list,
        tuple,
        set,
        frozenset,
        str,
        bytes,
        bytearray,
        int,
        float,
        bool,
        complex,
        object,
        slice,
        range,
    )
}
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


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint, in its `state_dict` or at its top, old serialisation or new, on
    the CPU.

    Raises ValueError, one line that names the file, where it is damaged, holds no tensors by name
    or is hostile.
    """
    try:
        content = _read(path)
    except _Refused as error:
        raise ValueError(f"{path}: {error}: {_REFUSAL}") from error
    except pickle.UnpicklingError as error:
        # torch's own text is long, and advises to trust the file
        refused = re.search(r"GLOBAL ([\w.]+)", str(error))
        reason = f"refused global {refused[1]}: {_REFUSAL}" if refused else "not a whole checkpoint"
        raise ValueError(f"{path}: {reason}") from error
    # damaged archives and pickles raise anything; all of it means the same
    except Exception as error:
        raise ValueError(f"{path}: not a whole checkpoint: {one_line(error)}") from error
    weights = _tensors_by_name(content)
    if not weights:
        raise ValueError(f"{path}: holds no tensors by name, expected a state_dict")
    return weights


class _Refused(pickle.UnpicklingError):
    """A checkpoint that asks for something hostile."""


def _read(path: Path) -> object:
    with path.open("rb") as stream:
        is_zip = stream.read(len(ZIP_MAGIC)) == ZIP_MAGIC
    if is_zip:
        return _read_zip(path)
    # An old checkpoint: torch reads its layout, and refuses objects of other packages.
    return torch.load(path, map_location="cpu", weights_only=True)


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

    def __init__(
        self, stream: io.BytesIO, read_storage: Callable[[str, torch.dtype], Tensor]
    ) -> None:
        super().__init__(stream, encoding="latin1")
        self._read_storage = read_storage

    # Every global of a pickle comes through here: what this does not return cannot be called.
    def find_class(self, module: str, name: str) -> object:
        """What stands for a global name of the pickle.

        Stand-ins, wrappers and storage types are new each time: a pickle can set attributes on what
        it is given.
        """
        is_builtin = module in ("builtins", "__builtin__")  # of Python 3, of Python 2
        if is_builtin and name in _CONTAINERS:
            return _CONTAINERS[name]
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module == "torch._utils" and name in _MAKERS:
            return partial(_MAKERS[name])
        storage = name.removesuffix("Storage")
        if module == "torch" and storage in _STORAGES:
            return _StorageType(_STORAGES[storage])
        package = module.partition(".")[0]
        if package in _HOSTILE or (is_builtin and name in _HOSTILE_BUILTINS):
            raise _Refused(f"refused global {module}.{name}")
        return type("StandIn", (_StandIn,), {})

    # pickle hands over whatever the file says
    def persistent_load(self, pid: tuple) -> Tensor:
        """The storage of a tensor, from the member of the archive that its key names."""
        _, kind, key, *_ = pid
        dtype = kind.dtype if isinstance(kind, _StorageType) else torch.uint8
        return self._read_storage(str(key), dtype)


def _read_zip(path: Path) -> object:
    """The pickle in the archive of a new checkpoint, its tensors from the members beside it."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        root = _root(names)
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise ValueError("a compressed archive, which torch does not write")
        byteorder = f"{root}byteorder"
        if byteorder in names and archive.read(byteorder) != b"little":
            raise ValueError("written on a big-endian machine")

        storages: dict[str, Tensor] = {}  # read once: tensors may share one

        def read_storage(key: str, dtype: torch.dtype) -> Tensor:
            if key not in storages:
                content = archive.read(f"{root}data/{key}")
                # torch.frombuffer takes no empty buffer: eight bytes are one number of any type
                storages[key] = torch.frombuffer(bytearray(content or b"\0" * 8), dtype=dtype)
            return storages[key]

        stream = io.BytesIO(archive.read(f"{root}data.pkl"))
        return _Unpickler(stream, read_storage).load()


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
    if math.prod(size) > len(storage):
        raise ValueError("a tensor larger than its data")
    return torch.as_strided(storage, size, stride, start)


def _parameter(data: Tensor, *ignored: object) -> Tensor:
    return data


_MAKERS = {"_rebuild_tensor_v2": _tensor, "_rebuild_parameter": _parameter}
