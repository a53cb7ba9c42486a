"""Monotone curves: straight outside, smooth where pieces meet, with an exact inverse."""

from __future__ import annotations

import torch
from make_priors import flow_arrays

from smplifyx.pose_priors.spline import Splines

DOUBLE = torch.float64


def test_splines_are_straight_outside() -> None:
    arrays = flow_arrays()
    splines = Splines(
        *(torch.from_numpy(arrays[f"flow_{key}"]) for key in ("knots", "heights", "slopes"))
    )
    for far in (-7.0, -4.0, 4.0, 7.0):
        x = torch.full((1, 63), far, dtype=DOUBLE)
        for value, slope in (splines(x), splines.inverse(x)):
            assert torch.equal(value, x) and torch.equal(slope, torch.ones_like(x))


def test_splines_are_smooth_where_pieces_meet() -> None:
    arrays = flow_arrays()
    splines = Splines(
        *(torch.from_numpy(arrays[f"flow_{key}"]) for key in ("knots", "heights", "slopes"))
    )
    for point in range(6):
        for at in (splines.knots[None, :, point] - 1e-9, splines.knots[None, :, point] + 1e-9):
            value, slope = splines(at)
            torch.testing.assert_close(value[0], splines.heights[:, point], rtol=0, atol=1e-7)
            torch.testing.assert_close(slope[0], splines.slopes[:, point], rtol=0, atol=1e-6)
            torch.testing.assert_close(splines.inverse(value)[0], at, rtol=0, atol=1e-12)
