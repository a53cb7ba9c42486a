"""The noun every reader produces and every fit consumes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..core.bundle import Bundle
from . import names
from .boxes import box_diagonal


@dataclass(frozen=True)
class Keypoints(Bundle):
    """2D points of people in the canonical 137-point order (see `names.POINT_NAMES`).

    `xy` in pixels of the upright image (x right, y down, origin at the top left corner).
    `confidence` in 0..1, where 0 means that the point was not seen; the coordinates of such a point
    are 0 and mean nothing. `trust` in 0..1 says how far a detector's point means what the model's
    point of that name means (see `layouts.trust`); the energy is weighed by both.
    """

    xy: Float[Tensor, "*batch 137 2"]
    confidence: Float[Tensor, "*batch 137"]
    trust: Float[Tensor, "*batch 137"]

    @classmethod
    def from_array(cls, array: object, trust: object = 1.0) -> Keypoints:
        """From anything array-like [*batch, 137, 3] of (x, y, confidence); non-finite points become
        unseen.

        `trust` broadcasts to [*batch, 137]. Raises ValueError for another shape.
        """
        if isinstance(array, Tensor):
            values = array
        else:
            values = torch.from_numpy(np.asarray(array, np.float32))
        values = values.to(torch.float32)
        if values.shape[-2:] != (names.COUNT, 3):
            raise ValueError(
                f"keypoints: expected [..., {names.COUNT}, 3], got {list(values.shape)}"
            )
        seen = values.isfinite().all(-1) & (values[..., 2] > 0)  # [*batch, 137]
        values = torch.where(seen[..., None], values, torch.zeros_like(values))
        confidence = values[..., 2].clamp(max=1.0)
        believed = torch.as_tensor(trust, dtype=torch.float32).expand_as(confidence)
        return cls(xy=values[..., :2], confidence=confidence, trust=believed.contiguous())

    def to_array(self) -> Float[Tensor, "*batch 137 3"]:
        """(x, y, confidence) of every point, unseen ones zero."""
        return torch.cat([self.xy, self.confidence[..., None]], -1)

    def box_diagonal(self, seen: Bool[Tensor, "*batch 137"]) -> Float[Tensor, "*batch"]:
        """Diagonal in pixels of the box around the points that count as seen, stray ones left out
        (see `boxes`); 0 for none.
        """
        return box_diagonal(self.xy, seen)
