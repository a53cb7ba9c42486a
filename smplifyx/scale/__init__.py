"""Folders of people: the job, the streaming runner, the output folder that can be resumed; fits in many processes."""

from .crew import Crew, Recipe
from .job import JobConfig, load_job
from .runner import run_job

__all__ = ["Crew", "JobConfig", "Recipe", "load_job", "run_job"]
