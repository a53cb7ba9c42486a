"""The folded points against the full mesh, and their Jacobian against automatic differentiation."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from cases import decoder, embedded_body, random_state

from smplifyx.body import skinning
from smplifyx.core import rotations
from smplifyx.features import point_model
from smplifyx.features.fold import PointSet, fold
from smplifyx.features.point_jacobian import BoneMotion, GroupJacobian, Pulls
from smplifyx.keypoints import names

SUBSETS = {
    "body": list(range(25)),
    "hands": list(range(25, 67)),
    "face": list(range(84, 137)),
    "one_knee": [names.POINT_INDEX["left_knee"]],
    "all": list(range(137)),
}


def _posed(points: list[int], count: int = 3):
    body, state = embedded_body(), random_state(count)
    model = fold(body, PointSet(tuple(points)))
    params = decoder().params(state)
    pose = params.full_pose()
    row = skinning.contour_row(body, params)
    rotvec = torch.cat([pose, torch.zeros_like(pose[:, :1])], 1)[:, list(model.joints)]
    shape = torch.cat([params.betas, params.expression], -1)
    posed = point_model.pose(model, rotations.exp(rotvec), shape, params.transl, model.contour[row])
    return model, params, rotvec, shape, posed


@pytest.mark.parametrize("name", SUBSETS)
def test_points_equal_those_of_the_mesh(name):
    points = SUBSETS[name]
    *_, params, _, _, posed = _posed(points)
    expected = skinning.points(embedded_body(), params)[:, points]
    on_contour = torch.tensor([67 <= p < 84 for p in points])
    error = (posed.points - expected).abs().amax((0, 2))
    assert (error[~on_contour] < 1e-6).all()  # posedirs below the floor are dropped
    assert (error[on_contour] < 2e-3).all()  # the contour leaves out pose correctives


@pytest.mark.parametrize("name", SUBSETS)
def test_jacobians_agree_with_autograd(name):
    model, params, rotvec, shape, posed = _posed(SUBSETS[name])
    contour = model.contour[skinning.contour_row(embedded_body(), params)]

    def place(rotvec, shape):
        return point_model.pose(model, rotations.exp(rotvec), shape, params.transl, contour).points

    expected_turn, expected_shape = torch.autograd.functional.jacobian(
        lambda *x: place(*x).sum(0), (rotvec, shape)
    )
    moved = BoneMotion.of(model, posed, rotations.left_jacobian(rotvec), 20)
    axes = torch.eye(3).to(shape).expand(*posed.points.shape, 3)
    pulls = Pulls.of(model, posed, axes)
    turn = torch.zeros(*posed.points.shape, *rotvec.shape[1:]).to(shape)
    slope = torch.zeros(*posed.points.shape, 20).to(shape)
    for group in model.groups:
        asked = GroupJacobian.of(model, group, range(len(model.joints)), range(20))
        at = slice(group.start, group.stop)
        by_turns = asked.along_turns(posed, moved, pulls)
        turn[:, at, :, list(asked.bones)] = by_turns[..., :-3].unflatten(-1, (-1, 3))
        slope[:, at][..., list(asked.shapes)] = asked.along_shapes(posed, moved, pulls)
        torch.testing.assert_close(by_turns[..., -3:], axes[:, at].contiguous(), rtol=0, atol=1e-6)
    torch.testing.assert_close(turn, expected_turn.permute(2, 0, 1, 3, 4), rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(slope, expected_shape.permute(2, 0, 1, 3), rtol=1e-6, atol=1e-9)


def test_an_unknown_point_is_named():
    body = embedded_body()
    blind = torch.zeros_like(body.points.known)
    lame = dataclasses.replace(body, points=dataclasses.replace(body.points, known=blind))
    with pytest.raises(ValueError, match="no point nose"):
        fold(lame, PointSet((0,)))
