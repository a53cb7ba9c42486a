"""What a user says of all keypoint files of a run, where the files themselves do not tell."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..keypoints.confidence import CONFIDENT, SEEN
from ..keypoints.layouts import LayoutName
from .frames import ImageSize


@dataclass(frozen=True)
class ReadOptions:
    """How files are to be read.

    `layout` is that of the body points, of files that do not name their points (None: by their
    number). `keypoint_size` is (width, height) in pixels of the images that the keypoints were made
    in, where no file tells (None: the images' own). `seen` and `confident` are the scores of the
    files from which a point counts as seen and as confident (None: as `keypoints.confidence` has
    them).
    """

    layout: LayoutName | None = None
    keypoint_size: ImageSize | None = None
    seen: float | None = None
    confident: float | None = None

    def __post_init__(self) -> None:
        """Raises ValueError, in one line, for scores that no file could mean."""
        for name in ("seen", "confident"):
            score = getattr(self, name)
            if score is not None and not 0 <= score < math.inf:
                raise ValueError(f"--{name}: expected a score of 0 or more, got {score}")
        seen, confident = self.thresholds
        if not 0 < confident or seen > confident:
            raise ValueError(
                f"--seen {seen:g} must not be above --confident {confident:g} (by themselves they "
                f"are {SEEN:g} and {CONFIDENT:g}), and --confident must be above 0"
            )

    @property
    def draws_scores(self) -> bool:
        """Whether the scores of files are of another scale than `keypoints.confidence`."""
        return self.seen is not None or self.confident is not None

    @property
    def thresholds(self) -> tuple[float, float]:
        """The scores of files from which a point counts as seen and as confident."""
        seen = SEEN if self.seen is None else self.seen
        confident = CONFIDENT if self.confident is None else self.confident
        return seen, confident


AS_IT_COMES = ReadOptions()  # nothing is said: files and usage tell
