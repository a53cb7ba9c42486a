"""How far fitted bodies pass through themselves: the exact check of `collision.mesh` on results."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ..body.model import BodyModel
from ..collision.mesh.check import MeshPenetration, self_penetration
from ..core.invariant_linalg import whole_rows
from .result import FitResult, Penetration

_MESHES_AT_ONCE = 64  # bounds the memory


def contact_of(result: FitResult, body: BodyModel) -> MeshPenetration:
    """Where each fitted body passes through itself, on its mesh.

    Batch axes are those of the result, the device is the body's. A person gets the same alone and
    in a batch, to the last bit. Takes milliseconds per person. Raises ValueError for another model
    than the one fitted.
    """
    batch = result.energy.shape  # any axes; the check takes one

    def flattened(tensor: Tensor) -> Tensor:
        return tensor.detach().reshape(math.prod(batch), *tensor.shape[len(batch) :])

    def unflattened(tensor: Tensor) -> Tensor:
        return tensor.reshape((*batch, *tensor.shape[1:]))

    vertices = _vertices(result.map(flattened), body)
    return self_penetration(vertices, body).map(unflattened)


def penetration_of(result: FitResult, body: BodyModel) -> Penetration:
    """How far each body of a batch [batch] passes through itself: `contact_of` in two numbers.

    A batch of any size takes the memory of a small one. Raises as `contact_of` does.
    """
    found = []
    for rows in torch.arange(len(result.energy)).split(_MESHES_AT_ONCE):
        contact = contact_of(result[rows], body)
        found.append(Penetration(depth_mm=1000 * contact.depth, triangles=contact.triangles))
    return Penetration.cat(found)


@torch.no_grad()
def _vertices(result: FitResult, body: BodyModel) -> Float[Tensor, "batch v 3"]:
    """The meshes, equal to the last bit however many are made together."""
    count = len(result.energy)
    # Skinning's matrix products pick another kernel for few rows: repeated rows make up the number.
    rows = whole_rows(count, result.energy.device)
    return result[rows].vertices(body)[:count]
