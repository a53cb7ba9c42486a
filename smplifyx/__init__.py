"""smplifyx: 2D keypoints of people in, expressive 3D people out."""

__version__ = "0.1.0"

from .body.files import load_body
from .camera import Camera
from .config import FitConfig, load_preset
from .fit import fit
from .keypoints import Keypoints, read_frames
from .result import FitResult

__all__ = ["Camera", "FitConfig", "FitResult", "Keypoints", "fit", "load_body", "load_preset", "read_frames"]
