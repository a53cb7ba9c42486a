"""Takes the weights out of torch checkpoints without running anything that they bring.

`torch.load(weights_only=True)` refuses a checkpoint that also holds the settings of its training as
objects of other packages, as those of Lightning do. Here such objects become inert stand-ins:
nothing is imported, nothing is called.
"""

from __future__ import annotations

import collections
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

from .arrays import one_line

ZIP_MAGIC = b"PK"
# the number that old checkpoints begin with, pickled
LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_MEMBER = re.compile(r"(?P<root>[^/]+/)?data\.pkl")
_REFUSAL = "weights need no such thing, so it is not run"
_HOSTILE = frozenset("os posix nt subprocess sys shutil socket runpy importlib pty ctypes".split())
_HOSTILE_BUILTINS = frozenset(
    "eval exec execfile compile open file __import__ input breakpoint setattr".split()
)
_PLAIN = (
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
_STORAGES = {
    "Double": torch.float64, "Float": torch.float32, "Half": torch.float16, "BFloat16": torch.bfloat16,
    "Long": torch.int64, "Int": torch.int32, "Short": torch.int16, "Char": torch.int8, "Byte": torch.uint8,
    "Bool": torch.bool,
}  # fmt: skip


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint, in its `state_dict` or at its top, old serialisation or new, on
    the CPU.

    Raises ValueError, one line that names the file, where it is damaged, holds no tensors by name
    or is hostile.
    """
    try:
        with path.open("rb") as stream:
            zipped = stream.read(len(ZIP_MAGIC)) == ZIP_MAGIC
        content = (
            _read_zip(path) if zipped else torch.load(path, map_location="cpu", weights_only=True)
        )
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
    content = content.get("state_dict", content) if isinstance(content, Mapping) else content
    weights = (
        {key: value for key, value in content.items() if isinstance(value, Tensor)}
        if _is_dict(content)
        else {}
    )
    if not weights:
        raise ValueError(f"{path}: holds no tensors by name, expected a state_dict")
    return weights


class _Refused(pickle.UnpicklingError):
    """A checkpoint that asks for something hostile."""


def _is_dict(content: object) -> bool:
    return isinstance(content, Mapping) and all(isinstance(key, str) for key in content)


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

    def __init__(self, stream: object, read_storage: Callable[[str, torch.dtype], Tensor]) -> None:
        super().__init__(stream, encoding="latin1")
        self._read_storage = read_storage

    def find_class(self, module: str, name: str) -> object:
        """Stand-ins, wrappers and storage types are new each time: a pickle can set attributes on
        what it is given.
        """
        builtin = module in ("builtins", "__builtin__")
        if builtin and name in _CONTAINERS:
            return _CONTAINERS[name]
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module == "torch._utils" and name in _MAKERS:
            return partial(_MAKERS[name])
        if module == "torch" and name.removesuffix("Storage") in _STORAGES:
            return _StorageType(_STORAGES[name.removesuffix("Storage")])
        if module.partition(".")[0] in _HOSTILE or builtin and name in _HOSTILE_BUILTINS:
            raise _Refused(f"refused global {module}.{name}")
        return type("StandIn", (_StandIn,), {})

    def persistent_load(self, identity: tuple) -> Tensor:
        _, kind, key, *_ = identity
        return self._read_storage(
            str(key), kind.dtype if isinstance(kind, _StorageType) else torch.uint8
        )


def _read_zip(path: Path) -> object:
    with zipfile.ZipFile(path) as archive:
        root = next(
            (m["root"] or "" for m in map(_MEMBER.fullmatch, archive.namelist()) if m), None
        )
        if root is None:
            raise ValueError("an archive without data.pkl")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise ValueError("a compressed archive, which torch does not write")
        if (
            f"{root}byteorder" in archive.namelist()
            and archive.read(f"{root}byteorder") != b"little"
        ):
            raise ValueError("written on a big-endian machine")
        storages: dict[str, Tensor] = {}

        def read_storage(key: str, dtype: torch.dtype) -> Tensor:
            if key not in storages:
                storages[key] = torch.frombuffer(
                    bytearray(archive.read(f"{root}data/{key}") or b"\0" * 8), dtype=dtype
                )
            return storages[key]

        with archive.open(f"{root}data.pkl") as stream:
            return _Unpickler(stream, read_storage).load()


def _tensor(storage: Tensor, start: int, size: tuple, stride: tuple, *ignored: object) -> Tensor:
    """A tensor as a pickle spells it; torch checks that it lies within its storage."""
    if math.prod(size) > len(storage):
        raise ValueError("a tensor larger than its data")
    return torch.as_strided(storage, size, stride, start)


def _parameter(data: Tensor, *ignored: object) -> Tensor:
    return data


_CONTAINERS = {kind.__name__: kind for kind in _PLAIN}
_MAKERS = {"_rebuild_tensor_v2": _tensor, "_rebuild_parameter": _parameter}
