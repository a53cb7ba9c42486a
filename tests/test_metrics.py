"""Error measures against known displacements."""

from __future__ import annotations

import pytest
import torch
from cases import embedded_body

from smplifyx.body.params import BodyParams
from smplifyx.core import rotations
from smplifyx.evaluation import metrics

DOUBLE = torch.float64


def _points(*batch: int, count: int = 30, seed: int = 0) -> torch.Tensor:
    return torch.randn(
        *batch, count, 3, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE
    )


def _moved(
    points: torch.Tensor, rotvec: tuple[float, ...], scale: float, shift: tuple[float, ...]
) -> torch.Tensor:
    rotation = rotations.exp(torch.tensor(rotvec, dtype=DOUBLE))
    return scale * points @ rotation.T + torch.tensor(shift, dtype=DOUBLE)


@pytest.mark.parametrize("batch", [(), (4,), (2, 3)])
@pytest.mark.parametrize(
    ("rotvec", "scale", "shift"),
    [
        ((0, 0, 0), 1.0, (1, 2, 3)),
        ((0.3, -2.0, 1.0), 1.0, (0, 0, 0)),
        ((3.1, 0, 0), 0.2, (9, 0, -5)),
    ],
)
def test_similarity_is_undone(
    batch: tuple[int, ...], rotvec: tuple, scale: float, shift: tuple
) -> None:
    points = _points(*batch)
    moved = _moved(points, rotvec, scale, shift)
    assert metrics.pa_mpjpe(moved, points).shape == batch
    assert metrics.pa_mpjpe(moved, points).max() < 1e-9


def test_reflection_is_not_a_rotation() -> None:
    points = _points()
    assert metrics.pa_mpjpe(points * torch.tensor([-1.0, 1, 1], dtype=DOUBLE), points) > 100


def test_alignment_is_the_best_one() -> None:
    target, source = _points(), _points(seed=1)
    best = (metrics.similarity_align(source, target) - target).square().sum()
    generator = torch.Generator().manual_seed(2)
    for _ in range(50):
        rotvec = 0.05 * torch.randn(3, generator=generator, dtype=DOUBLE)
        other = _moved(
            metrics.similarity_align(source, target), tuple(rotvec.tolist()), 1.01, (0.01, 0, 0)
        )
        assert (other - target).square().sum() > best


def test_only_used_points_align() -> None:
    points = _points()
    use = torch.arange(30) < 20
    broken = torch.where(use[:, None], _moved(points, (0, 1, 0), 2.0, (1, 0, 0)), 100.0)
    aligned = metrics.similarity_align(broken, points, use)
    assert (aligned - points)[use].norm(dim=-1).max() < 1e-9


@pytest.mark.parametrize(("offset", "expected"), [(0.0, 0.0), (0.01, 10.0 * 29 / 30)])
def test_root_alignment(offset: float, expected: float) -> None:
    truth = _points()
    predicted = truth + 5.0
    predicted[1:, 0] += offset
    assert float(metrics.root_aligned_mpjpe(predicted, truth)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("yaw", "degrees"), [(0.0, 0.0), (0.5, 28.6), (torch.pi, 180.0)])
def test_facing(yaw: float, degrees: float) -> None:
    body = embedded_body()
    rest = body.joint_template[:22]
    assert metrics.chest_normal(rest)[2] > 0.9
    turned = rest @ rotations.exp(torch.tensor([0, yaw, 0], dtype=DOUBLE)).T
    # the chest leans by 2
    assert float(metrics.facing_error(turned, rest)) == pytest.approx(degrees, abs=5)


def test_person_errors_by_part() -> None:
    body = embedded_body()
    truth = BodyParams.zeros((3,), 10, 10, like=body.v_template)
    moved = truth.replace(transl=truth.transl + 1.0, global_orient=truth.global_orient + 0.3)
    curled = moved.replace(left_hand_pose=moved.left_hand_pose + 0.3)
    open_mouth = moved.replace(jaw_pose=moved.jaw_pose + torch.tensor([0.3, 0, 0], dtype=DOUBLE))
    same, hand, face = (metrics.person_errors(body, p, truth) for p in (moved, curled, open_mouth))
    for name in ("pa_mpjpe", "pa_v2v", "hands", "face"):
        assert getattr(same, name).max() < 1e-4, name
    assert (
        hand.hands.min() > 2
        and hand.face.max() < 1e-4
        and hand.pa_mpjpe.max() < 1e-4
        and hand.pa_v2v.min() > 0.01
    )
    assert face.face.min() > 1 and face.hands.max() < 1e-4


def test_chunks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    body = embedded_body()
    truth = BodyParams.zeros((3,), 10, 10, like=body.v_template)
    predicted = truth.replace(betas=_points(3, count=10)[..., 0])
    whole = metrics.person_errors(body, predicted, truth)
    monkeypatch.setattr(metrics, "CHUNK", 2)
    torch.testing.assert_close(metrics.person_errors(body, predicted, truth).pa_v2v, whole.pa_v2v)
