"""Frames as they are read, and what is to be told once they are all read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from .frames import Frame, Note


class FrameReading(Iterator[Frame]):
    """An iterator over frames that afterwards knows what was given and not used."""

    def __init__(
        self,
        frames: Iterator[Frame],
        stems: Sequence[str],
        leftovers: Callable[[], Sequence[Note]],
    ) -> None:
        """`stems` are those of the files, which are the frames' where each file is of one image.
        `leftovers` is asked whenever somebody wants to know, at best at the end.
        """
        self._frames = frames
        self.stems = stems
        self._leftovers = leftovers

    def __iter__(self) -> FrameReading:
        return self

    def __next__(self) -> Frame:
        return next(self._frames)

    @property
    def leftovers(self) -> tuple[Note, ...]:
        """What was given and not used, a note of each kind with how many and an example: photos
        that belong to no frame, folders that cannot be read. Whole only after the last frame.
        """
        return tuple(self._leftovers())
