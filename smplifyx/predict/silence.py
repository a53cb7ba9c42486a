"""What a native library writes past Python, kept from the terminal."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from .people_detector import Detected, PeopleDetector

STDERR = 2


@contextlib.contextmanager
def native_silence() -> Iterator[None]:
    """Sends what is written to the process's own stderr nowhere, for the time of the block.

    MediaPipe writes dozens of lines for each picture, and none of its switches stops them. Python's
    own lines are silenced too: the block should hold nothing but the library's calls.
    """
    sys.stderr.flush()
    kept = os.dup(STDERR)
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), STDERR)
        yield
    finally:
        os.dup2(kept, STDERR)
        os.close(kept)


@dataclass(frozen=True)
class SilentDetector:
    """A detector whose library writes nothing to the terminal while it looks."""

    detector: PeopleDetector

    def detect(self, image: UInt8[np.ndarray, "h w 3"]) -> tuple[Detected, ...]:
        """As the detector's."""
        with native_silence():
            return self.detector.detect(image)
