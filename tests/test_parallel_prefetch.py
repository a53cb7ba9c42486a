"""Reading ahead in a thread: bounded, in order, and stopped with its consumer."""

from __future__ import annotations

import threading
import time
from itertools import islice

import pytest

from smplifyx.parallel.prefetch import prefetch


def test_reading_runs_ahead_by_no_more_than_its_depth_and_stops_with_its_consumer():
    made, closed = [], threading.Event()

    def items():
        try:
            for i in range(1000):
                made.append(i)
                yield i
        finally:
            closed.set()

    stream = prefetch(items(), depth=4)
    assert list(islice(stream, 3)) == [0, 1, 2]
    time.sleep(0.05)  # let it run ahead as far as it will
    assert 3 < len(made) <= 3 + 4 + 1
    stream.close()
    assert (
        len(made) <= 3 + 4 + 1
        and closed.is_set()
        and not any(t.name == "prefetch" for t in threading.enumerate())
    )


def test_an_error_while_reading_ahead_reaches_the_consumer_in_its_place():
    def items():
        yield 1
        yield 2
        raise OSError("the disk is gone")

    stream = prefetch(items(), depth=8)
    assert [next(stream), next(stream)] == [1, 2]
    with pytest.raises(OSError, match="the disk is gone"):
        next(stream)


@pytest.mark.parametrize("count", [0, 1, 50])
def test_reading_ahead_changes_nothing(count):
    assert list(prefetch(iter(range(count)), depth=3)) == list(range(count))
