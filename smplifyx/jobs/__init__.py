"""Folders of people: the job, the streaming runner, the output folder that can be resumed; fits in
many processes.
"""

from .fit_pool import FitPool
from .fit_recipe import FitRecipe
from .job import JobConfig, load_job
from .runner import run_job

__all__ = ["FitPool", "FitRecipe", "JobConfig", "load_job", "run_job"]
