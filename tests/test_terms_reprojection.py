"""The data term: its gradient is exact however it is linearised, and each curvature is what it
says.
"""

from __future__ import annotations

import pytest
import torch
from cases import DOUBLE, camera

from smplifyx.features.jacobian_blocks import DenseBlock, PointBlock
from smplifyx.features.points import POINTS
from smplifyx.features.unknowns import FOCAL
from smplifyx.terms.reprojection import LEAST_SHRINK, Curvature, ObservedPoints, Reprojection
from smplifyx.terms.scene import FeatureValues, Jacobian, Scene

TERMS = [Reprojection(apart, curvature) for apart in (False, True) for curvature in Curvature]


def scene(errors: tuple[float, ...] = (0.0, 3.0, 10.0, 30.0, 90.0)) -> Scene:
    """Points seen so many pixels away from where they are, in random directions; rho is 20."""
    generator = torch.Generator().manual_seed(0)
    count = len(errors)
    points = torch.randn(2, count, 3, generator=generator, dtype=DOUBLE) * 0.3 + torch.tensor(
        [0.0, 0.0, 4.0]
    )
    away = torch.nn.functional.normalize(
        torch.randn(2, count, 2, generator=generator, dtype=DOUBLE), dim=-1
    )
    focal, unit = (
        torch.tensor([[0.1], [-0.2]], dtype=DOUBLE),
        torch.full((2, count), 2.0, dtype=DOUBLE),
    )
    center = camera(2).center[:, None]
    seen = (camera(2).project(points) - center) * focal.exp()[:, None] + center
    target = seen + torch.tensor(errors, dtype=DOUBLE)[:, None] * away
    gain = 0.5 + torch.rand(2, count, generator=generator, dtype=DOUBLE)
    observed = ObservedPoints(camera(2), target, gain, unit, 10 * torch.ones_like(unit))
    return scene_of(points, focal, observed)


def scene_of(points: torch.Tensor, focal: torch.Tensor, observed: ObservedPoints) -> Scene:
    """What the data term reads, and nothing else."""
    values = FeatureValues({POINTS: points, FOCAL: focal}.__getitem__)
    return Scene(values, {ObservedPoints: observed}, matches={})


def residual_of(
    term: Reprojection, at: Scene, points: torch.Tensor, focal: torch.Tensor
) -> torch.Tensor:
    """The residuals where the points or the focal length are somewhere else."""
    return term(scene_of(points, focal, at.observed[ObservedPoints])).values


def energy_of(
    term: Reprojection, at: Scene, points: torch.Tensor, focal: torch.Tensor
) -> torch.Tensor:
    return residual_of(term, at, points, focal).square().sum()


def slopes_of(jacobian: Jacobian) -> tuple[torch.Tensor, torch.Tensor]:
    """Along the points [b, p, 2, 3] and along the focal length [b, 2 p, 1]."""
    by_point, by_focal = jacobian.blocks[POINTS], jacobian.blocks[FOCAL]
    assert isinstance(by_point, PointBlock) and isinstance(by_focal, DenseBlock)
    return by_point.slope, by_focal.slope


@pytest.mark.parametrize("term", TERMS, ids=str)
def test_the_gradient_is_exact(term):
    at = scene()
    inputs = at[POINTS].clone().requires_grad_(), at[FOCAL].clone().requires_grad_()
    by_point, by_focal = torch.autograd.grad(energy_of(term, at, *inputs), inputs)
    jacobian = term(at).jacobian()
    along_points, along_focal = slopes_of(jacobian)
    of_points = jacobian.values.unflatten(1, (-1, 2))
    found = 2 * (along_points * of_points[..., None]).sum(-2)
    torch.testing.assert_close(found, by_point, rtol=1e-6, atol=1e-6 * float(by_point.abs().max()))
    found = 2 * (along_focal * jacobian.values[..., None]).sum(-2)
    torch.testing.assert_close(found, by_focal, rtol=1e-6, atol=1e-6 * float(by_focal.abs().max()))


def curvature(term: Reprojection, at: Scene) -> torch.Tensor:
    """[b, p, 2, 2]: of each point's energy as it moves in the image plane, where the projection is
    linear.
    """
    along_points, _ = slopes_of(term(at).jacobian())
    slope = along_points[..., :2]
    return 2 * slope.mT @ slope


def true_curvature(term: Reprojection, at: Scene) -> torch.Tensor:
    whole = torch.autograd.functional.hessian(
        lambda points: energy_of(term, at, points, at[FOCAL]), at[POINTS]
    )
    return torch.stack(
        [torch.stack([whole[b, p, :2, b, p, :2] for p in range(whole.shape[1])]) for b in range(2)]
    )


@pytest.mark.parametrize("apart", [False, True])
def test_the_corrected_curvature_is_the_true_one_where_that_is_positive(apart):
    # rho / sqrt(3) is 11.5
    term, at = Reprojection(apart, Curvature.CORRECTED), scene((0.0, 1.0, 4.0, 11.0))
    expected = true_curvature(term, at)
    torch.testing.assert_close(
        curvature(term, at), expected, rtol=1e-6, atol=1e-6 * float(expected.max())
    )


def test_the_corrected_curvature_of_an_outlier_stays_positive():
    found = torch.linalg.eigvalsh(
        curvature(Reprojection(curvature=Curvature.CORRECTED), scene((90.0,)))
    )
    torch.testing.assert_close(found[..., 0], LEAST_SHRINK**2 * found[..., 1])


def test_the_reweighted_curvature_is_never_less_than_the_true_one():
    at = scene()
    surplus = curvature(Reprojection(), at) - true_curvature(Reprojection(), at)
    assert float(torch.linalg.eigvalsh(surplus).min()) > -1e-6 * float(surplus.max())


@pytest.mark.parametrize("apart", [False, True])
def test_plain_curvature_states_the_residual_and_its_jacobian(apart):
    term, at = Reprojection(apart, Curvature.ROWS), scene()
    stated = term(at).jacobian()
    torch.testing.assert_close(stated.values, term(at).values)

    def residual(points: torch.Tensor) -> torch.Tensor:
        return residual_of(term, at, points, at[FOCAL]).sum(0)

    jacobian = torch.autograd.functional.jacobian(residual, at[POINTS])  # [2 p, b, p, 3]
    own = torch.stack([jacobian[2 * p : 2 * p + 2, :, p] for p in range(jacobian.shape[2])], 1)
    along_points, _ = slopes_of(stated)
    torch.testing.assert_close(along_points, own.movedim(0, 2).movedim(0, 1).contiguous())
