"""What all stages of a fit share."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor

from ..body.model import BodyModel
from ..camera import Camera
from ..config import FitConfig
from ..keypoints import Keypoints
from ..problem.variables import Decoder


@dataclass(frozen=True)
class FitBatch:
    """The people of a batch [batch], how they were seen, and what they are fitted with."""

    keypoints: Keypoints
    camera: Camera
    scale: Float[Tensor, " batch"]  # pixels per metre
    body: BodyModel
    decoder: Decoder
    config: FitConfig
    # metres, NaN where it is not known; None: nobody's is
    height: Float[Tensor, " batch"] | None = None

    def __getitem__(self, rows: slice | Tensor) -> FitBatch:
        """Some of them."""
        height = None if self.height is None else self.height[rows]
        return replace(
            self,
            keypoints=self.keypoints[rows],
            camera=self.camera[rows],
            scale=self.scale[rows],
            height=height,
        )
