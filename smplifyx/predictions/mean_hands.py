"""The mean hand that some networks leave out of their hands' angles.

Networks that use SMPL-X with `flat_hand_mean=False` predict how hands differ from the mean hand of
the SMPL-X model file. That file is the user's; the embedded body has a relaxed hand of its own,
which stands in where there is no other: it is nearer than a flat one, and not the network's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float

from ..body.loading.files import load_body
from ..body.model import BodyModel, HandSpace
from .poses import of_axis_angles
from .values import numbers

HAND_JOINTS = 15


@dataclass(eq=False)
class MeanHands:
    """Those of a body; of the embedded one where there is none, or one without hands.

    used_by: networks whose hands they were added to.
    """

    body: BodyModel | None = None
    used_by: dict[str, None] = field(default_factory=dict)  # in order, each once

    @cached_property
    def _body(self) -> BodyModel:
        has_hands = self.body is not None and self.body.left_hand is not None
        return self.body if self.body is not None and has_hands else load_body()

    def whole(
        self, value: object, side: str, rows: int, system: str
    ) -> Float[np.ndarray, "rows 15 3 3"]:
        """Rotations of a hand, `side` "left" or "right", from axis-angles without the mean.

        The mean is added to the angles, as the smplx package does. Raises ValueError in one line
        where they are not those of so many people.
        """
        array = numbers(value)
        if array.size != rows * HAND_JOINTS * 3:
            raise ValueError(f"a hand of shape {list(array.shape)[:8]} for {rows} people")
        space = self._body.left_hand if side == "left" else self._body.right_hand
        self.used_by[system] = None
        return of_axis_angles(array.reshape(rows, HAND_JOINTS, 3) + _mean(space))

    def notes(self) -> list[str]:
        """What to know of hands that the mean was added to."""
        return [
            f"hands of {system} are told without their mean: that of {self._body.name} was added, "
            "which is the network's own if that is the SMPL-X model, else only near it"
            for system in self.used_by
        ]


def _mean(space: HandSpace | None) -> Float[np.ndarray, "15 3"]:
    """Zero for a body without hands."""
    if space is None:
        return np.zeros((HAND_JOINTS, 3))
    return space.mean.detach().cpu().double().numpy().reshape(HAND_JOINTS, 3)
