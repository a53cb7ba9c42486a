"""Movement that the recordings lack, put into the training poses: how each hole of the mocap is
filled.

The CMU conversion holds collars and toes at zero, spine3 nearly still, lets wrists only twist, and
its people look ahead. A prior trained on it as it is would freeze these joints in every photo. Each
rule adds as much as is missing: where the recordings move a joint as much as `SPREAD` asks (AMASS
does), nothing is added. No joint is pushed over its limits (`priors/pose/limits.yaml`): a turn that
would is halved until it does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor

from ..body.joints import BODY_POSE_JOINTS as JOINTS
from ..body.joints import JOINT_INDEX, sideless
from ..core import rotations
from ..pose_priors.joint_angles import ANGLES
from ..pose_priors.limits import body_limits
from .contract import PoseSet
from .floors import Spread

LEG_JOINTS = ("hip", "knee", "ankle", "foot")
LEGS = [at for at, name in enumerate(JOINTS) if sideless(name) in LEG_JOINTS]
COLLARS = [JOINTS.index("left_collar"), JOINTS.index("right_collar")]

# Standard deviation that each joint should show at least, radians about its own x, y, z; both sides
# alike. And why.
SPREAD: Mapping[str, tuple[Spread, str]] = MappingProxyType(
    {
        "spine3": (
            (0.18, 0.14, 0.14),
            "nearly frozen in the mocap (sd .09, .04, .07); three trunk joints bend alike",
        ),
        "neck": (
            (0.28, 0.25, 0.14),
            "the mocap's people look ahead; in photos they look down, up and around",
        ),
        "head": (
            (0.28, 0.25, 0.14),
            "as neck; three quarters of the added turn are shared with it",
        ),
        "collar": (
            (0.08, 0.12, 0.14),
            "constant in the mocap; shrugs, half of it on both sides alike",
        ),
        "wrist": (
            (0.10, 0.16, 0.35),
            "only twists (x) in the mocap; deviation (y) and flexion (z) are constant",
        ),
        "foot": ((0.20, 0.03, 0.03), "constant in the mocap; toes bend about x"),
    }
)
# The share of the added turn that goes alike (in the mirror) to the joints of a group: neck with
# head, left collar with right.
SHARED = MappingProxyType({"head": 0.75, "collar": 0.5})
# the arm's elevation from which the shoulder girdle goes along (Inman et al. 1944)
RHYTHM_FROM = torch.pi / 6
STILL = 1e-4  # radians squared: a variance below is that of a joint which the recordings hold still
SHARES = (0.5, 0.25, 0.125, 0.0)  # of a turn that leads out of the limits, tried in order


@dataclass(frozen=True)
class FillSettings:
    """How strongly the holes are filled.

    `spread` scales the table's standard deviations; `rhythm` is the largest share of an arm's
    elevation that the shoulder girdle takes; `jitter` (radians) moves every joint, since twelve
    subjects are few; `recombine` is the share of poses that get the legs of another; `clamped` puts
    recorded angles that are beyond the limits back onto them.
    """

    spread: float = 1.0
    rhythm: float = 1 / 3
    jitter: float = 0.05
    recombine: float = 0.2
    clamped: bool = False

    def without_noise(self) -> FillSettings:
        """The rules that move joints together, without the random turns."""
        return replace(self, spread=0.0, jitter=0.0)


def explain(settings: FillSettings) -> dict[str, str]:
    """How each hole is filled, for the card."""
    explained: dict[str, str] = {}
    for kind, (spread, why) in SPREAD.items():
        scaled = [round(settings.spread * value, 3) for value in spread]
        explained[kind] = f"standard deviation at least {scaled}: {why}"
    explained["rhythm"] = (
        "of an arm's elevation over 30 degrees its collar, where the recordings hold it still, "
        f"takes a share drawn evenly from 0 to {settings.rhythm:.2f} (scapulo-humeral rhythm); "
        "the arm keeps its direction"
    )
    explained["jitter"] = f"every joint, standard deviation {settings.jitter} about each axis"
    explained["recombine"] = f"{settings.recombine:.0%} of the poses get the legs of another"
    explained["limits"] = (
        "an added turn that leads out of priors/pose/limits.yaml is halved, at last dropped"
    )
    if settings.clamped:
        explained["limits"] += "; recorded angles beyond them are put back onto them"
    return explained


@dataclass(frozen=True, eq=False)
class Fill:
    """The rules, fitted to what one set of recordings lacks. An `Augment`."""

    settings: FillSettings
    added: Float[Tensor, "21 3"]  # standard deviations in radians
    arms: Float[Tensor, "2 3"]  # directions of the resting upper arms, left and right
    collars: bool  # whether the recordings hold the collars still
    lower: Float[Tensor, "21 3"]  # limits, radians; infinite where there are none
    upper: Float[Tensor, "21 3"]

    @classmethod
    def of(cls, poses: PoseSet, rest_joints: Float[Tensor, "22 3"], settings: FillSettings) -> Fill:
        """The rules for these recordings on the skeleton `rest_joints` (metres)."""
        weights = poses.weights[:, None, None]
        angles = rotations.log(poses.rotations)
        mean = (angles * weights).sum(0)
        shown = ((angles - mean).square() * weights).sum(0)  # variances, [21, 3]
        wanted = torch.tensor([_wanted_spread(joint) for joint in JOINTS])
        # variances add up: what is missing of them is what the noise must bring
        added = settings.spread * (wanted.square() - shown).clamp(min=0).sqrt()
        lower, upper = _bounds()
        return cls(
            settings=settings,
            added=added,
            arms=torch.stack([_upper_arm(rest_joints, side) for side in ("left", "right")]),
            collars=bool(shown[COLLARS].max() < STILL),
            lower=lower,
            upper=upper,
        )

    def __call__(
        self, poses: Float[Tensor, "batch 21 3 3"], generator: torch.Generator
    ) -> Float[Tensor, "batch 21 3 3"]:
        """Other legs for some, collars that go along with the arms, then random turns of all
        joints.
        """
        if self.settings.clamped:
            poses = rotations.exp(rotations.log(poses).clamp(self.lower, self.upper))
        poses = self._recombined(poses, generator)
        if self.collars:
            poses = self._raised(poses, generator)
        noise = self._noise(len(poses), generator)
        return self._limited(poses, noise, range(len(JOINTS)))

    def _recombined(
        self, poses: Float[Tensor, "batch 21 3 3"], generator: torch.Generator
    ) -> Float[Tensor, "batch 21 3 3"]:
        """Some of the poses with the legs of another."""
        other = poses[torch.randperm(len(poses), generator=generator)]
        swap = torch.rand(len(poses), generator=generator) < self.settings.recombine
        mixed = poses.clone()
        mixed[:, LEGS] = torch.where(swap[:, None, None, None], other[:, LEGS], poses[:, LEGS])
        return mixed

    def _raised(
        self, poses: Float[Tensor, "batch 21 3 3"], generator: torch.Generator
    ) -> Float[Tensor, "batch 21 3 3"]:
        """The scapulo-humeral rhythm and shrugs: the collar turns, the arm keeps its direction in
        space.
        """
        poses = poses.clone()
        shrugs = self._shrugs(len(poses), generator)
        for at, side in enumerate(("left", "right")):
            collar = JOINTS.index(f"{side}_collar")
            shoulder = JOINTS.index(f"{side}_shoulder")

            # How far the arm is from hanging; the more, the further its collar goes along.
            direction = poses[:, shoulder] @ self.arms[at]
            elevation = torch.acos((-direction[:, 1]).clamp(-1, 1))
            share = self.settings.rhythm * torch.rand(len(poses), generator=generator)
            sign = 1 - 2 * at  # a collar rises by a turn about z: +z on the left, -z on the right
            turn = shrugs[:, at].clone()
            turn[:, 2] += sign * share * (elevation - RHYTHM_FROM).clamp(min=0)

            before = poses[:, collar].clone()
            poses[:, collar] = self._limited(before[:, None], turn[:, None], [collar])[:, 0]
            # collar' shoulder' = collar shoulder: the arm points where it pointed
            poses[:, shoulder] = poses[:, collar].mT @ before @ poses[:, shoulder]
        return poses

    def _shrugs(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 2 3"]:
        """Turns of the left and right collar (radians), in part each its own, in part alike."""
        spread = self.added[COLLARS[0]]
        share = SHARED["collar"]
        own = torch.randn(count, 2, 3, generator=generator)
        common = torch.randn(count, 1, 3, generator=generator)
        # alike means in the mirror: turns about y and z go the other way on the right
        mirrored = common * torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, -1.0]])
        # roots, since it is the variances that add up
        return spread * ((1 - share) ** 0.5 * own + share**0.5 * mirrored)

    def _noise(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 21 3"]:
        """The turns of all joints, radians; the head's in part those of the neck."""
        noise = self.added * torch.randn(count, len(JOINTS), 3, generator=generator)
        neck = JOINTS.index("neck")
        head = JOINTS.index("head")
        share = SHARED["head"]
        # both roots' squares sum to 1: the head's own spread stays what it was
        noise[:, head] = share * noise[:, neck] + (1 - share**2) ** 0.5 * noise[:, head]
        if self.collars:  # `_raised` has turned them
            noise[:, COLLARS] = 0
        return noise + self.settings.jitter * torch.randn(noise.shape, generator=generator)

    def _limited(
        self,
        poses: Float[Tensor, "batch joints 3 3"],
        turn: Float[Tensor, "batch joints 3"],
        joints: Sequence[int],
    ) -> Float[Tensor, "batch joints 3 3"]:
        """poses exp(turn) of these joints, each turn halved while it leads out of the limits, at
        last none.
        """
        lower = self.lower[list(joints)]
        upper = self.upper[list(joints)]
        moved = poses @ rotations.exp(turn)
        # (row, joint) of the turns that are still to be looked at: all of them at first
        row, joint = torch.meshgrid(
            torch.arange(len(moved)), torch.arange(len(joints)), indexing="ij"
        )
        row = row.flatten()
        joint = joint.flatten()
        # Each round looks only at the turns that the last one shortened; after the last they are 0.
        for share in SHARES:
            angles = rotations.log(moved[row, joint])
            outside = ((angles < lower[joint]) | (angles > upper[joint])).any(-1)
            row = row[outside]
            joint = joint[outside]
            moved[row, joint] = poses[row, joint] @ rotations.exp(share * turn[row, joint])
        return moved


def _wanted_spread(joint: str) -> Spread:
    """What `SPREAD` asks of a joint; nothing where it does not name it."""
    entry = SPREAD.get(sideless(joint))
    return entry[0] if entry else (0.0, 0.0, 0.0)


def _upper_arm(rest_joints: Float[Tensor, "22 3"], side: str) -> Float[Tensor, " 3"]:
    """The direction from shoulder to elbow of the resting body, of length one."""
    shoulder = rest_joints[JOINT_INDEX[f"{side}_shoulder"]]
    elbow = rest_joints[JOINT_INDEX[f"{side}_elbow"]]
    return (elbow - shoulder) / (elbow - shoulder).norm()


def _bounds() -> tuple[Float[Tensor, "21 3"], Float[Tensor, "21 3"]]:
    """The limits that ship, one for each angle."""
    limits = body_limits(torch.zeros(()))
    lower = torch.full((ANGLES,), -torch.inf)
    lower[limits.at] = limits.lower
    upper = torch.full((ANGLES,), torch.inf)
    upper[limits.at] = limits.upper
    return lower.unflatten(0, (-1, 3)), upper.unflatten(0, (-1, 3))
