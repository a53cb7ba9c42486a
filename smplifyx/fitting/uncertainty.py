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

import dataclasses
import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..body.model import Age, BodyModel
from ..body.stature import stature_of
from ..config import Block, Weights
from ..core.bundle import Bundle
from ..core.invariant_linalg import gram
from ..problem.problem import Problem
from ..problem.view import View

# of the kid component's coefficient: uniform between adult (0) and the template's age (1)
KID_VARIANCE = 1 / 12
ANY_TURN = math.pi**2 / 3  # variance of an angle of which nothing is known, radians^2
POSE_PRIOR = "pose_prior"  # the name of its term
RIDGE = 1e-6  # on the diagonal: what nothing determines gets a large variance


@dataclass(frozen=True)
class ShapeUncertainty(Bundle):
    """The stature that a fit found, and how well it is known."""

    stature: Float[Tensor, "*batch"]  # metres, of the body in its T-pose
    stature_sd: Float[Tensor, "*batch"]  # metres
    # share of the betas' prior variance that the evidence removed, 0..1
    determined: Float[Tensor, "*batch"]


@dataclass(frozen=True, eq=False)
class Posterior:
    """The Gaussian that the energy makes of the unknowns of a fit, all of them together."""

    problem: Problem
    view: View  # of the fits
    precision: Float[Tensor, "batch dim dim"]  # float64
    factor: Float[Tensor, "batch dim dim"]  # lower triangular L, L L^T the precision; float64
    finite: Bool[Tensor, " batch"]  # whose energy has a curvature; the others' factor means nothing
    prior: Float[Tensor, " betas"]  # one over the variance of each beta among people

    @classmethod
    def of(cls, problem: Problem, body: BodyModel, weights: Weights) -> Posterior:
        """At `problem.state`, betas free.

        weights: those of the problem's stage. The shape prior counts with its true spread, whatever
        its weight in the stage.
        """
        view = problem.view(problem.pack(problem.state))
        _, quadratic = problem.normal_at(view)
        hessian = quadratic.hessian  # over x: [batch, dim, dim]
        betas = problem.slices[Block.BETAS]  # the place of the betas in x
        places = range(betas.start, betas.stop)
        prior, counted = _prior_precision(body, weights, hessian)
        precision = hessian.double() / 2
        precision[:, places, places] += prior - counted
        return cls(problem, view, precision, *_factor(precision), prior)

    def with_true_priors(self) -> Posterior:
        """The same where the pose prior counts with its own spread, whatever its weight in the
        stage, and no heading is less known than one of which nothing is.

        Presets give the prior less, so that bodies lie on their points; what people's poses are
        does not change with that. Measured on generated people: with its own spread the covariances
        of joints need next to no calibration.
        """
        terms = [term for term in self.problem.terms if term.name == POSE_PRIOR]
        missing = torch.zeros_like(self.precision)
        for term in terms:
            alone = dataclasses.replace(
                self.problem, terms=(dataclasses.replace(term, weight=1.0),)
            )
            _, quadratic = alone.normal_at(self.view)
            missing += (1 - term.weight**2) / 2 * quadratic.hessian.double()
        if Block.GLOBAL_ORIENT in self.problem.slices:
            turn = self.problem.slices[Block.GLOBAL_ORIENT]
            missing.diagonal(dim1=-2, dim2=-1)[:, turn] += 1 / ANY_TURN
        precision = self.precision + missing
        factor, finite = _factor(precision)
        return dataclasses.replace(self, precision=precision, factor=factor, finite=finite)

    def columns(self, wanted: Tensor) -> Float[Tensor, "batch dim c"]:
        """Columns of the covariance of all unknowns; NaN where the fit is not finite."""
        return _inverse_columns(self.factor, self.finite, wanted)

    def of_points(self, jacobian: Float[Tensor, "batch p 3 dim"]) -> Float[Tensor, "batch p 3 3"]:
        """The covariance of points that move so with the unknowns, each on its own."""
        batch, count = jacobian.shape[:2]
        slopes = jacobian.double().flatten(1, 2).mT  # [batch, dim, 3 p]
        # J Sigma J^T = Y^T Y with L Y = J^T
        spread = torch.linalg.solve_triangular(self.factor, slopes, upper=False)
        each = spread.unflatten(-1, (count, 3)).transpose(1, 2).flatten(0, 1)
        covariance = gram(each, each).unflatten(0, (batch, count))
        return torch.where(self.finite[:, None, None, None], covariance, torch.nan)


def shape_uncertainty(posterior: Posterior, body: BodyModel) -> ShapeUncertainty:
    """The evidence about the shape. NaN where the fit is not finite."""
    problem, prior = posterior.problem, posterior.prior
    betas = problem.slices[Block.BETAS]
    columns = posterior.columns(torch.arange(betas.start, betas.stop))
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
    column = _inverse_columns(*_factor(hessian.double()), torch.tensor([kid]))[..., 0]
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


def _factor(
    matrix: Float[Tensor, "batch n n"],
) -> tuple[Float[Tensor, "batch n n"], Bool[Tensor, " batch"]]:
    """The Cholesky factor of positive matrices, and which of them are finite."""
    finite = matrix.isfinite().flatten(1).all(-1)
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    # A matrix that is not finite has no factor: the identity stands in for it.
    positive = torch.where(finite[:, None, None], matrix, identity) + RIDGE * identity
    return torch.linalg.cholesky_ex(positive).L, finite  # _ex: raises for no matrix of the batch


def _inverse_columns(
    factor: Float[Tensor, "batch n n"], finite: Bool[Tensor, " batch"], columns: Tensor
) -> Float[Tensor, "batch n c"]:
    """Columns of the inverse of the matrices of `_factor`; NaN for one that is not finite."""
    identity = torch.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device)
    wanted = identity[:, columns.to(identity.device)].expand(len(factor), -1, -1)
    solved = torch.cholesky_solve(wanted, factor)
    return torch.where(finite[:, None, None], solved, torch.nan)
