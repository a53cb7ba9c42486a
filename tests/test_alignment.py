"""How a pose is rolled and placed to lie on its detections."""

from __future__ import annotations

import roma
import torch

from smplifyx.camera import Camera
from smplifyx.core import rotations
from smplifyx.fitting.alignment import align, yaw_orientations


def test_alignment_is_exact_for_a_far_camera():
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(1, 25, 3, generator=generator)
    roll, transl = rotations.about("z", 2.0, points), torch.tensor([[3.0, -2.0, 500.0]])
    camera = Camera.from_focal(100_000.0, torch.tensor([[1000.0, 1000.0]]))
    xy = camera.project(points @ roll.T + transl[:, None])
    weight = torch.rand(1, 25, generator=generator)
    found_roll, found_transl = align(points, xy, weight, torch.tensor([200.0]), camera)
    assert float(roma.rotmat_geodesic_distance(found_roll[0], roll)) < 0.01
    torch.testing.assert_close(found_transl, transl, rtol=0.01, atol=0.05)


def test_yaws_begin_facing_the_camera():
    facing = yaw_orientations(4, torch.zeros(1))[:, :, 2]  # where the chest (+z of the body) points
    torch.testing.assert_close(facing[0], torch.tensor([0.0, 0.0, -1.0]), atol=1e-6, rtol=0)
    assert torch.linalg.matrix_rank(facing) == 2 and float(facing[:, 1].abs().max()) < 1e-6
