"""Archives in memory: what unpacks to far more, overlaps or is packed oddly is refused before it is read."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hostile_files import npy_header, npz, overlapping, zip_bomb

from smplifyx.core import npy
from smplifyx.core.archives import open_archive
from smplifyx.core.npz import arrays_of

GOOD = npz(a=npy_header("<f8", "(2,)") + bytes(16))
DIRECTORY = GOOD.index(b"PK\x01\x02")


def with_byte(offset: int, value: int) -> bytes:
    """The good archive, one byte of its directory's first entry changed."""
    data = bytearray(GOOD)
    data[DIRECTORY + offset] = value
    return bytes(data)


def with_forged_size() -> bytes:
    """A packed member that unpacks to more than the directory says."""
    data = bytearray(zip_bomb("a", 1))
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = struct.pack("<I", 100)
    return bytes(data)


REFUSED = {
    "bomb": (zip_bomb("a", 300), "unpacks to 300 MiB"),
    "overlap": (overlapping(), "lies over what follows"),
    "encrypted": (with_byte(8, 1), "is encrypted"),
    "method": (with_byte(10, 1), "packed by method 1"),
    "system": (with_byte(6, 200), "."),
    "no directory": (GOOD[:DIRECTORY], "."),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_odd_archives_are_refused(case: str) -> None:
    data, message = REFUSED[case]
    with pytest.raises((ValueError, NotImplementedError, zipfile.BadZipFile), match=message):
        arrays_of(data)


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("what", ["magic", "name", "data", "length"])
def test_damaged_members_are_noticed(what: str, packing: int, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", packing) as archive:
        archive.writestr("zwölf.npy", bytes(range(200)))
    data = bytearray((tmp_path / "a.zip").read_bytes())
    assert open_archive(bytes(data)).read("zwölf.npy") == bytes(range(200))
    data[{"magic": 1, "name": 31, "data": 60, "length": 27}[what]] ^= 64
    with pytest.raises((ValueError, zipfile.BadZipFile, zlib.error)):
        open_archive(bytes(data)).read("zwölf.npy")


def test_a_member_is_read_no_further_than_it_says() -> None:
    with pytest.raises((ValueError, zipfile.BadZipFile)):
        open_archive(with_forged_size()).read("a.npy")


def test_good_ones_are_read() -> None:
    assert np.array_equal(arrays_of(GOOD)["a"], [0, 0])
    assert arrays_of(GOOD, keys=["b"]) == {}


CLAIMS = {
    "more than there is": npy_header("<f8", "(1000000000, 3)"),
    "less than there is": npy_header("<f8", "(1,)") + bytes(800),
    "nothing of much": npy_header("<f8", "(0, 4611686018427387904)"),
    "much of nothing": npy_header("|V0", "(4611686018427387904,)"),
    "negative": npy_header("<f8", "(-1,)") + bytes(8),
    "objects": npy_header("|O", "(1,)") + b"N.",
    "no array": b"hello",
    "long header": b"\x93NUMPY\x02\x00" + struct.pack("<I", 10**9),
    "version": b"\x93NUMPY\x07\x00" + bytes(20),
    "code": npy_header("<f8", "__import__('os').getpid()"),
}


@pytest.mark.parametrize("case", CLAIMS)
def test_claims_of_a_header_are_checked(case: str) -> None:
    with pytest.raises(ValueError) as caught:
        npy.parse(CLAIMS[case]).array()
    assert "trust" not in str(caught.value)


@pytest.mark.parametrize(
    "value", [np.zeros((0, 10)), np.array(3.0), np.asfortranarray(np.eye(3)[:2]), np.array("")]
)
def test_arrays_come_back(value: np.ndarray, tmp_path) -> None:
    np.save(tmp_path / "a.npy", value)
    found = npy.parse((tmp_path / "a.npy").read_bytes()).array()
    assert found.dtype == value.dtype and np.array_equal(found, value)
