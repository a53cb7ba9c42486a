"""Folders of people: the job, the streaming runner, the output folder that can be resumed; fits in many processes."""

from .job import JobConfig, load_job
from .process_pool import Crew, Recipe
from .runner import run_job

__all__ = ["Crew", "JobConfig", "Recipe", "load_job", "run_job"]
