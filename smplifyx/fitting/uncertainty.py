"""How far the keypoints of a fit determine the body's shape, from the curvature of its energy.

The Gauss-Newton Hessian H of an energy that is -2 log density makes 2 H^-1 the covariance of the
unknowns (Laplace's approximation around the fit). One photo tells proportions, hardly size: a small
person near by looks like a tall one far away.

What is inverted is H / 2 over all unknowns of the last stage, pose and place among them, not its
block of the betas: that would be the spread of the shape if everything else were known. Of the
inverse only the columns of the betas are worked out: some ten solves with the Cholesky factor in
place of a hundred.
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
    """The evidence about the shape at `problem.state`, betas free.

    weights: those of the problem's stage. The shape prior counts with its true spread, whatever its
    weight in the stage. NaN where the fit is not finite.
    """
    _, quadratic = problem.normal(problem.pack(problem.state))
    hessian = quadratic.hessian  # over x: [batch, dim, dim]
    betas = problem.slices[Block.BETAS]  # the place of the betas in x
    places = range(betas.start, betas.stop)
    prior, counted = _prior_precision(body, weights, hessian)

    precision = hessian.double() / 2
    precision[:, places, places] += prior - counted
    columns = _inverse_columns(precision, torch.arange(betas.start, betas.stop))
    covariance = columns[:, betas]  # of the betas, whatever the rest is: [batch, betas, betas]

    # Stature is linear in the betas around the fit: variance = slope^T covariance slope.
    stature, slope = stature_of(body)(problem.state.betas)
    slope = slope.double()
    variance = (slope * (covariance * slope[:, None]).sum(-1)).sum(-1)
    sd = variance.clamp(min=0).sqrt()
    # Prior precision is one over prior variance: the mean share of it that is left.
    left = (covariance.diagonal(dim1=-2, dim2=-1) * prior).mean(-1)
    determined = (1 - left).clamp(0, 1)

    finite = variance.isfinite()
    return ShapeUncertainty(
        stature=stature,
        stature_sd=torch.where(finite, sd, torch.nan).to(stature),
        determined=torch.where(finite, determined, torch.nan).to(stature),
    )


def kid_gain(problem: Problem) -> Float[Tensor, " batch"]:
    """What a child's body would gain over the adult's, told by one step from the adult's fit.

    problem: of the child's body, its kid coefficient 0 in `problem.state`. The decrease of the
    energy that a Newton step of all unknowns promises where the coefficient is free too: a score
    test, for the cost of a single evaluation. 0 where the step goes to less than 0.
    """
    _, quadratic = problem.normal(problem.pack(problem.state))
    gradient, hessian = quadratic.gradient, quadratic.hessian
    kid = problem.slices[Block.BETAS].stop - 1  # the kid coefficient is the last of the betas
    # The step is -H^-1 g. Its kid component needs one column of the inverse, since H is symmetric.
    column = _inverse_columns(hessian.double(), torch.tensor([kid]))[..., 0]
    step = -(column * gradient.double()).sum(-1).nan_to_num()
    # Everything else is at its best already, so the step pays step^2 / (2 (H^-1)_kk).
    gain = step * step / (2 * column[:, kid])
    return torch.where(step > 0, gain, 0.0).to(gradient)


def _prior_precision(
    body: BodyModel, weights: Weights, like: Tensor
) -> tuple[Float[Tensor, " shapes"], Float[Tensor, " shapes"]]:
    """One over the variance of each beta among people, and what of it the energy holds already.

    Betas are principal components in units of their spread, so that variance is 1.
    """
    precision = torch.ones(body.shapedirs.shape[-1], dtype=torch.float64, device=like.device)
    counted = weights.shape**2 * precision
    if body.age is Age.CHILD:
        precision[-1] = 1 / KID_VARIANCE
        counted[-1] = 0.0  # the shape term leaves the kid coefficient alone
    return precision, counted


def _inverse_columns(
    matrix: Float[Tensor, "batch n n"], columns: Tensor
) -> Float[Tensor, "batch n c"]:
    """Columns of the inverse of positive matrices; NaN for one that is not finite."""
    finite = matrix.isfinite().flatten(1).all(-1)[:, None, None]
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    # A matrix that is not finite has no factor: the identity stands in for it, NaN is the answer.
    positive = torch.where(finite, matrix, identity) + RIDGE * identity
    factor = torch.linalg.cholesky_ex(positive).L  # _ex: raises for no matrix of the batch
    wanted = identity[:, columns.to(identity.device)].expand(len(matrix), -1, -1)
    return torch.where(finite, torch.cholesky_solve(wanted, factor), torch.nan)
