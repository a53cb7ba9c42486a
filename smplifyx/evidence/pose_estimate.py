"""Evidence: what a network predicted of a person's pose, as rows of the energy.

A prediction is not believed: each bone's direction and length in the camera's axes, and each
joint's rotation, is a measurement with the error that its source was measured to have, across and
along the view apart, and with a robust tail. A wrong limb is let go, a wrong person too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..body.joints import BODY_POSE_JOINTS
from ..body.model import BodyModel
from ..config import Part, StageConfig
from ..core import rotations
from ..core.bundle import Bundle, static
from ..depth_prior.bones import BONES as BODY_BONES
from ..features.bone_shares import BoneShares
from ..features.fold import PointSet
from ..features.jacobian_blocks import CoordinateBlock, DenseBlock
from ..features.joint_angles import BODY_POSE
from ..features.unknowns import FOCAL
from ..keypoints import names
from ..terms.scene import Jacobian, Residual, Scene, WeightedTerm

JOINTS = len(BODY_POSE_JOINTS)  # 21
ROOT = names.POINT_INDEX["mid_hip"]  # its distance is the unit of bones


def _hand_bones() -> tuple[tuple[int, int], ...]:
    """From the hand's wrist to each knuckle and each tip: what lies between is seen in 2D."""
    found: list[tuple[int, int]] = []
    for hand in (names.LEFT_HAND, names.RIGHT_HAND):
        for finger in range(hand.start + 1, hand.stop, 4):
            found += [(finger, hand.start), (finger + 3, hand.start)]
    return tuple(found)


# the numbers of each bone's end and beginning among the 137 points
BONES: tuple[tuple[int, int], ...] = (*BODY_BONES, *_hand_bones())
COUNT = len(BONES)  # 44
OUTLIER = 1.5  # GMoF rho, in standard deviations: tails are heavy, and limbs go wrong as a whole
LEAST_DISTANCE = 0.3  # metres, of the root
# how many times as sure as by their errors bones count: half as much more or less is no better
SURER = 3.4
_HAND_ENDS = tuple(sorted({point for bone in BONES[len(BODY_BONES) :] for point in bone}))
_KEYS = MappingProxyType(  # in a result file, by field
    {
        "placed": "estimated_points",
        "bones_sd": "estimated_bones_sd",
        "rotation": "estimated_rotation",
        "rotation_sd": "estimated_rotation_sd",
    }
)


@dataclass(frozen=True)
class ObservedEstimate(Bundle):
    """What the bones and joints of a stage are compared with.

    gain: 1 / sd of each bone's shares; 0 for bones of which nothing is told.
    shares: the told bones by the distance of the root; 0 likewise.
    rotation: the told turn of each joint; turn_gain: 1 / sd, 0 likewise.
    bones: where they are among the stage's points.
    told: how many bones come before those of which nothing is told of anybody: all, the body's, or
        none; knows_turns: whether any turn is told of anybody.
    """

    gain: Float[Tensor, "*batch bones 3"]
    shares: Float[Tensor, "*batch bones 3"]
    rotation: Float[Tensor, "*batch 21 3 3"]
    turn_gain: Float[Tensor, "*batch 21"]
    bones: BoneShares = static(BoneShares((), (), 0))
    told: int = static(0)
    knows_turns: bool = static(False)


@dataclass(frozen=True)
class PoseEstimate(Bundle):
    """Points and rotations of each person [batch], with standard deviations; NaN where nothing is
    told.

    placed: before the camera where the keypoints say (see `predictions.placing`), metres of the
        network's own: what counts is each bone by the distance of `mid_hip`.
    bones_sd: of each bone of `BONES` along the camera's axes, the same metres.
    rotation: of the 21 body joints against their parents, axis-angles; rotation_sd: radians.
    """

    placed: Float[Tensor, "*batch 137 3"]
    bones_sd: Float[Tensor, "*batch 44 3"]
    rotation: Float[Tensor, "*batch 21 3"]
    rotation_sd: Float[Tensor, "*batch 21"]

    @classmethod
    def nothing(cls, batch: tuple[int, ...], like: Tensor) -> PoseEstimate:
        """Nothing is told of anybody."""

        def unknown(*shape: int) -> Tensor:
            return like.new_full((*batch, *shape), torch.nan)

        return cls(unknown(names.COUNT, 3), unknown(COUNT, 3), unknown(JOINTS, 3), unknown(JOINTS))

    @property
    def bones(self) -> Float[Tensor, "*batch 44 3"]:
        """End minus beginning, by the distance of the root; NaN where one is not told."""
        ends = self.placed[..., [end for end, _ in BONES], :]
        starts = self.placed[..., [start for _, start in BONES], :]
        return (ends - starts) / self._distance

    @property
    def is_told(self) -> Bool[Tensor, "*batch"]:
        """Of whom anything is told."""
        return self.bones_sd.isfinite().flatten(-2).any(-1)

    @property
    def _distance(self) -> Float[Tensor, "*batch 1 1"]:
        return self.placed[..., ROOT, 2, None, None].clamp(min=LEAST_DISTANCE)

    def points(self, stage: StageConfig, body: BodyModel) -> PointSet:
        """The ends of bones of the stage's parts that the body has."""
        known = body.points.known.tolist()
        return PointSet(canonical=tuple(point for point in _ends(stage) if known[point]))

    def observe(self, stage: StageConfig, points: PointSet) -> ObservedEstimate:
        """Of the bones that the stage has both ends of, and the root."""
        place_of = {point: place for place, point in enumerate(points.canonical)}
        wanted = set(_ends(stage)) & place_of.keys()
        bones = [
            bone
            for bone, (end, start) in enumerate(BONES)
            if ROOT in wanted and {end, start} <= wanted
        ]
        told = self.bones[:, bones]
        sd = self.bones_sd[:, bones] / self._distance
        is_told = told.isfinite() & (sd > 0)
        of_body, of_hands = is_told[:, : len(BODY_BONES)], is_told[:, len(BODY_BONES) :]
        rows = of_body.shape[1] if bool(of_body.any()) else 0
        vectors = BoneShares(
            tuple(place_of[BONES[bone][0]] for bone in bones),
            tuple(place_of[BONES[bone][1]] for bone in bones),
            place_of.get(ROOT, 0),
        )

        knows_turn = self.rotation.isfinite().all(-1) & (self.rotation_sd > 0)
        return ObservedEstimate(
            gain=torch.where(is_told, SURER / sd, 0.0),
            shares=torch.where(is_told, told, 0.0),
            rotation=rotations.exp(torch.where(knows_turn[..., None], self.rotation, 0.0)),
            turn_gain=torch.where(knows_turn, 1 / self.rotation_sd, 0.0),
            bones=vectors,
            told=len(bones) if bool(of_hands.any()) else rows,
            knows_turns=bool(knows_turn.any()),
        )

    def terms(self, stage: StageConfig, body: BodyModel) -> tuple[WeightedTerm, ...]:
        """One for bones, one for rotations."""
        weight = stage.weights.pose_estimate
        if not weight:
            return ()
        return (
            WeightedTerm("pose_estimate", weight, EstimatedBones(OUTLIER)),
            WeightedTerm("pose_estimate_turns", weight, EstimatedRotations(OUTLIER)),
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
        """From all arrays of a result file. Raises ValueError for arrays of other shapes."""
        nothing = cls.nothing((), torch.zeros(()))
        told: dict[str, Tensor] = {}
        for name, key in _KEYS.items():
            if key in arrays:
                value = torch.from_numpy(np.array(arrays[key], np.float32))
                told[name] = value.reshape(getattr(nothing, name).shape)
        return nothing.replace(**told)


def _ends(stage: StageConfig) -> range | tuple[int, ...]:
    """The points whose bones a stage looks at: of the body, and of hands where it has them."""
    body = range(names.BODY.start, names.BODY.stop)
    if Part.HANDS not in stage.parts:
        return body
    return (*body, *_HAND_ENDS)


@dataclass(frozen=True)
class EstimatedBones:
    """GMoF (Geman-McClure, rho r / sqrt(|r|^2 + rho^2)) of each bone less what was told of it, in
    standard deviations: a bone that points elsewhere is let go along all three axes.
    """

    rho: float

    def __call__(self, scene: Scene) -> Residual:
        """Three residuals for each bone."""
        observed: ObservedEstimate = scene.observed[ObservedEstimate]
        gain = observed.gain
        shares = scene[observed.bones].unflatten(-1, (-1, 3))
        # A longer focal length moves a person away, and makes bones no longer.
        told = observed.shares / scene[FOCAL].exp()[..., None]
        error = gain * (shares - told)  # [batch, bones, 3]
        length = (error * error).sum(-1, keepdim=True)
        squash = self.rho / torch.sqrt(length + self.rho**2)

        def jacobian() -> Jacobian:
            # as for keypoints (`Curvature.REWEIGHTED`): the exact gradient, curvature of squash^4
            square = squash * squash
            if not observed.told:
                return Jacobian((square * error).flatten(1)[:, :0], {})
            rows = tuple(range(3 * observed.told))
            along_bones = (square * gain).flatten(1)
            along_focal = (square * gain * told).flatten(1)
            blocks = {
                observed.bones: CoordinateBlock(
                    rows, along_bones[:, : len(rows)], along_bones.shape[1]
                ),
                FOCAL: DenseBlock(along_focal[:, : len(rows), None]),
            }
            return Jacobian((square * error).flatten(1)[:, : len(rows)], blocks)

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
            if not observed.knows_turns:
                return Jacobian((square * error).flatten(1)[:, :0], {})
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
