"""Whether a fit is better than the prediction it began with, by keypoints that it has not seen.

Fits lie on their keypoints whether those are right or not. So each keypoint is compared with the
fit that there would be without it and without its fold; where the prediction lies nearer to the
keypoints than that, optimisation has made it worse, and the prediction is the result.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..body import skinning
from ..camera import Camera
from ..core.bundle import Bundle
from ..core.invariant_linalg import gram, whole_rows
from ..evidence.pose_estimate import PoseEstimate
from ..features.fold import PointSet
from ..features.variables import State
from ..keypoints import Keypoints, names
from ..keypoints.confidence import SEEN
from ..terms.reprojection import ObservedPoints
from .alternatives import middle_of_hips
from .batch import FitBatch
from .estimated_start import estimated_guess
from .start_check import StartCheck
from .uncertainty import Posterior

FOLDS = 5  # of the body's points; a fold's are of different limbs
LARGEST_SHARE = 0.999  # of a point's place that the point itself may decide
BODY = names.BODY.stop


@dataclass(frozen=True)
class Checked(Bundle):
    """The bodies that are the result [batch], how far they lie from keypoints that they have not
    seen, and how they compare with the predictions; None: there were none.
    """

    state: State
    held_out: Float[Tensor, "*batch 25"]  # pixels, of body keypoints; NaN for unseen ones
    check: StartCheck | None


def checked_start(
    people: FitBatch, fitted: State, posterior: Posterior, jacobian: Tensor, order: PointSet
) -> Checked:
    """The fitted bodies, but predicted ones where those are nearer to keypoints held out.

    posterior: of the last stage at `fitted`, which looked at the points of `order`; jacobian: of
    the joints there, as `joint_jacobian` gives it.
    """
    setup, keypoints = people.setup, people.keypoints
    # a product of few rows rounds otherwise than one of many: always the same kernel
    count = len(keypoints.confidence)
    whole = whole_rows(count, keypoints.xy.device)
    of_fit = skinning.points(setup.body, setup.decoder.params(fitted)[whole])[:count, :BODY]
    camera = people.camera.zoomed(fitted.focal[:, 0].exp())
    seen_at = keypoints.xy[:, :BODY]
    seen = posterior.view.scene.observed[ObservedPoints]
    weight = _weights(seen, order, (camera.project(of_fit) - seen_at).norm(dim=-1))
    left_out = held_out_distance(
        jacobian[:, :BODY], posterior.factor, of_fit, camera, seen_at, weight
    )
    left_out = torch.where(posterior.finite[:, None], left_out, torch.nan)

    estimate = people.others.get(PoseEstimate)
    if estimate is None:
        return Checked(fitted, left_out, None)
    predicted, is_told = estimated_guess(people, estimate)
    of_start = skinning.points(setup.body, setup.decoder.params(predicted))[:, :BODY]
    start_distance = (people.camera.project(of_start) - seen_at).norm(dim=-1)
    start_error = _median_percent(start_distance, keypoints)
    end_error = _median_percent(left_out, keypoints)
    apart = (of_start - middle_of_hips(of_start)) - (of_fit - middle_of_hips(of_fit))
    moved = 1000 * apart.norm(dim=-1).nanmean(-1)

    has_pose = estimate.rotation.isfinite().flatten(1).all(-1)  # points alone are no body
    kept = is_told & has_pose & (start_error < end_error)
    unknown = torch.full_like(start_error, torch.nan)
    check = StartCheck(
        torch.where(is_told, start_error, unknown),
        torch.where(is_told, end_error, unknown),
        torch.where(is_told, moved, unknown),
        kept,
    )
    # a prediction has seen no keypoint at all
    unseen_by_start = torch.where(weight > 0, start_distance, torch.nan)
    held_out = torch.where(kept[:, None], unseen_by_start, left_out)
    return Checked(_where(kept, predicted, fitted), held_out, check)


def _where(kept: Tensor, one: State, other: State) -> State:
    """Rows of one state or the other."""
    rows = kept.nonzero().flatten()
    return other.put(rows, one[rows])


def _median_percent(
    distance: Float[Tensor, "batch 25"], keypoints: Keypoints
) -> Float[Tensor, " batch"]:
    """The median of pixel distances of seen body points, in percent of the keypoints' box."""
    body = keypoints.confidence[:, names.BODY] >= SEEN
    box = keypoints.box_diagonal(keypoints.confidence >= SEEN)
    seen = torch.where(body & distance.isfinite(), distance, torch.nan)
    return 100 * seen.nanquantile(0.5, -1) / box


def held_out_distance(
    jacobian: Float[Tensor, "batch 25 3 dim"],
    factor: Float[Tensor, "batch dim dim"],
    points: Float[Tensor, "batch 25 3"],
    camera: Camera,
    seen_at: Float[Tensor, "batch 25 2"],
    weight: Float[Tensor, "batch 25"],
) -> Float[Tensor, "batch 25"]:
    """How far each body keypoint would lie from a fit without it and its fold, pixels.

    No fit is made: for an energy of squares with weights fixed, the residual of points F that are
    left out is (I - A P^-1 A^T)^-1 times their residual, A their slopes (the PRESS statistic, Allen
    1974). jacobian: of the points; factor: lower, of the posterior's precision P; seen_at: pixels;
    weight: of each keypoint's pixels in the energy, 0 for unseen ones.
    """
    camera64 = camera.to(dtype=torch.float64)
    there = points.double()
    by_point = camera64.projection_jacobian(there)  # [batch, 25, 2, 3]
    # a sum over three axes, not a product of small matrices, whose rounding depends on the batch
    terms = by_point[..., None] * jacobian.double()[..., None, :, :]
    slopes = terms.sum(-2) * weight.double()[..., None, None]  # [batch, 25, 2, dim]
    pixels = camera64.project(there) - seen_at.double()
    residual = pixels * weight.double()[..., None]
    distance = torch.full_like(pixels[..., 0], torch.nan)
    for fold in range(FOLDS):
        held = list(range(fold, slopes.shape[1], FOLDS))
        A = slopes[:, held].nan_to_num().flatten(1, 2)  # [batch, 2 m, dim]
        spread = torch.linalg.solve_triangular(factor, A.mT, upper=False)
        own = gram(spread, spread)
        identity = torch.eye(own.shape[-1], dtype=own.dtype, device=own.device)
        left = torch.linalg.solve(
            identity - LARGEST_SHARE * own, residual[:, held].nan_to_num().flatten(1)[..., None]
        )[..., 0]
        left = left.unflatten(-1, (-1, 2)).norm(dim=-1)
        held_weight = weight[:, held].double()
        distance[:, held] = torch.where(held_weight > 0, left / held_weight, torch.nan)
    return distance.to(points)


def _weights(
    seen: ObservedPoints, order: PointSet, distance: Float[Tensor, "batch 25"]
) -> Float[Tensor, "batch 25"]:
    """What a pixel of each body keypoint weighs in the last stage: slopes of the reweighted
    residuals of `Reprojection`; 0 for points that it does not look at.

    distance: of the keypoints from the fit, pixels.
    """
    place_of = {point: place for place, point in enumerate(order.canonical)}
    points = [point for point in range(BODY) if point in place_of]
    at = [place_of[point] for point in points]
    unit = seen.unit[:, at]
    rho = seen.rho[:, at]
    error = distance[:, points] / unit
    squash = rho / (error.square() + rho.square()).sqrt()
    weight = torch.zeros_like(distance)
    weight[:, points] = (seen.gain[:, at] * squash.square() / unit).nan_to_num()
    return weight
