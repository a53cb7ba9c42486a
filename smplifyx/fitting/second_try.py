"""Who came out with a body that nobody has is fitted again, without what may have caused it."""

from __future__ import annotations

from ..config import FitConfig, PerPart, StageConfig

# sigmas: a point this far off is let go, where the first try still pulls
OUTLIER = 6.0
SHAPE = 3.0  # weight of the shape prior: a third of the population's spread
LIMITS = 3.0


def cautious(config: FitConfig) -> FitConfig:
    """The preset with shapes and joints held nearer to those of people, and stray points let go.

    It has the same stages, so that its results stand beside those of the preset.
    """
    outlier = config.reprojection.outlier
    narrow = PerPart(**{part: min(rho, OUTLIER) for part, rho in outlier.model_dump().items()})
    reprojection = config.reprojection.model_copy(update={"outlier": narrow})
    stages = tuple(_held(stage) for stage in config.stages)
    return config.model_copy(update={"reprojection": reprojection, "stages": stages})


def _held(stage: StageConfig) -> StageConfig:
    """The stage with more weight on what is plausible, of the terms that it has: a result's
    energies must be those of the preset's terms.
    """
    weights = stage.weights
    held: dict[str, float] = {}
    if weights.limits:
        held["limits"] = max(weights.limits, LIMITS)
    if weights.shape:
        held["shape"] = max(weights.shape, SHAPE)
    return stage.model_copy(update={"weights": weights.model_copy(update=held)})
