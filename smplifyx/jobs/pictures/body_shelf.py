"""The body models that drawing needs, loaded once in each process that draws."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from ...body.model import BodyModel
from ...core.choices import BodyAge, BodyGender
from ..batches import Bodies


class BodyShelf:
    """The body models of one job on the CPU, each loaded when it is first needed.

    model: file or folder of the job's models; None: the built-in ones.
    kid_template: of children; None: the one beside the model.

    A shelf pickles as its two paths. Frames are sent to a process that draws one by one, each with
    a shelf; there they all get the one shelf of that process, so that it loads a body once and not
    for each frame. Such a process ends with the drawing, and its bodies with it.
    """

    def __init__(self, model: Path | None = None, kid_template: Path | None = None) -> None:
        self.model = model
        self.kid_template = kid_template
        self._bodies = Bodies(model, torch.device("cpu"), kid_template)

    def of(self, gender: BodyGender, age: BodyAge) -> BodyModel:
        """The body of that gender and age. Raises BodyFileError where there is none."""
        return self._bodies.of(gender, age)

    def __reduce__(self) -> tuple[Callable[..., BodyShelf], tuple[Path | None, Path | None]]:
        return _shelf_of_this_process, (self.model, self.kid_template)


_shelf: BodyShelf | None = None  # of a process that was sent one; never of one that made it


def _shelf_of_this_process(model: Path | None, kid_template: Path | None) -> BodyShelf:
    """What an unpickled shelf becomes. A process that is given another job's drops the first."""
    global _shelf
    if _shelf is None or (_shelf.model, _shelf.kid_template) != (model, kid_template):
        _shelf = BodyShelf(model, kid_template)
    return _shelf
