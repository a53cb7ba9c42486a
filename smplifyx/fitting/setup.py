"""What all fits of one body under one preset share, worked out once and owned by whoever fits."""

from __future__ import annotations

from functools import cached_property

from jaxtyping import Float
from torch import Tensor

from ..body.model import BodyModel, HandSpace
from ..config import Block, FitConfig, HandPrior
from ..depth_prior.network import DepthNetwork
from ..features.feature import FoldedBody
from ..features.fold import PointSet, fold
from ..features.point_model import PointModel
from ..features.variables import Decoder, Hand
from ..pose_priors import load_prior
from ..pose_priors.hands import recorded_hands
from ..problem.stage_terms import PriorTerms
from .joint_calibration import JointCalibration, load_joint_calibration
from .templates import Templates, neutral_points


class FitSetup:
    """A body and a preset, with the constants that are made of them when somebody first asks.

    Constants are folded points, collision spheres on bones, terms with their tensors, template
    poses: hundredths of a second each, seconds for the spheres. They live as long as this object,
    and nothing outside knows them. Threads may share it: two that ask for the same at once may both
    work it out, with the same answer.
    """

    def __init__(self, body: BodyModel, config: FitConfig) -> None:
        """body: with at least as many betas and expressions as the preset fits; the first ones are
        used.
        """
        self.body: BodyModel = body.sized(config.betas, config.expressions)
        self.config = config
        self._models: dict[PointSet, PointModel] = {}
        self._folded: dict[tuple[PointSet, tuple[Block, ...]], FoldedBody] = {}

    @cached_property
    def decoder(self) -> Decoder:
        """From unknowns to poses."""
        return make_decoder(self.body, self.config)

    @cached_property
    def templates(self) -> Templates:
        """The poses in which fits begin."""
        return Templates.of(self.decoder, self.body, self.config.first_guess.poses)

    @cached_property
    def neutral_points(self) -> Float[Tensor, "137 3"]:
        """The canonical points of the mean body in the mean pose: what seen bones are measured
        against.
        """
        return neutral_points(self.decoder, self.body)

    @cached_property
    def depth_network(self) -> DepthNetwork | None:
        """What reads the depths of bones; None where no stage weighs them.

        Raises ValueError for a depth prior that does not load.
        """
        if not any(stage.weights.bone_depth for stage in self.config.stages):
            return None
        return DepthNetwork.load(self.config.depth_prior).to(self.body.v_template)

    @cached_property
    def priors(self) -> PriorTerms:
        """The terms that ask nothing of a person."""
        return PriorTerms.of(self.body, self.decoder)

    @cached_property
    def joint_calibration(self) -> JointCalibration:
        """What scales the covariances of joints. Raises ConfigError where it cannot be read."""
        return load_joint_calibration()

    def folded(self, points: PointSet, free: tuple[Block, ...]) -> FoldedBody:
        """The body folded to these points, with these blocks of unknowns free.

        Raises ValueError as `fold` does.
        """
        key = (points, free)
        if key not in self._folded:
            if points not in self._models:
                self._models[points] = fold(self.body, points)
            self._folded[key] = FoldedBody(self.body, self.decoder, self._models[points], free)
        return self._folded[key]


def make_decoder(body: BodyModel, config: FitConfig) -> Decoder:
    """The pose spaces that a preset uses with a body: the prior for the body, components for the
    hands.

    Raises ValueError for a pose prior that does not load.
    """
    like = body.v_template
    prior = load_prior(config.pose_prior).to(like.device, like.dtype)
    left, right = body.left_hand, body.right_hand
    if left is not None and right is not None and config.hand_prior is HandPrior.RECORDED:
        left, right = recorded_hands(like)
    return Decoder(prior, *(_hand(body, space, config.hand_components) for space in (left, right)))


def _hand(body: BodyModel, space: HandSpace | None, components: int) -> Hand:
    """The first components of a hand's space; a body without fingers has none."""
    if space is None:
        like = body.v_template
        return Hand(like.new_zeros(45), like.new_zeros(0, 45), like.new_zeros(0))
    return Hand(space.mean, space.components[:components], space.sds[:components])


def setup_of(body: BodyModel, config: FitConfig) -> FitSetup:
    """The setup of a body and a preset for callers that own none, like `smplifyx.fit`: the body
    keeps it.

    So it is made once for many calls, and dies with the body.
    """
    return body.derived(_setup, config.model_dump_json())


def _setup(body: BodyModel, config: str) -> FitSetup:
    """A preset has a dict, which is no key: its text is."""
    return FitSetup(body, FitConfig.model_validate_json(config))
