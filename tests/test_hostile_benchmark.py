"""Untrusted files by the thousand: what `benchmarks.hostile` tries, seeded, in CI."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.hostile import TARGETS, Seed, Target, inputs, run, void

COUNT = 2000


@pytest.fixture(scope="module")
def tallies():
    return run(COUNT, seed=1)


@pytest.mark.parametrize("kind", [target.name for target in TARGETS])
def test_nothing_escapes_from_a_reader(tallies, kind):
    tally = tallies[kind]
    assert tally.tried == COUNT // len(TARGETS) and not tally.escapes
    # damage that no file survives would try the first lines of a reader alone
    assert tally.read and tally.refused
    assert tally.growth < 400  # MiB; files are of a few kilobytes, bodies of two megabytes


def test_nothing_is_executed_connected_or_written_elsewhere(tallies):
    assert not tallies["executed"].escapes


def test_the_same_seed_damages_alike_and_another_otherwise():
    first, again, other = (list(inputs(TARGETS[0], 20, seed)) for seed in (3, 3, 4))
    assert first == again and first != other


def test_the_harness_sees_what_it_is_for(monkeypatch, tmp_path):
    """A reader that raises, one that is chatty, and one that writes where it should not."""

    def careless(path: Path) -> None:
        (tmp_path / "elsewhere").write_text("x")
        raise KeyError(path) if path.stat().st_size % 2 else ValueError("two\nlines")

    odd = Target("odd", lambda: [Seed("a.json", b'{"a": 1234}')], careless, (ValueError,))
    monkeypatch.setattr("benchmarks.hostile.TARGETS", (odd,))
    monkeypatch.setattr("benchmarks.hostile._warm", void)
    found = run(40, seed=0)
    assert len(found["odd"].escapes) == 40
    assert any("KeyError" in escape for escape in found["odd"].escapes)
    assert any("written" in event for event in found["executed"].escapes)
