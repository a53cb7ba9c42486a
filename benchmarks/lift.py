"""How well people of known shape and pose are found again from their points, some of which are
hidden.

    people = draw_people(Path("../shared/data/mocap"), 500)
    row = lift("gaussian", View.LIMB, people)

Three things are hidden in turn: nothing; one random limb per person; everything from the hips down.
An arm takes the points of elbow and wrist with it and all of its hand, a leg those of knee, ankle,
toes and heel. Errors are of the 22 SMPL-X body joints: PA after the similarity that brings all 22
nearest to the truth, the others with the pelvis on the true one. Hidden joints are elbow and wrist
of an arm; knee, ankle and foot of a leg.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from benchmarks.quality import GROSS, above_the_hips, fit_in_batches, guessed, read_generated
from smplifyx.body import skinning
from smplifyx.body.joints import JOINT_INDEX
from smplifyx.body.loading.files import load_body
from smplifyx.body.model import BodyModel
from smplifyx.body.params import BodyParams
from smplifyx.camera import Camera
from smplifyx.config import FitConfig, load_preset, with_prior, with_prior_weight
from smplifyx.data.synthetic import GeneratedPeople
from smplifyx.evaluation.metrics import BODY_JOINTS, MILLIMETRES, similarity_align
from smplifyx.keypoints import Keypoints, names
from smplifyx.keypoints.names import POINT_INDEX

LIMB_SEED = 1  # of the choice of the hidden limbs
ARM_POINTS, LEG_POINTS = ("elbow", "wrist"), ("knee", "ankle", "big_toe", "small_toe", "heel")
ARM_JOINTS, LEG_JOINTS = ("elbow", "wrist"), ("knee", "ankle", "foot")


class View(Enum):
    """What of a person is seen, and whether the camera is known."""

    ALL = "all points"
    GUESSED = "all points, guessed focal"
    LIMB = "one limb hidden"
    UPPER = "upper body only"


class Limb(Enum):
    """An arm or a leg, in the order in which the choice of limbs numbers them."""

    LEFT_ARM = "left arm"
    RIGHT_ARM = "right arm"
    LEFT_LEG = "left leg"
    RIGHT_LEG = "right leg"

    @property
    def side(self) -> str:
        """left or right."""
        return self.value.split()[0]

    @property
    def is_arm(self) -> bool:
        """Whether it has a hand."""
        return self.value.endswith("arm")

    @property
    def points(self) -> list[int]:
        """Its rows among the 137 points."""
        rows = [
            POINT_INDEX[f"{self.side}_{name}"]
            for name in (ARM_POINTS if self.is_arm else LEG_POINTS)
        ]
        hand = names.PARTS[f"{self.side}_hand"]
        return rows + list(range(hand.start, hand.stop)) if self.is_arm else rows

    @property
    def joints(self) -> list[int]:
        """Its rows among the 22 body joints."""
        return [
            JOINT_INDEX[f"{self.side}_{name}"]
            for name in (ARM_JOINTS if self.is_arm else LEG_JOINTS)
        ]


@dataclass(frozen=True)
class Scene:
    """What the fit is given of some people, and which of their body joints it is not shown."""

    keypoints: Keypoints
    camera: Camera
    hidden: Bool[Tensor, "people 22"]


@lru_cache(maxsize=2)
def draw_people(mocap: Path, count: int, seed: int = 0) -> GeneratedPeople:
    """`count` people of the embedded body in held-out poses, by the defaults of `generate_people`."""
    return read_generated(load_body(None), mocap, count, seed)


def config_of(prior: str, scale: float = 1.0, preset: str = "smplx") -> FitConfig:
    """The preset with that pose prior, its weight in every stage times `scale` beyond what the
    preset says of it.
    """
    return with_prior_weight(with_prior(load_preset(preset), prior), scale)


def lift(
    prior: str | FitConfig, view: View, people: GeneratedPeople, body: BodyModel | None = None
) -> dict[str, float]:
    """The errors in mm of all people fitted in that view, by column; NaN where nothing is hidden.

    `prior` is a name for the default preset, or a whole configuration; `body` is the one the people
    were drawn from (None: the embedded one).
    """
    body = body or load_body(None)
    config = config_of(prior) if isinstance(prior, str) else prior
    shown = scene(people, view)
    result, seconds = fit_in_batches(shown.keypoints, shown.camera, body, config)
    row = errors(*joint_distances(body, result.params, people.truth), shown.hidden)
    return row | {"people/s": len(shown.hidden) / seconds}


def scene(people: GeneratedPeople, view: View) -> Scene:
    """The people as that view shows them."""
    keypoints, camera, count = people.keypoints, people.camera, len(people.keypoints.confidence)
    if view is View.LIMB:
        limbs = limbs_of(count)
        return Scene(
            without(keypoints, [limb.points for limb in limbs]),
            camera,
            _rows([x.joints for x in limbs]),
        )
    if view is View.UPPER:
        legs = Limb.LEFT_LEG.joints + Limb.RIGHT_LEG.joints
        return Scene(above_the_hips(keypoints), camera, _rows([legs] * count))
    return Scene(
        keypoints, guessed(camera) if view is View.GUESSED else camera, _rows([[]] * count)
    )


def limbs_of(count: int) -> list[Limb]:
    """The limb that each person hides, the same for every prior."""
    limbs = list(Limb)
    drawn: Int[Tensor, " people"] = torch.randint(
        len(limbs), (count,), generator=torch.Generator().manual_seed(LIMB_SEED)
    )
    return [limbs[i] for i in drawn]


def without(keypoints: Keypoints, points: Sequence[Sequence[int]]) -> Keypoints:
    """The same people, each without those points of its own."""
    confidence = keypoints.confidence.clone()
    for person, rows in enumerate(points):
        confidence[person, rows] = 0.0
    return keypoints.replace(confidence=confidence)


def joint_distances(
    body: BodyModel, predicted: BodyParams, truth: BodyParams
) -> tuple[Float[Tensor, "people 22"], Float[Tensor, "people 22"]]:
    """Distance in mm of each body joint: after similarity alignment on all 22, and with the pelvis
    on the true one.
    """
    with torch.no_grad():
        ours, true = (skinning.joints(body, p)[..., :BODY_JOINTS, :] for p in (predicted, truth))
    aligned = similarity_align(ours, true) - true
    rooted = (ours - ours[..., :1, :]) - (true - true[..., :1, :])
    return MILLIMETRES * aligned.norm(dim=-1), MILLIMETRES * rooted.norm(dim=-1)


def errors(
    aligned: Float[Tensor, "people 22"],
    rooted: Float[Tensor, "people 22"],
    hidden: Bool[Tensor, "people 22"],
) -> dict[str, float]:
    """The columns of a row, means over people of their means over joints."""
    whole = aligned.mean(-1)
    row = {"PA-MPJPE": float(whole.mean()), "PA p90": float(whole.quantile(0.9))}
    row |= {"> 150 mm": float((whole > GROSS).float().mean()), "MPJPE": float(rooted.mean())}
    seen = ~hidden & hidden.any()
    for name, distance in (("PA", aligned), ("MPJPE", rooted)):
        row |= {f"{name} seen": _mean(distance, seen), f"{name} hidden": _mean(distance, hidden)}
    arms, legs = (_kind(hidden, joints) for joints in (ARM_JOINTS, LEG_JOINTS))
    return row | {"PA hidden arm": _mean(aligned, arms), "PA hidden leg": _mean(aligned, legs)}


def _kind(hidden: Tensor, joints: Sequence[str]) -> Tensor:
    """Those of the hidden joints that have one of these names."""
    rows = [JOINT_INDEX[f"{side}_{name}"] for side in ("left", "right") for name in joints]
    kept = torch.zeros_like(hidden)
    kept[:, rows] = hidden[:, rows]
    return kept


def _mean(distance: Tensor, use: Tensor) -> float:
    """Mean over the people who have such joints of their means; NaN where nobody has."""
    return float(torch.where(use, distance, torch.nan).nanmean(-1).nanmean())


def _rows(joints: Sequence[Sequence[int]]) -> Bool[Tensor, "people 22"]:
    hidden = torch.zeros(len(joints), BODY_JOINTS, dtype=torch.bool)
    for person, rows in enumerate(joints):
        hidden[person, rows] = True
    return hidden
