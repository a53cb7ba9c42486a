"""Progress bars on stderr."""

from __future__ import annotations

import sys

from tqdm import tqdm

from ..jobs.progress import JobProgress


class Bar:
    """A progress bar on stderr; there is none before it begins, nor where it shall be quiet."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: tqdm | None = None

    @property
    def seconds(self) -> float:
        """Since it began; 0 where it is quiet."""
        return self._begun().format_dict["elapsed"]

    def start(self, total: int | None, unit: str, what: str | None = None) -> None:
        """Shows a bar of so many units (None: nobody knows), after the word `what`."""
        self._bar = tqdm(
            total=total,
            desc=what,
            unit=unit,
            disable=self._quiet,
            dynamic_ncols=True,
            file=sys.stderr,
        )

    def step(self, units: int = 1, note: str = "") -> None:
        """So many units more are done; a note replaces the one before."""
        bar = self._begun()
        if note:
            bar.set_postfix_str(note, refresh=False)
        bar.update(units)

    def end(self) -> None:
        """Leaves the bar as it stands."""
        if self._bar is not None:
            self._bar.close()

    def _begun(self) -> tqdm:
        if self._bar is None:
            raise RuntimeError("a progress bar begins before it advances")
        return self._bar


class JobBar(Bar, JobProgress):
    """The progress of a job over keypoint files, with people per second."""

    def __init__(self, quiet: bool) -> None:
        super().__init__(quiet)
        self._people = 0

    def begin(self, files: int) -> None:
        """So many files will be read."""
        self.start(files, unit="file")

    def advance(self, files: int, people: int) -> None:
        """So many files and people more are done."""
        self._people += people
        note = ""
        if self._people and self.seconds:
            note = f"{self._people} people, {self._people / self.seconds:.1f} people/s"
        self.step(files, note)


class TrainingBar(Bar):
    """The progress of a training over its steps, with what it has reached."""

    def begin(self, what: str, total: int) -> None:
        """So many steps follow."""
        self.start(total, unit="it", what=what)

    def advance(self, note: str) -> None:
        """One is done."""
        self.step(note=note)
