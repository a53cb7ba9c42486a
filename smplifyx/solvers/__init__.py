"""Minimisers of many independent rows at once: they see tensors, never a body."""

from .adam import Adam
from .contract import Objective, Solution, Solver, Status
from .lbfgs import LBFGS
from .levenberg_marquardt import LevenbergMarquardt
from .residual_objective import ResidualObjective

__all__ = [
    "LBFGS",
    "Adam",
    "LevenbergMarquardt",
    "Objective",
    "ResidualObjective",
    "Solution",
    "Solver",
    "Status",
]
