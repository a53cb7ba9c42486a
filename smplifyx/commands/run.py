"""`smplifyx run`: a job file."""

from __future__ import annotations

from ..config import ConfigError, FieldError
from ..jobs.job import load_job
from . import fit
from .options import RunOptions
from .terminal import Terminal


def run(options: RunOptions, terminal: Terminal) -> int:
    """Does what `smplifyx fit` would with the options of the file.

    Raises ConfigError naming the file, and as `fit` does.
    """
    job = load_job(options.job)
    try:
        return fit.run(job, terminal)
    except FieldError as error:
        raise ConfigError(f"{options.job}: {error}") from error
