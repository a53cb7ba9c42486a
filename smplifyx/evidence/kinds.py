"""The kinds of evidence that results keep: a new one adds its line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np

from ..core.bundle import Bundle
from .evidence import SavedEvidence
from .height import KnownHeight
from .pose_estimate import PoseEstimate
from .views import Views

# everybody's, told in a word and a number; nothing is known where nothing is said
KINDS: tuple[type[SavedEvidence], ...] = (KnownHeight,)
# of those alone who have a file of it
OF_FILES: tuple[type[SavedEvidence], ...] = (PoseEstimate, Views)
FACTS = tuple(word for kind in KINDS for word in kind.facts())


def of_facts(facts: Mapping[str, object]) -> tuple[Bundle, ...]:
    """One person's evidence of each of these kinds, from what is said of them by word.

    Raises ValueError for a value that cannot be.
    """
    return tuple(cast(Bundle, kind.from_facts(facts)) for kind in KINDS)


def evidence_of(arrays: Mapping[str, np.ndarray]) -> dict[type, SavedEvidence]:
    """What a result file keeps, by kind."""
    found: dict[type, SavedEvidence] = {kind: kind.from_arrays(arrays) for kind in KINDS}
    for kind in OF_FILES:
        own = kind.from_arrays(arrays)
        if own.to_arrays():
            found[kind] = own
    return found
