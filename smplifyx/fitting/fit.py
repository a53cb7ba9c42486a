"""The short way: keypoints and cameras in, bodies out."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from ..body.model import BodyModel
from ..camera import Camera
from ..config import FitConfig, load_preset
from ..evidence.height import KnownHeight
from ..keypoints import Keypoints
from ..terms.scene import WeightedTerm
from .fitter import Fitter
from .result import FitResult
from .setup import setup_of


def fit(
    keypoints: Keypoints,
    camera: Camera,
    body: BodyModel,
    config: FitConfig | None = None,
    extra_terms: Sequence[WeightedTerm] = (),
    height: Float[Tensor, " batch"] | None = None,
) -> FitResult:
    """Fits a body to every person of a batch.

    keypoints, camera: one row per person [batch] (see `Keypoints`, `Camera`), on the body's device.
    config: a preset (see `load_preset`); the default is `smplx`.
    extra_terms: terms of your own, added to every stage (see `terms.scene`; the body's 25 points
        come first in `scene[POINTS]`).
    height: statures in metres, NaN where one is not known.

    Rows are independent: a person gets the same body alone or in company, and one that cannot be
    fitted gets the status FAILED. On a CPU as many pieces of the batch are fitted at once as torch
    has threads (`torch.set_num_threads`), and memory stops growing with the batch. Raises
    ValueError where the batches differ.

    A `Fitter` does the same with any evidence, bodies to begin with, and reports of every stage.
    """
    fitter = Fitter(setup_of(body, config or load_preset("smplx")))
    known = KnownHeight.of(height, like=keypoints.confidence[..., 0])
    return fitter.fit(keypoints, camera, (known,), extra_terms=extra_terms)
