"""Folders of people: the job, the streaming runner, and the output folder that can be resumed."""

from .job import JobConfig, load_job
from .runner import run_job

__all__ = ["JobConfig", "load_job", "run_job"]
