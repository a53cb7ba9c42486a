"""The table of launchers: where work is done."""

from __future__ import annotations

from enum import Enum

from .in_process import InProcess
from .launcher import Answer, Launcher, LaunchPlan, Task
from .process_pool import ProcessPool


class Place(str, Enum):
    """Where work is done."""

    IN_PROCESS = "in_process"
    PROCESS_POOL = "process_pool"


LAUNCHERS: dict[Place, type[Launcher]] = {
    Place.IN_PROCESS: InProcess,
    Place.PROCESS_POOL: ProcessPool,
}


def launch(place: Place, plan: LaunchPlan[Task, Answer]) -> Launcher[Task, Answer]:
    """A launcher that does the work of the plan there."""
    return LAUNCHERS[place](plan)
