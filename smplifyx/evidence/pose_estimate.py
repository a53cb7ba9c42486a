"""Evidence: what a network predicted of a person's pose, as rows of the energy.

A prediction is not believed: each bone's direction and length in the camera's axes, and each
joint's rotation, is a measurement with the error that its source was measured to have, across and
along the view apart, and with a robust tail. A wrong limb is let go, a wrong person too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..body.joints import BODY_POSE_JOINTS
from ..body.model import BodyModel
from ..config import Part, PoseEstimateConfig, StageConfig
from ..core import rotations
from ..core.bundle import Bundle, static
from ..depth_prior.bones import BONES as BODY_BONES
from ..features.coordinates import Coordinates
from ..features.fold import PointSet
from ..features.jacobian_blocks import DenseBlock
from ..features.joint_angles import BODY_POSE
from ..features.unknowns import FOCAL
from ..keypoints import names
from ..terms.scene import Jacobian, Residual, Scene, WeightedTerm

JOINTS = len(BODY_POSE_JOINTS)  # 21
ROOT = names.POINT_INDEX["mid_hip"]  # its distance is the unit of bones
AXES = (0, 1, 2)


def _hand_bones() -> tuple[tuple[int, int], ...]:
    """From the hand's wrist to each of its other points."""
    found: list[tuple[int, int]] = []
    for hand in (names.LEFT_HAND, names.RIGHT_HAND):
        found += [(point, hand.start) for point in range(hand.start + 1, hand.stop)]
    return tuple(found)


# the numbers of each bone's end and beginning among the 137 points
BONES: tuple[tuple[int, int], ...] = (*BODY_BONES, *_hand_bones())
COUNT = len(BONES)  # 64


@dataclass(frozen=True)
class ObservedEstimate(Bundle):
    """What the bones and joints of a stage are compared with.

    rows: 1 / sd at each bone's end, -1 / sd at its beginning, for x, y and z.
    shares: the told bones by the distance of the root, over sd; 0 for bones without a row.
    rotation: the told turn of each joint; turn_gain: 1 / sd, 0 for joints of which nothing is told.
    at: places of the points among the stage's; the root is the one at `root`.
    """

    rows: Float[Tensor, "*batch 3 bones n"]
    shares: Float[Tensor, "*batch 3 bones"]
    rotation: Float[Tensor, "*batch 21 3 3"]
    turn_gain: Float[Tensor, "*batch 21"]
    at: tuple[int, ...] = static(())
    root: int = static(0)


@dataclass(frozen=True)
class PoseEstimate(Bundle):
    """Bones and rotations of each person [batch], with their standard deviations; NaN where
    nothing is told.

    bones: end minus beginning in the camera's axes, by the distance of `mid_hip` (see `BONES`).
    bones_sd: likewise.
    rotation: of the 21 body joints against their parents, axis-angles; rotation_sd: radians.
    """

    bones: Float[Tensor, "*batch 64 3"]
    bones_sd: Float[Tensor, "*batch 64 3"]
    rotation: Float[Tensor, "*batch 21 3"]
    rotation_sd: Float[Tensor, "*batch 21"]
    config: PoseEstimateConfig = static(PoseEstimateConfig())

    @classmethod
    def nothing(cls, batch: tuple[int, ...], like: Tensor) -> PoseEstimate:
        """Nothing is told of anybody."""

        def unknown(*shape: int) -> Tensor:
            return like.new_full((*batch, *shape), torch.nan)

        return cls(unknown(COUNT, 3), unknown(COUNT, 3), unknown(JOINTS, 3), unknown(JOINTS))

    def points(self, stage: StageConfig, body: BodyModel) -> PointSet:
        """The ends of bones of the stage's parts that the body has."""
        known = body.points.known.tolist()
        return PointSet(canonical=tuple(point for point in _ends(stage) if known[point]))

    def observe(self, stage: StageConfig, points: PointSet) -> ObservedEstimate:
        """Three rows for each bone; zeros for one with an end that the stage lacks."""
        wanted = set(_ends(stage))
        at = tuple(place for place, point in enumerate(points.canonical) if point in wanted)
        column_of = {points.canonical[place]: column for column, place in enumerate(at)}
        bones = [
            bone for bone, (end, start) in enumerate(BONES) if {end, start, ROOT} <= column_of.keys()
        ]
        ends = [column_of[BONES[bone][0]] for bone in bones]
        starts = [column_of[BONES[bone][1]] for bone in bones]

        told = self.bones[:, bones].mT  # [batch, 3, bones]
        sd = self.bones_sd[:, bones].mT
        has = told.isfinite() & (sd > 0)
        gain = torch.where(has, 1 / sd, 0.0)
        rows = gain.new_zeros(*gain.shape, len(at))
        rows[:, :, torch.arange(len(bones)), ends] = gain
        rows[:, :, torch.arange(len(bones)), starts] = -gain

        knows_turn = self.rotation.isfinite().all(-1) & (self.rotation_sd > 0)
        return ObservedEstimate(
            rows=rows,
            shares=torch.where(has, told, 0.0) * gain,
            rotation=rotations.exp(torch.where(knows_turn[..., None], self.rotation, 0.0)),
            turn_gain=torch.where(knows_turn, 1 / self.rotation_sd, 0.0),
            at=at,
            root=column_of.get(ROOT, 0),
        )

    def terms(self, stage: StageConfig, body: BodyModel) -> tuple[WeightedTerm, ...]:
        """One for bones, one for rotations."""
        weight = stage.weights.pose_estimate
        if not weight:
            return ()
        rho = self.config.outlier
        return (
            WeightedTerm("estimated_bones", weight, EstimatedBones(rho)),
            WeightedTerm("estimated_rotations", weight, EstimatedRotations(rho)),
        )

    @classmethod
    def facts(cls) -> tuple[str, ...]:
        """None: predictions come in files of their own."""
        return ()

    @classmethod
    def from_facts(cls, facts: Mapping[str, object]) -> PoseEstimate:
        """One person's: nothing."""
        return cls.nothing((), torch.zeros(()))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """As a result file keeps them; none where nothing is told."""
        arrays = {key: getattr(self, name).detach().cpu().numpy() for name, key in _KEYS.items()}
        return arrays if any(np.isfinite(array).any() for array in arrays.values()) else {}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> PoseEstimate:
        """From all arrays of a result file."""
        nothing = cls.nothing((), torch.zeros(()))
        told = {name: torch.from_numpy(np.array(arrays[key], np.float32))
                for name, key in _KEYS.items() if key in arrays}
        return nothing.replace(**told)


_KEYS = {
    "bones": "estimated_bones",
    "bones_sd": "estimated_bones_sd",
    "rotation": "estimated_rotation",
    "rotation_sd": "estimated_rotation_sd",
}


def _ends(stage: StageConfig) -> range | tuple[int, ...]:
    """The points whose bones a stage looks at: of the body, and of hands where it has them."""
    body = range(names.BODY.start, names.BODY.stop)
    if Part.HANDS not in stage.parts:
        return body
    return (*body, *range(names.LEFT_HAND.start, names.RIGHT_HAND.stop))


@dataclass(frozen=True)
class EstimatedBones:
    """GMoF (Geman-McClure, rho r / sqrt(|r|^2 + rho^2)) of each bone less what was told of it, in
    standard deviations: a bone that points elsewhere is let go along all three axes.
    """

    rho: float

    def __call__(self, scene: Scene) -> Residual:
        """Three residuals for each bone: x of all bones, then y, then z."""
        observed: ObservedEstimate = scene.observed[ObservedEstimate]
        features = [Coordinates(observed.at, axis) for axis in AXES]
        places = torch.stack([scene[feature] for feature in features], 1)  # [batch, 3, n]
        # A longer focal length moves a person away, and makes bones no longer.
        zoom = scene[FOCAL].exp()
        shares = observed.shares / zoom[..., None]
        told = shares * places[:, 2, observed.root, None, None]
        error = (observed.rows * places[:, :, None]).sum(-1) - told  # [batch, 3, bones]
        length = (error * error).sum(1, keepdim=True)
        squash = self.rho / torch.sqrt(length + self.rho**2)

        def jacobian() -> Jacobian:
            # as for keypoints (`Curvature.REWEIGHTED`): the exact gradient, curvature of squash^4
            square = (squash * squash).expand_as(error)
            blocks = {FOCAL: DenseBlock((square * told).flatten(1)[..., None])}
            bones = error.shape[-1]
            for axis, feature in enumerate(features):
                slopes = error.new_zeros(*error.shape, len(observed.at))
                slopes[:, axis] = observed.rows[:, axis]
                if axis == 2:  # the root's distance is the unit of all three
                    slopes[..., observed.root] -= shares
                weighted = (square[..., None] * slopes).flatten(1, 2)
                blocks[feature] = DenseBlock(weighted)
            assert bones * 3 == blocks[features[0]].slope.shape[1]
            return Jacobian((square * error).flatten(1), blocks)

        return Residual((squash * error).flatten(1), jacobian)


@dataclass(frozen=True)
class EstimatedRotations:
    """GMoF of the turn that leads from each joint's told rotation to the fitted one, in standard
    deviations.
    """

    rho: float

    def __call__(self, scene: Scene) -> Residual:
        """Three residuals for each of the 21 joints."""
        observed: ObservedEstimate = scene.observed[ObservedEstimate]
        angles = scene[BODY_POSE].unflatten(-1, (JOINTS, 3))
        away = observed.rotation.mT @ rotations.exp(angles)
        turn = rotations.log(away)
        error = observed.turn_gain[..., None] * turn
        squash = self.rho / torch.sqrt((error * error).sum(-1, keepdim=True) + self.rho**2)

        def jacobian() -> Jacobian:
            square = squash * squash
            by_angle = (
                rotations.left_jacobian_inverse(turn)
                @ observed.rotation.mT
                @ rotations.left_jacobian(angles)
            )
            slopes = (square * observed.turn_gain[..., None])[..., None] * by_angle
            joint = torch.arange(JOINTS, device=slopes.device)
            block = slopes.new_zeros(len(slopes), JOINTS, 3, JOINTS, 3)
            block[:, joint, :, joint] = slopes.transpose(0, 1)
            block = block.flatten(3, 4).flatten(1, 2)
            return Jacobian((square * error).flatten(1), {BODY_POSE: DenseBlock(block)})

        return Residual((squash * error).flatten(1), jacobian)
