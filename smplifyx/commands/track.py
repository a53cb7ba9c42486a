"""`smplifyx track`: who is who from frame to frame."""

from __future__ import annotations

from ..config import FieldError
from ..jobs.tracking import TABLE, track_folder
from ..tracking import TrackRules
from .bars import Bar
from .codes import DONE, NOTHING_DONE
from .options import TrackOptions
from .terminal import Terminal


def run(options: TrackOptions, terminal: Terminal) -> int:
    """Writes the table and says what is in it; bad only if nobody is in a track.

    Raises FieldError for a source that is not there, KeypointError where it holds no keypoints,
    OSError where the table cannot be written.
    """
    if not options.keypoints.exists():
        raise FieldError("keypoints", f"{options.keypoints}: there is no such file or folder")
    rules = TrackRules(options.fps, options.max_gap, options.min_frames)
    bar = Bar(options.quiet)
    bar.start(None, unit="frame")
    try:
        summary = track_folder(options.keypoints, options.out, rules, bar.step)
    finally:
        bar.end()
    if not options.quiet:
        terminal.say(f"{summary}; see {options.out / TABLE}")
    return DONE if summary.tracks else NOTHING_DONE
