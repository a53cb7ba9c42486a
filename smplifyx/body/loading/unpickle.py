"""Reads the pickles that body models come in without running anything that they bring.

Plain containers are allowed. Arrays of numpy and objects of chumpy and scipy.sparse become inert
records, out of which `as_array` takes the values: none of the packages' own unpickling runs, and
chumpy is not needed. All else is refused, and so is what would take far more memory than the file.
"""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse

from ...core.messages import plain
from ...core.pickles import MOST_GLOBALS, Makers, Refused, check

ALWAYS_ALLOWED = 64 * 2**20  # bytes of arrays that any file may spell out
TIMES_ITS_SIZE = 8  # and beyond
_VALUES_ALLOWED = 5_000  # lists and arrays: those of nothing take no bytes


def load(data: bytes, records: str = "") -> object:
    """The value in a pickle of any protocol, of Python 2 or 3, its arrays as records for
    `as_array`.

    `records` is a pattern of "module:class": what it matches becomes records too, for `as_fields`.
    Raises `Refused` for what is not allowed or out of all proportion and, for damaged bytes,
    whatever the unpickler stumbles over.
    """
    check(data)
    return _Unpickler(data, records).load()


def as_fields(value: object) -> dict[str, object]:
    """The fields of a record by name, or the entries of a dictionary; empty for all else."""
    fields = value.fields if isinstance(value, _Record) else value
    if not isinstance(fields, dict):
        return {}
    return {key: field for key, field in fields.items() if isinstance(key, str)}


class Allowance:
    """How many values and bytes of arrays a file may still spell out.

    Lists may hold the same list again and again, and each time it is spelt out anew.
    """

    def __init__(self, size: int) -> None:
        """For a file of so many bytes."""
        self._bytes_left = max(ALWAYS_ALLOWED, TIMES_ITS_SIZE * size)
        self._values_left = max(_VALUES_ALLOWED, size // 4)

    def spend(self, count: int) -> None:
        """Counts a value of so many bytes. Raises `Refused` where there were too many."""
        self._bytes_left -= count
        self._values_left -= 1
        if self._bytes_left < 0 or self._values_left < 0:
            raise Refused("spells out far more than it holds")


def as_array(value: object, allowance: Allowance) -> np.ndarray:
    """A value of an unpickled model as a dense numpy array.

    Raises ValueError for a record that holds no array (a chumpy expression, a broken matrix) and
    for ragged lists, `Refused` where the allowance is spent.
    """
    if isinstance(value, _Array):
        return value.array(allowance)
    if isinstance(value, _Record):
        return _record_array(value, allowance)
    if isinstance(value, (list, tuple)):
        if all(type(item) in _NUMBERS for item in value):
            allowance.spend(8 * len(value))
            return np.array(value)
        return _stacked([as_array(item, allowance) for item in value], allowance)
    # never anything else: numpy asks an object for the address of its numbers
    if not isinstance(value, _LEAVES):
        raise ValueError(f"a {type(value).__name__}, which holds no plain array")
    array = np.asarray(value)
    allowance.spend(array.nbytes)
    return array


def _stacked(items: list[np.ndarray], allowance: Allowance) -> np.ndarray:
    # texts of different lengths all become as long as the longest
    allowance.spend(len(items) * max((item.nbytes for item in items), default=0))
    return np.array(items)


_DTYPE = re.compile(r"[<>|=]?[biufcSUO]\d{0,4}")
_NUMBERS = frozenset({int, float, bool})
_LEAVES = (str, bytes, int, float, complex)  # bool is an int


class _Record:
    """Stands for an object of a foreign class: remembers its fields and does nothing."""

    path = ""

    def __init__(self, *arguments: object) -> None:
        self.fields = {"arguments": arguments}

    def __setstate__(self, state: object) -> None:
        self.fields = state if isinstance(state, dict) else {"arguments": state}


class _DType:
    """A numpy dtype as a pickle spells it."""

    def __init__(self, code: object, *flags: object) -> None:
        # never str(code): that would spell out all that is in it
        if not (isinstance(code, str) and _DTYPE.fullmatch(code)):
            raise Refused(f"refused numpy dtype {code if isinstance(code, str) else '':.40}")
        self.dtype = np.dtype(object if "O" in code else code)

    def __setstate__(self, state: tuple) -> None:
        byte_order = state[1]
        if byte_order in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(byte_order)


class _Array:
    """A numpy array as a pickle spells it: dtype, shape, order and the bytes or, for objects, the
    list.
    """

    def __init__(self, *ignored: object) -> None:
        # numpy pickles an empty array first, and its state after
        self.shape: tuple = (0,)
        self.dtype = np.dtype(float)
        self.fortran = False
        self.data: Any = b""  # whatever the file says

    def __setstate__(self, state: tuple) -> None:
        shape, kind, fortran, data = state[-4:]  # an old format begins with a version
        if not isinstance(kind, _DType):
            raise Refused("refused numpy dtype of another kind")
        self.shape = shape
        self.dtype = kind.dtype
        self.fortran = fortran
        self.data = data

    def array(self, allowance: Allowance) -> np.ndarray:
        """The array; raises ValueError where bytes and shape do not agree."""
        if self.dtype == object:
            flat = _stacked([as_array(item, allowance) for item in self.data], allowance)
            return flat.reshape(tuple(self.shape) + flat.shape[1:])
        # of a number, Python would make so many zeros
        if not isinstance(self.data, str | bytes | bytearray):
            raise ValueError(f"an array of {type(self.data).__name__}")
        allowance.spend(len(self.data))
        data = self.data.encode("latin1") if isinstance(self.data, str) else bytes(self.data)
        order = "F" if self.fortran else "C"
        return np.frombuffer(data, self.dtype).reshape(self.shape, order=order)


def _scalar(kind: _DType, data: object = b"") -> _Array:
    """What numpy scalars are pickled as."""
    value = _Array()
    value.__setstate__(((), kind, False, data))
    if value.dtype == object:
        value.data = [data]
    return value


def _from_buffer(data: object, kind: _DType, shape: tuple, order: str, *ignored: object) -> _Array:
    """What contiguous arrays are pickled as since protocol 5."""
    value = _Array()
    value.__setstate__((shape, kind, order == "F", data))
    return value


def _new_record(kind: type, *ignored: object) -> _Record:
    """What objects of plain classes are pickled as in old protocols."""
    if not (isinstance(kind, type) and issubclass(kind, _Record)):
        raise Refused(f"refused to build a {type(kind).__name__}")
    return kind()


def _record_array(record: _Record, allowance: Allowance) -> np.ndarray:
    name = record.path.rpartition(".")[2]
    fields = record.fields
    if record.path.startswith("scipy."):
        return _dense(name[:3], fields, allowance)
    if name == "Ch" and "x" in fields:  # chumpy: an array
        return as_array(fields["x"], allowance)
    if name == "Select" and {"a", "idxs"} <= fields.keys():  # chumpy: some entries of an array
        entries = as_array(fields["idxs"], allowance).astype(np.int64)
        whole = as_array(fields["a"], allowance).ravel()
        allowance.spend(entries.size * whole.itemsize)
        chosen = whole[entries]
        shape = as_array(fields.get("preferred_shape", chosen.shape), allowance).astype(np.int64)
        return chosen.reshape(shape)
    raise ValueError(f"a {record.path}, which holds no plain array")


def _dense(layout: str, fields: dict, allowance: Allowance) -> np.ndarray:
    """A scipy.sparse matrix from its fields, old and new spelling, checked before scipy's C code
    sees them.
    """
    sizes = as_array(fields.get("_shape", fields.get("shape", ())), allowance)
    if sizes.shape != (2,):
        raise ValueError("a scipy.sparse matrix that has not two dimensions")
    shape = tuple(int(size) for size in sizes)
    data = as_array(fields.get("data", ()), allowance)
    # zeros are not in the file: what the shape says is made of nothing
    allowance.spend(max(shape[0], 1) * max(shape[1], 1) * data.itemsize)
    if layout == "coo":
        if "coords" in fields:
            rows, columns = fields["coords"]
        else:
            rows, columns = fields.get("row", ()), fields.get("col", ())
        places = (as_array(rows, allowance), as_array(columns, allowance))
        return scipy.sparse.coo_matrix((data, places), shape=shape).toarray()
    build = scipy.sparse.csc_matrix if layout == "csc" else scipy.sparse.csr_matrix
    indices = as_array(fields.get("indices", ()), allowance)
    starts = as_array(fields.get("indptr", ()), allowance)
    matrix = build((data, indices, starts), shape=shape)
    matrix.check_format(full_check=True)
    return matrix.toarray()


def _functions() -> dict[tuple[str, str], Callable[..., object]]:
    """What is called for (module, name), under the names of Python 2 and 3 and of numpy 1 and 2."""
    table: dict[tuple[str, str], Callable[..., object]] = {}
    for home in ("numpy.core", "numpy._core"):
        table[f"{home}.multiarray", "scalar"] = _scalar
        table[f"{home}.numeric", "_frombuffer"] = _from_buffer
    for home in ("copyreg", "copy_reg"):
        table[home, "_reconstructor"] = _new_record
    return table


_FUNCTIONS = _functions()
_STAND_INS: dict[tuple[str, str], type] = {("numpy", "dtype"): _DType}
_STAND_INS |= {
    (f"{home}.multiarray", "_reconstruct"): _Array for home in ("numpy.core", "numpy._core")
}
_SPARSE = re.compile(r"scipy\.sparse(\.[\w.]+)?:(csc|csr|coo)_(matrix|array)")
_CHUMPY = re.compile(r"chumpy(\.[\w.]+)?:[\w.]+")


class _Unpickler(pickle.Unpickler):
    """An unpickler with an allow-list instead of imports."""

    def __init__(self, data: bytes, records: str) -> None:
        super().__init__(io.BytesIO(data), encoding="latin1")
        self._makers = Makers(len(data))
        self._classes: dict[str, type] = {}
        self._records = [_SPARSE, _CHUMPY]
        if records:
            self._records.append(re.compile(records))

    def find_class(self, module: str, name: str) -> object:
        """What is found under a global name of the pickle.

        Nothing that outlives the load: a pickle can set attributes on what it is given.
        """
        if (module, name) in _FUNCTIONS:
            return partial(_FUNCTIONS[module, name])
        if (module, name) == ("_codecs", "encode"):
            return self._makers.encode()
        if (module, name) == ("collections", "OrderedDict"):
            return self._makers.ordered_dict()
        made = self._makers.of(name) if module in ("builtins", "__builtin__") else None
        if made is not None:
            return made
        if (module, name) == ("numpy", "ndarray"):
            return "numpy.ndarray"  # what a reconstructed array is told to be: not looked at
        return self._class(module, name)

    def _class(self, module: str, name: str) -> type:
        """The class of this name, made for this load."""
        full_name = f"{module}.{name}"
        if full_name in self._classes:
            return self._classes[full_name]
        if len(self._classes) >= MOST_GLOBALS:
            raise Refused(f"more than {MOST_GLOBALS} names of classes")
        if (module, name) in _STAND_INS:
            made = type("StandIn", (_STAND_INS[module, name],), {})
        elif any(pattern.fullmatch(f"{module}:{name}") for pattern in self._records):
            made = type("Record", (_Record,), {"path": full_name})
        else:
            raise Refused(f"refused global {plain(full_name, limit=80)}")
        self._classes[full_name] = made
        return made
