"""Work in pieces: what each gets, that the answers are those of the whole, and what the process is
left with.
"""

from __future__ import annotations

import dataclasses

import pytest
import torch
from cases import camera, decoder, embedded_body, noisy_keypoints, preset, random_state

from smplifyx.body import skinning
from smplifyx.core import threads
from smplifyx.fitting.fit import fit

CPU = torch.device("cpu")


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
def test_pieces_are_even_and_cover_all_rows(two_threads, count, expected):
    found = threads.pieces(count, CPU)
    sizes = [piece.stop - piece.start for piece in found]
    assert [row for piece in found for row in range(piece.start, piece.stop)] == list(range(count))
    assert len(found) == expected and max(sizes) - min(sizes) <= 1 and max(sizes) <= threads.CHUNK


def test_answers_come_in_order_and_threads_are_as_before(two_threads):
    pieces = [slice(i, i + 1) for i in range(5)]
    assert threads.side_by_side(
        lambda piece: (piece.start, torch.get_num_threads()), pieces, CPU
    ) == [(i, 1) for i in range(5)]
    assert torch.get_num_threads() == 2


def test_an_error_in_a_piece_reaches_the_caller(two_threads):
    def work(piece: slice) -> int:
        return 1 // piece.start

    with pytest.raises(ZeroDivisionError):
        threads.side_by_side(work, [slice(0, 1), slice(1, 2)], CPU)
    assert torch.get_num_threads() == 2


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
