"""The noun every reader produces and every fit consumes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..core.bundle import Bundle, rows_in_words
from ..core.choices import LayoutName
from . import layouts, names
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
    def from_array(cls, array: object, trust: object = None) -> Keypoints:
        """From anything array-like [*batch, 137, 3] of (x, y, confidence); non-finite points become
        unseen. An empty list is nobody.

        Points of a detector's layout are understood where their number tells which it is
        (`layouts.to_canonical` where it does not). `trust` broadcasts to [*batch, 137]; None: 1, or
        what `layouts.trust` says of the layout. Raises ValueError for another shape, in one line
        that says what to pass.
        """
        values, believed = _canonical(_numbers(array), trust)
        seen = values.isfinite().all(-1) & (values[..., 2] > 0)  # [*batch, 137]
        values = torch.where(seen[..., None], values, torch.zeros_like(values))
        confidence = values[..., 2].clamp(max=1.0)
        believed = torch.as_tensor(believed, dtype=torch.float32, device=values.device)
        believed = believed.expand_as(confidence)
        return cls(xy=values[..., :2], confidence=confidence, trust=believed.contiguous())

    def __repr__(self) -> str:
        """How many people, and how many of their points are seen."""
        people = rows_in_words(self.confidence.shape[:-1], "person", "people")
        seen = (self.confidence > 0).sum(-1).flatten().tolist()
        if not seen:
            return f"Keypoints({people})"
        counts = str(seen[0]) if min(seen) == max(seen) else f"{min(seen)} to {max(seen)}"
        return f"Keypoints({people}: {counts} of {names.COUNT} points seen)"

    def to_array(self) -> Float[Tensor, "*batch 137 3"]:
        """(x, y, confidence) of every point, unseen ones zero."""
        return torch.cat([self.xy, self.confidence[..., None]], -1)

    def box_diagonal(self, seen: Bool[Tensor, "*batch 137"]) -> Float[Tensor, "*batch"]:
        """Diagonal in pixels of the box around the points that count as seen, stray ones left out
        (see `boxes`); 0 for none.
        """
        return box_diagonal(self.xy, seen)


def _numbers(array: object) -> Tensor:
    """As floating-point numbers. Raises ValueError for what holds none."""
    if isinstance(array, Tensor):
        return array.to(torch.float32)
    reason = "no array of numbers"
    if array is not None:
        try:
            return torch.from_numpy(np.asarray(array, np.float32))
        except (TypeError, ValueError):
            reason = "rows of different lengths, or no numbers"
    kind = type(array).__name__
    raise ValueError(
        f"keypoints: expected [..., {names.COUNT}, 3] (x, y, confidence), got {kind}: {reason}"
    )


def _canonical(values: Tensor, trust: object) -> tuple[Tensor, object]:
    """The canonical points, and how far they are to be trusted.

    Raises ValueError where the shape does not tell what they are.
    """
    own_trust = 1.0 if trust is None else trust
    if values.shape[-2:] == (names.COUNT, 3):
        return values, own_trust
    if values.shape == (0,):
        return values.new_zeros(0, names.COUNT, 3), own_trust
    layout = _layout_of(values)
    points = layouts.to_canonical(values.detach().cpu().numpy(), layout)
    if trust is None:
        own_trust = torch.from_numpy(layouts.trust(layout))
    return torch.from_numpy(points).to(values.device), own_trust


def _layout_of(values: Tensor) -> LayoutName:
    """The only layout with so many points. Raises ValueError where there is none or several."""
    shape = list(values.shape)
    expected = f"keypoints: expected [..., {names.COUNT}, 3] (x, y, confidence), got {shape}"
    if values.dim() < 2:
        raise ValueError(f"{expected}: one person's flat list is reshape(-1, 3)")
    if values.shape[-1] == 2:
        raise ValueError(f"{expected}: append a column of confidences, 1 for points that are sure")
    if values.shape[-1] != 3:
        raise ValueError(expected)
    count = values.shape[-2]
    fitting = [name for name, layout in layouts.LAYOUTS.items() if layout.points == count]
    if len(fitting) == 1:
        return fitting[0]
    # one that goes by names has no number of points
    candidates = fitting or [name for name, table in layouts.LAYOUTS.items() if table.points]
    words = ", ".join(name.value for name in candidates)
    raise ValueError(
        f"{expected}: pass smplifyx.keypoints.layouts.to_canonical(points, LAYOUT), "
        f"LAYOUT one of {words}"
    )
