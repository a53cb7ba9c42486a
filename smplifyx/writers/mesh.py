"""Meshes of fitted people for other programs.

Frames: `.obj` and `.ply` are in the camera's frame, metres: x right, y down, z forward (away from
the camera), so that K projects them onto the image as they are. `.glb` follows glTF: x right, y up,
z backward, the same camera at the origin looking along -z; it is the camera's frame turned by 180
degrees about x.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import trimesh
from jaxtyping import Float, Int
from torch import Tensor
from trimesh.exchange import gltf, obj, ply

from ..core.choices import MeshFormat
from ..core.npz import replacing
from .writer import FittedPerson

_CAMERA_FRAME = "smplifyx: camera frame, metres: x right, y down, z forward"
_GLTF_FRAME = "smplifyx: glTF frame, metres: x right, y up, z backward; the camera is at the origin"
NOTES = MappingProxyType(
    {
        MeshFormat.OBJ: _CAMERA_FRAME,
        MeshFormat.PLY: _CAMERA_FRAME,
        MeshFormat.GLB: _GLTF_FRAME,
    }
)
_TO_GLTF = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True)
class MeshWriter:
    """The mesh of a person in one of the formats."""

    format: MeshFormat

    @property
    def suffix(self) -> str:
        """The suffix of the format, with its dot."""
        return f".{self.format.value}"

    def write(self, path: Path, person: FittedPerson) -> None:
        """Writes the mesh. Raises ValueError for vertices that are not finite."""
        write_mesh(path, person.vertices, person.body.faces, person.note)


def write_mesh(
    path: Path, vertices: Float[Tensor, "v 3"], faces: Int[Tensor, "f 3"], note: str = ""
) -> None:
    """Writes one body as the suffix of `path` says, whole or not at all; vertices in the camera's
    frame, metres.

    note: one line that the file carries after ours, which tells the frame. Raises ValueError for
    another suffix or vertices that are not finite.
    """
    mesh_format = _format_of(path)
    points = vertices.detach().cpu().double().numpy()
    if not np.isfinite(points).all():
        raise ValueError(f"{path}: the body is not finite, no mesh to write")
    if mesh_format is MeshFormat.GLB:
        points = points @ _TO_GLTF
    # process=False: trimesh would merge vertices and so renumber them
    mesh = trimesh.Trimesh(points, faces.cpu().numpy(), process=False)
    about = f"{NOTES[mesh_format]}; {note}" if note else NOTES[mesh_format]
    with replacing(path) as temporary:
        temporary.write_bytes(_encode(mesh, mesh_format, about))


def _format_of(path: Path) -> MeshFormat:
    try:
        return MeshFormat(path.suffix.lower().removeprefix("."))
    except ValueError as error:
        allowed = ", ".join(f".{mesh_format.value}" for mesh_format in MeshFormat)
        raise ValueError(f"{path}: meshes are written as {allowed}") from error


def _encode(mesh: trimesh.Trimesh, mesh_format: MeshFormat, about: str) -> bytes:
    if mesh_format is MeshFormat.OBJ:
        text = obj.export_obj(mesh, header=about, include_normals=False, digits=6)
        return text.encode()
    if mesh_format is MeshFormat.PLY:
        data = ply.export_ply(mesh, vertex_normal=False)
        # a comment may stand after the first two lines, which tell that and which ply it is
        magic, kind, rest = data.split(b"\n", 2)
        return b"\n".join([magic, kind, f"comment {about}".encode(), rest])
    mesh.metadata["about"] = about
    return gltf.export_glb(trimesh.Scene(mesh), include_normals=True)
