"""The kinds of evidence that results keep: a new one adds its line here."""

from __future__ import annotations

from .evidence import SavedEvidence
from .height import KnownHeight

KINDS: tuple[type[SavedEvidence], ...] = (KnownHeight,)
