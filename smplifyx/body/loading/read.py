"""Reads the arrays of a body model file, .npz or .pkl, told apart by their first bytes; never runs
what is in them.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np

from ...core.messages import one_line
from . import unpickle
from .raw import BodyFileError, RawBody

_HANDS = (
    "hands_componentsl", "hands_componentsr", "hands_meanl", "hands_meanr",
    "hands_coeffsl", "hands_coeffsr",
)  # fmt: skip
# What a body is made of. Other keys (texture coordinates, dictionaries of part names) are not even
# decoded.
KEYS = frozenset({
    "v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f",
    "lmk_faces_idx", "lmk_bary_coords", "dynamic_lmk_faces_idx", "dynamic_lmk_bary_coords",
    "extra_points", "pupils", "model_name", *_HANDS,
})  # fmt: skip
_ZIP_MAGIC = b"PK"


def read_raw(path: Path) -> RawBody:
    """The known arrays of a model file; raises BodyFileError where it is no such file, is damaged
    or unsafe.
    """
    data = _bytes(path)
    arrays = _read_npz(path, data) if data.startswith(_ZIP_MAGIC) else _read_pickle(path, data)
    if "v_template" not in arrays:
        raise BodyFileError(
            f"{path}: found no v_template among its keys, expected a SMPL-X, SMPL-H or SMPL model"
        )
    return RawBody(path=path, sha256=hashlib.sha256(data).hexdigest(), arrays=arrays)


def _bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BodyFileError(f"{path}: cannot be read: {error.strerror}") from error
    if not data:
        raise BodyFileError(f"{path}: found an empty file, expected a body model (.npz or .pkl)")
    return data


def _read_npz(path: Path, data: bytes) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name.removesuffix(".npy"): name for name in archive.namelist()}
            # in a fixed order: of several broken arrays, the same is always named
            known = sorted(KEYS & members.keys())
            return {key: _read_member(path, archive, members[key]) for key in known}
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise BodyFileError(
            f"{path}: damaged or cut short .npz archive: {one_line(error)}"
        ) from error


def _read_member(path: Path, archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """One array of the archive.

    numpy would unpickle arrays of objects freely; here they go through the allow-list.
    """
    key = name.removesuffix(".npy")
    try:
        return _decode_npy(archive.read(name))
    except Exception as error:  # damaged archives and pickles raise anything
        raise BodyFileError(f"{path}: {key}: cannot be read: {one_line(error)}") from error


def _decode_npy(content: bytes) -> np.ndarray:
    stream = io.BytesIO(content)
    if np.lib.format.read_magic(stream) == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    else:
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    body = content[stream.tell() :]
    if dtype.hasobject:
        return unpickle.as_array(unpickle.load(body))
    return np.frombuffer(body, dtype).reshape(shape, order="F" if fortran else "C")


def _read_pickle(path: Path, data: bytes) -> dict[str, np.ndarray]:
    try:
        content = unpickle.load(data)
    except unpickle.Refused as error:
        raise BodyFileError(
            f"{path}: {one_line(error)}: a body model needs no such thing, so it is not run"
        ) from error
    except Exception as error:  # damaged pickles raise anything; all of it means the same
        raise BodyFileError(
            f"{path}: neither .npz nor a whole pickle: {one_line(error)}"
        ) from error
    if not isinstance(content, dict):
        raise BodyFileError(
            f"{path}: found a pickled {type(content).__name__}, expected a dict of arrays"
        )
    return {key: _value(path, key, content[key]) for key in sorted(KEYS & content.keys())}


def _value(path: Path, key: str, value: object) -> np.ndarray:
    try:
        return unpickle.as_array(value)
    except Exception as error:  # the fields of a record are whatever the file says
        raise BodyFileError(f"{path}: {key}: cannot be read: {one_line(error)}") from error
