"""Files that somebody made to hurt: pickles by hand, opcode by opcode, archives byte by byte."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import numpy as np


def name_of(module: str, name: str) -> bytes:
    """A global."""
    return f"c{module}\n{name}\n".encode()


def text(value: str) -> bytes:
    """A string."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    """A whole number of any size."""
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def together(*values: bytes) -> bytes:
    """A tuple."""
    return b"(" + b"".join(values) + b"t"


def call(function: bytes, *arguments: bytes) -> bytes:
    """What a function gives."""
    return function + together(*arguments) + b"R"


def with_state(value: bytes, state: bytes) -> bytes:
    """A value that is told its attributes."""
    return value + state + b"b"


def pickled(value: bytes, key: str = "v_template") -> bytes:
    """The pickle of a dictionary with one entry."""
    return b"\x80\x02}" + text(key) + value + b"s."


def laughs(levels: int = 10, width: int = 10) -> bytes:
    """A list of `width` times the same list of `width` times the same list ..."""
    one = b"G" + struct.pack(">d", 1.0)
    lists = b"](" + one * width + b"eq\x00"
    for level in range(1, levels):
        lists += b"0](" + (b"h" + bytes([level - 1])) * width + b"eq" + bytes([level])
    return lists


def array(shape: bytes, dtype: str, data: bytes) -> bytes:
    """A numpy array as a pickle spells it."""
    made = call(name_of("numpy.core.multiarray", "_reconstruct"))
    kind = call(name_of("numpy", "dtype"), text(dtype))
    return with_state(made, together(shape, kind, b"I00\n", data))


def sparse(rows: int, columns: int) -> bytes:
    """A matrix of scipy's without a single number."""
    fields = b"}(" + text("_shape") + together(number(rows), number(columns))
    for key in ("data", "row", "col"):
        fields += text(key) + b"]"
    return with_state(call(name_of("scipy.sparse.coo", "coo_matrix")), fields + b"u")


def foreign(attributes: bytes) -> bytes:
    """A function of numpy's that is told its attributes."""
    return with_state(name_of("numpy.core.multiarray", "scalar"), together(b"N", attributes))


# pickles that hang, eat memory or reach into the process that reads them: what the line must say
BOMBS: dict[str, tuple[bytes, str]] = {
    "laughs": (pickled(laughs()), "spells out far more"),
    "empty laughs": (pickled(b"]q\x00" + laughs(10, 30)[1:]), "spells out|cannot be read"),
    "memo": (b"\x80\x02}r" + struct.pack("<I", 200_000_000) + b".", "place 200000000 of the memo"),
    "memo as text": (b"\x80\x02}p200000000\n.", "place 200000000 of the memo"),
    "long bytes": (b"\x80\x05\x96" + struct.pack("<Q", 2**35) + b".", "cut short"),
    "longer bytes": (b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b".", "cut short"),
    "bytes of a number": (
        pickled(call(name_of("builtins", "bytes"), number(3 * 10**9))),
        "refused bytes of something else",
    ),
    "list of a range": (
        pickled(
            call(name_of("builtins", "list"), call(name_of("builtins", "range"), number(10**9)))
        ),
        "refused",
    ),
    "text of laughs": (
        pickled(call(name_of("builtins", "str"), laughs())),
        "refused str of something else",
    ),
    "dtype of laughs": (pickled(call(name_of("numpy", "dtype"), laughs())), "refused numpy dtype"),
    "copies": (
        pickled(
            text("x" * 50_000) + b"q\x00" + call(name_of("_codecs", "encode"), b"h\x00") * 300
        ),
        "copies of copies",
    ),
    "array of a number": (
        pickled(array(together(number(3 * 10**9)), "u1", number(3 * 10**9))),
        "an array of int",
    ),
    "sparse": (pickled(sparse(30_000, 30_000)), "spells out far more"),
    "sparse and empty": (pickled(sparse(0, 2**60)), "spells out far more"),
    "deep tuples": (pickled(b"N" + b"\x85" * 100_000), "nested more than 200 deep"),
    "deep tuples as a key": (b"\x80\x02}N" + b"\x85" * 200_000 + b"Ns.", "nested more than"),
    "deep lists": (pickled(b"]" * 3000 + b"a" * 2999), "nested more than 200 deep"),
    "address": (
        pickled(foreign(b"}" + text("__array_interface__") + b"}s")),
        "invalid partial state|no plain array",
    ),
    "defaults": (pickled(foreign(b"}" + text("__defaults__") + b")s")), "invalid partial state"),
}  # fmt: skip


def npy_header(dtype: str, shape: str) -> bytes:
    """What an .npy begins with that claims this."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (64 - (len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()


def npz(**members: bytes) -> bytes:
    """An archive of .npy files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for key, content in members.items():
            archive.writestr(f"{key}.npy", content)
    return stream.getvalue()


def zip_bomb(key: str, mebibytes: int) -> bytes:
    """An .npz of zeros whose directory says that it unpacks to so much."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{key}.npy", npy_header("<f8", "(43690, 3)") + bytes(2**20))
    content = bytearray(stream.getvalue())
    directory = content.index(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = struct.pack("<I", mebibytes * 2**20)
    return bytes(content)


def overlapping(count: int = 50) -> bytes:
    """An archive whose members share their bytes."""
    shared = bytes(10_000)
    names = [f"{index:03d}.npy" for index in range(count)]
    headers = []
    content = shared
    for name in reversed(names):
        header = struct.pack(
            "<IHHHHHIIIHH", 0x04034B50, 20, 0, 0, 0, 0, zlib.crc32(content), len(content),
            len(content), len(name), 0,
        ) + name.encode()  # fmt: skip
        content = header + content
        headers.append(len(header))
    directory = b""
    start = 0
    for name, length in zip(names, reversed(headers), strict=True):
        inside = content[start + length :]
        directory += struct.pack(
            "<IHHHHHHIIIHHHHHII", 0x02014B50, 20, 20, 0, 0, 0, 0, zlib.crc32(inside), len(inside),
            len(inside), len(name), 0, 0, 0, 0, 0, start,
        ) + name.encode()  # fmt: skip
        start += length
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, count, count, len(directory), len(content), 0)
    return content + directory + end


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """The bytes with a few of them changed, cut out, doubled or cut off."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(len(changed)))
        match int(rng.integers(6)):
            case 0 | 1:
                changed[at] ^= 1 << int(rng.integers(8))
            case 2:
                changed[at] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFF]))
            case 3:
                del changed[at : at + int(rng.integers(1, 40))]
            case 4:
                changed[at:at] = changed[at : at + int(rng.integers(1, 40))]
            case _:
                del changed[max(at, 10) :]
    return bytes(changed)
