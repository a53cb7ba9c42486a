"""Who is told how a job advances."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class JobProgress(Protocol):
    """Told how a job advances."""

    def begin(self, files: int) -> None:
        """So many keypoint files will be read."""

    def advance(self, files: int, people: int) -> None:
        """So many files and fitted people more are on the disk."""


class NoProgress:
    """A progress that tells nobody."""

    def begin(self, files: int) -> None:
        """Nothing to do."""

    def advance(self, files: int, people: int) -> None:
        """Nothing to do."""


NO_PROGRESS = NoProgress()
