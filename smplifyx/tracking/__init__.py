"""Who is who from frame to frame, from keypoints alone: tracks of people, arrays in and out.

Only the 25 body points are looked at. Seconds are counted by frame numbers and a frame rate, and
lengths by a person's stature in pixels.
"""

from .frame_people import FramePeople
from .joining import joined
from .pieces import FittedFacts
from .switches import split, switches
from .track import Track, numbered
from .tracker import TrackRules, track_people

__all__ = [
    "FramePeople", "FittedFacts", "Track", "TrackRules",
    "joined", "numbered", "split", "switches", "track_people",
]  # fmt: skip
