"""Folders of people: the job, the streaming runner, the output folder that can be resumed; fits in
many processes.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

# Loaded when first asked for, as in the package itself: the command's --help does not wait for
# torch.
if TYPE_CHECKING:
    from .fit_pool import FitPool
    from .fit_recipe import FitRecipe
    from .job import JobConfig, load_job
    from .runner import run_job

__all__ = ["FitPool", "FitRecipe", "JobConfig", "load_job", "run_job"]
_MODULES = {
    "FitPool": ".fit_pool",
    "FitRecipe": ".fit_recipe",
    "JobConfig": ".job",
    "load_job": ".job",
    "run_job": ".runner",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(_MODULES[name], __name__)
    return getattr(module, name)
