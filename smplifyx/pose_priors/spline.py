"""Monotone curves, one for each of many numbers: smooth, with closed forms of the inverse and the
derivative.

Source: Durkan et al. 2019, "Neural spline flows", equations 4-8 (rational quadratics after Gregory
and Delbourgo 1982).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class _Piece:
    """The part of each curve that holds a number: its ends (left, right), heights and slopes there;
    all [rows, n].
    """

    inside: Bool[Tensor, "rows n"]
    left: Float[Tensor, "rows n"]
    width: Float[Tensor, "rows n"]
    low: Float[Tensor, "rows n"]
    height: Float[Tensor, "rows n"]
    first: Float[Tensor, "rows n"]
    last: Float[Tensor, "rows n"]

    @property
    def chord(self) -> Float[Tensor, "rows n"]:
        """The slope from end to end."""
        return self.height / self.width

    @property
    def bend(self) -> Float[Tensor, "rows n"]:
        """How far the slopes at the ends are from that of the chord; zero for a straight piece."""
        return self.first + self.last - 2 * self.chord


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
        rising = all((values.diff(dim=-1) > 0).all() for values in (self.knots, self.heights))
        if not rising or not (self.slopes > 0).all():
            raise ValueError("the splines do not rise everywhere")
        if not torch.allclose(self.knots[:, [0, -1]], self.heights[:, [0, -1]], atol=1e-5):
            raise ValueError("the splines do not begin and end on the diagonal")

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Splines:
        """A copy on `device` as `dtype`."""
        fields = (self.knots, self.heights, self.slopes)
        return Splines(*(values.to(device=device, dtype=dtype) for values in fields))

    def __call__(
        self, x: Float[Tensor, "rows n"]
    ) -> tuple[Float[Tensor, "rows n"], Float[Tensor, "rows n"]]:
        """The curves' values and slopes at x."""
        piece = self._piece(x, self.knots)
        share = torch.where(piece.inside, (x - piece.left) / piece.width, 0.0)
        value, slope = _evaluate(piece, share)
        return torch.where(piece.inside, value, x), torch.where(piece.inside, slope, 1.0)

    def inverse(
        self, y: Float[Tensor, "rows n"]
    ) -> tuple[Float[Tensor, "rows n"], Float[Tensor, "rows n"]]:
        """The x of these values, and the curves' slopes there (dy / dx)."""
        piece = self._piece(y, self.heights)
        up = torch.where(piece.inside, y - piece.low, 0.0)
        a = piece.height * (piece.chord - piece.first) + up * piece.bend
        b = piece.height * piece.first - up * piece.bend
        c = -piece.chord * up
        root = (b.square() - 4 * a * c).clamp(min=0).sqrt()
        # the form that loses no digits; b > 0 or a c < 0 in a rising piece
        share = -2 * c / (b + root)
        x = piece.left + share * piece.width
        return torch.where(piece.inside, x, y), torch.where(
            piece.inside, _evaluate(piece, share)[1], 1.0
        )

    def _piece(self, value: Tensor, ends: Tensor) -> _Piece:
        """The piece of each curve whose `ends` (knots or heights) enclose the value; some piece for
        one outside.
        """
        at = (value[..., None] >= ends[:, 1:-1]).sum(-1)
        inside = (value > ends[:, 0]) & (value < ends[:, -1])
        tables = (self.knots, self.heights, self.slopes)
        (left, right), (low, high), (first, last) = (
            (_pick(table, at), _pick(table, at + 1)) for table in tables
        )
        return _Piece(inside, left, right - left, low, high - low, first, last)


def _pick(table: Tensor, at: Tensor) -> Tensor:
    return table.expand(len(at), -1, -1).gather(-1, at[..., None])[..., 0]


def _evaluate(piece: _Piece, share: Tensor) -> tuple[Tensor, Tensor]:
    """Value and slope at this share of the piece's width, 0..1."""
    across, rest = share * (1 - share), 1 - share
    below = piece.chord + piece.bend * across
    value = piece.low + piece.height * (piece.chord * share.square() + piece.first * across) / below
    ends = piece.last * share.square() + 2 * piece.chord * across + piece.first * rest.square()
    return value, (piece.chord / below).square() * ends
