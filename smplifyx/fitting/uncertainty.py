"""How far the keypoints of a fit determine the body's shape, from the curvature of its energy.

The Gauss-Newton Hessian H of an energy that is -2 log density makes 2 H^-1 the covariance of the
unknowns (Laplace's approximation around the fit). One photo tells proportions, hardly size: a small
person near by looks like a tall one far away.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..body.model import Age, BodyModel
from ..body.stature import stature_of
from ..config import Block, Weights
from ..core.bundle import Bundle
from ..problem.problem import Problem

# of the kid component's coefficient: uniform between adult (0) and the template's age (1)
KID_VARIANCE = 1 / 12
RIDGE = 1e-6  # on the diagonal: what nothing determines gets a large variance


@dataclass(frozen=True)
class ShapeUncertainty(Bundle):
    """The stature that a fit found, and how well it is known."""

    stature: Float[Tensor, "*batch"]  # metres, of the body in its T-pose
    stature_sd: Float[Tensor, "*batch"]  # metres
    # share of the betas' prior variance that the evidence removed, 0..1
    determined: Float[Tensor, "*batch"]


def shape_uncertainty(problem: Problem, body: BodyModel, weights: Weights) -> ShapeUncertainty:
    """The evidence about the shape at `problem.state`, betas free; `weights`: those of the
    problem's stage.

    The shape prior counts with its true spread, whatever its weight in the stage. NaN where the fit
    is not finite.
    """
    _, quadratic = problem.normal(problem.pack(problem.state))
    hessian = quadratic.hessian
    at = problem.slices[Block.BETAS]
    prior, counted = _prior_precision(body, weights, hessian)
    precision = hessian.double() / 2
    precision[:, range(at.start, at.stop), range(at.start, at.stop)] += prior - counted
    covariance = _inverse_columns(precision, torch.arange(at.start, at.stop))[:, at]
    stature, slope = stature_of(body)(problem.state.betas)
    slope = slope.double()
    variance = (slope * (covariance * slope[:, None]).sum(-1)).sum(-1)
    left = (covariance.diagonal(dim1=-2, dim2=-1) * prior).mean(-1)
    found = (variance.clamp(min=0).sqrt(), (1 - left).clamp(0, 1))
    sd, determined = (
        torch.where(variance.isfinite(), value, torch.nan).to(stature) for value in found
    )
    return ShapeUncertainty(stature, sd, determined)


def kid_gain(problem: Problem) -> Float[Tensor, " batch"]:
    """What a child's body would gain over the adult's at `problem.state`, whose kid coefficient is
    0.

    The decrease of the energy that a Newton step of all unknowns promises where the coefficient is
    free too: a score test, for the cost of a single evaluation. 0 where the step goes to less than
    0.
    """
    _, quadratic = problem.normal(problem.pack(problem.state))
    gradient, hessian = quadratic.gradient, quadratic.hessian
    kid = problem.slices[Block.BETAS].stop - 1
    column = _inverse_columns(hessian.double(), torch.tensor([kid]))[..., 0]
    step = -(column * gradient.double()).sum(-1).nan_to_num()
    return torch.where(step > 0, step * step / (2 * column[:, kid]), 0.0).to(gradient)


def _prior_precision(
    body: BodyModel, weights: Weights, like: Tensor
) -> tuple[Float[Tensor, " shapes"], Float[Tensor, " shapes"]]:
    """One over the variance of each beta in the model's population, and what of it is in the energy
    already.
    """
    precision = torch.ones(body.shapedirs.shape[-1], dtype=torch.float64, device=like.device)
    counted = weights.shape**2 * precision
    if body.age is Age.CHILD:
        precision[-1], counted[-1] = 1 / KID_VARIANCE, 0.0
    return precision, counted


def _inverse_columns(
    matrix: Float[Tensor, "batch n n"], columns: Tensor
) -> Float[Tensor, "batch n c"]:
    """Columns of the inverse of positive matrices; NaN for one that is not finite."""
    size = matrix.shape[-1]
    sound = matrix.isfinite().flatten(1).all(-1)[:, None, None]
    eye = torch.eye(size, dtype=matrix.dtype, device=matrix.device)
    factor = torch.linalg.cholesky_ex(torch.where(sound, matrix, eye) + RIDGE * eye).L
    wanted = eye[:, columns.to(eye.device)].expand(len(matrix), -1, -1)
    return torch.where(sound, torch.cholesky_solve(wanted, factor), torch.nan)
