"""The rotation calculus: against roma, against automatic differentiation, and at its bad places."""

from __future__ import annotations

import math

import pytest
import roma
import torch

from smplifyx.core import rotations

DOUBLE = torch.float64
ANGLES = (0.0, 1e-9, 1e-4, 9e-3, 1.1e-2, 0.09, 0.11, 0.3, 1.0, 3.0, math.pi - 1e-6)  # radians


def rotvecs(angle: float, dtype: torch.dtype = DOUBLE) -> torch.Tensor:
    """Axis-angles of this angle about axes all around, the coordinate axes among them."""
    generator = torch.Generator().manual_seed(0)
    axes = torch.cat([torch.eye(3), -torch.eye(3), torch.randn(20, 3, generator=generator)])
    return (angle * torch.nn.functional.normalize(axes.double(), dim=-1)).to(dtype)


@pytest.mark.parametrize("angle", ANGLES)
def test_exp_is_that_of_roma(angle: float) -> None:
    given = rotvecs(angle)
    torch.testing.assert_close(
        rotations.exp(given), roma.rotvec_to_rotmat(given), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("dtype, bound", [(torch.float32, 2e-6), (DOUBLE, 1e-12)])
@pytest.mark.parametrize("angle", ANGLES[:-1])
def test_log_undoes_exp(angle: float, dtype: torch.dtype, bound: float) -> None:
    given = rotvecs(angle, dtype)
    torch.testing.assert_close(rotations.log(rotations.exp(given)), given, rtol=0, atol=bound)


def test_log_of_half_turns_is_one_of_the_two() -> None:
    given = rotvecs(math.pi)
    found = rotations.log(rotations.exp(given))
    off = torch.minimum((found - given).norm(dim=-1), (found + given).norm(dim=-1))
    assert float(off.max()) < 1e-7


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-3, 1.0, math.pi])
def test_derivatives_are_finite_at_every_angle(angle: float) -> None:
    rotvec = rotvecs(angle).requires_grad_()
    rotations.log(rotations.exp(rotvec)).square().sum().backward()
    assert rotvec.grad is not None and bool(rotvec.grad.isfinite().all())


@pytest.mark.parametrize("angle", ANGLES)
def test_left_jacobian_is_the_angular_velocity(angle: float) -> None:
    for rotvec in rotvecs(angle)[::6]:
        slope = torch.autograd.functional.jacobian(rotations.exp, rotvec)  # [3, 3, 3]: d R / d r
        # d R = [J dr]x R, so [J dr]x = d R R^T
        crossed = torch.einsum("ijk,lj->ilk", slope, rotations.exp(rotvec))
        velocity = torch.stack([crossed[2, 1], crossed[0, 2], crossed[1, 0]])
        torch.testing.assert_close(rotations.left_jacobian(rotvec), velocity, rtol=0, atol=1e-9)


@pytest.mark.parametrize("angle", [*ANGLES, 5.0])
def test_left_jacobian_inverse_is_its_inverse(angle: float) -> None:
    given = rotvecs(angle)
    product = rotations.left_jacobian(given) @ rotations.left_jacobian_inverse(given)
    expected = torch.eye(3, dtype=DOUBLE).expand_as(product)
    torch.testing.assert_close(product, expected, rtol=0, atol=1e-11)


def test_skew_is_the_cross_product() -> None:
    first, second = rotvecs(1.0), rotvecs(2.0).flip(0)
    crossed = (rotations.skew(first) @ second[..., None])[..., 0]
    torch.testing.assert_close(crossed, torch.linalg.cross(first, second))


@pytest.mark.parametrize("axis", "xyz")
def test_about_turns_about_its_axis(axis: str) -> None:
    angles = torch.tensor([0.3, -2.0], dtype=DOUBLE)
    expected = torch.zeros(2, 3, dtype=DOUBLE)
    expected[:, "xyz".index(axis)] = angles
    torch.testing.assert_close(rotations.log(rotations.about(axis, angles, expected)), expected)
