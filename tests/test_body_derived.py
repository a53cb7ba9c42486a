"""What is worked out from a body: once, by the body, for as long as it lives; in any thread."""

from __future__ import annotations

import copy
import dataclasses
import gc
import pickle
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from cases import embedded_body

from smplifyx.body.model import BodyModel
from smplifyx.body.stature import stature_of
from smplifyx.collision.mesh.solid import solid_of
from smplifyx.collision.parts import parts_of
from smplifyx.collision.proxies.spheres import spheres_of

CALLS: list[tuple[BodyModel, tuple[object, ...]]] = []


class Value:
    """Something that can be referred to weakly."""


def counted(body: BodyModel, *arguments: object) -> Value:
    CALLS.append((body, arguments))
    time.sleep(0.02)
    return Value()


def from_others(body: BodyModel) -> tuple[Value, Value]:
    return body.derived(counted, 1), body.derived(counted, 2)


def failing(body: BodyModel) -> Value:
    CALLS.append((body, ()))
    raise RuntimeError("odd body")


@pytest.fixture
def body() -> BodyModel:
    """One that no other test has asked."""
    CALLS.clear()
    return dataclasses.replace(embedded_body())


def test_once_for_each_body_and_argument(body: BodyModel) -> None:
    other = dataclasses.replace(body)
    first = body.derived(counted, 1)
    assert body.derived(counted, 1) is first
    assert body.derived(counted, 2) is not first and other.derived(counted, 1) is not first
    assert len(CALLS) == 3


def test_once_in_many_threads_and_from_within(body: BodyModel) -> None:
    ready = threading.Barrier(6)

    def ask(_: int) -> tuple[Value, Value]:
        ready.wait()
        return body.derived(from_others)

    with ThreadPoolExecutor(6) as pool:
        found = set(pool.map(ask, range(6)))
    assert len(found) == 1 and len(CALLS) == 2


def test_a_failure_is_not_kept(body: BodyModel) -> None:
    for _ in range(2):
        with pytest.raises(RuntimeError, match="odd body"):
            body.derived(failing)
    assert len(CALLS) == 2


COPIES = {
    "replace": dataclasses.replace,
    "to": lambda body: body.to(dtype=body.v_template.dtype),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda body: pickle.loads(pickle.dumps(body)),
}


@pytest.mark.parametrize("how", COPIES)
def test_copies_start_without(how: str, body: BodyModel) -> None:
    first, joints = body.derived(counted), body.joint_template
    other = COPIES[how](body)
    assert other.derived(counted) is not first and len(CALLS) == 2
    assert "joint_template" not in COPIES[how](body).__dict__
    assert torch.equal(other.joint_template, joints) and torch.equal(other.weights, body.weights)
    assert body.derived(counted) is first


class Holder:
    """A value that knows its body, which is a cycle."""

    def __init__(self, body: BodyModel) -> None:
        self.body = body


def test_a_body_without_other_references_dies_with_its_values() -> None:
    body = dataclasses.replace(embedded_body())
    value, cut, whole = (
        weakref.ref(body.derived(Holder)),
        weakref.ref(body.sized(3, 2)),
        weakref.ref(body),
    )
    assert cut() is body.sized(3, 2)
    del body
    gc.collect()
    assert value() is None and cut() is None and whole() is None


def test_sized_is_the_same_object_every_time(body: BodyModel) -> None:
    assert body.sized(10, 10) is body and body.sized(99, 99) is body
    cut = body.sized(4, 3)
    assert cut.shapedirs.shape[-1] == 4 and cut.expressiondirs.shape[-1] == 3
    assert body.sized(4, 3) is cut and cut.sized(4, 3) is cut
    assert body.sized(4, 99) is body.sized(4, 10) is not cut
    assert stature_of(body.sized(4, 3)) is stature_of(cut)


@pytest.mark.parametrize("function", [parts_of, solid_of, spheres_of, stature_of])
def test_what_others_derive_is_one_object(function: Callable[[BodyModel], object]) -> None:
    assert function(embedded_body()) is function(embedded_body())


def test_what_others_derive_is_of_one_body(body: BodyModel) -> None:
    assert parts_of(body) is not parts_of(embedded_body())
    assert torch.equal(parts_of(body).held_apart, parts_of(embedded_body()).held_apart)
