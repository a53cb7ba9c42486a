"""The kinds of Jacobian blocks: each says the same as its dense matrix, with less work."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from cases import DOUBLE
from test_problem import only, problem_of
from torch import Tensor

from smplifyx.features.feature import Columns, Feature
from smplifyx.features.jacobian_blocks import (
    ChoiceBlock,
    ConstantMatrices,
    CoordinateBlock,
    DenseBlock,
    JacobianBlock,
    PointBlock,
    SharedBlock,
    SphereBlock,
    written_out,
)
from smplifyx.features.points import POINTS
from smplifyx.features.spheres import SPHERES
from smplifyx.problem.chain_rule import LinearPart
from smplifyx.problem.normal_equations import NormalEquations
from smplifyx.terms.scene import Jacobian, Residual, Scene, WeightedTerm

BATCH, RESIDUALS, WIDTH = 3, 5, 4
GENERATOR = torch.Generator().manual_seed(0)


def random(*size: int) -> Tensor:
    return torch.randn(*size, generator=GENERATOR, dtype=DOUBLE)


MATRICES = ConstantMatrices(random(2, RESIDUALS, WIDTH))
# Of residuals [batch, 5] that see a feature of four coordinates.
OF_COORDINATES: dict[str, JacobianBlock] = {
    "dense": DenseBlock(random(BATCH, RESIDUALS, WIDTH)),
    "shared": SharedBlock(random(RESIDUALS, WIDTH)),
    "coordinate": CoordinateBlock((2, 0, 2, 3, 1), random(BATCH, RESIDUALS), WIDTH),
    "choice": ChoiceBlock(MATRICES, torch.tensor([1, 0, 1]), factor=1.5),
}
OF_THINGS: dict[str, JacobianBlock] = {
    "points": PointBlock(random(BATCH, 2, 2, 3)),
    "spheres": SphereBlock(torch.tensor([[[0, 1]], [[1, 0]], [[1, 1]]]), random(BATCH, 1, 2, 4)),
}


def matrix_of(name: str) -> Tensor:
    """The block of that name as a matrix [batch, 5, 4], worked out here."""
    match OF_COORDINATES[name]:
        case DenseBlock(slope):
            return slope
        case SharedBlock(slope):
            return slope.expand(BATCH, -1, -1)
        case CoordinateBlock(at, slope):
            whole = torch.zeros(BATCH, RESIDUALS, WIDTH, dtype=DOUBLE)
            for residual, coordinate in enumerate(at):
                whole[:, residual, coordinate] = slope[:, residual]
            return whole
        case ChoiceBlock(constants, which, factor):
            return factor * torch.stack([constants.matrices[k] for k in which.tolist()])
        case other:
            raise TypeError(type(other).__name__)


@pytest.mark.parametrize("name", OF_COORDINATES)
def test_a_block_written_out_is_its_matrix(name: str) -> None:
    found = written_out(OF_COORDINATES[name]).slope.expand(BATCH, -1, -1)
    assert torch.equal(found, matrix_of(name))


@pytest.mark.parametrize("name", OF_COORDINATES)
def test_a_scaled_block_is_that_of_scaled_residuals(name: str) -> None:
    twice = OF_COORDINATES[name].scaled(0.5).scaled(4.0)
    assert type(twice) is type(OF_COORDINATES[name])
    found = written_out(twice).slope.expand(BATCH, -1, -1)
    torch.testing.assert_close(found, 2 * matrix_of(name), rtol=1e-15, atol=0)


@pytest.mark.parametrize("name", OF_THINGS)
def test_blocks_of_points_and_spheres_scale_but_are_no_matrix(name: str) -> None:
    block = OF_THINGS[name]
    scaled = block.scaled(3.0)
    for field in dataclasses.fields(block):
        before, after = getattr(block, field.name), getattr(scaled, field.name)
        if before.is_floating_point():
            assert torch.equal(after, 3.0 * before)
        else:
            assert after is before
    with pytest.raises(TypeError, match=type(block).__name__):
        written_out(block)


def test_a_dense_block_of_spheres_sees_each_of_them() -> None:
    dense = DenseBlock(random(BATCH, RESIDUALS, 4 * 7))
    block = SphereBlock.of_dense(dense)
    assert torch.equal(block.pull.flatten(2), dense.slope)
    assert torch.equal(block.at, torch.arange(7).expand(BATCH, RESIDUALS, 7))


# ---- normal equations


@pytest.mark.parametrize("at", [(1, 2, 3, 4), (0, 2, 3, 6)], ids=["neighbours", "apart"])
@pytest.mark.parametrize("name", OF_COORDINATES)
def test_the_normal_equations_of_each_kind_are_those_of_its_matrix(
    name: str, at: tuple[int, ...]
) -> None:
    if name == "choice" and at[-1] - at[0] >= WIDTH:
        pytest.skip("constant matrices are of one block of unknowns, whose places are neighbours")
    dim = 7
    values = random(BATCH, RESIDUALS)
    normal = NormalEquations(torch.zeros(BATCH, dim, dtype=DOUBLE))
    normal.add(LinearPart(values, (Columns(at, OF_COORDINATES[name]),)))
    gradient, hessian = normal.gradient_and_hessian()

    jacobian = torch.zeros(BATCH, RESIDUALS, dim, dtype=DOUBLE)
    jacobian[:, :, list(at)] = matrix_of(name)
    expected = (jacobian.mT @ values[..., None])[..., 0]
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(hessian, jacobian.mT @ jacobian, rtol=1e-12, atol=1e-12)


def test_parts_of_all_kinds_add_up() -> None:
    dim = 9
    normal = NormalEquations(torch.zeros(BATCH, dim, dtype=DOUBLE))
    jacobians, residuals = [], []
    for first, name in enumerate([*OF_COORDINATES, "coordinate"]):
        values, at = random(BATCH, RESIDUALS), tuple(range(first, first + WIDTH))
        normal.add(LinearPart(values, (Columns(at, OF_COORDINATES[name]),)))
        jacobian = torch.zeros(BATCH, RESIDUALS, dim, dtype=DOUBLE)
        jacobian[:, :, list(at)] = matrix_of(name)
        jacobians.append(jacobian)
        residuals.append(values)
    whole, values = torch.cat(jacobians, 1), torch.cat(residuals, 1)
    gradient, hessian = normal.gradient_and_hessian()
    expected = (whole.mT @ values[..., None])[..., 0]
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(hessian, whole.mT @ whole, rtol=1e-12, atol=1e-12)


@dataclasses.dataclass(frozen=True)
class Stated:
    """A term of residuals that move by `slope` [3, r, d] with the feature; it states `block`."""

    feature: Feature
    slope: Tensor
    block: JacobianBlock

    def __call__(self, scene: Scene) -> Residual:
        seen = scene[self.feature].flatten(1)
        values = (self.slope * seen[:, None]).sum(-1)
        return Residual(values, lambda: Jacobian(values, {self.feature: self.block}))


def pairs_of_spheres(count: int) -> tuple[Tensor, SphereBlock]:
    """Residuals that see two spheres each, as a matrix [3, 2, 4 count] and as a block."""
    at = torch.tensor([[[3, 17], [40, 5]]]).expand(BATCH, -1, -1)
    pull = random(BATCH, 2, 2, 4)
    matrix = torch.zeros(BATCH, 2, count, 4, dtype=DOUBLE)
    for residual in range(2):
        for end in range(2):
            matrix[:, residual, at[0, residual, end]] = pull[:, residual, end]
    return matrix.flatten(2), SphereBlock(at, pull)


def two_of_each_point(count: int) -> tuple[Tensor, PointBlock]:
    """Two residuals of each point, as a matrix [3, 2 count, 3 count] and as a block."""
    slope = random(BATCH, count, 2, 3)
    matrix = torch.zeros(BATCH, count, 2, count, 3, dtype=DOUBLE)
    for point in range(count):
        matrix[:, point, :, point] = slope[:, point]
    return matrix.flatten(3).flatten(1, 2), PointBlock(slope)


@pytest.mark.parametrize("feature", [POINTS, SPHERES], ids=["points", "spheres"])
def test_blocks_of_points_and_spheres_are_pulled_as_their_matrix_is(feature: Feature) -> None:
    problem = problem_of(only("collision"))
    x = problem.pack(problem.state)
    count = problem.view(x).scene[feature].shape[1]
    matrix, block = two_of_each_point(count) if feature is POINTS else pairs_of_spheres(count)
    found = []
    for stated in (block, DenseBlock(matrix)):
        term = WeightedTerm("stated", 0.7, Stated(feature, matrix, stated))
        energy, quadratic = dataclasses.replace(problem, terms=(term,)).normal(x)
        found.append((energy, quadratic.gradient, quadratic.hessian))
    for sparse, dense in zip(*found, strict=True):
        torch.testing.assert_close(sparse, dense, rtol=1e-9, atol=1e-9 * float(dense.abs().max()))
