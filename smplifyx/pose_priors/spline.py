"""Monotone curves, one for each of many numbers: smooth, with closed forms of the inverse and the
derivative.

Source: Durkan et al. 2019, "Neural spline flows", equations 4-8 (rational quadratics after Gregory
and Delbourgo 1982).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class _Piece:
    """The part of each curve that holds a number; all [batch, n]."""

    inside: Bool[Tensor, "batch n"]  # False: the number lies beyond the ends of the curve
    left: Float[Tensor, "batch n"]
    width: Float[Tensor, "batch n"]
    low: Float[Tensor, "batch n"]  # the curve's value at the left end
    height: Float[Tensor, "batch n"]  # how far it rises up to the right end
    left_slope: Float[Tensor, "batch n"]
    right_slope: Float[Tensor, "batch n"]

    @property
    def chord(self) -> Float[Tensor, "batch n"]:
        """The slope from end to end."""
        return self.height / self.width

    @property
    def bend(self) -> Float[Tensor, "batch n"]:
        """How far the slopes at the ends are from that of the chord; zero for a straight piece."""
        return self.left_slope + self.right_slope - 2 * self.chord


@dataclass(frozen=True, eq=False)
class Splines:
    """n curves through the points (`knots`, `heights`), both strictly rising along the last axis,
    with these `slopes`.

    Beyond the first and last point a curve is the identity; for a smooth passage these points lie
    on the diagonal, with slope one.
    """

    knots: Float[Tensor, "n points"]
    heights: Float[Tensor, "n points"]
    slopes: Float[Tensor, "n points"]

    def __post_init__(self) -> None:
        """Raises ValueError where a curve is not monotone or would jump at its ends."""
        if not (_rises(self.knots) and _rises(self.heights) and (self.slopes > 0).all()):
            raise ValueError("the splines do not rise everywhere")
        ends = [0, -1]
        if not torch.allclose(self.knots[:, ends], self.heights[:, ends], atol=1e-5):
            raise ValueError("the splines do not begin and end on the diagonal")

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Splines:
        """A copy on `device` as `dtype`."""
        return Splines(
            knots=self.knots.to(device=device, dtype=dtype),
            heights=self.heights.to(device=device, dtype=dtype),
            slopes=self.slopes.to(device=device, dtype=dtype),
        )

    def __call__(
        self, x: Float[Tensor, "batch n"]
    ) -> tuple[Float[Tensor, "batch n"], Float[Tensor, "batch n"]]:
        """The curves' values and slopes at x."""
        piece = self._piece(x, self.knots)
        # zero outside, where the share means nothing: an overflow there would reach the derivative
        share = torch.where(piece.inside, (x - piece.left) / piece.width, 0.0)
        value, slope = _value_and_slope(piece, share)
        value = torch.where(piece.inside, value, x)
        slope = torch.where(piece.inside, slope, 1.0)
        return value, slope

    def inverse(
        self, y: Float[Tensor, "batch n"]
    ) -> tuple[Float[Tensor, "batch n"], Float[Tensor, "batch n"]]:
        """The x of these values, and the curves' slopes there (dy / dx).

        The share of the piece's width solves a share^2 + b share + c = 0 (Durkan eq. 6-8).
        """
        piece = self._piece(y, self.heights)
        up = torch.where(piece.inside, y - piece.low, 0.0)
        a = piece.height * (piece.chord - piece.left_slope) + up * piece.bend
        b = piece.height * piece.left_slope - up * piece.bend
        c = -piece.chord * up
        root = (b.square() - 4 * a * c).clamp(min=0).sqrt()
        # the form that loses no digits; b > 0 or a c < 0 in a rising piece
        share = -2 * c / (b + root)
        x = piece.left + share * piece.width
        _, slope = _value_and_slope(piece, share)
        x = torch.where(piece.inside, x, y)
        slope = torch.where(piece.inside, slope, 1.0)
        return x, slope

    def _piece(self, value: Float[Tensor, "batch n"], ends: Float[Tensor, "n points"]) -> _Piece:
        """The piece of each curve whose `ends` (knots or heights) enclose the value; some piece for
        one outside.
        """
        # how many inner ends the value has passed
        at = (value[..., None] >= ends[:, 1:-1]).sum(-1)
        left = _pick(self.knots, at)
        right = _pick(self.knots, at + 1)
        low = _pick(self.heights, at)
        high = _pick(self.heights, at + 1)
        return _Piece(
            inside=(value > ends[:, 0]) & (value < ends[:, -1]),
            left=left,
            width=right - left,
            low=low,
            height=high - low,
            left_slope=_pick(self.slopes, at),
            right_slope=_pick(self.slopes, at + 1),
        )


def _rises(points: Float[Tensor, "n points"]) -> bool:
    return bool((points.diff(dim=-1) > 0).all())


def _pick(table: Float[Tensor, "n points"], at: Int[Tensor, "batch n"]) -> Float[Tensor, "batch n"]:
    """Of each curve the point `at`."""
    return table.expand(len(at), -1, -1).gather(-1, at[..., None])[..., 0]


def _value_and_slope(
    piece: _Piece, share: Float[Tensor, "batch n"]
) -> tuple[Float[Tensor, "batch n"], Float[Tensor, "batch n"]]:
    """The curve at this share of the piece's width, 0..1 (Durkan eq. 4 and 5)."""
    rest = 1 - share
    across = share * rest
    below = piece.chord + piece.bend * across
    rise = piece.chord * share.square() + piece.left_slope * across
    value = piece.low + piece.height * rise / below
    blended_slopes = (
        piece.right_slope * share.square()
        + 2 * piece.chord * across
        + piece.left_slope * rest.square()
    )
    slope = (piece.chord / below).square() * blended_slopes
    return value, slope
