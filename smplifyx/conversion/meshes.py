"""Meshes of people from files of others: vertices in the order of the file, and triangles."""

from __future__ import annotations

import contextlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray
from trimesh.exchange.ply import load_ply

from ..core.archives import open_archive
from ..core.files import boundary, read_bounded
from ..core.npz import arrays_of

ENDINGS = (".obj", ".ply", ".npz")
LARGEST_FILE = 2**30  # bytes
VERTEX_KEYS = ("vertices", "pred_vertices", "verts")  # of an npz, the first that is there
METRES = 10.0  # from one end of a body to the other: what is larger counts centimetres


class MeshFileError(ValueError):
    """A file without meshes of people; the message is one line."""


@dataclass(frozen=True, eq=False)
class PeopleMeshes:
    """The meshes of a file: n people of one topology, metres.

    faces: None where the file does not tell. centimetres: whether the file counted these.
    """

    vertices: Float[NDArray, "n v 3"]
    faces: Int[NDArray, "f 3"] | None
    centimetres: bool


def mesh_files(place: Path) -> list[Path]:
    """A file of meshes itself, or those of a folder, sorted; of .npz those that hold vertices."""
    found = sorted(place.iterdir()) if place.is_dir() else [place]
    return [path for path in found if path.suffix.lower() in ENDINGS and _may_be_mesh(path)]


def _may_be_mesh(path: Path) -> bool:
    if path.suffix.lower() != ".npz":
        return True
    with contextlib.suppress(ValueError, OSError, zipfile.BadZipFile):
        names = open_archive(read_bounded(path, LARGEST_FILE), LARGEST_FILE).names
        return not {f"{key}.npy" for key in VERTEX_KEYS}.isdisjoint(names)
    return False


def read_meshes(path: Path, y_up: bool) -> PeopleMeshes:
    """The meshes of an .obj, a .ply or an .npz (`vertices` [v, 3] or [n, v, 3]), in metres and in
    a camera's axes: x right, y down, z forward.

    A body that is larger than ten metres is told in centimetres. y_up: the file has y up and z
    towards the viewer, and is turned. Raises MeshFileError, one line.
    """
    with boundary(path, "a mesh", MeshFileError):
        content = read_bounded(path, LARGEST_FILE)
        vertices, faces = _READERS[path.suffix.lower()](content)
        vertices = np.asarray(vertices, np.float64)
        vertices = vertices[None] if vertices.ndim == 2 else vertices
        if vertices.ndim != 3 or vertices.shape[-1] != 3 or not vertices.size:
            raise ValueError(f"vertices of shape {list(vertices.shape)}")
        if not np.isfinite(vertices).all():
            raise ValueError("vertices that are not finite")
        centimetres = bool(np.ptp(vertices, axis=1).max() > METRES)
        vertices = vertices / 100 if centimetres else vertices
        if y_up:
            vertices = vertices * np.array([1.0, -1.0, -1.0])
        return PeopleMeshes(vertices, faces, centimetres)


def _of_obj(content: bytes) -> tuple[np.ndarray, np.ndarray | None]:
    """Lines `v` and `f` alone: a library would split vertices that have two normals."""
    vertices: list[list[float]] = []
    faces: list[list[int]] = []
    for line in io.BytesIO(content):
        words = line.split()
        if words[:1] == [b"v"]:
            vertices.append([float(word) for word in words[1:4]])
        elif words[:1] == [b"f"]:
            corners = [int(word.split(b"/")[0]) for word in words[1:]]
            corners = [corner - 1 if corner > 0 else len(vertices) + corner for corner in corners]
            # a fan of triangles
            faces += [[corners[0], b, c] for b, c in zip(corners[1:], corners[2:], strict=False)]
    return np.array(vertices), np.array(faces) if faces else None


def _of_ply(content: bytes) -> tuple[np.ndarray, np.ndarray | None]:
    mesh = load_ply(io.BytesIO(content), fix_texture=False)
    faces = mesh.get("faces")
    return np.asarray(mesh["vertices"]), None if faces is None else np.asarray(faces)


def _of_npz(content: bytes) -> tuple[np.ndarray, np.ndarray | None]:
    arrays = arrays_of(content, allowed=LARGEST_FILE)
    for key in VERTEX_KEYS:
        if key in arrays:
            return arrays[key], arrays.get("faces")
    keys = ", ".join(sorted(arrays)[:5])
    raise ValueError(f"expected {' or '.join(VERTEX_KEYS)}; found {keys}")


_READERS = {".obj": _of_obj, ".ply": _of_ply, ".npz": _of_npz}
