"""Reads the pickles that body models come in without running anything that they bring.

Plain containers are allowed. Arrays of numpy and objects of chumpy and scipy.sparse become inert
records, out of which `as_array` takes the values: none of the packages' own unpickling runs, and
chumpy is not needed. All else is refused.
"""

from __future__ import annotations

import collections
import io
import pickle
import re
from typing import Any

import numpy as np
import scipy.sparse


class Refused(pickle.UnpicklingError):
    """A pickle that asks for something beyond the allow-list."""


def load(data: bytes, records: str = "") -> object:
    """The value in a pickle of any protocol, of Python 2 or 3, its arrays as records for
    `as_array`.

    `records` is a pattern of "module:class": what it matches becomes records too, for `as_fields`.
    Raises `Refused` for what is not allowed and, for damaged bytes, whatever the unpickler stumbles
    over.
    """
    return _Unpickler(data, records).load()


def as_fields(value: object) -> dict[str, object]:
    """The fields of a record by name, or the entries of a dictionary; empty for all else."""
    fields = value.fields if isinstance(value, _Record) else value
    if not isinstance(fields, dict):
        return {}
    return {key: field for key, field in fields.items() if isinstance(key, str)}


def as_array(value: object) -> np.ndarray:
    """A value of an unpickled model as a dense numpy array.

    Raises ValueError for a record that holds no array (a chumpy expression, a broken matrix) and
    for ragged lists.
    """
    if isinstance(value, _Array):
        return value.array()
    if isinstance(value, _Record):
        return _record_array(value)
    if isinstance(value, (list, tuple)):
        return np.array([as_array(item) for item in value])
    return np.asarray(value)


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
        if not re.fullmatch(r"[<>|=]?[biufcSUO]\d{0,4}", str(code)):
            raise Refused(f"refused numpy dtype {str(code)[:40]}")
        self.dtype = np.dtype(object if "O" in str(code) else str(code))

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
        self.shape = shape
        self.dtype = kind.dtype
        self.fortran = fortran
        self.data = data

    def array(self) -> np.ndarray:
        """The array; raises ValueError where bytes and shape do not agree."""
        if self.dtype == object:
            flat = np.array([as_array(item) for item in self.data])
            return flat.reshape(tuple(self.shape) + flat.shape[1:])
        data = self.data.encode("latin1") if isinstance(self.data, str) else bytes(self.data)
        order = "F" if self.fortran else "C"
        return np.frombuffer(data, self.dtype).reshape(self.shape, order=order)


def _scalar(kind: _DType, data: object = b"") -> _Array:
    """What numpy scalars are pickled as."""
    content = [data] if kind.dtype == object else data
    value = _Array()
    value.__setstate__(((), kind, False, content))
    return value


def _from_buffer(data: object, kind: _DType, shape: tuple, order: str, *ignored: object) -> _Array:
    """What contiguous arrays are pickled as since protocol 5."""
    value = _Array()
    value.__setstate__((shape, kind, order == "F", data))
    return value


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """What Python 3 calls to carry bytes in old protocols."""
    if encoding != "latin1":
        raise Refused(f"refused text encoding {encoding!r}")
    return text.encode("latin1")


def _new_record(kind: type, *ignored: object) -> _Record:
    """What objects of plain classes are pickled as in old protocols."""
    if not (isinstance(kind, type) and issubclass(kind, _Record)):
        raise Refused(f"refused to build a {kind!r}")
    return kind()


def _record_array(record: _Record) -> np.ndarray:
    name = record.path.rpartition(".")[2]
    fields = record.fields
    if record.path.startswith("scipy."):
        return _dense(layout=name[:3], fields=fields)
    if name == "Ch" and "x" in fields:  # chumpy: an array
        return as_array(fields["x"])
    if name == "Select" and {"a", "idxs"} <= fields.keys():  # chumpy: some entries of an array
        entries = as_array(fields["idxs"]).astype(np.int64)
        chosen = as_array(fields["a"]).ravel()[entries]
        shape = as_array(fields.get("preferred_shape", chosen.shape)).astype(np.int64)
        return chosen.reshape(shape)
    raise ValueError(f"a {record.path}, which holds no plain array")


def _dense(layout: str, fields: dict) -> np.ndarray:
    """A scipy.sparse matrix from its fields, old and new spelling, checked before scipy's C code
    sees them.
    """
    shape = as_array(fields.get("_shape", fields.get("shape", ()))).tolist()
    if len(shape) != 2:
        raise ValueError(f"a scipy.sparse matrix of shape {shape}")
    data = as_array(fields.get("data", ()))
    if layout == "coo":
        if "coords" in fields:
            rows, columns = fields["coords"]
        else:
            rows, columns = fields.get("row", ()), fields.get("col", ())
        places = (as_array(rows), as_array(columns))
        return scipy.sparse.coo_matrix((data, places), shape=shape).toarray()
    build = scipy.sparse.csc_matrix if layout == "csc" else scipy.sparse.csr_matrix
    indices = as_array(fields.get("indices", ()))
    starts = as_array(fields.get("indptr", ()))
    matrix = build((data, indices, starts), shape=shape)
    matrix.check_format(full_check=True)
    return matrix.toarray()


def _allowed() -> dict[tuple[str, str], object]:
    """What is found for (module, name), under the names of Python 2 and 3 and of numpy 1 and 2."""
    table: dict[tuple[str, str], object] = {
        ("numpy", "ndarray"): "numpy.ndarray",
        ("_codecs", "encode"): _encode,
    }
    for home in ("numpy.core", "numpy._core"):
        table[f"{home}.multiarray", "scalar"] = _scalar
        table[f"{home}.numeric", "_frombuffer"] = _from_buffer
    for home in ("copyreg", "copy_reg"):
        table[home, "_reconstructor"] = _new_record
    plain = (
        dict, list, tuple, set, frozenset,
        str, bytes, bytearray, int, float, bool, complex, object,
    )  # fmt: skip
    for home in ("builtins", "__builtin__"):
        table |= {(home, kind.__name__): kind for kind in plain}
    table |= {("__builtin__", "unicode"): str, ("__builtin__", "long"): int}
    return table | {("collections", "OrderedDict"): collections.OrderedDict}


_ALLOWED = _allowed()
_STAND_INS = {("numpy", "dtype"): _DType}
_STAND_INS |= {
    (f"{home}.multiarray", "_reconstruct"): _Array for home in ("numpy.core", "numpy._core")
}
_SPARSE = re.compile(r"scipy\.sparse(\.[\w.]+)?:(csc|csr|coo)_(matrix|array)")
_CHUMPY = re.compile(r"chumpy(\.[\w.]+)?:[\w.]+")


class _Unpickler(pickle.Unpickler):
    """An unpickler with an allow-list instead of imports."""

    def __init__(self, data: bytes, records: str) -> None:
        super().__init__(io.BytesIO(data), encoding="latin1")
        self._records = [_SPARSE, _CHUMPY]
        if records:
            self._records.append(re.compile(records))

    def find_class(self, module: str, name: str) -> object:
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        # Stand-ins are subclassed for every load: a pickle can set attributes on the classes that
        # it is given.
        if (module, name) in _STAND_INS:
            return type("StandIn", (_STAND_INS[module, name],), {})
        if any(pattern.fullmatch(f"{module}:{name}") for pattern in self._records):
            return type("Record", (_Record,), {"path": f"{module}.{name}"})
        raise Refused(f"refused global {module}.{name}")
