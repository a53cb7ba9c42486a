"""Work in pieces: what each gets, that the answers are those of the whole, and what the process is
left with.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from cases import camera, decoder, embedded_body, noisy_keypoints, preset, random_state

from smplifyx.body import skinning
from smplifyx.core import threads
from smplifyx.fitting.fit import fit

CPU = torch.device("cpu")
ROOT = Path(__file__).parent.parent


@pytest.fixture
def two_threads():
    """The process as with two cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, 1), (1, 1), (64, 1), (127, 1), (128, 2), (512, 2), (513, 2), (1025, 4), (10_000, 20)],
)
def test_pieces_are_even_and_cover_all_rows(count, expected):
    found = threads.pieces(count, CPU, 2)
    sizes = [piece.stop - piece.start for piece in found]
    assert [row for piece in found for row in range(piece.start, piece.stop)] == list(range(count))
    assert len(found) == expected and max(sizes) - min(sizes) <= 1 and max(sizes) <= threads.CHUNK


@pytest.mark.parametrize(
    ("count", "number", "sizes"), [(1, 0, [1]), (64, 2, [32, 32]), (5, 2, [2, 3]), (2, 3, [1, 1])]
)
def test_even_pieces(count: int, number: int, sizes: list[int]) -> None:
    pieces = threads.even(count, number)
    assert [piece.stop - piece.start for piece in pieces] == sizes and pieces[-1].stop == count


def test_answers_come_in_order_and_threads_are_as_before(two_threads):
    pieces = [slice(i, i + 1) for i in range(5)]
    with threads.one_thread_per_operation(CPU) as count:
        answers = threads.side_by_side(
            lambda piece: (piece.start, torch.get_num_threads()), pieces, count
        )
    assert answers == [(i, 1) for i in range(5)]
    assert torch.get_num_threads() == 2


def test_an_error_in_a_piece_reaches_the_caller(two_threads):
    def work(piece: slice) -> int:
        return 1 // piece.start

    with pytest.raises(ZeroDivisionError), threads.one_thread_per_operation(CPU) as count:
        threads.side_by_side(work, [slice(0, 1), slice(1, 2)], count)
    assert torch.get_num_threads() == 2


def test_the_outermost_block_chooses_for_all_threads(two_threads):
    """Other threads, too, get its choice, and change nothing."""

    def count_in_a_block(_: slice) -> tuple[int, int, int]:
        with threads.one_thread_per_operation(CPU) as count:
            return count, torch.get_num_threads(), threads.threads_at_once()

    assert threads.threads_at_once() == 2
    with threads.one_thread_per_operation(CPU) as count:
        with threads.one_thread_per_operation(CPU) as inner:
            assert (count, inner) == (2, 2)
        assert torch.get_num_threads() == 1
        found = threads.side_by_side(count_in_a_block, [slice(0, 1), slice(1, 2)], count)
        assert found == [(2, 1, 2)] * 2 and torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


def test_a_thread_that_torch_knew_before_works_with_one_as_well(two_threads):
    """Torch keeps its count by thread: another thread may still have the old one."""
    entered = threading.Event()

    def work() -> list[int]:
        assert torch.get_num_threads() == 2  # torch knows this thread now
        entered.wait(20)
        return threads.side_by_side(lambda _: torch.get_num_threads(), [slice(0, 1)], 2)

    with ThreadPoolExecutor(1) as other:
        found = other.submit(work)
        time.sleep(0.1)
        with threads.one_thread_per_operation(CPU):
            entered.set()
            assert found.result() == [1]


def test_nothing_is_changed_for_another_device(two_threads):
    with threads.one_thread_per_operation(torch.device("meta")) as count:
        assert count == 1 and torch.get_num_threads() == 2


def test_an_import_of_the_library_changes_no_environment():
    script = (
        "import os; before = dict(os.environ); import smplifyx; smplifyx.fit; "
        "print(dict(os.environ) == before)"
    )
    environment = {name: value for name, value in os.environ.items() if "OMP" not in name}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout == "True\n", done.stderr


def test_the_command_chooses_how_threads_wait_before_torch_is_there():
    script = (
        "import os, sys, smplifyx; assert 'torch' not in sys.modules; "
        "import smplifyx.cli; print(os.environ['OMP_WAIT_POLICY'])"
    )
    for own in ({}, {"OMP_WAIT_POLICY": "ACTIVE"}):
        environment = {name: value for name, value in os.environ.items() if "OMP" not in name}
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=environment | own,
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.stdout.strip() == own.get("OMP_WAIT_POLICY", "PASSIVE"), done.stderr


def test_a_fit_in_pieces_is_that_of_the_whole_to_the_bit(two_threads, monkeypatch):
    body, count = embedded_body(torch.float32), 5
    cameras = camera(count, torch.float32)
    truth = decoder(torch.float32).params(random_state(count, spread=0.15, dtype=torch.float32))
    seen = noisy_keypoints(cameras.project(skinning.points(body, truth)), noise=2.0)
    config = preset()
    few = tuple(
        s.model_copy(update={"solver": s.solver.model_copy(update={"max_steps": 3})})
        for s in config.stages
    )
    config = config.model_copy(update={"stages": few})
    monkeypatch.setattr(threads, "CHUNK", 2)
    in_pieces = fit(seen, cameras, body, config)
    monkeypatch.setattr(threads, "CHUNK", 100)
    monkeypatch.setattr(threads, "LEAST", 100)
    whole = fit(seen, cameras, body, config)
    for field in dataclasses.fields(whole.params):
        assert torch.equal(
            getattr(in_pieces.params, field.name), getattr(whole.params, field.name)
        ), field.name
    assert torch.equal(in_pieces.hypothesis_energies, whole.hypothesis_energies)
    assert in_pieces.energies.keys() == whole.energies.keys()
