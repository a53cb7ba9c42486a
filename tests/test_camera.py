"""The perspective camera: projection, its slope, zooming."""

from __future__ import annotations

import pytest
import torch

from smplifyx.camera import Camera

K = [[500.0, 0, 210], [0, 510, 140], [0, 0, 1]]


def test_projection_and_its_slope_agree():
    camera = Camera(
        torch.tensor(K, dtype=torch.float64), torch.tensor([400.0, 300.0], dtype=torch.float64)
    )
    points = torch.tensor([[0.3, -0.2, 2.0], [-1.0, 0.5, 5.0]], dtype=torch.float64)
    expected = torch.autograd.functional.jacobian(
        lambda p: camera.project(p).sum(0), points
    ).permute(1, 0, 2)
    torch.testing.assert_close(camera.projection_jacobian(points), expected)


def test_zooming_keeps_the_principal_point():
    camera = Camera(torch.tensor([K]), torch.tensor([[400.0, 300.0]]))
    twice = camera.zoomed(torch.tensor([2.0]))
    assert twice.K[0].tolist() == [[1000.0, 0, 210], [0, 1020, 140], [0, 0, 1]]
    assert camera.with_focal(5000.0).focal[0].tolist() == pytest.approx([5000.0, 5000.0])
