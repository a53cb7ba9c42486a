"""People who touch themselves, and people who do not: mocap, samples of the priors, and poses made
to touch.

A pose is made by turning shoulders, elbows, hips and knees until places on the skin (`Spot`) meet
others, the one as deep under the other's skin as was drawn; then half of the poses are mirrored.
Nothing keeps the rest of an arm out of the body, so that what a pose really does is for the brute
force to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from smplifyx.body import skinning
from smplifyx.body.joints import BODY_POSE_JOINTS, JOINT_INDEX, sideless
from smplifyx.body.model import BodyModel, PointTable
from smplifyx.body.params import BodyParams
from smplifyx.core import rotations
from smplifyx.keypoints import names
from smplifyx.pose_priors.limits import body_limits

STEPS, RATE = 150, 0.06  # Adam, the rate falling to zero along a cosine
# metres, radians: what a spot's distance and an angle beyond its range count in
WITHIN, LIMIT = 0.004, 0.05
FACING = 0.35  # how much turning a palm to the skin counts
SHAKEN = 0.2  # of how lightly joints turn: people who start alike
STIFFNESS = MappingProxyType({  # radians a joint turns as lightly
    "shoulder": 0.8, "elbow": 0.9, "wrist": 0.35, "hip": 0.3, "knee": 0.5, "collar": 0.12, "ankle": 0.1, "foot": 0.02,
})  # fmt: skip
TRUNK = 0.05

Vector = tuple[float, float, float]
Degrees = Mapping[str, Vector]


@dataclass(frozen=True)
class Spot:
    """A place on the skin of the left side or the middle: of `joint`'s part, from its bone `toward`
    x left, y up, z forward at rest. The bone goes from the joint a share `along` of the way to
    `child`."""

    joint: str
    toward: Vector
    child: str = ""
    along: float = 0.0

    def mirrored(self) -> Spot:
        """The same on the right."""
        x, y, z = self.toward
        return Spot(other_side(self.joint), (-x, y, z), other_side(self.child), self.along)


@dataclass(frozen=True)
class Reach:
    """`moving` goes to `target`; `aligned`: face to face."""

    moving: Spot
    target: Spot
    aligned: bool = True

    def mirrored(self) -> Reach:
        """The same by the other side."""
        return Reach(self.moving.mirrored(), self.target.mirrored(), self.aligned)


@dataclass(frozen=True)
class FitRecipe:
    """Where a pose starts, in degrees, and what goes where."""

    start: Degrees
    reaches: tuple[Reach, ...]


class Kind(Enum):
    """What touches what."""

    CROSSED_ARMS = "crossed arms"
    HANDS_ON_HIPS = "hands on hips"
    HAND_TO_FACE = "hand to face"
    HAND_ON_BODY = "hand on chest, back, thigh or knee"
    CLASPED_HANDS = "clasped hands"
    ARMS_HANGING = "arms hanging"
    FOLDED_LEGS = "folded legs"
    FISTS = "fists and crossed fingers"
    MOCAP = "mocap"
    PRIOR = "samples of the priors"


def other_side(name: str) -> str:
    """The joint on the other side."""
    return name.replace("left", "?").replace("right", "left").replace("?", "right")


def both(pose: Degrees) -> Degrees:
    """The pose with its left side mirrored to the right."""
    return {
        **pose,
        **{other_side(n): (x, -y, -z) for n, (x, y, z) in pose.items() if n.startswith("left")},
    }


STANDING = both({"left_shoulder": (0, 0, -68), "left_elbow": (0, -20, 0)})
BENT = both({"left_shoulder": (0, -25, -62), "left_elbow": (0, -85, 0)})
AKIMBO = both(
    {"left_shoulder": (65, 12, -45), "left_elbow": (0, -95, 0), "left_wrist": (0, 0, -35)}
)
RAISED = both({"left_shoulder": (0, -55, -40), "left_elbow": (0, -100, 0)})
SITTING = {**BENT, **both({"left_hip": (-88, -8, 0), "left_knee": (88, 0, 0)})}
CROUCHING = {**BENT, **both({"left_hip": (-115, -12, 0), "left_knee": (130, 0, 0)})}
PALM = Spot("left_wrist", (0.2, -1, 0), "left_middle1", 0.7)
TIP = Spot("left_index3", (1, -0.5, 0))
FOREARM, BEHIND_FOREARM = (
    Spot("left_elbow", (0, y, z), "left_wrist", 0.6) for y, z in ((-1, 0.3), (0.3, -1))
)
UPPER_ARM, SHOULDER = (Spot("right_shoulder", (0, 0.3, 1), "right_elbow", s) for s in (0.55, 0.1))
HIP, WAIST, BUTTOCK = (Spot("pelvis", d) for d in ((1, 0.3, 0), (1, 1, 0.2), (0.6, -0.3, -1)))
THIGH, LAP = (
    Spot("left_hip", d, "left_knee", s) for d, s in (((1, 0, 0.3), 0.35), ((0, 0, 1), 0.6))
)
KNEE, SHIN, CALF = (
    Spot("left_knee", d, "left_ankle", s)
    for d, s in (((0, 0, 1), 0.0), ((0, 0, 1), 0.5), ((0, 0, -1), 0.4))
)
INNER_KNEE = Spot("left_knee", (-1, 0, 0.2), "left_ankle", 0.05)
CHEEK, CHIN, TEMPLE, NAPE = (
    Spot("head", d) for d in ((0.7, 0.5, 1), (0.15, 0.05, 1), (1, 1.2, 0.3), (0, 0.8, -1))
)
CHEST, BELLY, BACK = (
    Spot(j, d)
    for j, d in (("spine3", (-0.4, 0, 1)), ("spine1", (0.1, 0, 1)), ("spine1", (0, 0, -1)))
)
ANKLE, HEEL = (Spot("left_ankle", d) for d in ((0.9, -0.2, 0), (0, -0.6, -1)))


def _left(pose: Degrees) -> Degrees:
    return {name: angles for name, angles in pose.items() if name.startswith("left")}


def _two(*reaches: Reach) -> tuple[Reach, ...]:
    return tuple(one for reach in reaches for one in (reach, reach.mirrored()))


RECIPES: Mapping[Kind, tuple[FitRecipe, ...]] = MappingProxyType({
    Kind.CROSSED_ARMS: (
        FitRecipe(RAISED, _two(Reach(PALM, UPPER_ARM))),
        FitRecipe(RAISED, (Reach(PALM, UPPER_ARM), Reach(FOREARM.mirrored(), BELLY))),
        FitRecipe(RAISED, (Reach(FOREARM.mirrored(), BEHIND_FOREARM), Reach(PALM, UPPER_ARM))),
    ),
    Kind.HANDS_ON_HIPS: (
        FitRecipe(AKIMBO, _two(Reach(PALM, HIP))), FitRecipe(AKIMBO, _two(Reach(PALM, WAIST))),
        FitRecipe({**STANDING, **_left(AKIMBO)}, (Reach(PALM, WAIST),)),
    ),
    Kind.HAND_TO_FACE: tuple(
        FitRecipe({**STANDING, **{"left_shoulder": (0, -45, -35), "left_elbow": (0, -125, 0)}}, (reach,))
        for reach in (Reach(PALM, CHEEK), Reach(TIP, CHIN, aligned=False), Reach(PALM, TEMPLE), Reach(PALM, NAPE))
    ),
    Kind.HAND_ON_BODY: (
        FitRecipe({**STANDING, **_left(RAISED)}, (Reach(PALM, CHEST),)),
        FitRecipe({**STANDING, **_left(RAISED)}, (Reach(PALM, SHOULDER),)), FitRecipe(RAISED, (Reach(PALM, BELLY),)),
        FitRecipe({**STANDING, **{"left_shoulder": (40, 30, -70), "left_elbow": (0, -80, 0)}}, (Reach(PALM, BACK),)),
        FitRecipe(SITTING, _two(Reach(PALM, LAP))), FitRecipe(SITTING, (Reach(PALM, KNEE),)),
        FitRecipe(STANDING, (Reach(PALM, BUTTOCK),)), FitRecipe(CROUCHING, (Reach(FOREARM, KNEE),)),
    ),
    Kind.CLASPED_HANDS: (
        FitRecipe(BENT, (Reach(PALM, PALM.mirrored()),)), FitRecipe(SITTING, (Reach(PALM, PALM.mirrored()),)),
        FitRecipe(BENT, (Reach(PALM, replace(PALM.mirrored(), toward=(-0.2, 1, 0))),)),
    ),
    Kind.ARMS_HANGING: (FitRecipe(STANDING, _two(Reach(PALM, THIGH))), FitRecipe(STANDING, _two(Reach(FOREARM, HIP)))),
    Kind.FOLDED_LEGS: (
        FitRecipe(SITTING, (Reach(ANKLE, LAP.mirrored(), aligned=False),)),
        FitRecipe(SITTING, (Reach(CALF, KNEE.mirrored()),)), FitRecipe(STANDING, (Reach(CALF, SHIN.mirrored()),)),
        FitRecipe(SITTING, (Reach(INNER_KNEE, INNER_KNEE.mirrored()),)),
        FitRecipe(CROUCHING, (Reach(HEEL, BUTTOCK, aligned=False),)),
    ),
})  # fmt: skip


@lru_cache(maxsize=4)
def spotted(body: BodyModel) -> BodyModel:
    """The body whose canonical points are the spots and the places of the bones below them, in
    turn.
    """
    known = spots()
    sources = torch.zeros(names.COUNT, 3, dtype=torch.int64, device=body.faces.device)
    coefficients = body.v_template.new_zeros(names.COUNT, 3)
    coefficients[:, 0] = 1.0
    for at, spot in enumerate(known):
        joint, child = JOINT_INDEX[spot.joint], JOINT_INDEX[spot.child or spot.joint]
        sources[2 * at, 0] = len(body.parents) + _vertex(body, spot)
        sources[2 * at + 1] = sources.new_tensor([joint, child, child])
        coefficients[2 * at + 1] = coefficients.new_tensor([1 - spot.along, spot.along, 0.0])
    table = body.points
    given = torch.arange(names.COUNT, device=sources.device) < 2 * len(known)
    points = PointTable(
        sources, coefficients, given, table.contour_sources[:0], table.contour_coefficients[:0]
    )
    return replace(body, points=points)


@lru_cache(maxsize=1)
def spots() -> tuple[Spot, ...]:
    """All that any recipe names."""
    reaches = (
        reach for recipes in RECIPES.values() for recipe in recipes for reach in recipe.reaches
    )
    return tuple(dict.fromkeys(spot for reach in reaches for spot in (reach.moving, reach.target)))


def _vertex(body: BodyModel, spot: Spot) -> int:
    """The vertex of the part that lies most nearly in the spot's direction."""
    joint, child = (
        body.joint_template[JOINT_INDEX[name]] for name in (spot.joint, spot.child or spot.joint)
    )
    away = body.v_template - ((1 - spot.along) * joint + spot.along * child)
    cosine = torch.nn.functional.normalize(away, dim=-1) @ torch.nn.functional.normalize(
        away.new_tensor(spot.toward), dim=0
    )
    own = body.weights.argmax(1) == JOINT_INDEX[spot.joint]
    return int(torch.where(own, cosine, -2.0).argmax())


def reach(
    body: BodyModel, params: BodyParams, recipes: tuple[FitRecipe, ...], depth: Float[Tensor, " n"]
) -> BodyParams:  # fmt: skip
    """The people of `params` [n] turned as little as it takes to do what their recipes say.

    Each moving spot ends `depth` metres below its target.
    """
    body, wanted, start = spotted(body), _Wanted.of(recipes, depth), params.body_pose
    pose = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([pose], lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    limits = body_limits(start)
    sigma = stiffness(start)
    for _ in range(STEPS):
        optimizer.zero_grad()
        angle = pose.flatten(1)[:, limits.at]
        beyond = torch.relu(limits.lower - angle) + torch.relu(angle - limits.upper)
        energy = (((pose - start) / sigma) ** 2).sum() + ((beyond / LIMIT) ** 2).sum()
        (energy + wanted.energy(skinning.points(body, params.replace(body_pose=pose)))).backward()
        optimizer.step()
        schedule.step()
    return params.replace(body_pose=pose.detach())


def stiffness(like: Tensor) -> Float[Tensor, "21 1"]:
    """How far each joint turns lightly, in radians."""
    return like.new_tensor([STIFFNESS.get(sideless(name), TRUNK) for name in BODY_POSE_JOINTS])[
        :, None
    ]


@dataclass(frozen=True)
class _Wanted:
    """Which points go where, for each person [n] and reach; `counts` is zero for reaches that a
    person has not.
    """

    moving: Tensor  # [n, r] numbers of the spots
    target: Tensor
    counts: Tensor
    aligned: Tensor
    depth: Tensor  # [n, 1]

    @classmethod
    def of(cls, recipes: tuple[FitRecipe, ...], depth: Tensor) -> _Wanted:
        number, most = (
            {spot: i for i, spot in enumerate(spots())},
            max(len(recipe.reaches) for recipe in recipes),
        )
        rows = []
        for recipe in recipes:
            filled = [
                (number[r.moving], number[r.target], 1.0, float(r.aligned)) for r in recipe.reaches
            ]
            rows.append(filled + [(0, 0, 0.0, 0.0)] * (most - len(filled)))
        moving, target, counts, aligned = torch.tensor(rows).unbind(-1)
        return cls(moving.long(), target.long(), counts, aligned, depth[:, None])

    def energy(self, points: Float[Tensor, "n 137 3"]) -> Tensor:
        moving, outward = self._picked(points, self.moving)
        target, up = self._picked(points, self.target)
        gap = moving - target + self.depth[..., None] * up
        facing = 1 + (outward * up).sum(-1)
        near = (gap / WITHIN).square().sum(-1)
        return (self.counts * (near + self.aligned * facing / FACING**2)).sum()

    def _picked(self, points: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
        rows = torch.arange(len(at))[:, None]
        skin, bone = points[rows, 2 * at], points[rows, 2 * at + 1]
        return skin, torch.nn.functional.normalize(skin - bone, dim=-1)


def body_pose(degrees: Degrees) -> Float[Tensor, "21 3"]:
    """Axis-angles of turns about x, then y, then z."""
    out = torch.zeros(len(BODY_POSE_JOINTS), 3)
    for name, angles in degrees.items():
        x, y, z = (
            rotations.about(axis, float(np.radians(a)), out)
            for axis, a in zip("xyz", angles, strict=True)
        )
        out[BODY_POSE_JOINTS.index(name)] = rotations.log(z @ y @ x)
    return out
