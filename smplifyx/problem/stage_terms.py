"""Which term each weight of a stage stands for: a new term adds one line here, one weight, one
function.

Terms that compare the body with something known of a person come with that evidence (`evidence`),
not from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from torch import Tensor

from ..body.joints import JOINT_INDEX
from ..body.model import Age, BodyModel
from ..collision.proxies.sphere_pairs import CLEAR
from ..config import Block, StageConfig, Weights
from ..evidence.evidence import Evidence
from ..features.feature import Feature
from ..features.joint_angles import BODY_POSE, LEFT_HAND_POSE, RIGHT_HAND_POSE
from ..features.spheres import SPHERES
from ..features.unknowns import ANCHORED_TRANSL, BETAS, EXPRESSION, FOCAL, JAW, LEYE, REYE, Unknown
from ..features.variables import Decoder
from ..pose_priors.limits import JointLimits, body_limits, hand_limits
from ..terms.collision import Collision
from ..terms.regularisers import Bending, BodyPrior, Depth, HandSize, Limits, Scaled, Upright
from ..terms.scene import Term, WeightedTerm

FOCAL_SPREAD = 0.3  # standard deviation of the log focal length around its guess
EYE_SPREAD = 0.2  # radians
KID_SOFTNESS = 0.05
COLLISION_SPREAD = 0.005  # metres of overlap
LEAN_SPREAD = 0.3  # sine of the angle between the pelvis and the image's vertical
HINGES = (  # joint, axis of its axis-angle, which sign bends it
    ("left_elbow", 1, 1.0),
    ("right_elbow", 1, -1.0),
    ("left_knee", 0, -1.0),
    ("right_knee", 0, -1.0),
)
# The weight of each of these terms, in the order in which they are summed.
WEIGHT_OF = MappingProxyType(
    {
        "pose_prior": "pose_prior",
        "limits": "limits",
        "bending": "bending",
        "shape": "shape",
        "kid": "shape",
        "expression": "expression",
        "jaw": "jaw",
        "upright": "upright",
        "depth": "depth",
        "focal": "focal",
        "left_hand_prior": "hand_prior",
        "right_hand_prior": "hand_prior",
        "left_hand_size": "hand_size",
        "right_hand_size": "hand_size",
        "left_hand_limits": "hand_limits",
        "right_hand_limits": "hand_limits",
        "leye": "eyes",
        "reye": "eyes",
        "collision": "collision",
    }
)


@dataclass(frozen=True, eq=False)
class PriorTerms:
    """The terms that ask nothing of a person, for one body: made once, weighted for each stage."""

    body: BodyModel
    decoder: Decoder
    terms: dict[str, Term]

    @classmethod
    def of(cls, body: BodyModel, decoder: Decoder) -> PriorTerms:
        """For a body of as many betas and expressions as are fitted."""
        like = body.v_template
        betas, expressions = body.shapedirs.shape[-1], body.expressiondirs.shape[-1]
        left_limits, right_limits = hand_limits(like)
        left_hand, right_hand = Unknown(Block.LEFT_HAND), Unknown(Block.RIGHT_HAND)
        eye = like.new_full((3,), 1 / EYE_SPREAD)
        terms: dict[str, Term] = {
            "pose_prior": BodyPrior(decoder.prior),
            "limits": _limits(BODY_POSE, body_limits(like)),
            "bending": _bending(like),
            "shape": Scaled(BETAS, _shape_factors(body)),
            "kid": _kid_range(like, betas),
            "expression": Scaled(EXPRESSION, like.new_ones(expressions)),
            "upright": Upright(LEAN_SPREAD),
            "depth": Depth(),
            "focal": Scaled(FOCAL, like.new_full((1,), 1 / FOCAL_SPREAD)),
            "left_hand_prior": Scaled(left_hand, 1 / decoder.left_hand.sds),
            "right_hand_prior": Scaled(right_hand, 1 / decoder.right_hand.sds),
            "left_hand_size": HandSize(left_hand, decoder.left_hand.components),
            "right_hand_size": HandSize(right_hand, decoder.right_hand.components),
            "left_hand_limits": _limits(LEFT_HAND_POSE, left_limits),
            "right_hand_limits": _limits(RIGHT_HAND_POSE, right_limits),
            "leye": Scaled(LEYE, eye),
            "reye": Scaled(REYE, eye),
            "collision": Collision(COLLISION_SPREAD, CLEAR),
        }
        return cls(body, decoder, terms)

    def weighted(self, weights: Weights) -> tuple[WeightedTerm, ...]:
        """Those of a stage, with its weights; those of weight 0 left out."""
        jaw = Scaled(JAW, self.body.v_template.new_tensor(weights.jaw))  # its weights are per axis
        terms = self.terms | {"jaw": jaw}
        factors = {name: getattr(weights, field) for name, field in WEIGHT_OF.items()}
        factors["jaw"] = float(any(weights.jaw))
        if self.body.age is not Age.CHILD:
            factors["kid"] = 0.0
        matched = {"depth": (ANCHORED_TRANSL,), "collision": (SPHERES,)}
        return tuple(
            WeightedTerm(name, factor, terms[name], matched.get(name, ()))
            for name, factor in factors.items()
            if factor
        )


def stage_terms(
    stage: StageConfig, priors: PriorTerms, evidence: Iterable[Evidence]
) -> tuple[WeightedTerm, ...]:
    """All terms of a stage: what the evidence says, and what is plausible.

    They are summed in this order, which is part of the answer, since sums round: each term of
    evidence goes where its weight stands in `Weights`, among the others.
    """
    places = {field: place for place, field in enumerate(Weights.model_fields)}
    found = list(priors.weighted(stage.weights))
    for one in evidence:
        for term in one.terms(stage, priors.body):
            place = _place(term, places)
            before = [other for other in found if _place(other, places) <= place]
            found.insert(len(before), term)
    return tuple(found)


def _place(term: WeightedTerm, places: Mapping[str, int]) -> int:
    """Where the term's weight stands; of a kind that has none there: first."""
    return places.get(WEIGHT_OF.get(term.name, term.name), 0)


def _limits(feature: Feature, limits: JointLimits) -> Limits:
    return Limits(feature, tuple(limits.at.tolist()), limits.lower, limits.upper, limits.softness)


def _shape_factors(body: BodyModel) -> Tensor:
    """Betas are in standard deviations; the kid component, a child's last, has a range instead."""
    factors = body.v_template.new_ones(body.shapedirs.shape[-1])
    if body.age is Age.CHILD:
        factors[-1] = 0.0
    return factors


def _kid_range(like: Tensor, betas: int) -> Limits:
    """Every age from adult (0) to the template's (1) is as likely; a little beyond is possible."""
    return Limits(
        feature=BETAS,
        at=(betas - 1,),
        lower=like.new_zeros(1),
        upper=like.new_ones(1),
        softness=like.new_full((1,), KID_SOFTNESS),
    )


def _bending(like: Tensor) -> Bending:
    """The hinges among the 63 body angles: elbows about y, knees about x."""
    at = tuple(3 * (JOINT_INDEX[joint] - 1) + axis for joint, axis, _ in HINGES)
    return Bending(at, like.new_tensor([sign for _, _, sign in HINGES]))
