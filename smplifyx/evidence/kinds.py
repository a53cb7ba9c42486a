"""The kinds of evidence that results keep: a new one adds its line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from ..core.bundle import Bundle
from .evidence import SavedEvidence
from .height import KnownHeight

KINDS: tuple[type[SavedEvidence], ...] = (KnownHeight,)
FACTS = tuple(word for kind in KINDS for word in kind.facts())


def of_facts(facts: Mapping[str, object]) -> tuple[Bundle, ...]:
    """One person's evidence of each of these kinds, from what is said of them by word.

    Raises ValueError for a value that cannot be.
    """
    return tuple(cast(Bundle, kind.from_facts(facts)) for kind in KINDS)
