"""The network: from a person's 2D points to the depth of their bones, and how sure it is of each.

A few layers with shortcuts; what it learned from stands in its card (`priors/depth`).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import gelu

from ..core import assets
from ..core.bundle import Bundle
from ..core.invariant_linalg import shared_matmul
from ..pose_priors.arrays import read_npz
from .bones import BONES, ENDS, POINTS, STARTS
from .person_view import NUMBERS, PersonView

OUTPUTS = 3 * len(POINTS) + len(BONES)
LOG_SCALES = (-5.0, 3.0)  # bounds on what the network says of its errors
EPSILON = 1e-5  # added to variances when layers are normalised
LAPLACE_SD = 2**0.5  # standard deviation of a Laplace distribution of scale 1


@dataclass(frozen=True)
class BoneDepths(Bundle):
    """What the network tells of each person, as shares of the root's distance from the camera.

    bones: depth of each bone's end minus that of its beginning, along the camera's axis.
    sd: how far that may be off, one standard deviation.
    """

    bones: Float[Tensor, "*batch 24"]
    sd: Float[Tensor, "*batch 24"]


@dataclass(frozen=True, eq=False)
class DepthNetwork:
    """Weights of all layers; matrices stand as [inputs, outputs]."""

    first: Float[Tensor, "103 width"]
    first_bias: Float[Tensor, " width"]
    inner: Float[Tensor, "blocks 2 width width"]
    inner_bias: Float[Tensor, "blocks 2 width"]
    gain: Float[Tensor, "norms width"]  # of the normalisation in each block, and of the last
    shift: Float[Tensor, "norms width"]
    last: Float[Tensor, "width 99"]
    last_bias: Float[Tensor, " 99"]

    @classmethod
    def load(cls, name_or_path: str | Path) -> DepthNetwork:
        """The network that ships, by its name `many_people`; else the .npz at a path. On the CPU,
        float32.

        Raises ValueError in one line for what is neither.
        """
        path = depth_file(name_or_path)
        if not path.is_file():
            raise ValueError(f"no depth prior {str(name_or_path)!r}: expected {SHIPPED} or a file")
        return _load(str(path), path.stat().st_mtime_ns)

    def to(self, like: Tensor) -> DepthNetwork:
        """On the device and in the precision of `like`."""
        return DepthNetwork(*(t.to(like) for t in vars(self).values()))

    def raw(self, numbers: Float[Tensor, "batch 103"]) -> Float[Tensor, "batch 99"]:
        """What comes out of the last layer. Rows are independent, to the last bit."""
        x = gelu(shared_matmul(numbers, self.first) + self.first_bias)
        for block, (enter, leave) in enumerate(self.inner):
            inside = shared_matmul(x, enter) + self.inner_bias[block, 0]
            inside = gelu(self._normalised(inside, block))
            x = x + shared_matmul(inside, leave) + self.inner_bias[block, 1]
        return shared_matmul(self._normalised(x, -1), self.last) + self.last_bias

    def tell(self, view: PersonView) -> BoneDepths:
        """The depths of people's bones in the frame of their own camera."""
        raw = self.raw(view.numbers)
        points, log_scale = raw.split([3 * len(POINTS), len(BONES)], -1)
        points = points.unflatten(-1, (-1, 3)) * view.size[:, None, None]
        # back from the frame that looks at the person; written out, as there
        points = (view.turn.mT[:, None] * points[:, :, None]).sum(-1)
        along = view.turn[:, 2, 2, None]  # cosine between the ray to the person and the axis
        depth = points[..., 2] / along
        scale = log_scale.clamp(*LOG_SCALES).exp() * view.size[:, None]
        return BoneDepths(depth[:, ENDS] - depth[:, STARTS], LAPLACE_SD * scale)

    def _normalised(self, x: Float[Tensor, "batch width"], norm: int) -> Tensor:
        """Each row with mean 0 and variance 1, then by the layer's own gain and shift."""
        x = x - x.mean(-1, keepdim=True)
        spread = (x.square().mean(-1, keepdim=True) + EPSILON).sqrt()
        return x / spread * self.gain[norm] + self.shift[norm]


SHIPPED = "many_people"


def depth_file(name_or_path: str | Path) -> Path:
    """The file that decides what `DepthNetwork.load` gives; it need not be there."""
    if str(name_or_path) == SHIPPED:
        return assets.folder("priors") / "depth" / f"{SHIPPED}.npz"
    return Path(name_or_path)


@functools.lru_cache(maxsize=4)  # by the path and the time of its last change
def _load(path: str, _changed: int) -> DepthNetwork:
    shapes = {
        "first": (NUMBERS, None),
        "first_bias": (None,),
        "inner": (None, 2, None, None),
        "inner_bias": (None, 2, None),
        "gain": (None, None),
        "shift": (None, None),
        "last": (None, OUTPUTS),
        "last_bias": (OUTPUTS,),
    }
    arrays = read_npz(Path(path), shapes)
    return DepthNetwork(*(arrays[name].float() for name in shapes))
