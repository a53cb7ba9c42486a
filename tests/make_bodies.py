"""Generates small body model files in the layouts that users bring: random numbers, right shapes."""

from __future__ import annotations

import contextlib
import pickle
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import scipy.sparse

from smplifyx.body.joints import BodyKind, joint_names, parents

Arrays = dict[str, np.ndarray]
SMALL = 240  # vertices of a body that names its own points


def body_arrays(
    kind: BodyKind, vertices: int = SMALL, columns: int | None = None, seed: int = 0
) -> Arrays:
    """The arrays of a random body under the published keys; a small one carries `extra_points`."""
    rng = np.random.default_rng(seed)
    joints = len(joint_names(kind))
    owner = np.arange(vertices) % joints
    centres = _joint_centres(kind, rng)
    arrays = {
        "v_template": centres[owner] + rng.normal(0, 0.03, (vertices, 3)),
        "shapedirs": rng.normal(
            0, 0.01, (vertices, 3, columns or (20 if kind is BodyKind.SMPLX else 10))
        ),
        "posedirs": _posedirs(vertices, joints, rng),
        "weights": _weights(kind, owner, rng),
        "J_regressor": np.eye(joints)[owner].T / np.bincount(owner)[:, None],
        # root: 2**32 - 1, as published
        "kintree_table": np.array([parents(kind), range(joints)]).astype(np.uint32),
        "f": rng.integers(0, vertices, (2 * vertices, 3)).astype(np.uint32),
    }
    if vertices == SMALL:
        arrays["extra_points"] = np.arange(21) + 100
    return arrays | (_face(len(arrays["f"]), rng) if kind is BodyKind.SMPLX else {})


def hand_arrays(rows: int = 45, samples: int = 200, seed: int = 1) -> Arrays:
    """Hand mean, orthonormal components and training coefficients of falling spread, for both
    sides.
    """
    rng = np.random.default_rng(seed)
    arrays = {}
    for side in "lr":
        arrays[f"hands_components{side}"] = np.linalg.qr(rng.normal(size=(45, 45)))[0][:rows]
        arrays[f"hands_mean{side}"] = rng.normal(0, 0.1, 45)
        arrays[f"hands_coeffs{side}"] = rng.normal(size=(samples, 45)) / np.arange(1, 46)
    return arrays


def object_arrays() -> Arrays:
    """The dictionaries that published SMPL-X files carry as arrays of objects."""
    names = {name: i for i, name in enumerate(joint_names(BodyKind.SMPLX))}
    return {
        "joint2num": np.array(names),
        "part2num": np.array(names),
        "allow_pickle": np.array(True),
    }


def as_objects(array: np.ndarray) -> np.ndarray:
    """The rows of an array as an array of objects, as some files keep the face contour."""
    rows = np.empty(len(array), dtype=object)
    rows[:] = list(array)
    return rows


def write(path: Path, arrays: dict[str, object], protocol: int = 2) -> Path:
    """Writes arrays as .npz or, by any other ending, as a pickle."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        path.write_bytes(pickle.dumps(arrays, protocol))
    return path


def write_old_pickle(path: Path, arrays: Arrays, protocol: int) -> Path:
    """Writes a pickle as the first SMPL releases are: chumpy objects, scipy matrices under their
    old module path.
    """
    with _old_modules() as (Ch, Select, csc_matrix):
        count = arrays["shapedirs"].size
        reversed_shapes = Ch(x=arrays["shapedirs"].ravel()[::-1].copy())
        idxs = np.arange(count)[::-1].copy()
        selected = Select(a=reversed_shapes, idxs=idxs, preferred_shape=arrays["shapedirs"].shape)
        sparse = scipy.sparse.csc_matrix(arrays["J_regressor"])
        parts = {key: getattr(sparse, key) for key in ("data", "indices", "indptr")}
        old = csc_matrix(_shape=sparse.shape, maxprint=50, **parts)
        fields = {
            "v_template": Ch(x=arrays["v_template"]),
            "shapedirs": selected,
            "J_regressor": old,
        }
        return write(path, {**arrays, **fields, "bs_style": "lbs", "bs_type": "lrotmin"}, protocol)


@contextlib.contextmanager
def _old_modules() -> Iterator[tuple[type, ...]]:
    """Classes that pickle under the names of chumpy and of old scipy; the modules exist only while
    this is open.
    """
    places = {"Ch": "chumpy.ch", "Select": "chumpy.reordering", "csc_matrix": "scipy.sparse.csc"}
    made = {name: type(name, (_Fields,), {"__module__": module}) for name, module in places.items()}
    before = {module: sys.modules.get(module) for module in ("chumpy", *places.values())}
    for name, module in places.items():
        sys.modules[module] = types.ModuleType(module)
        setattr(sys.modules[module], name, made[name])
    sys.modules["chumpy"] = types.ModuleType("chumpy")
    try:
        yield tuple(made.values())
    finally:
        for module, old in before.items():
            sys.modules.pop(module)
            if old is not None:
                sys.modules[module] = old


class _Fields:
    def __init__(self, **fields: object) -> None:
        self.__dict__.update(fields)


class Evil:
    """Pickles as a call of any function."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple:
        return self.call


def _joint_centres(kind: BodyKind, rng: np.random.Generator) -> np.ndarray:
    centres = np.zeros((len(joint_names(kind)), 3))
    for joint, parent in enumerate(parents(kind)):
        if parent >= 0:
            centres[joint] = centres[parent] + rng.normal(0, 0.12, 3)
    centres[:, 1] *= 1.6 / np.ptp(centres[:, 1])
    return centres


def _posedirs(vertices: int, joints: int, rng: np.random.Generator) -> np.ndarray:
    values = np.zeros((vertices, 3, 9 * (joints - 1)), dtype=np.float32)
    touched = rng.integers(0, values.size, values.size // 50)
    values.reshape(-1)[touched] = rng.normal(0, 0.02, len(touched))
    return values


def _weights(kind: BodyKind, owner: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each vertex belongs to its joint and, partly, to that joint's parent."""
    weights = np.zeros((len(owner), len(joint_names(kind))))
    share = rng.uniform(0.5, 1, len(owner))
    above = np.maximum(np.array(parents(kind))[owner], 0)
    np.add.at(weights, (np.arange(len(owner)), owner), share)
    np.add.at(weights, (np.arange(len(owner)), above), 1 - share)
    return weights


def _face(triangles: int, rng: np.random.Generator) -> Arrays:
    return {
        "lmk_faces_idx": rng.integers(0, triangles, 51),
        "lmk_bary_coords": rng.dirichlet(np.ones(3), 51),
        "dynamic_lmk_faces_idx": rng.integers(0, triangles, (79, 17)),
        "dynamic_lmk_bary_coords": rng.dirichlet(np.ones(3), (79, 17)),
    }
