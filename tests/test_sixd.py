"""Rotations as six numbers: every input is a rotation with a finite derivative."""

from __future__ import annotations

import pytest
import torch
from make_priors import noise

from smplifyx.core import rotations
from smplifyx.pose_priors import sixd

DOUBLE = torch.float64


# six numbers that give a network no direction: a column or both vanish, or the two agree
DEGENERATE = {
    "nothing": [0, 0, 0, 0, 0, 0],
    "no second": [1, 0, 2, 0, 3, 0],
    "no first": [0, 1, 0, 2, 0, 3],
    "parallel": [1, 2, 2, 4, 3, 6],
    "opposite": [1, -2, 2, -4, 3, -6],
    "nearly": [1, 2, 2, 4, 3, 6.00001],
    "tiny": [1e-20, 0, 0, 1e-20, 0, 0],
    "huge": [1e12, 1e12, 1e12, 1e12, 1e12, 1e12],
}


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
@pytest.mark.parametrize("case", DEGENERATE)
def test_no_input_has_a_bad_rotation_or_derivative(case: str, dtype: torch.dtype) -> None:
    six = torch.tensor(DEGENERATE[case], dtype=dtype, requires_grad=True)
    rotation = sixd.to_rotation(six)
    torch.testing.assert_close(rotation.mT @ rotation, torch.eye(3, dtype=dtype), rtol=0, atol=1e-3)
    torch.testing.assert_close(
        torch.linalg.det(rotation), torch.ones((), dtype=dtype), rtol=0, atol=1e-3
    )
    (gradient,) = torch.autograd.grad((rotation * noise(3, 3, dtype=dtype)).sum(), six)
    assert gradient.isfinite().all() and sixd.angular_velocity(six).isfinite().all()


def test_six_numbers_hold_every_rotation() -> None:
    rotvec = noise(50, 3, dtype=DOUBLE)
    rotvec[:3] = torch.pi * torch.eye(3, dtype=DOUBLE)
    rotation = rotations.exp(rotvec)
    six = sixd.from_rotation(rotation)
    torch.testing.assert_close(sixd.to_rotation(six * 3.7), rotation)
    torch.testing.assert_close(six[7, :2], rotation[7, 0, :2])
