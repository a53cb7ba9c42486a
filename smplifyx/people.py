"""What all stages of a fit share."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from .body.model import BodyModel
from .camera import Camera
from .config import FitConfig
from .keypoints import Keypoints
from .state import Decoder


@dataclass(frozen=True)
class People:
    """The people of a batch [batch], how they were seen, and what they are fitted with."""

    keypoints: Keypoints
    camera: Camera
    scale: Float[Tensor, " batch"]  # pixels per metre
    body: BodyModel
    decoder: Decoder
    config: FitConfig
