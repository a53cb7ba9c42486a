"""Scores of points on the one scale that everything else counts on: 0..1, seen from 0.1, confident
from 0.3.

Detectors score as they like: probabilities, heights of a heatmap, percentages. Where the user says
which score counts as seen and which as confident, scores are drawn to that scale; where nobody
does and they speak of another one, their owner is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from ..keypoints import names
from ..keypoints.confidence import CONFIDENT, SEEN
from .frames import Note, Person
from .options import ReadOptions
from .reader import ImagePeople

LOW = "scores below the threshold"
HIGH = "scores over 1"
REMEDY = "--seen and --confident set the scale"
# Shares of an image's placed body points from which on their scale must be another one.
MOST_UNSEEN = 0.5
MOST_DOUBTED = 0.9
MOST_HIGH = 0.25
HIGHEST = 1.5  # heatmaps overshoot 1 a little; a score above this is of another scale


def with_scores(found: ImagePeople, options: ReadOptions) -> ImagePeople:
    """An image's people with their scores on the scale of `keypoints.confidence`, 0..1, and with
    notes of what is odd about these.

    `found.people` have the scores of their file, which may be over 1.
    """
    if not found.people:
        return found
    people = tuple(_with_scores(person, options) for person in found.people)
    theirs = _placed_scores(found.people)
    if all(new is old for new, old in zip(people, found.people, strict=True)):
        notes = _low(theirs)
        return replace(found, notes=(*found.notes, *notes)) if notes else found
    notes = (*_high(theirs, options), *_low(_placed_scores(people)))
    return replace(found, people=people, notes=(*found.notes, *notes))


def on_the_scale(
    scores: Float[np.ndarray, " points"], options: ReadOptions
) -> Float[np.ndarray, " points"]:
    """Scores of a file, drawn to the scale 0..1 by straight lines; their order stays.

    `options.seen` becomes SEEN, `options.confident` CONFIDENT, and 1 stays 1; where confidence
    begins above 1, the scale is longer, by as much. Zero stays zero, higher scores become 1.
    """
    if not options.draws_scores:
        return scores.clip(max=1.0)
    seen, confident = options.thresholds
    top = 1.0 if confident < 1.0 else confident / CONFIDENT
    # float32, as the scores: a score of exactly `seen` is seen
    theirs = np.array((0.0, seen, confident, top), np.float32)
    drawn = np.interp(scores, theirs, (0.0, SEEN, CONFIDENT, 1.0))
    return np.where(scores > 0, drawn, 0.0)


def _with_scores(person: Person, options: ReadOptions) -> Person:
    scores = person.keypoints[:, 2]
    if not options.draws_scores and scores.max() <= 1.0:
        return person
    keypoints = person.keypoints.copy()
    keypoints[:, 2] = on_the_scale(scores, options)
    return replace(person, keypoints=keypoints)


def _high(scores: Float[np.ndarray, " points"], options: ReadOptions) -> tuple[Note, ...]:
    """A note where the scores of a file, as they stand there, are of a longer scale than 0..1."""
    if options.draws_scores or not len(scores):
        return ()
    share = np.count_nonzero(scores > HIGHEST) / len(scores)
    if share < MOST_HIGH:
        return ()
    detail = f"{share:.0%} of the body points, up to {scores.max():.3g}; they count as 1: {REMEDY}"
    return (Note(HIGH, detail),)


def _low(scores: Float[np.ndarray, " points"]) -> tuple[Note, ...]:
    """A note where most scores, on the one scale, are too low for their points to count."""
    if not len(scores):
        return ()
    for threshold, most in ((SEEN, MOST_UNSEEN), (CONFIDENT, MOST_DOUBTED)):
        share = np.count_nonzero(scores < threshold) / len(scores)
        if share > most:
            middle = f"(median {np.median(scores):.2g}): {REMEDY}"
            detail = f"{share:.0%} of the body points score below {threshold} {middle}"
            return (Note(LOW, detail),)
    return ()


def _placed_scores(people: Sequence[Person]) -> Float[np.ndarray, " points"]:
    """Of all body points that have a place. Faces and hands are doubted by good detectors, too."""
    scores = np.concatenate([person.keypoints[names.BODY, 2] for person in people])
    return scores[scores > 0]
