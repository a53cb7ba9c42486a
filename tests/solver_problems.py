"""Minimisation problems with known minima, one row per start, for the tests of the solvers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from smplifyx.core import rotations
from smplifyx.solvers import Objective, ResidualObjective
from smplifyx.solvers.linear_systems import Dense, Quadratic


@dataclass(frozen=True)
class Case:
    """Starts [batch, dim], the known minimum [batch or 1, dim], and how near to it a float64 solver
    must come.
    """

    residual: Callable[[Tensor, Tensor], Tensor]
    data: Tensor
    start: Tensor
    minimum: Tensor
    near: float = 1e-4

    def objective(self, dtype: torch.dtype = torch.float64) -> ResidualObjective:
        return ResidualObjective(self.residual, self.data.to(dtype))


def derivatives(objective: Objective, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Energy, gradient and full Hessian at x."""
    energy, quadratic = objective.normal(x)
    return energy, *parts(quadratic)


def parts(quadratic: Quadratic) -> tuple[Tensor, Tensor]:
    """Gradient and full Hessian."""
    assert isinstance(quadratic, Dense)
    return quadratic.gradient, quadratic.hessian


def _numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _plain(
    residual: Callable[[Tensor], Tensor], start: list, minimum: list, near: float = 1e-4
) -> Case:
    x = torch.tensor(start, dtype=torch.float64)
    known = torch.tensor([minimum], dtype=torch.float64)
    return Case(
        lambda x, _: residual(x), torch.zeros(len(x), 1, dtype=torch.float64), x, known, near
    )


def rosenbrock(x: Tensor) -> Tensor:
    return torch.stack([10 * (x[:, 1] - x[:, 0] ** 2), 1 - x[:, 0]], -1)


def powell(x: Tensor) -> Tensor:
    a, b, c, d = x.unbind(-1)
    return torch.stack([a + 10 * b, 5**0.5 * (c - d), (b - 2 * c) ** 2, 10**0.5 * (a - d) ** 2], -1)


def beale(x: Tensor) -> Tensor:
    a, b = x.unbind(-1)
    return torch.stack([1.5 - a + a * b, 2.25 - a + a * b**2, 2.625 - a + a * b**3], -1)


def _quadratic(condition: float) -> Case:
    dim = 7
    mixing = (
        torch.linalg.qr(_numbers(dim, dim))[0]
        * torch.logspace(0, -0.5 * _log10(condition), dim).double()
    )
    target = _numbers(5, dim, seed=1)

    def residual(x: Tensor, target: Tensor) -> Tensor:
        return ((x - target)[:, None] * mixing.to(x)).sum(-1)

    return Case(residual, target, torch.zeros_like(target), target, near=1e-3)


def _log10(value: float) -> float:
    return torch.tensor(value).log10().item()


def _robust_line() -> Case:
    """A line through points of which a fifth are outliers, under GMoF; without noise the true line
    is the minimum.
    """
    t = torch.linspace(-1, 1, 20, dtype=torch.float64)
    truth = _numbers(6, 2, seed=2)
    heights = truth[:, :1] + truth[:, 1:] * t
    heights[:, ::5] = heights[:, ::5] + 1e6  # so far off that their share of the energy is constant

    def residual(x: Tensor, heights: Tensor) -> Tensor:
        off = x[:, :1] + x[:, 1:] * t.to(x) - heights
        return off / (1 + off * off).sqrt()

    return Case(residual, heights, truth + 0.3 * _numbers(6, 2, seed=3), truth)


def _camera_pose() -> Case:
    """The pose of a camera from twelve projected points: (axis-angle, translation)."""
    cloud = _numbers(12, 3, seed=4)
    truth = torch.cat([0.4 * _numbers(9, 3, seed=5), 0.3 * _numbers(9, 3, seed=6)], -1)

    def project(x: Tensor) -> Tensor:
        turned = (rotations.exp(x[:, :3])[:, None] * cloud.to(x)[:, None]).sum(-1)
        seen = turned + x[:, None, 3:]
        return (seen[..., :2] / (seen[..., 2:] + 6)).flatten(1)

    start = truth + torch.cat([0.3 * _numbers(9, 3, seed=7), 0.3 * _numbers(9, 3, seed=8)], -1)
    return Case(lambda x, seen: project(x) - seen, project(truth), start, truth, near=1e-3)


CASES = {
    "quadratic 1e1": _quadratic(1e1),
    "quadratic 1e5": _quadratic(1e5),
    "rosenbrock": _plain(
        rosenbrock, [[-1.2, 1.0], [2.0, 3.0], [0.0, 0.0], [1.0, 0.9]], [1.0, 1.0], near=1e-3
    ),
    "powell singular": _plain(
        powell, [[3.0, -1.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0]], [0.0, 0.0, 0.0, 0.0], near=0.02
    ),
    "beale": _plain(beale, [[1.0, 1.0], [0.0, 0.0], [2.0, 0.5]], [3.0, 0.5], near=1e-3),
    "robust line": _robust_line(),
    "camera pose": _camera_pose(),
}
