"""smplifyx: 2D keypoints of people in, expressive 3D people out."""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # as type checkers know it; `typing` itself takes longer than all the rest
# The names below are loaded when they are first asked for. So an import of the package, or of a
# module of it, loads neither torch nor OpenMP, and whoever launches (the command, a process of a
# pool) can choose how threads wait before these are there.
if TYPE_CHECKING:
    from .body.loading.files import load_body
    from .camera import Camera
    from .config import FitConfig, load_preset
    from .fitting.fit import fit
    from .fitting.fitter import Fitter
    from .fitting.penetration import contact_of
    from .fitting.result import FitResult
    from .fitting.scene_fit import fit_together
    from .keypoints import Keypoints
    from .readers import read_frames
    from .terms.scene import Residual, Scene, WeightedTerm

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
_MODULES = {
    "Camera": ".camera",
    "FitConfig": ".config",
    "FitResult": ".fitting.result",
    "Fitter": ".fitting.fitter",
    "Keypoints": ".keypoints",
    "Residual": ".terms.scene",
    "Scene": ".terms.scene",
    "WeightedTerm": ".terms.scene",
    "contact_of": ".fitting.penetration",
    "fit": ".fitting.fit",
    "fit_together": ".fitting.scene_fit",
    "load_body": ".body.loading.files",
    "load_preset": ".config",
    "read_frames": ".readers",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(_MODULES[name], __name__)
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
