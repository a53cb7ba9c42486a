"""Pickles of results, joblib's and those with torch's tensors, read without running them.

A file of joblib is no pickle: behind the description of an array lie the array's bytes, and the
pickle goes on after them. So neither `pickle` nor `core.pickles.check` can go over one. Here each
opcode is carried out by hand, with the arguments as Python's own `pickletools` reads them: nothing
is imported, a fixed list of names means something, no key is hashed but plain ones, and what a file
may make is in proportion to its bytes.
"""

from __future__ import annotations

import io
import math
import pickletools
import re
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from ..core.messages import plain
from ..core.pickles import DEEPEST, Damaged, Refused
from ..pose_priors.torch_files import parse_checkpoint

MOST_OPCODES = 10_000_000
MOST_AXES = 32
MOST_NESTED = 4  # pickles of objects in joblib's files
TIMES_ITS_SIZE = 2  # what calls may copy; honest files copy a part once
ALWAYS_COPIED = 2**20  # bytes
_REFUSAL = "results need no such thing, so it is not run"
_DTYPE = re.compile(r"[<>|=]?[biufcSU]\d{0,4}")
_PLAIN_KEYS = (str, bytes, int, float, type(None))  # bool is an int
_OPCODES = {ord(opcode.code): opcode for opcode in pickletools.opcodes}


StorageOf = Callable[[str, torch.dtype], Tensor]


def read_pickle(data: bytes, storage_of: StorageOf | None = None) -> object:
    """The value in a pickle: dictionaries, lists, tuples, texts, numbers and numpy arrays.

    storage_of: the numbers of tensors that lie beside the pickle, by their name, as in torch's
    archives. Arrays share the bytes and cannot be written to. Raises `Refused` for what is not
    allowed or out of all proportion and, for damaged bytes, whatever the reading stumbles over.
    """
    return _resolved(_Machine(data, storage_of).run(), {}, 0)


class _Global(NamedTuple):
    """What a global name is on the stack: the name."""

    module: str
    name: str


class _StorageType(NamedTuple):
    """What torch.FloatStorage and its kin are on the stack."""

    dtype: torch.dtype


class _Placeholder:
    """Stands for a value that is told after it was made; `value` is it then."""

    def __init__(self) -> None:
        self.value: object = None

    def tell(self, state: object, machine: _Machine) -> None:
        """Takes the state that the pickle gives it."""
        raise Refused("refused attributes of a value")


class _DType(_Placeholder):
    """A numpy dtype as a pickle spells it: a code, then the order of bytes."""

    def __init__(self, code: object) -> None:
        super().__init__()
        if not isinstance(code, str):
            raise Refused("refused a numpy dtype without a code")
        if code.lstrip("|=<>") in ("O", "O8", "O4"):
            self.dtype = np.dtype(object)
        elif _DTYPE.fullmatch(code):
            self.dtype = np.dtype(code)
        else:
            raise Refused(f"refused numpy dtype {plain(code, limit=40)}")

    def tell(self, state: object, machine: _Machine) -> None:
        """(version, order of bytes, fields ...)."""
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array(_Placeholder):
    """A numpy array as a pickle spells it: made empty, then told what it is."""

    def tell(self, state: object, machine: _Machine) -> None:
        """(version, shape, dtype, whether Fortran's order, bytes or list of objects)."""
        if not isinstance(state, tuple) or len(state) < 4:
            raise Damaged("an array without a state")
        shape, kind, is_fortran, data = state[-4:]
        self.value = machine.array(shape, kind, data, is_fortran=bool(is_fortran))


class _JoblibArray(_Placeholder):
    """joblib's description of an array, whose bytes follow in the file."""

    def tell(self, state: object, machine: _Machine) -> None:
        """Attributes by name; reads the bytes."""
        if not isinstance(state, dict):
            raise Damaged("joblib's array without its attributes")
        if "filename" in state:
            raise Refused("joblib's arrays in files of their own: save it again with a new joblib")
        self.value = machine.array_behind(state)


class _Machine:
    """Carries out one pickle."""

    def __init__(self, data: bytes, storage_of: StorageOf | None = None) -> None:
        self._storage_of = storage_of
        self._stream = io.BytesIO(data)
        self._data = memoryview(data)
        self._nesting = 0
        self._left = max(TIMES_ITS_SIZE * len(data), ALWAYS_COPIED)
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, object] = {}

    def run(self) -> object:
        """The value, its placeholders not resolved yet."""
        for _ in range(MOST_OPCODES):
            code = self._stream.read(1)
            opcode = _OPCODES.get(code[0]) if code else None
            if opcode is None:
                raise Damaged("not a pickle" if code else "cut short")
            argument = opcode.arg.reader(self._stream) if opcode.arg else None
            if opcode.name == "STOP":
                return self._stack.pop()
            if opcode.name in _LEAVES:
                self._stack.append(argument)
            elif opcode.name in _ACTIONS:
                _ACTIONS[opcode.name](self, argument)
            else:
                raise Refused(f"refused opcode {opcode.name}: {_REFUSAL}")
        raise Refused(f"more than {MOST_OPCODES} opcodes")

    def spend(self, count: int) -> None:
        """Counts bytes that a call copies. Raises `Refused` where they are too many."""
        self._left -= count
        if self._left < 0:
            raise Refused("copies of copies, far more than the file holds")

    def array(
        self, shape: object, kind: object, data: object, is_fortran: bool
    ) -> np.ndarray | list[object] | object:
        """An array of numbers, or the objects of one as (nested) lists."""
        sizes = _shape(shape)
        if not isinstance(kind, _DType):
            raise Refused("refused numpy dtype of another kind")
        if kind.dtype.hasobject:
            if not isinstance(data, list) or len(data) != math.prod(sizes):
                raise Damaged(f"an array of objects of shape {list(sizes)[:8]}")
            return _nested(data, sizes)
        if isinstance(data, str):  # Python 2's bytes
            self.spend(len(data))
            data = data.encode("latin1")
        if not isinstance(data, (bytes, bytearray)):
            raise Damaged(f"an array of {type(data).__name__}")
        return _of_bytes(memoryview(data), kind.dtype, sizes, is_fortran)

    def array_behind(self, state: dict[object, object]) -> object:
        """The array whose bytes lie behind joblib's description of it."""
        kind = state.get("dtype")
        sizes = _shape(state.get("shape"))
        if not isinstance(kind, _DType):
            raise Refused("refused numpy dtype of another kind")
        if kind.dtype.hasobject:
            return self._inner()
        if state.get("numpy_array_alignment_bytes") is not None:
            padding = self._stream.read(1)
            self._stream.seek(padding[0] if padding else 0, io.SEEK_CUR)
        start = self._stream.tell()
        count = math.prod(sizes) * kind.dtype.itemsize
        if start + count > len(self._data):
            raise Damaged("cut short within an array")
        self._stream.seek(count, io.SEEK_CUR)
        data = self._data[start : start + count]
        return _of_bytes(data, kind.dtype, sizes, state.get("order") == "F")

    def _inner(self) -> object:
        """joblib's array of objects: a whole pickle of numpy's in the middle of the file."""
        if self._nesting == MOST_NESTED:
            raise Refused(f"pickles within pickles, more than {MOST_NESTED} deep")
        self._nesting += 1
        outer = self._stack, self._marks, self._memo
        self._stack, self._marks, self._memo = [], [], {}
        value = self.run()
        self._stack, self._marks, self._memo = outer
        self._nesting -= 1
        return value

    # what opcodes do

    def _mark(self, argument: object) -> None:
        self._marks.append(len(self._stack))

    def _above_mark(self) -> list[Any]:
        """Takes what lies above the last mark."""
        if not self._marks:
            raise Damaged("no mark")
        start = self._marks.pop()
        taken = self._stack[start:]
        del self._stack[start:]
        return taken

    def _pop(self, argument: object) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._stack.pop()

    def _pop_mark(self, argument: object) -> None:
        self._above_mark()

    def _dup(self, argument: object) -> None:
        self._stack.append(self._stack[-1])

    def _get(self, argument: Any) -> None:
        self._stack.append(self._memo[argument])

    def _put(self, argument: Any) -> None:
        self._memo[argument] = self._stack[-1]

    def _memoize(self, argument: object) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _nothing(self, argument: object) -> None:
        """PROTO and FRAME say how the file is written."""

    def _none(self, argument: object) -> None:
        self._stack.append(None)

    def _true(self, argument: object) -> None:
        self._stack.append(True)

    def _false(self, argument: object) -> None:
        self._stack.append(False)

    def _empty_list(self, argument: object) -> None:
        self._stack.append([])

    def _empty_tuple(self, argument: object) -> None:
        self._stack.append(())

    def _empty_dict(self, argument: object) -> None:
        self._stack.append({})

    def _list(self, argument: object) -> None:
        self._stack.append(self._above_mark())

    def _tuple(self, argument: object) -> None:
        self._stack.append(tuple(self._above_mark()))

    def _dict(self, argument: object) -> None:
        items = self._above_mark()
        made: dict[object, object] = {}
        _fill(made, items)
        self._stack.append(made)

    def _tuple_of(self, count: int) -> None:
        if len(self._stack) < count:
            raise Damaged("too little on the stack")
        taken = tuple(self._stack[-count:])
        del self._stack[-count:]
        self._stack.append(taken)

    def _tuple_1(self, argument: object) -> None:
        self._tuple_of(1)

    def _tuple_2(self, argument: object) -> None:
        self._tuple_of(2)

    def _tuple_3(self, argument: object) -> None:
        self._tuple_of(3)

    def _append(self, argument: object) -> None:
        item = self._stack.pop()
        _as_list(self._stack[-1]).append(item)

    def _appends(self, argument: object) -> None:
        items = self._above_mark()
        _as_list(self._stack[-1]).extend(items)

    def _set_item(self, argument: object) -> None:
        value = self._stack.pop()
        key = self._stack.pop()
        _fill(self._stack[-1], [key, value])

    def _set_items(self, argument: object) -> None:
        items = self._above_mark()
        _fill(self._stack[-1], items)

    def _global(self, argument: Any) -> None:
        module, _, name = argument.partition(" ")  # as pickletools joins the two lines
        self._stack.append(_known(module, name))

    def _stack_global(self, argument: object) -> None:
        name = self._stack.pop()
        module = self._stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise Damaged("a global without a name")
        self._stack.append(_known(module, name))

    def _reduce(self, argument: object) -> None:
        arguments = self._stack.pop()
        function = self._stack.pop()
        if not isinstance(function, _Global) or not isinstance(arguments, tuple):
            raise Refused(f"refused a call of something else: {_REFUSAL}")
        self._stack.append(_CALLS[function](self, *arguments))

    def _new_object(self, argument: object) -> None:
        arguments = self._stack.pop()
        kind = self._stack.pop()
        if not isinstance(kind, _Global) or kind not in _MADE or arguments != ():
            raise Refused(f"refused to make an object: {_REFUSAL}")
        self._stack.append(_MADE[kind]())

    def _persistent(self, argument: object) -> None:
        """Numbers beside the pickle: ("storage", type, name, device, count)."""
        if self._storage_of is None:
            raise Refused(f"refused opcode BINPERSID: {_REFUSAL}")
        match self._stack.pop():
            case ("storage", _StorageType(dtype), str(key), *_):
                self._stack.append(self._storage_of(key, dtype))
            case _:
                raise Damaged("a storage without a name")

    def _build(self, argument: object) -> None:
        state = self._stack.pop()
        value = self._stack[-1]
        if not isinstance(value, _Placeholder):
            raise Refused(f"refused attributes of a {type(value).__name__}: {_REFUSAL}")
        value.tell(state, self)


_LEAVES = frozenset(
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 STRING BINSTRING SHORT_BINSTRING BINBYTES "
    "SHORT_BINBYTES BINBYTES8 BYTEARRAY8 UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8 FLOAT "
    "BINFLOAT".split()
)
# Sets become lists, which hash nothing.
_ACTIONS: MappingProxyType[str, Callable[[_Machine, object], None]] = MappingProxyType({
    "PROTO": _Machine._nothing, "FRAME": _Machine._nothing,
    "MARK": _Machine._mark, "POP": _Machine._pop, "POP_MARK": _Machine._pop_mark,
    "DUP": _Machine._dup,
    "GET": _Machine._get, "BINGET": _Machine._get, "LONG_BINGET": _Machine._get,
    "PUT": _Machine._put, "BINPUT": _Machine._put, "LONG_BINPUT": _Machine._put,
    "MEMOIZE": _Machine._memoize,
    "NONE": _Machine._none, "NEWTRUE": _Machine._true, "NEWFALSE": _Machine._false,
    "EMPTY_LIST": _Machine._empty_list, "EMPTY_SET": _Machine._empty_list,
    "EMPTY_TUPLE": _Machine._empty_tuple, "EMPTY_DICT": _Machine._empty_dict,
    "LIST": _Machine._list, "FROZENSET": _Machine._list,
    "TUPLE": _Machine._tuple, "DICT": _Machine._dict,
    "TUPLE1": _Machine._tuple_1, "TUPLE2": _Machine._tuple_2, "TUPLE3": _Machine._tuple_3,
    "APPEND": _Machine._append, "APPENDS": _Machine._appends, "ADDITEMS": _Machine._appends,
    "SETITEM": _Machine._set_item, "SETITEMS": _Machine._set_items,
    "GLOBAL": _Machine._global, "STACK_GLOBAL": _Machine._stack_global,
    "BINPERSID": _Machine._persistent,
    "REDUCE": _Machine._reduce, "NEWOBJ": _Machine._new_object, "BUILD": _Machine._build,
})  # fmt: skip


def _known(module: str, name: str) -> object:
    """What stands for a global name of the pickle. Raises `Refused` for any that is not listed."""
    known = _Global(module, name)
    if known in _CALLS or known in _MADE or known in _NAMED:
        return known
    if module == "torch" and name in _TORCH_TYPES:
        return name
    if module == "torch" and name.removesuffix("Storage") in _STORAGES:
        return _StorageType(_STORAGES[name.removesuffix("Storage")])
    raise Refused(f"refused global {plain(f'{module}.{name}', limit=80)}: {_REFUSAL}")


def _as_list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise Damaged(f"items for a {type(value).__name__}")
    return value


def _fill(target: object, items: Sequence[object]) -> None:
    """Puts keys and values, one after the other, into a dictionary."""
    if not isinstance(target, dict) or len(items) % 2:
        raise Damaged(f"entries for a {type(target).__name__}")
    for place in range(0, len(items), 2):
        target[_key(items[place])] = items[place + 1]


def _key(value: object) -> object:
    """A key as it is: a deep tuple's hash would overrun the stack."""
    parts = value if isinstance(value, tuple) and not isinstance(value, _Global) else (value,)
    if not all(isinstance(part, _PLAIN_KEYS) for part in parts):
        raise Refused(f"refused a {type(value).__name__} as a key")
    return value


def _shape(value: object) -> tuple[int, ...]:
    if not isinstance(value, (tuple, list)) or len(value) > MOST_AXES:
        raise Damaged("an array without a shape")
    if not all(isinstance(size, int) and size >= 0 for size in value):
        raise Damaged("an array of an impossible shape")
    return tuple(value)


def _of_bytes(
    data: memoryview, dtype: np.dtype, shape: tuple[int, ...], is_fortran: bool
) -> Shaped[np.ndarray, ...]:
    if not dtype.itemsize or math.prod(shape) * dtype.itemsize != len(data):
        raise Damaged(f"{dtype} of shape {list(shape)[:8]} in {len(data)} bytes")
    if not len(data):
        return np.zeros(0, dtype)
    flat = np.frombuffer(data, dtype)
    return flat.reshape(shape, order="F" if is_fortran else "C")


def _nested(items: list[object], shape: tuple[int, ...]) -> object:
    """The objects of an array: the one of an array without axes, else lists."""
    if not shape:
        return items[0]
    if len(shape) == 1:
        return items
    if not items:
        return []
    step = math.prod(shape[1:])
    return [_nested(items[at : at + step], shape[1:]) for at in range(0, len(items), step)]


# What may be called, each by a function that knows its arguments.


def _new_array(machine: _Machine, *ignored: object) -> _Array:
    return _Array()


def _array_from_buffer(
    machine: _Machine, data: object, kind: object, shape: object, order: object, *ignored: object
) -> object:
    return machine.array(shape, kind, data, is_fortran=order == "F")


def _scalar(machine: _Machine, kind: object, data: object = b"") -> object:
    made = machine.array((), kind, data if not isinstance(data, _Placeholder) else [data], False)
    return made.item() if isinstance(made, np.ndarray) else made


def _new_dtype(machine: _Machine, code: object, *flags: object) -> _DType:
    return _DType(code)


def _new_dict(machine: _Machine, entries: object = (), *ignored: object) -> dict[object, object]:
    """An OrderedDict, with what is in it as pairs."""
    made: dict[object, object] = {}
    if isinstance(entries, list):
        machine.spend(len(entries))
        for pair in entries:
            if not isinstance(pair, (list, tuple)):
                raise Damaged("a dictionary of something else")
            _fill(made, list(pair))
    return made


def _new_default_dict(machine: _Machine, *ignored: object) -> dict[object, object]:
    return {}  # what is in it comes as items


def _new_list(machine: _Machine, items: object = ()) -> list[object]:
    if not isinstance(items, (list, tuple)):
        raise Refused("refused a list of something else")
    machine.spend(len(items))
    return list(items)


def _new_bytes(machine: _Machine, data: object = b"", encoding: object = "latin1") -> bytes:
    """Bytes of bytes, or of a text in Latin-1, as Python 2 and old protocols carry them."""
    if not isinstance(data, (str, bytes, bytearray)) or encoding not in ("latin1", "latin-1"):
        raise Refused("refused bytes of something else")
    machine.spend(len(data))
    return data.encode("latin1") if isinstance(data, str) else bytes(data)


def _joined_path(machine: _Machine, *parts: object) -> str:
    """A path of pathlib's, as a text."""
    texts = [part for part in parts if isinstance(part, str)]
    machine.spend(sum(len(text) for text in texts))
    return "/".join(texts).replace("//", "/")


def _as_it_is(machine: _Machine, value: object = None, *ignored: object) -> object:
    return value


def _reconstructed(machine: _Machine, kind: object, *ignored: object) -> _Placeholder:
    """What old protocols make objects with."""
    if not isinstance(kind, _Global) or kind not in _MADE:
        raise Refused(f"refused to make an object: {_REFUSAL}")
    return _MADE[kind]()


def _storage(machine: _Machine, data: object) -> Tensor:
    """The numbers of a tensor, which pickle carries as a checkpoint of their own."""
    if not isinstance(data, (bytes, bytearray)):
        raise Damaged("a tensor's numbers that are no bytes")
    machine.spend(len(data))
    found = parse_checkpoint(bytes(data))
    if not isinstance(found, Tensor):
        raise Damaged("a tensor's numbers that are none")
    return found


def _tensor(
    machine: _Machine, storage: object, start: object, size: object, stride: object, *also: object
) -> np.ndarray:
    sizes, strides = _shape(size), _shape(stride)
    if not isinstance(storage, Tensor) or not isinstance(start, int):
        raise Damaged("a tensor without numbers")
    if math.prod(sizes) > len(storage):
        raise Damaged("a tensor larger than its numbers")
    machine.spend(math.prod(sizes) * storage.itemsize // 4)
    return as_numpy(torch.as_strided(storage, sizes, strides, start))  # checks that it lies within


def as_numpy(tensor: Tensor) -> np.ndarray:
    """A tensor as numpy has it, which knows no bfloat16."""
    tensor = tensor.detach()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def _calls() -> dict[_Global, Callable[..., object]]:
    """By the names of Python 2 and 3 and of numpy 1 and 2."""
    table: dict[_Global, Callable[..., object]] = {
        _Global("numpy", "dtype"): _new_dtype,
        _Global("collections", "OrderedDict"): _new_dict,
        _Global("collections", "defaultdict"): _new_default_dict,
        _Global("_codecs", "encode"): _new_bytes,
        _Global("torch", "Size"): _as_it_is,
        _Global("torch", "device"): _as_it_is,
        _Global("torch._utils", "_rebuild_parameter"): _as_it_is,
        _Global("torch._utils", "_rebuild_tensor"): _tensor,
        _Global("torch._utils", "_rebuild_tensor_v2"): _tensor,
        _Global("torch.storage", "_load_from_bytes"): _storage,
    }
    for home in ("numpy.core", "numpy._core"):
        table[_Global(f"{home}.multiarray", "_reconstruct")] = _new_array
        table[_Global(f"{home}.multiarray", "scalar")] = _scalar
        table[_Global(f"{home}.numeric", "_frombuffer")] = _array_from_buffer
    for home in ("builtins", "__builtin__"):
        for name in ("list", "set", "frozenset", "tuple"):
            table[_Global(home, name)] = _new_list
        for name in ("bytes", "bytearray"):
            table[_Global(home, name)] = _new_bytes
    for home in ("copyreg", "copy_reg"):
        table[_Global(home, "_reconstructor")] = _reconstructed
    for home in ("pathlib", "pathlib._local"):
        for name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"):
            table[_Global(home, name)] = _joined_path
    return table


_CALLS = MappingProxyType(_calls())
_JOBLIB = ("joblib.numpy_pickle", "sklearn.externals.joblib.numpy_pickle",
           "joblib.numpy_pickle_compat")  # fmt: skip
_MADE = MappingProxyType(
    {_Global(home, "NumpyArrayWrapper"): _JoblibArray for home in _JOBLIB}
    | {_Global(home, "NDArrayWrapper"): _JoblibArray for home in _JOBLIB}
)
# names that others take as arguments, and that mean nothing here
_NAMED = frozenset(
    [_Global("numpy", "ndarray")]
    + [_Global(home, name) for home in ("builtins", "__builtin__") for name in ("dict", "object")]
)
_TORCH_TYPES = frozenset(
    "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool".split()
)


_STORAGES = MappingProxyType({
    "Double": torch.float64, "Float": torch.float32, "Half": torch.float16,
    "BFloat16": torch.bfloat16, "Long": torch.int64, "Int": torch.int32, "Short": torch.int16,
    "Char": torch.int8, "Byte": torch.uint8, "Bool": torch.bool,
})  # fmt: skip


def _resolved(value: object, made: dict[int, object], depth: int) -> object:
    """The value with every placeholder replaced; what stands in many places is made once."""
    if depth > DEEPEST:
        raise Refused(f"nested more than {DEEPEST} deep")
    if isinstance(value, _Placeholder):
        return _resolved(value.value, made, depth + 1)
    if isinstance(value, _Global):
        return None
    if not isinstance(value, (dict, list, tuple)):
        return value
    if id(value) in made:
        found = made[id(value)]
        if found is value:
            raise Refused("a value within itself")
        return found
    made[id(value)] = value  # being made
    if isinstance(value, dict):
        found = {key: _resolved(each, made, depth + 1) for key, each in value.items()}
    else:
        found = [_resolved(each, made, depth + 1) for each in value]
    made[id(value)] = found
    return found
