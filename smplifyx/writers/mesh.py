"""Meshes of fitted people for other programs.

Frames: `.obj` and `.ply` are in the camera's frame, metres: x right, y down, z forward (away from
the camera), so that K projects them onto the image as they are. `.glb` follows glTF: x right, y up,
z backward, the same camera at the origin looking along -z; it is the camera's frame turned by 180
degrees about x.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path

import numpy as np
import trimesh
from jaxtyping import Float, Int
from torch import Tensor

from ..core.npz import replacing


class MeshKind(Enum):
    """The formats that can be written."""

    OBJ = "obj"
    PLY = "ply"
    GLB = "glb"


NOTES = {
    MeshKind.OBJ: "smplifyx: camera frame, metres: x right, y down, z forward",
    MeshKind.PLY: "smplifyx: camera frame, metres: x right, y down, z forward",
    MeshKind.GLB: "smplifyx: glTF frame, metres: x right, y up, z backward; the camera is at the origin",
}
_TO_GLTF = np.diag([1.0, -1.0, -1.0])


def write_mesh(path: Path, vertices: Float[Tensor, "v 3"], faces: Int[Tensor, "f 3"]) -> None:
    """Writes one body as the suffix of `path` says, whole or not at all; vertices in the camera's
    frame, metres.

    Raises ValueError for another suffix or vertices that are not finite.
    """
    kind = _kind_of(path)
    points = vertices.detach().cpu().double().numpy()
    if not np.isfinite(points).all():
        raise ValueError(f"{path}: the body is not finite, no mesh to write")
    if kind is MeshKind.GLB:
        points = points @ _TO_GLTF
    mesh = trimesh.Trimesh(points, faces.cpu().numpy(), process=False)
    mesh.metadata["about"] = NOTES[kind]
    with replacing(path) as temporary:
        temporary.write_bytes(_encode(mesh, kind))


def _kind_of(path: Path) -> MeshKind:
    try:
        return MeshKind(path.suffix.lower().removeprefix("."))
    except ValueError as error:
        allowed = ", ".join(f".{kind.value}" for kind in MeshKind)
        raise ValueError(f"{path}: meshes are written as {allowed}") from error


def _encode(mesh: trimesh.Trimesh, kind: MeshKind) -> bytes:
    if kind is MeshKind.OBJ:
        text = trimesh.exchange.obj.export_obj(
            mesh, header=NOTES[kind], include_normals=False, digits=6
        )
        return text.encode()
    if kind is MeshKind.PLY:
        data = trimesh.exchange.ply.export_ply(mesh, vertex_normal=False)
        head, rest = data.split(b"\n", 2)[:2], data.split(b"\n", 2)[2]
        return b"\n".join([*head, f"comment {NOTES[kind]}".encode(), rest])
    return trimesh.exchange.gltf.export_glb(trimesh.Scene(mesh), include_normals=True)
