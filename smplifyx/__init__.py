"""smplifyx: 2D keypoints of people in, expressive 3D people out."""

import os

# Before torch loads OpenMP: waiting threads sleep. Spinning ones make a fit twenty times slower on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from .body.loading.files import load_body  # noqa: E402
from .camera import Camera  # noqa: E402
from .config import FitConfig, load_preset  # noqa: E402
from .fitting.fit import fit  # noqa: E402
from .fitting.fitter import Fitter  # noqa: E402
from .fitting.penetration import contact_of  # noqa: E402
from .fitting.result import FitResult  # noqa: E402
from .fitting.scene_fit import fit_together  # noqa: E402
from .keypoints import Keypoints  # noqa: E402
from .readers import read_frames  # noqa: E402
from .terms.scene import Residual, Scene, WeightedTerm  # noqa: E402

__version__ = "0.1.0"
__all__ = [
    "Camera",
    "FitConfig",
    "FitResult",
    "Fitter",
    "Keypoints",
    "Residual",
    "Scene",
    "WeightedTerm",
    "contact_of",
    "fit",
    "fit_together",
    "load_body",
    "load_preset",
    "read_frames",
]
