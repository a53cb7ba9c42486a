"""How far fitted bodies pass through themselves: the exact check of `collision.mesh.check` on the
meshes of results.
"""

from __future__ import annotations

import math

import torch

from ..body.model import BodyModel
from ..collision.mesh.check import MeshPenetration, self_penetration
from ..core.invariant_linalg import whole_rows
from .result import FitResult, Penetration

_TOGETHER = 64  # people whose meshes are in memory at once


def contact_of(result: FitResult, body: BodyModel) -> MeshPenetration:
    """Where each fitted body passes through itself, on its mesh; on the body's device, batch axes
    as the result's.

    A person gets the same alone and in a batch. Takes milliseconds per person.
    Raises ValueError for another model than the one fitted.
    """
    batch = result.energy.shape
    flat = result.map(
        lambda tensor: tensor.detach().reshape(math.prod(batch), *tensor.shape[len(batch) :])
    )
    return self_penetration(_vertices(flat, body), body).map(
        lambda tensor: tensor.reshape((*batch, *tensor.shape[1:]))
    )


def penetration_of(result: FitResult, body: BodyModel) -> Penetration:
    """How far each body of a batch [batch] passes through itself: `contact_of` in numbers, in
    bounded memory.
    """
    rows = torch.arange(len(result.energy)).split(_TOGETHER)
    contacts = (contact_of(result[some], body) for some in rows)
    return Penetration.cat([Penetration(1000 * c.depth, c.triangles) for c in contacts])


@torch.no_grad()
def _vertices(result: FitResult, body: BodyModel) -> torch.Tensor:
    """The meshes, equal to the last bit however many are made together."""
    count = len(result.energy)
    return result[whole_rows(count, result.energy.device)].vertices(body)[:count]
