"""What a pickle would do to the process that reads it, told before it is read.

Pickles of nine bytes ask for gigabytes: a place far out in the memo, a length that is not there, a
list of a billion numbers, a hundred thousand tuples in each other, whose hash overruns the stack.
`check` walks over the opcodes with the table of Python's own `pickletools`, calls nothing and
builds nothing. `Makers` is what an unpickler hands out in place of the built-in types, since
`list(x)` called again and again copies a large x again and again.
"""

from __future__ import annotations

import pickle
import pickletools
from collections.abc import Callable, Mapping, Sized
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

MOST_OPCODES = 2_000_000
DEEPEST = 200  # containers in containers
MOST_GLOBALS = 1000  # different names that one pickle may ask for
_TEXTS = (str, bytes, bytearray)
_CONTAINERS = (list, tuple, set, frozenset, dict)
# what each type may be made of
_WANTED: Mapping[Callable[..., object], tuple[type, ...]] = MappingProxyType(
    dict.fromkeys(_TEXTS, _TEXTS)
    | dict.fromkeys(_CONTAINERS, _CONTAINERS)
    | dict.fromkeys((int, float, bool, complex), (int, float, complex, str))
    | {object: ()}
)
_TYPES = MappingProxyType(
    {kind.__name__: kind for kind in _WANTED} | {"unicode": str, "long": int}  # as in Python 2
)
_LATIN = ("latin1", "latin-1")
# bytes that an argument takes by `pickletools`: of a number before it, or up to the line's end
_LENGTH_BYTES = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}


class Refused(pickle.UnpicklingError):
    """A pickle that asks for something that is not given."""


class Damaged(pickle.UnpicklingError):
    """No pickle, or the beginning of one."""


class _Opcode(NamedTuple):
    """What of an opcode tells how it moves the stack, and how long it is."""

    name: str
    fixed: int  # bytes of its argument
    length_bytes: int  # of the number that says how many more there are
    lines: int  # or how many lines its argument has
    takes_mark: bool
    pops: int  # values, without those above a mark
    pushes: int
    is_leaf: bool  # makes a value out of nothing on the stack


def _described(opcode: pickletools.OpcodeInfo) -> _Opcode:
    size = opcode.arg.n if opcode.arg else 0
    is_pair = bool(opcode.arg) and opcode.arg.name == "stringnl_noescape_pair"
    before = opcode.stack_before
    takes_mark = pickletools.markobject in before
    pushes = len(opcode.stack_after)
    return _Opcode(
        name=opcode.name,
        fixed=max(size, 0),
        length_bytes=_LENGTH_BYTES.get(size, 0),
        lines=(1 + is_pair) if size == pickletools.UP_TO_NEWLINE else 0,
        takes_mark=takes_mark,
        pops=before.index(pickletools.markobject) if takes_mark else len(before),
        pushes=pushes,
        is_leaf=pushes == 1 and not before,
    )


_OPCODES = {ord(opcode.code): _described(opcode) for opcode in pickletools.opcodes}
_MARK = -1  # on the stack of depths
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})
# put something into a container that stays where it is
_FILLS = frozenset({"APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD"})


def check(data: bytes, start: int = 0) -> int:
    """Where the pickle that begins at `start` ends.

    Raises, before anything of it is built, `Damaged` for one that is cut short, and `Refused` for
    one that nests deeper than DEEPEST or is out of all proportion to its size.
    """
    stack: list[int] = []  # how deep each value nests; _MARK for a mark
    memo: dict[int, int] = {}
    position = start
    for count in range(MOST_OPCODES):
        opcode = _OPCODES.get(data[position]) if position < len(data) else None
        if opcode is None:
            raise Damaged("cut short" if position >= len(data) else "not a pickle")
        argument_at = position + 1
        position = argument_at + opcode.fixed
        if opcode.lines or opcode.length_bytes:
            position = _end_of_argument(data, argument_at, opcode)
        if position > len(data):
            raise Damaged("cut short")
        name = opcode.name
        if name == "STOP":
            return position
        if name == "MARK":
            stack.append(_MARK)
        elif name in _PUTS or name == "MEMOIZE":
            place = len(memo)
            if name in _PUTS:
                place = _place(opcode, data[argument_at:position])
            # the memo is an array: a far place makes a long one
            if not 0 <= place <= count:
                raise Refused(f"place {place} of the memo after {count} opcodes")
            memo[place] = stack[-1] if stack else 0
        elif name in _GETS:
            stack.append(memo.get(_place(opcode, data[argument_at:position]), 0))
        elif name == "DUP":
            stack.append(stack[-1] if stack else 0)
        elif opcode.is_leaf:
            stack.append(0)
        else:
            _move(stack, opcode)
    raise Refused(f"more than {MOST_OPCODES} opcodes")


def _end_of_argument(data: bytes, start: int, opcode: _Opcode) -> int:
    """Where an argument ends that is as long as it says, or as its lines are."""
    end = start + opcode.length_bytes
    end += int.from_bytes(data[start:end], "little")
    for _ in range(opcode.lines):
        end = data.find(b"\n", end) + 1
        if not end:
            raise Damaged("cut short")
    return end


def _place(opcode: _Opcode, argument: bytes) -> int:
    """Of the memo: a line of digits, or an unsigned number."""
    return int(argument) if opcode.lines else int.from_bytes(argument, "little")


def _move(stack: list[int], opcode: _Opcode) -> None:
    """Takes from the stack what the opcode takes, and puts on it what it makes."""
    inner: list[int] = []
    if opcode.takes_mark:
        while stack and (depth := stack.pop()) != _MARK:
            inner.append(depth)
    for _ in range(min(opcode.pops, len(stack))):
        inner.append(stack.pop())
    # the container that something is put into lies below all the rest
    container = inner.pop() if opcode.name in _FILLS and inner else 0
    depth = max(container, 1 + max(inner, default=-1))
    if depth > DEEPEST:
        raise Refused(f"nested more than {DEEPEST} deep")
    stack.extend([depth] * opcode.pushes)


class _Ordered(dict):
    """A dictionary that ignores the attributes that it is given (torch's have a history)."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        """Ignores them."""


class Makers:
    """Stand-ins for the built-in types, and what all calls of them together may copy.

    What `of` gives is new each time, so that nothing that a pickle does to it is left behind.
    """

    def __init__(self, size: int) -> None:
        """For a pickle of so many bytes."""
        self._left = max(2 * size, 2**16)  # of all that is copied; honest pickles copy a part once

    def of(self, name: str) -> partial[object] | None:
        """What makes values of the built-in type of this name, out of plain values; None for a type
        that is not plain.
        """
        kind = _TYPES.get(name)
        return None if kind is None else partial(self._make, kind)

    def encode(self) -> partial[bytes]:
        """`codecs.encode`, with which Python 3 carries bytes in old protocols."""
        return partial(self._encode)

    def ordered_dict(self) -> partial[dict]:
        """`OrderedDict`, which keeps no attributes here."""
        return partial(self._make_ordered)

    def _make_ordered(self, *entries: list | dict) -> dict:
        return _Ordered(self._make(dict, *entries))

    def _make(self, kind: Callable[..., Any], *arguments: object) -> Any:
        wanted = _WANTED[kind]
        # bytes(n) would be n zeros, and str(x) all that is in x, spelt out
        if not all(isinstance(argument, wanted) for argument in arguments):
            raise Refused(f"refused {kind.__name__} of something else")
        for argument in arguments:
            if isinstance(argument, Sized):
                self._spend(len(argument))
        return kind(*arguments)

    def _encode(self, text: str, encoding: str = "latin1") -> bytes:
        if encoding not in _LATIN:
            raise Refused(f"refused text encoding {encoding!r:.40}")
        self._spend(len(text))
        return text.encode("latin1")

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise Refused("copies of copies, far more than the file holds")
