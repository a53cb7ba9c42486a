"""Evidence: how deep the bones lie, as a network reads it from the 2D keypoints.

Keypoints alone leave every bone two depths, and a pose prior prefers the one that is likely for any
pose. The network has seen which depths went with such keypoints. It tells the depth of each bone's
end relative to its beginning, as a share of the person's distance, so that it holds for people of
any size; and how far it may be off, which is much where both depths are likely.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..body.model import BodyModel
from ..config import BoneDepthConfig, StageConfig
from ..core.bundle import Bundle, static
from ..depth_prior.bones import BONES, POINTS, ROOT
from ..depth_prior.network import DepthNetwork
from ..depth_prior.person_view import PersonView
from ..features.coordinates import Coordinates
from ..features.fold import PointSet
from ..features.jacobian_blocks import DenseBlock
from ..features.unknowns import FOCAL
from ..terms.scene import Jacobian, Residual, Scene, WeightedTerm
from .keypoints2d import Keypoints2D

# Metres beside the network's own: bones of people are not those of the body.
SPREAD = 0.01


@dataclass(frozen=True)
class ObservedDepths(Bundle):
    """What the bones of a stage are compared with.

    rows: 1 / sd at each bone's end, -1 / sd at its beginning.
    shares: the told depth by the distance of the root, over sd; 0 for bones without a row.
    feature: the depths of the points; the root is the one at `root`.
    """

    rows: Float[Tensor, "*batch bones n"]
    shares: Float[Tensor, "*batch bones"]
    feature: Coordinates = static(Coordinates(()))
    root: int = static(0)


@dataclass(frozen=True)
class BoneDepth(Bundle):
    """The told depth of each bone [batch, 24] (`depth_prior.bones`), and how far it may be off.

    share: end minus beginning along the camera's axis, by the distance of `mid_hip`.
    sd: metres.
    """

    share: Float[Tensor, "*batch 24"]
    sd: Float[Tensor, "*batch 24"]
    config: BoneDepthConfig = static(BoneDepthConfig())

    @classmethod
    def read(
        cls,
        seen: Keypoints2D,
        confidence: Float[Tensor, "batch 137"],
        network: DepthNetwork,
        config: BoneDepthConfig,
    ) -> BoneDepth:
        """From keypoints; confidence: of those that count, see `seen_confidence`."""
        body = slice(POINTS.start, POINTS.stop)
        camera = seen.camera
        focal = camera.focal[:, None]
        rays = (seen.keypoints.xy[:, body] - camera.center[:, None]) / focal
        told = network.tell(PersonView.of(rays, confidence[:, body]))
        distance = camera.focal[:, :1] / seen.scale[:, None]  # metres, from how long bones look
        return cls(told.bones, told.sd * distance + SPREAD, config)

    def without(self, measured: Bool[Tensor, "batch 137"]) -> BoneDepth:
        """The same without the bones whose two ends are measured: their depth is not guessed."""
        ends = measured[:, [end for end, _ in BONES]]
        starts = measured[:, [start for _, start in BONES]]
        return self.replace(sd=torch.where(ends & starts, torch.inf, self.sd))

    def points(self, stage: StageConfig, body: BodyModel) -> PointSet:
        """Those of the 25 that the body has."""
        known = body.points.known.tolist()
        return PointSet(canonical=tuple(point for point in POINTS if known[point]))

    def observe(self, stage: StageConfig, points: PointSet) -> ObservedDepths:
        """One row for each bone; zeros for one with an end that the body lacks."""
        at = tuple(place for place, point in enumerate(points.canonical) if point in POINTS)
        place_of = {points.canonical[place]: column for column, place in enumerate(at)}
        rows = self.sd.new_zeros(*self.sd.shape, len(at))
        shares = torch.zeros_like(self.share)
        for bone, (end, start) in enumerate(BONES):
            if {end, start, ROOT} <= place_of.keys():
                rows[:, bone, place_of[end]] = 1.0
                rows[:, bone, place_of[start]] = -1.0
                shares[:, bone] = self.share[:, bone]
        rows = rows / self.sd[..., None]
        return ObservedDepths(rows, shares / self.sd, Coordinates(at), place_of.get(ROOT, 0))

    def terms(self, stage: StageConfig, body: BodyModel) -> tuple[WeightedTerm, ...]:
        """One term."""
        if not stage.weights.bone_depth:
            return ()
        term = BoneDepthTerm(self.config.outlier)
        return (WeightedTerm("bone_depth", stage.weights.bone_depth, term),)


@dataclass(frozen=True)
class BoneDepthTerm:
    """GMoF (Geman-McClure, rho r / sqrt(r^2 + rho^2)) of each bone's depth less what was told of
    it, in standard deviations: a bone of which the network is wrong is let go.
    """

    rho: float

    def __call__(self, scene: Scene) -> Residual:
        """One residual for each bone."""
        observed: ObservedDepths = scene.observed[ObservedDepths]
        depths = scene[observed.feature]
        # A longer focal length moves a person away, and makes bones no deeper: the distance counts
        # as the camera has it that the network was asked with.
        zoom = scene[FOCAL].exp()
        shares = observed.shares / zoom
        told = shares * depths[:, observed.root, None]
        error = (observed.rows * depths[:, None]).sum(-1) - told
        squash = self.rho / torch.sqrt(error * error + self.rho**2)

        def jacobian() -> Jacobian:
            # as for keypoints (`Curvature.REWEIGHTED`): the exact gradient, curvature of squash^4
            square = squash * squash
            slopes = observed.rows.clone()
            slopes[..., observed.root] -= shares
            by_depths = DenseBlock(square[..., None] * slopes)
            by_focal = DenseBlock((square * told)[..., None])
            return Jacobian(square * error, {observed.feature: by_depths, FOCAL: by_focal})

        return Residual(squash * error, jacobian)
