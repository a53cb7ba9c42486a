"""How long tracks stay with one person: IDF1 (Ristani et al., Performance measures and a data set
for multi-target, multi-camera tracking, 2016).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment


@dataclass(frozen=True)
class IdentityScore:
    """Detections whose track is the one of their person (right), and how many belong to somebody
    (true) and to a track (tracked).
    """

    right: int
    true: int
    tracked: int

    @property
    def idf1(self) -> float:
        """2 right / (true + tracked), 0..1; 1 where there is nothing to be wrong about."""
        total = self.true + self.tracked
        return 2 * self.right / total if total else 1.0

    def __add__(self, other: IdentityScore) -> IdentityScore:
        """Of both clips together."""
        return IdentityScore(
            self.right + other.right, self.true + other.true, self.tracked + other.tracked
        )


def identity_score(
    labels: Iterable[tuple[Hashable | None, Hashable | None]],
) -> IdentityScore:
    """Of all detections of a clip, each with the person it is of and the track it is in.

    None: of nobody (a detector's mistake), in no track. Each person is given at most one track and
    each track to at most one person, so that as many detections as possible are right. People whom
    the detector did not see are not counted: that is not the tracker's.
    """
    counts = Counter(labels)
    people = list(dict.fromkeys(person for person, _ in counts if person is not None))
    tracks = list(dict.fromkeys(track for _, track in counts if track is not None))
    shared = np.array(
        [[counts[person, track] for track in tracks] for person in people], dtype=np.int64
    ).reshape(len(people), len(tracks))
    rows, columns = linear_sum_assignment(shared, maximize=True)
    return IdentityScore(
        right=int(shared[rows, columns].sum()),
        true=sum(count for (person, _), count in counts.items() if person is not None),
        tracked=sum(count for (_, track), count in counts.items() if track is not None),
    )
