"""What is known of one piece of a track: where the person comes from and goes to, and what they are
like.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from ..keypoints import names
from ..keypoints.confidence import SEEN
from .frame_people import FramePeople, bone_lengths, stature
from .track import Track

END = 0.4  # seconds at an end of a piece that tell where it goes
FEWEST_FRAMES = 3  # that tell a speed
LONGEST_QUANTILE = 0.8  # of the lengths at which a bone is seen: it points at the camera at times
_TRUNK = [
    names.POINT_INDEX[name]
    for name in ("neck", "mid_hip", "right_shoulder", "left_shoulder", "right_hip", "left_hip")
]


@dataclass(frozen=True, eq=False)
class FittedFacts:
    """What fits say of the person of one track; None: nothing.

    betas, betas_sd: the mean shape, and how sure it is. roots: metres in the camera's frame, of
    each frame of the track, NaN where there is no fit.
    """

    betas: Float[NDArray, " shapes"] | None = None
    betas_sd: Float[NDArray, " shapes"] | None = None
    roots: Float[NDArray, "frames 3"] | None = None


@dataclass(frozen=True, eq=False)
class End:
    """A person at one end of a piece: place and speed, in pixels or metres and seconds."""

    at: float
    place: Float[NDArray, " axes"]
    speed: Float[NDArray, " axes"]

    def then(self, at: float) -> Float[NDArray, " axes"]:
        """Where they are at another time, going on as they went."""
        return self.place + self.speed * (at - self.at)


@dataclass(frozen=True, eq=False)
class Ends:
    """Both ends of a piece."""

    first: End
    last: End


@dataclass(frozen=True, eq=False)
class Piece:
    """What is compared of a track.

    image, roots: its ends in the picture and, where there are fits, in the camera's frame. first,
    last: the stature in pixels at each end, 0 where that cannot be told. bones: at their longest,
    by the stature; NaN where unseen.
    """

    track: Track
    fitted: FittedFacts
    image: Ends
    roots: Ends | None
    first_stature: float
    last_stature: float
    bones: Float[NDArray, " bones"]


def pieces_of(
    tracks: Sequence[Track],
    fitted: Sequence[FittedFacts],
    frames: Sequence[FramePeople],
    fps: float,
) -> list[Piece]:
    """What the frames and the fits tell of all tracks of a clip."""
    paths = [_Path.of(track, frames, fps) for track in tracks]
    return [_piece(*pair) for pair in zip(paths, fitted, strict=True)]


@dataclass(frozen=True, eq=False)
class _Path:
    """Where the person of a track is: of each of its frames the seconds, the body points in pixels,
    which are seen, and the middle of the trunk.
    """

    track: Track
    at: Float[NDArray, " n"]
    xy: Float[NDArray, "n 25 2"]
    seen: Bool[NDArray, "n 25"]
    middle: Float[NDArray, "n 2"]

    @classmethod
    def of(cls, track: Track, frames: Sequence[FramePeople], fps: float) -> _Path:
        bodies: list[Float[NDArray, "25 3"]] = []
        seconds: list[float] = []
        for number, person in zip(track.frames, track.people, strict=True):
            frame = frames[number]
            bodies.append(frame.keypoints[person, names.BODY])
            seconds.append(frame.frame / fps)
        points = np.stack(bodies).astype(np.float64)
        points = np.nan_to_num(points, posinf=0.0, neginf=0.0)
        xy = points[..., :2]
        seen = points[..., 2] >= SEEN
        middles = [_middle(*one) for one in zip(xy, seen, strict=True)]
        return cls(track, np.array(seconds), xy, seen, np.stack(middles))


def _piece(path: _Path, fitted: FittedFacts) -> Piece:
    """What is known of one track."""
    at, xy, seen = path.at, path.xy, path.seen
    tall = np.array([stature(*one) for one in zip(xy, seen, strict=True)])
    return Piece(
        track=path.track,
        fitted=fitted,
        image=_ends(at, path.middle),
        roots=_root_ends(at, fitted.roots),
        first_stature=float(np.median(tall[at <= at[0] + END])),
        last_stature=float(np.median(tall[at >= at[-1] - END])),
        bones=_longest_bones(xy, seen, tall),
    )


def _middle(xy: Float[NDArray, "25 2"], seen: Bool[NDArray, " 25"]) -> Float[NDArray, " 2"]:
    """The middle of the trunk, or of what else is seen."""
    trunk = np.zeros_like(seen)
    trunk[_TRUNK] = seen[_TRUNK]
    measured = trunk if trunk.any() else seen
    return np.median(xy[measured], axis=0) if measured.any() else np.zeros(2)


def _root_ends(
    at: Float[NDArray, " frames"], roots: Float[NDArray, "frames 3"] | None
) -> Ends | None:
    if roots is None:
        return None
    known = np.isfinite(roots).all(-1)
    return _ends(at[known], roots[known]) if known.any() else None


def _ends(at: Float[NDArray, " frames"], places: Float[NDArray, "frames axes"]) -> Ends:
    first, last = at <= at[0] + END, at >= at[-1] - END
    return Ends(
        _end(at[first], places[first], float(at[0])), _end(at[last], places[last], float(at[-1]))
    )


def _end(at: Float[NDArray, " n"], places: Float[NDArray, "n axes"], when: float) -> End:
    """Place and speed at a time, by the straight line through some places."""
    if len(at) < FEWEST_FRAMES:
        return End(when, np.median(places, axis=0), np.zeros(places.shape[1]))
    speed, place = np.polyfit(at - when, places, 1)
    return End(when, place, speed)


def _longest_bones(
    xy: Float[NDArray, "frames 25 2"],
    seen: Bool[NDArray, "frames 25"],
    tall: Float[NDArray, " frames"],
) -> Float[NDArray, " bones"]:
    """Of each bone the length that it nearly always stays below, by the stature."""
    lengths = bone_lengths(xy, seen) / np.where(tall > 0, tall, np.nan)[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of bones that are never seen
        return np.nanquantile(lengths, LONGEST_QUANTILE, axis=0)
