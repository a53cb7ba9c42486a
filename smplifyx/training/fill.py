"""Movement that the recordings lack, put into the training poses: how each hole of the mocap is
filled.

The CMU conversion holds collars and toes at zero, spine3 nearly still, lets wrists only twist, and
its people look ahead. A prior trained on it as it is would freeze these joints in every photo. Each
rule adds as much as is missing: where the recordings move a joint as much as `SPREAD` asks (AMASS
does), nothing is added. No joint is pushed over its limits (`priors/pose/limits.yaml`): a turn that
would is halved until it does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor

from ..body.joints import BODY_POSE_JOINTS as JOINTS
from ..body.joints import JOINT_INDEX, sideless
from ..core import rotations
from ..pose_priors.limits import body_limits
from .contract import PoseSet

LEGS = tuple(
    j for j, name in enumerate(JOINTS) if name.split("_")[-1] in ("hip", "knee", "ankle", "foot")
)

# Standard deviation that each joint should show at least, radians about its own x, y, z; both sides
# alike. The share of the added turn that goes alike (in the mirror) to the joints of a group: neck
# with head, left collar with right.
SPREAD = MappingProxyType(
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
SHARED = MappingProxyType({"head": 0.75, "collar": 0.5})
# the arm's elevation from which the shoulder girdle goes along (Inman et al. 1944)
RHYTHM_FROM = torch.pi / 6
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
    spread = {
        kind: f"standard deviation at least {[round(settings.spread * v, 3) for v in values]}: {why}"
        for kind, (values, why) in SPREAD.items()
    }
    return spread | {
        "rhythm": f"of an arm's elevation over 30 degrees its collar, where the recordings hold it still, takes a "
        f"share drawn evenly from 0 to {settings.rhythm:.2f} (scapulo-humeral rhythm); the arm keeps its direction",
        "jitter": f"every joint, standard deviation {settings.jitter} about each axis",
        "recombine": f"{settings.recombine:.0%} of the poses get the legs of another",
        "limits": "an added turn that leads out of priors/pose/limits.yaml is halved, at last dropped"
        + ("; recorded angles beyond them are put back onto them" if settings.clamped else ""),
    }


@dataclass(frozen=True, eq=False)
class Fill:
    """The rules, fitted to what one set of recordings lacks. An `Augment`."""

    settings: FillSettings
    added: Float[Tensor, "21 3"]  # standard deviations in radians
    arms: Float[Tensor, "2 3"]  # directions of the resting upper arms, left and right
    collars: bool  # whether the recordings hold the collars still
    lower: Float[Tensor, "21 3"]
    upper: Float[Tensor, "21 3"]

    @classmethod
    def of(cls, poses: PoseSet, rest_joints: Float[Tensor, "22 3"], settings: FillSettings) -> Fill:
        """The rules for these recordings on the skeleton `rest_joints` (metres)."""
        angles = rotations.log(poses.rotations)
        mean = (angles * poses.weights[:, None, None]).sum(0)
        shown = ((angles - mean).square() * poses.weights[:, None, None]).sum(0)
        wanted = torch.tensor(
            [
                SPREAD[sideless(name)][0] if sideless(name) in SPREAD else (0.0,) * 3
                for name in JOINTS
            ]
        )
        added = settings.spread * (wanted.square() - shown).clamp(min=0).sqrt()
        arms = torch.stack([_bone(rest_joints, side) for side in ("left", "right")])
        still = bool(
            shown[[JOINTS.index("left_collar"), JOINTS.index("right_collar")]].max() < 1e-4
        )
        return cls(settings, added, arms, still, *_bounds())

    def __call__(
        self, poses: Float[Tensor, "batch 21 3 3"], generator: torch.Generator
    ) -> Float[Tensor, "batch 21 3 3"]:
        """Other legs for some, collars under the arms they carry, then random turns of all joints."""
        if self.settings.clamped:
            poses = rotations.exp(rotations.log(poses).clamp(self.lower, self.upper))
        poses = self._recombined(poses, generator)
        if self.collars:
            poses = self._raised(poses, generator)
        return self._limited(poses, self._noise(len(poses), generator), range(len(JOINTS)))

    def _recombined(self, poses: Tensor, generator: torch.Generator) -> Tensor:
        other = poses[torch.randperm(len(poses), generator=generator)]
        swap = torch.rand(len(poses), generator=generator) < self.settings.recombine
        mixed = poses.clone()
        mixed[:, LEGS] = torch.where(swap[:, None, None, None], other[:, LEGS], poses[:, LEGS])
        return mixed

    def _raised(self, poses: Tensor, generator: torch.Generator) -> Tensor:
        """The scapulo-humeral rhythm and shrugs: the collar turns, the arm keeps its direction in
        space.
        """
        poses, shrug = poses.clone(), self._shrugs(len(poses), generator)
        for at, side in enumerate(("left", "right")):
            collar, shoulder = JOINTS.index(f"{side}_collar"), JOINTS.index(f"{side}_shoulder")
            direction = poses[:, shoulder] @ self.arms[at]
            elevation = torch.acos((-direction[:, 1]).clamp(-1, 1))
            share = self.settings.rhythm * torch.rand(len(poses), generator=generator)
            turn = shrug[:, at].clone()
            turn[:, 2] += (1 - 2 * at) * share * (elevation - RHYTHM_FROM).clamp(min=0)
            before = poses[:, collar].clone()
            poses[:, collar] = self._limited(before[:, None], turn[:, None], [collar])[:, 0]
            poses[:, shoulder] = poses[:, collar].mT @ before @ poses[:, shoulder]
        return poses

    def _shrugs(self, count: int, generator: torch.Generator) -> Tensor:
        """[count, 2, 3] turns of the left and right collar."""
        spread, share = self.added[JOINTS.index("left_collar")], SHARED["collar"]
        own, both = (
            torch.randn(count, 2, 3, generator=generator),
            torch.randn(count, 1, 3, generator=generator),
        )
        mirrored = both * torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, -1.0]])
        return spread * ((1 - share) ** 0.5 * own + share**0.5 * mirrored)

    def _noise(self, count: int, generator: torch.Generator) -> Tensor:
        noise = self.added * torch.randn(count, len(JOINTS), 3, generator=generator)
        neck, head, share = JOINTS.index("neck"), JOINTS.index("head"), SHARED["head"]
        noise[:, head] = share * noise[:, neck] + (1 - share**2) ** 0.5 * noise[:, head]
        if self.collars:  # `_raised` has turned them
            noise[:, [JOINTS.index("left_collar"), JOINTS.index("right_collar")]] = 0
        return noise + self.settings.jitter * torch.randn(noise.shape, generator=generator)

    def _limited(self, rotation: Tensor, turn: Tensor, joints: Sequence[int]) -> Tensor:
        """rotation exp(turn) [batch, joints, 3, 3], each turn halved while it leads out of the
        limits, at last none.
        """
        lower, upper = self.lower[list(joints)], self.upper[list(joints)]
        moved = rotation @ rotations.exp(turn)
        row, joint = torch.meshgrid(
            torch.arange(len(moved)), torch.arange(len(joints)), indexing="ij"
        )
        row, joint = row.flatten(), joint.flatten()
        for share in SHARES:
            angles = rotations.log(moved[row, joint])
            outside = ((angles < lower[joint]) | (angles > upper[joint])).any(-1)
            row, joint = row[outside], joint[outside]
            moved[row, joint] = rotation[row, joint] @ rotations.exp(share * turn[row, joint])
        return moved


def _bone(rest_joints: Tensor, side: str) -> Tensor:
    start, end = (rest_joints[JOINT_INDEX[f"{side}_{joint}"]] for joint in ("shoulder", "elbow"))
    return (end - start) / (end - start).norm()


def _bounds() -> tuple[Tensor, Tensor]:
    limits = body_limits(torch.zeros(()))
    lower, upper = (
        torch.full((3 * len(JOINTS),), -torch.inf),
        torch.full((3 * len(JOINTS),), torch.inf),
    )
    lower[limits.at], upper[limits.at] = limits.lower, limits.upper
    return lower.unflatten(0, (-1, 3)), upper.unflatten(0, (-1, 3))
