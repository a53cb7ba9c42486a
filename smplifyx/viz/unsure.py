"""What is unsure of a body, in colour on its skin, and the bar that says what the colour means."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float
from torch import Tensor

from .mesh import array
from .shade import Colour

UNSURE: Colour = (0.00, 0.36, 0.40)  # none of the people's own colours, none of the marks'
SURE_AT, FULL_AT = 0.08, 0.30  # metres of standard deviation where the tint begins, and is full
STEPS = 5  # of the bar
BLANK = (0.93, 0.93, 0.93)  # the bar's beginning: any person's own colour


def tinted(
    colour: Colour, sd: Float[Tensor, " v"] | Float[np.ndarray, " v"]
) -> Float[np.ndarray, "v 3"]:
    """The colour of each vertex, RGB 0..1: a person's own where the body is sure, `UNSURE` where it
    is not.

    sd: of each vertex, metres; one that is not known leaves the person's own colour.
    """
    share = np.clip((array(sd) - SURE_AT) / (FULL_AT - SURE_AT), 0, 1)
    share = np.nan_to_num(share)[:, None]
    return (1 - share) * np.array(colour) + share * np.array(UNSURE)


def draw_legend(out: np.ndarray, ink: tuple[int, int, int], font: int) -> None:
    """Draws the bar into the upper left corner of a picture [height, width, 3] uint8."""
    height, width = out.shape[:2]
    scale = max(0.32, height / 1100)
    left, top = round(0.03 * width), 12
    side = max(6, round(0.016 * height))
    for step, colour in enumerate(tinted(BLANK, np.linspace(SURE_AT, FULL_AT, STEPS))):
        corner = (left + step * 2 * side, top)
        opposite = (corner[0] + 2 * side, top + side)
        fill = tuple(round(255 * channel) for channel in colour)
        cv2.rectangle(out, corner, opposite, fill, cv2.FILLED)
    right = left + STEPS * 2 * side
    cv2.rectangle(out, (left, top), (right, top + side), ink, 1)
    text = f"depth +-{100 * SURE_AT:.0f} to {100 * FULL_AT:.0f} cm"
    below = (left, top + side + round(26 * scale) + 3)
    cv2.putText(out, text, below, font, scale, ink, 1, cv2.LINE_AA)
