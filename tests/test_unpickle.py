"""Pickles of body models: arrays of any age come out, and nothing that a file brings ever runs."""

from __future__ import annotations

import builtins
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from make_bodies import Evil, as_objects, body_arrays, write

from smplifyx.body.joints import BodyKind
from smplifyx.body.loading import unpickle
from smplifyx.body.loading.files import load_body
from smplifyx.body.loading.raw import BodyFileError

PYTHON_2_ARRAY = (
    b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I1\nI2\ntcnumpy\ndtype\n"
    b"(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\n"
    b"S'\\x00\\x00\\x00\\x00\\x00\\x00\\xf0?\\x00\\x00\\x00\\x00\\x00\\x00\\x04\\xc0'\ntb."
)
MATRIX = np.array([[0, 2.5, 0], [1, 0, -3]])
PICKLED = {
    "python 2": (PYTHON_2_ARRAY, [[1, -2.5]]),
    "fortran": (pickle.dumps(np.asfortranarray(MATRIX), 2), MATRIX),
    "protocol 5": (pickle.dumps(MATRIX, 5), MATRIX),
    "big endian": (pickle.dumps(MATRIX.astype(">f4"), 3), MATRIX),
    "scalar": (pickle.dumps(np.float32(0.5), 2), 0.5),
    "list": (pickle.dumps(MATRIX.tolist()), MATRIX),
    "array of arrays": (pickle.dumps(as_objects(MATRIX), 2), MATRIX),
    "csc": (pickle.dumps(scipy.sparse.csc_matrix(MATRIX), 2), MATRIX),
    "csr": (pickle.dumps(scipy.sparse.csr_matrix(MATRIX)), MATRIX),
    "coo": (pickle.dumps(scipy.sparse.coo_matrix(MATRIX)), MATRIX),
}


@pytest.mark.parametrize("case", PICKLED)
def test_pickled_arrays(case: str) -> None:
    data, expected = PICKLED[case]
    np.testing.assert_array_equal(
        unpickle.as_array(unpickle.load(data), unpickle.Allowance(len(data))), expected
    )


def evil_calls(flag: Path) -> dict[str, Evil]:
    """Pickles that would leave a file behind, or reach for the means to."""
    return {
        "posix.system": Evil(os.system, f"touch {flag}"),
        "eval": Evil(eval, f"open({str(flag)!r}, 'w')"),
        "getattr": Evil(getattr, "", "join"),
        "open": Evil(builtins.open, str(flag), "w"),
        "load": Evil(np.load, str(flag)),
    }


@pytest.mark.parametrize("case", ["posix.system", "eval", "getattr", "open", "load"])
@pytest.mark.parametrize("place", ["pickle", "object array"])
def test_foreign_calls_are_refused(tmp_path: Path, case: str, place: str) -> None:
    flag = tmp_path / "flag"
    evil = evil_calls(flag)[case]
    arrays = body_arrays(BodyKind.SMPLX)
    if place == "pickle":
        path = write(tmp_path / "a.pkl", arrays | {"bs_type": evil})
    else:
        path = write(
            tmp_path / "a.npz", arrays | {"dynamic_lmk_bary_coords": np.array([evil], dtype=object)}
        )
    with pytest.raises(BodyFileError, match=r"refused global \S*" + case):
        load_body(path)
    assert not flag.exists()


def test_unread_keys_are_never_unpickled(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    evil = np.array(Evil(os.system, f"touch {flag}"), dtype=object)
    body = load_body(write(tmp_path / "a.npz", body_arrays(BodyKind.SMPLX) | {"joint2num": evil}))
    assert body.kind is BodyKind.SMPLX and not flag.exists()


REFUSED = {
    "object dtype over bytes": Evil(np.ndarray, (1,), np.dtype(object), b"12345678"),
    "void dtype": np.zeros(1, dtype=[("a", "f4"), ("b", object)]),
    "builtin exec": Evil(exec, "1"),
    "class of ours": Evil(Path, "a"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_unpickler_refuses(case: str) -> None:
    with pytest.raises((unpickle.Refused, TypeError)):
        unpickle.load(pickle.dumps(REFUSED[case], 2))
