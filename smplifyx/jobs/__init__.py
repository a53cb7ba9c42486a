"""Folders of people: the job, the streaming runner, the output folder that can be resumed; fits in
many processes.
"""

from .job import JobConfig, load_job
from .process_pool import FitRecipe, ProcessPool
from .runner import run_job

__all__ = ["FitRecipe", "JobConfig", "ProcessPool", "load_job", "run_job"]
