"""Reads the arrays of a body model file, .npz or .pkl, told apart by their first bytes; never runs
what is in them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from ...core import npy
from ...core.archives import ZIP_MAGIC, Archive, open_archive
from ...core.files import boundary, read_bounded
from ...core.messages import one_line, plain
from ...core.signatures import FileKind, kind_of
from ...core.strangers import named
from . import unpickle
from .raw import BodyFileError, RawBody
from .unpickle import Allowance

_HANDS = (
    "hands_componentsl", "hands_componentsr", "hands_meanl", "hands_meanr",
    "hands_coeffsl", "hands_coeffsr",
)  # fmt: skip
# What a body is made of. Other keys (texture coordinates, dictionaries of part names) are not even
# decoded.
KEYS = frozenset({
    "v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f",
    "lmk_faces_idx", "lmk_bary_coords", "dynamic_lmk_faces_idx", "dynamic_lmk_bary_coords",
    "extra_points", "pupils", "model_name", "point_names", "point_parts", "point_shares",
    "point_detectors", *_HANDS,
})  # fmt: skip


LARGEST_FILE = 2**31  # bytes; SMPL-X's have 170 million
_PURPOSE = "a body model needs no such thing, so it is not run"


def read_raw(path: Path) -> RawBody:
    """The known arrays of a model file; raises BodyFileError where it is no such file, is damaged
    or unsafe.
    """
    data = _bytes(path)
    arrays = _read_npz(path, data) if data.startswith(ZIP_MAGIC) else _read_pickle(path, data)
    if "v_template" not in arrays:
        raise BodyFileError(
            f"{path}: found no v_template among its keys, expected a SMPL-X, SMPL-H or SMPL model"
        )
    return RawBody(path=path, sha256=hashlib.sha256(data).hexdigest(), arrays=arrays)


def _bytes(path: Path) -> bytes:
    with boundary(path, "readable", BodyFileError):
        data = read_bounded(path, LARGEST_FILE)
    if not data:
        raise BodyFileError(f"{path}: found an empty file, expected a body model (.npz or .pkl)")
    return data


def _read_npz(path: Path, data: bytes) -> dict[str, np.ndarray]:
    try:
        archive = open_archive(data)
    except Exception as error:  # damaged archives raise anything
        raise BodyFileError(
            f"{path}: damaged or cut short .npz archive: {one_line(error)}"
        ) from error
    members = {name.removesuffix(".npy"): name for name in archive.names}
    allowance = Allowance(len(data))
    # in a fixed order: of several broken arrays, the same is always named
    known = sorted(KEYS & members.keys())
    if not known:
        raise BodyFileError(f"{path}: {_no_npz(data, archive.names)}")
    return {key: _read_member(path, archive, members[key], allowance) for key in known}


def _no_npz(data: bytes, names: list[str]) -> str:
    """What an archive is that holds none of a model's arrays."""
    if kind_of(data) is FileKind.TORCH:
        return f"{FileKind.TORCH.value}, expected a body model (.npz or .pkl)"
    inside = [name for name in names if name.lower().endswith((".npz", ".pkl"))]
    if inside:
        listed = ", ".join(plain(name, limit=60) for name in inside[:3])
        more = ", ..." if len(inside) > 3 else ""
        return f"a zip archive ({listed}{more}): unpack it, then --model FOLDER"
    keys = ", ".join(plain(name.removesuffix(".npy"), limit=20) for name in names[:5])
    return f"found no v_template among its keys ({keys}), expected a SMPL-X, SMPL-H or SMPL model"


def _read_member(path: Path, archive: Archive, name: str, allowance: Allowance) -> np.ndarray:
    """One array of the archive.

    numpy would unpickle arrays of objects freely; here they go through the allow-list.
    """
    key = name.removesuffix(".npy")
    try:
        stored = npy.parse(archive.read(name))
        if stored.dtype.hasobject:
            return unpickle.as_array(unpickle.load(bytes(stored.data)), allowance)
        return stored.array()
    except Exception as error:  # damaged archives and pickles raise anything
        raise BodyFileError(f"{path}: {key}: cannot be read: {one_line(error)}") from error


def _read_pickle(path: Path, data: bytes) -> dict[str, np.ndarray]:
    try:
        content = unpickle.load(data)
    except Exception as error:  # damaged pickles raise anything; all of it means the same
        raise BodyFileError(f"{path}: {_no_pickle(data, error)}") from error
    if not isinstance(content, dict):
        raise BodyFileError(
            f"{path}: found a pickled {type(content).__name__}, expected a dict of arrays"
        )
    allowance = Allowance(len(data))
    return {
        key: _value(path, key, content[key], allowance) for key in sorted(KEYS & content.keys())
    }


def _no_pickle(data: bytes, error: Exception) -> str:
    """What a file is that is no pickle of a model."""
    if isinstance(error, unpickle.Refused):
        return f"{one_line(error)}: {_PURPOSE}"
    stranger = named(data, FileKind.PICKLE)
    if stranger:
        return f"{stranger}, expected a body model (.npz or .pkl)"
    return f"neither .npz nor a whole pickle: {one_line(error)}"


def _value(path: Path, key: str, value: object, allowance: Allowance) -> np.ndarray:
    try:
        return unpickle.as_array(value, allowance)
    except Exception as error:  # the fields of a record are whatever the file says
        raise BodyFileError(f"{path}: {key}: cannot be read: {one_line(error)}") from error
