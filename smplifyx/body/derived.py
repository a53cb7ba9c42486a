"""What is worked out from a body model: made once for a body, kept by it, gone with it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

T = TypeVar("T")


class DerivedValues:
    """The values worked out from one body, by the function that made them and its arguments.

    Lifetime: a body owns its store, nothing else holds it. So a value lives exactly as long as its
    body, and no value is ever of another body.

    Threads: a value is made by the first thread that asks, under the lock of the store, while the
    others wait. The lock is reentrant, since values are made from values (spheres from parts). What
    makes a value must not wait for another thread that asks for a value of the same body.
    """

    def __init__(self) -> None:
        self._values: dict[tuple[Hashable, ...], object] = {}
        self._lock = threading.RLock()

    def value(self, key: tuple[Hashable, ...], make: Callable[[], T]) -> T:
        """The value of this key; made the first time. Where making fails, nothing is kept."""
        with self._lock:
            if key not in self._values:
                self._values[key] = make()
            # a key begins with the function that made its value, so the type is the function's
            return cast(T, self._values[key])
