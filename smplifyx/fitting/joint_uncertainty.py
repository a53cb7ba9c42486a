"""How far each joint of a fit can be believed: a 3x3 covariance in the camera's axes.

Two things make a joint unsure. The energy around the fit is flat along the ray: its curvature
(Gauss-Newton, all unknowns free together) says how far the joint may move before the evidence
objects. And the evidence may mean another body altogether, a limb that points away instead of
towards the camera: those were tried (`alternatives`), and count by how little they lost. A table
(`priors/uncertainty`) scales the sum to errors that were measured on generated people.

Joints are the canonical points of body and hands, `keypoints.names.POINT_NAMES[:67]`, measured from
the middle of the two hips, so that where the person stands is no part of it; nothing else is
aligned, neither turn nor size. See docs/uncertainty.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..camera import Camera
from ..core.bundle import Bundle
from ..core.invariant_linalg import gram
from ..features.fold import PointSet
from ..features.jacobian_blocks import PointBlock, written_out
from ..features.points import POINTS
from ..keypoints import Keypoints, names
from ..keypoints.confidence import SEEN
from ..problem.chain_rule import ChainRule
from .alternatives import BODY_POINTS, Alternatives, middle_of_hips
from .joint_calibration import JOINTS, NOISE_REFERENCE, JointCalibration
from .quality import offsets_m
from .uncertainty import Posterior

# which of the body's points each joint goes with, where only those are known: hands with wrists
_BODY_POINT_OF = (
    *range(BODY_POINTS),
    *[names.POINT_INDEX["left_wrist"]] * 21,
    *[names.POINT_INDEX["right_wrist"]] * 21,
)
FARTHEST = 0.06  # metres: a keypoint farther off is a gross error, and tells no noise beyond that
BELIEVED = 4.0  # the points' worth of the belief that a person is as noisy as NOISE_REFERENCE
NOISE_RATIOS = (0.25, 4.0)  # to NOISE_REFERENCE, beyond which nothing was calibrated


@dataclass(frozen=True)
class JointSpread(Bundle):
    """What makes the joints of fits unsure, before a card scales it; m^2, the camera's axes.

    NaN for joints that the body lacks or the last stage did not look at, and of fits that are not
    finite.
    """

    curvature: Float[Tensor, "*batch 67 3 3"]  # covariance by the energy around the fit; float64
    # of each hypothesis: where its body's points are, less the fit's; 0 where that is not known
    offsets: Float[Tensor, "*batch hypotheses 25 3"]
    gap: Float[Tensor, "*batch hypotheses"]  # as `Alternatives.gap`
    noise: Float[Tensor, "*batch"]  # metres, see `noise_level`

    @classmethod
    def of(
        cls,
        posterior: Posterior,
        jacobian: Float[Tensor, "batch 67 3 dim"],
        alternatives: Alternatives,
        points: Float[Tensor, "batch 137 3"],
        noise: Float[Tensor, " batch"],
    ) -> JointSpread:
        """For fits at `points`; jacobian: of their joints, as `joint_jacobian` gives it."""
        slopes = jacobian.flatten(-2)  # as if they were coordinates
        from_hips = (slopes - middle_of_hips(slopes)).view_as(jacobian)
        curvature = posterior.with_true_priors().of_points(from_hips)
        body = points[:, :BODY_POINTS]
        offsets = alternatives.points - (body - middle_of_hips(body))[:, None]
        return cls(curvature, offsets.nan_to_num(), alternatives.gap, noise)

    def covariance(self, calibration: JointCalibration) -> Float[Tensor, "*batch 67 3 3"]:
        """The covariance of each joint about where the fit has it; float64."""
        factor = calibration.factors.to(self.curvature)[:, None, None]
        own = self.scaled(calibration.noise_exponent)
        return factor**2 * own + self.between(calibration.temperature)

    def scaled(self, exponent: float) -> Float[Tensor, "*batch 67 3 3"]:
        """The curvature's part, larger for people whose keypoints are noisy."""
        ratio = (self.noise.double() / NOISE_REFERENCE).clamp(*NOISE_RATIOS)
        return (ratio ** (2 * exponent))[..., None, None, None] * self.curvature

    def between(self, temperature: float) -> Float[Tensor, "*batch 67 3 3"]:
        """What the alternatives add: sum_k w_k d_k d_k^T, d_k their offsets from the fitted body.

        Hands go with their wrists: they were not fitted with each alternative.
        """
        weight = torch.exp(-self.gap.double() / temperature)
        # the fitted body's own is 1, also where nobody knows of it
        weight = weight / weight.sum(-1, keepdim=True).clamp(min=1)
        # sqrt(w_k) d_k of each point, alternatives down: [*batch, 25, hypotheses, 3]
        scaled = (weight.sqrt()[..., None, None] * self.offsets.double()).transpose(-3, -2)
        each = scaled.flatten(0, -3)
        spread = gram(each, each).unflatten(0, scaled.shape[:-2])
        return spread[..., list(_BODY_POINT_OF), :, :]


def joint_jacobian(posterior: Posterior, order: PointSet) -> Float[Tensor, "batch 67 3 dim"]:
    """How the joints move with the unknowns; NaN for those that are not among the points."""
    problem, view = posterior.problem, posterior.view
    points = view.scene[POINTS]
    batch, count, _ = points.shape
    axes = torch.eye(3, dtype=points.dtype, device=points.device).expand(batch, count, 3, 3)
    # The coordinates as if they were residuals: their slopes are asked for as a term's are.
    pulled = problem.folded.bound(POINTS).pull(PointBlock(axes), ChainRule(problem.folded, view))
    # one point more than there are, which stands for the missing ones
    jacobian = points.new_zeros(batch, 3 * (count + 1), problem.folded.dim)
    jacobian[:, 3 * count :] = torch.nan
    for one in pulled.ranges:
        for columns in one.columns:
            jacobian[:, one.where, list(columns.at)] = written_out(columns.block).slope
    place = {point: i for i, point in enumerate(order.canonical)}
    found = [place.get(joint, count) for joint in range(JOINTS)]
    return jacobian.unflatten(1, (-1, 3))[:, found]


def squared_radius(
    covariance: Float[Tensor, "*batch 3 3"], offset: Float[Tensor, "*batch 3"]
) -> Float[Tensor, "*batch"]:
    """The squared Mahalanobis distance of an offset; NaN where the covariance is not finite."""
    finite = covariance.isfinite().flatten(-2).all(-1)
    identity = torch.eye(3, dtype=covariance.dtype, device=covariance.device)
    stand_in = torch.where(finite[..., None, None], covariance, identity)
    factor = torch.linalg.cholesky_ex(stand_in).L
    whitened = torch.linalg.solve_triangular(factor, offset[..., None], upper=False)
    return torch.where(finite, whitened.square().sum((-1, -2)), torch.nan)


def noise_level(
    keypoints: Keypoints, camera: Camera, points: Float[Tensor, "*batch 137 3"]
) -> Float[Tensor, "*batch"]:
    """How far the seen body points of each person lie from the fitted ones, metres at the points.

    The root of the mean square, distances cut at FARTHEST. It tells a sharp photo from a blurred
    one, which the energy does not: its sigmas are the same for everybody. With few points it is
    mostly NOISE_REFERENCE.
    """
    distance = offsets_m(keypoints, camera, points)[..., names.BODY, :].norm(dim=-1)
    seen = (keypoints.confidence[..., names.BODY] >= SEEN) & distance.isfinite()
    square = torch.where(seen, distance.clamp(max=FARTHEST).square(), 0.0).sum(-1)
    count = seen.sum(-1)
    return ((square + BELIEVED * NOISE_REFERENCE**2) / (count + BELIEVED)).sqrt()
