"""The bodies of a process that draws: loaded once, sent as paths, and gone with their owner."""

from __future__ import annotations

import gc
import pickle
import weakref
from pathlib import Path

from smplifyx.body.model import Age, Gender
from smplifyx.jobs.pictures.body_shelf import BodyShelf


def test_a_body_is_loaded_once() -> None:
    shelf = BodyShelf()
    assert shelf.of(Gender.NEUTRAL, Age.ADULT) is shelf.of(Gender.NEUTRAL, Age.ADULT)


def test_bodies_go_with_the_shelf() -> None:
    shelf = BodyShelf()
    body = weakref.ref(shelf.of(Gender.NEUTRAL, Age.ADULT))
    del shelf
    gc.collect()
    assert body() is None


def test_what_is_sent_is_small_and_comes_back_as_the_one_shelf_of_the_process() -> None:
    sent = BodyShelf()
    sent.of(Gender.NEUTRAL, Age.ADULT)
    data = pickle.dumps(sent)
    assert len(data) < 500
    received = pickle.loads(data)
    assert received is not sent and pickle.loads(data) is received


def test_another_job_gets_another_shelf() -> None:
    first = pickle.loads(pickle.dumps(BodyShelf()))
    other = pickle.loads(pickle.dumps(BodyShelf(Path("models"))))
    assert other is not first and other.model == Path("models")
