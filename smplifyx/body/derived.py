"""What is worked out of a body once and kept by it: it dies with the body, and nobody else knows it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from .model import BodyModel

Made = TypeVar("Made")
_LOCK = threading.RLock()  # bodies are used by several threads; what is made may ask for more


def derived(body: BodyModel, make: Callable[..., Made], *arguments: Hashable) -> Made:
    """`make(body, *arguments)`, worked out when first asked for and kept by the body object.

    A copy of the body (`to`, `sized`, `dataclasses.replace`) keeps nothing of it.
    """
    kept: dict[Any, Any] = body.__dict__.setdefault("_derived", {})
    key = (make, arguments)
    if key not in kept:
        with _LOCK:
            if key not in kept:
                kept[key] = make(body, *arguments)
    return kept[key]
