"""Pickles are weighed before they are read: bombs are told, honest ones pass, nothing is left behind."""

from __future__ import annotations

import collections
import pickle
from pathlib import Path

import numpy as np
import pytest
from hostile_files import BOMBS, call, name_of, pickled, text, together, with_state

from smplifyx.body.loading import unpickle
from smplifyx.body.loading.files import load_body
from smplifyx.body.loading.raw import BodyFileError
from smplifyx.core.pickles import Damaged, Makers, Refused, check

HONEST = {
    "numbers": [1, -2, 3.5, 10**30, True, None, 2 + 1j],
    "containers": {"a": (1, [2, {3}, frozenset({4})]), "b": {}, (): []},
    "shared": [["x"] * 3] * 100,
    "bytes": [b"", b"abc", bytearray(b"def"), "text", "ü" * 300],
    "arrays": {"a": np.arange(6).reshape(2, 3), "b": np.float32(2)},
    "many": list(range(300)),
    "ordered": collections.OrderedDict(a=1, b=2),
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("case", HONEST)
def test_honest_pickles_pass_and_their_end_is_found(case: str, protocol: int) -> None:
    data = pickle.dumps(HONEST[case], protocol)
    assert check(data + b"more") == len(data)
    assert check(b"before" + data, 6) == len(data) + 6


def test_old_strings_of_any_bytes_pass() -> None:
    data = b"S'\\xff\\x00'\np0\n0g0\n."
    assert check(data) == len(data)


@pytest.mark.parametrize("case", BOMBS)
def test_bombs_are_one_line_at_once(tmp_path: Path, case: str) -> None:
    data, message = BOMBS[case]
    path = tmp_path / "a.pkl"
    path.write_bytes(data)
    with pytest.raises(BodyFileError, match=message) as caught:
        load_body(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"hello", b"\x80\x04", pickle.dumps([1, 2])[:-3]])
def test_what_is_no_whole_pickle_is_damaged(data: bytes) -> None:
    with pytest.raises(Damaged):
        check(data)


def test_a_place_of_the_memo_is_read_as_python_reads_it() -> None:
    # four bytes that look like a line of digits are a number
    with pytest.raises(Refused, match="place 171127345"):
        check(b"\x80\x02}r123\n.")


def test_many_opcodes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smplifyx.core.pickles.MOST_OPCODES", 100)
    with pytest.raises(Refused, match="more than 100 opcodes"):
        check(b"(" * 200 + b".")


def test_nothing_is_left_behind() -> None:
    poison = b"}" + text("poison") + b"I1\ns"
    for target in (
        name_of("copyreg", "_reconstructor"),
        name_of("_codecs", "encode"),
        name_of("collections", "OrderedDict"),
        call(name_of("collections", "OrderedDict")),
        name_of("chumpy.ch", "Ch"),
    ):
        try:
            unpickle.load(pickled(with_state(target, poison)))
        except Exception as error:  # what a pickle raises is its own affair
            assert "\n" not in str(error)
    one, other = Makers(10), Makers(10)
    assert one.of("list") is not one.of("list") and one.encode() is not other.encode()
    for name in ("_scalar", "_from_buffer", "_new_record"):
        assert "poison" not in vars(getattr(unpickle, name))
    assert not hasattr(unpickle._Record, "poison") and not hasattr(dict, "poison")


def test_no_type_is_handed_out() -> None:
    """A class of the process would keep what a pickle sets on it."""
    for module, name in [
        ("builtins", "dict"),
        ("builtins", "object"),
        ("collections", "OrderedDict"),
    ]:
        value = unpickle.load(b"\x80\x02" + name_of(module, name) + b".")
        assert not isinstance(value, type)


def test_an_address_of_a_callable_s_own_is_not_asked_for() -> None:
    """numpy reads memory wherever an object's __array_interface__ says."""
    interface = b"}(" + text("data") + together(b"I1\n", b"I01\n") + text("shape") + b"(I9\nt"
    interface += text("typestr") + text("|u1") + text("version") + b"I3\nu"
    attributes = b"}" + text("__array_interface__") + interface + b"s"
    scalar = name_of("numpy.core.multiarray", "scalar")
    state = together(scalar, b")", b"}", attributes)
    value = unpickle.load(b"\x80\x02" + with_state(scalar, state) + b".")
    with pytest.raises(ValueError, match="holds no plain array"):
        unpickle.as_array(value, unpickle.Allowance(100))
