"""Pieces of tracks of one person, joined by what the person is like and where they went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .frame_people import FramePeople
from .matching import pairs
from .pieces import Ends, FittedFacts, Piece, pieces_of
from .track import Track, renumbered

GAPS = 2.0  # times the longest gap of a track that pieces may lie apart
MOST_COST = 13.0  # squares of deviations: of three facts, each may be two off
# Deviations of what two pieces of one person differ in: the place, in statures and in statures for
# every second between; the logarithm of the stature; bones seen at their longest, by the stature.
PLACE, PLACE_A_SECOND = 0.15, 0.5
STATURE = 0.12
BONES = 0.1
FEWEST_BONES = 4
# of the place where bodies are fitted, in metres
PLACE_M, PLACE_M_A_SECOND = 0.3, 0.8
UNFITTED = FittedFacts()


def joined(
    tracks: Sequence[Track],
    frames: Sequence[FramePeople],
    fps: float,
    max_gap: float,
    fitted: Sequence[FittedFacts] | None = None,
) -> tuple[Track, ...]:
    """The tracks, where one ends and another begins that is the same person's: as one.

    fps: frame numbers that pass in a second. max_gap: seconds; pieces may lie twice as far apart.
    fitted: what is known of each track by fits. Where both have roots in 3D, or shapes, those are
    compared, else the places in the image, or the statures and the bones by the stature. Tracks
    that the input calls by name are not joined to one another.
    """
    fitted = fitted or [UNFITTED] * len(tracks)
    pieces = pieces_of(tracks, fitted, frames, fps)
    closeness = np.zeros((len(pieces), len(pieces)))
    for i, one in enumerate(pieces):
        for j, other in enumerate(pieces):
            if _may_follow(one, other, GAPS * max_gap):
                closeness[i, j] = max(1 - _cost(one, other) / MOST_COST, 0.0)
    next_of = dict(pairs(closeness, least=1e-9))
    starts = sorted(set(range(len(tracks))) - set(next_of.values()))
    chains = [_chain(start, next_of, tracks) for start in starts]
    return renumbered(sorted(chains, key=lambda track: (track.frames[0], track.number)))


def _chain(start: int, next_of: Mapping[int, int], tracks: Sequence[Track]) -> Track:
    """A track with all that follow it."""
    track, at = tracks[start], start
    while at in next_of:
        at = next_of[at]
        track = track.before(tracks[at])
    return track


def _may_follow(one: Piece, other: Piece, longest: float) -> bool:
    """Whether the second begins when the first has ended, soon enough, and not as somebody else."""
    seconds = other.image.first.at - one.image.last.at
    both_named = one.track.is_given_id and other.track.is_given_id
    return 0 < seconds <= longest and not both_named


def _cost(one: Piece, other: Piece) -> float:
    """How unlike the pieces are, in squares of deviations."""
    return _of_place(one, other) + _of_shape(one, other)


def _of_place(one: Piece, other: Piece) -> float:
    """How far the two are from meeting half way, where both go on as they went."""
    seconds = other.image.first.at - one.image.last.at
    if one.roots is not None and other.roots is not None:
        deviation = PLACE_M + PLACE_M_A_SECOND * seconds
        return _missed(one.roots, other.roots) / deviation**2
    size = max(one.last_stature, other.first_stature)
    if not size:
        return np.inf
    deviation = (PLACE + PLACE_A_SECOND * seconds) * size
    return _missed(one.image, other.image) / deviation**2


def _missed(one: Ends, other: Ends) -> float:
    """The squared distance of the two in the middle of the gap."""
    middle = (one.last.at + other.first.at) / 2
    apart = other.first.then(middle) - one.last.then(middle)
    return float(apart @ apart)


def _of_shape(one: Piece, other: Piece) -> float:
    """By betas where both have them, else by stature and bones."""
    shapes = _of_betas(one.fitted, other.fitted)
    if shapes is not None:
        return shapes
    if not one.last_stature or not other.first_stature:
        return np.inf
    larger = np.log(other.first_stature / one.last_stature)
    cost = float((larger / STATURE) ** 2)
    bones = other.bones - one.bones
    known = np.isfinite(bones)
    if known.sum() >= FEWEST_BONES:
        cost += float(np.median((bones[known] / BONES) ** 2))
    return cost


def _of_betas(one: FittedFacts, other: FittedFacts) -> float | None:
    """Their mean squared difference in deviations; None where one of them is unknown."""
    if one.betas is None or one.betas_sd is None:
        return None
    if other.betas is None or other.betas_sd is None:
        return None
    variance = one.betas_sd**2 + other.betas_sd**2
    return float(((one.betas - other.betas) ** 2 / variance).mean())
