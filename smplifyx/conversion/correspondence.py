"""Which point of one body's surface each vertex of another body is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..core import npz
from ..core.files import boundary, read_bounded

SD = 0.002  # metres: how well two surfaces that lie on one another tell the same point
LARGEST_FILE = 256 * 2**20


class CorrespondenceError(ValueError):
    """Correspondences that cannot be used; the message is one line."""


@dataclass(frozen=True, eq=False)
class Correspondence:
    """For each of the target's vertices, a point on the source's surface.

    corners: three vertices of the source's mesh. shares: of each in the point; they sum to 1. sd:
    metres, how well the two are the same point; inf: the source has no such point. sources: how
    many vertices the source's mesh has.
    """

    corners: Int[Tensor, "v 3"]
    shares: Float[Tensor, "v 3"]
    sd: Float[Tensor, " v"]
    sources: int

    def transferred(self, vertices: Float[Tensor, "*batch s 3"]) -> Float[Tensor, "*batch v 3"]:
        """Where the target's vertices lie on meshes of the source's topology; what has no such
        point is somewhere.

        Raises CorrespondenceError for meshes of another number of vertices.
        """
        found = vertices.shape[-2]
        if found != self.sources:
            raise CorrespondenceError(
                f"a mesh of {found} vertices, but correspondences from one of {self.sources}"
            )
        places = vertices[..., self.corners.to(vertices.device), :]  # [*batch, v, 3, 3]
        return (places * self.shares.to(vertices)[..., None]).sum(-2)

    def save(self, path: Path) -> None:
        """Writes an npz, whole or not at all. Raises OSError."""
        npz.write(
            path,
            {
                "corners": self.corners.numpy().astype(np.int32),
                "shares": self.shares.numpy().astype(np.float32),
                "sd": self.sd.numpy().astype(np.float32),
                "source_vertices": np.array(self.sources),
            },
        )


def load_correspondence(
    path: Path, targets: int, faces: Int[np.ndarray, "f 3"] | None = None
) -> Correspondence:
    """Correspondences from a file.

    Either what `Correspondence.save` wrote (`corners`, `shares`, `sd`, `source_vertices`), or a
    table of triangles of the source and barycentric coordinates in them (`triangle_ids` [v],
    `baryc_coords` [v, 3], as the MHR repository has them), for which `faces`, the triangles of the
    source's meshes, are needed. targets: how many vertices the target has. Raises
    CorrespondenceError, one line, for a file that is neither or is of another target.
    """
    with boundary(path, "correspondences", CorrespondenceError):
        arrays = npz.arrays_of(read_bounded(path, LARGEST_FILE), allowed=LARGEST_FILE)
        if "triangle_ids" in arrays:
            found = _of_triangles(arrays, faces)
        elif {"corners", "shares"} <= arrays.keys():
            found = _of_corners(arrays)
        else:
            keys = ", ".join(sorted(arrays)[:5])
            raise ValueError(f"expected corners and shares, or triangle_ids; found {keys}")
        count = len(found.corners)
        if count != targets:
            raise ValueError(f"for a body of {count} vertices, this one has {targets}")
        _check(found)
        return found


def _of_corners(arrays: Mapping[str, np.ndarray]) -> Correspondence:
    corners = np.asarray(arrays["corners"], np.int64)
    sd = arrays.get("sd", np.full(len(corners), SD))
    sources = int(arrays.get("source_vertices", corners.max() + 1))
    return _correspondence(corners, arrays["shares"], sd, sources)


def _of_triangles(
    arrays: Mapping[str, np.ndarray], faces: Int[np.ndarray, "f 3"] | None
) -> Correspondence:
    if faces is None:
        raise ValueError("triangle_ids need meshes with triangles (.obj, .ply)")
    triangles = np.asarray(arrays["triangle_ids"], np.int64).ravel()
    if triangles.min() < 0 or triangles.max() >= len(faces):
        raise ValueError(f"triangle_ids up to {triangles.max()}, the meshes have {len(faces)}")
    sd = np.full(len(triangles), SD)
    return _correspondence(faces[triangles], arrays["baryc_coords"], sd, int(faces.max()) + 1)


def _correspondence(
    corners: np.ndarray, shares: np.ndarray, sd: np.ndarray, sources: int
) -> Correspondence:
    return Correspondence(
        corners=torch.as_tensor(np.array(corners, np.int64)),
        shares=torch.as_tensor(np.array(shares, np.float32)),
        sd=torch.as_tensor(np.array(sd, np.float32)),
        sources=sources,
    )


def _check(found: Correspondence) -> None:
    """Raises ValueError for numbers that cannot be."""
    count = len(found.corners)
    shapes = (found.corners.shape, found.shares.shape, found.sd.shape)
    if shapes != ((count, 3), (count, 3), (count,)):
        raise ValueError(f"shapes {', '.join(str(list(shape)) for shape in shapes)}")
    if count and not 0 <= int(found.corners.min()) <= int(found.corners.max()) < found.sources:
        raise ValueError(f"corners outside 0..{found.sources - 1}")
    if not torch.allclose(found.shares.sum(-1), torch.ones(count), atol=1e-3):
        raise ValueError("shares that do not sum to 1")
    if not (found.sd > 0).all():
        raise ValueError("sd that is not above 0")
