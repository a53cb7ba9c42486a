"""The benchmark of gates: curves of kept share against error, and keypoints as photos spoil them."""

from __future__ import annotations

import pytest
import torch
from test_gates import told

from benchmarks.damage import ARMS, BELOW, KINDS, damaged, points_of
from benchmarks.gates import Curve, Judged, below_peers
from smplifyx.gates.facts import GateFacts
from smplifyx.gates.gate import DEFAULT, Gate, GateTest
from smplifyx.gates.measures import Measure
from smplifyx.keypoints import Keypoints, names


def people(count: int) -> Keypoints:
    generator = torch.Generator().manual_seed(1)
    xy = 1000 * torch.rand(count, names.COUNT, 2, generator=generator)
    return Keypoints.from_array(torch.cat([xy, torch.full((count, names.COUNT, 1), 0.9)], -1))


def test_a_score_that_knows_the_error_has_the_lowest_curve() -> None:
    error = torch.tensor([40.0, 200.0, 10.0, 30.0])
    truth, chance = Curve.by_score(-error, error), Curve.by_score(torch.zeros(4), error)
    assert truth.risk.tolist() == pytest.approx([10, 20, 80 / 3, 70])
    assert truth.at(0.5) == (20.0, 0.0) and truth.at(1.0) == (70.0, 0.25)
    assert (truth.risk <= chance.risk + 1e-9).all() and chance.at(1.0) == truth.at(1.0)


def test_a_gate_is_compared_as_it_stands_and_at_equal_shares() -> None:
    result = told(4)
    facts = GateFacts.of(result).replace(shape_sd=torch.tensor([1.0, 2.0, 3.0, 4.0]))
    error = torch.tensor([10.0, 20.0, 30.0, 140.0])

    def gate(**bounds: float) -> Gate:
        test = GateTest(part="body", measure=Measure.SHAPE_SD, **bounds)
        return Gate(summary="s", source="t", tests=(test,))

    people = Judged(facts, error)
    ours, peer = Curve.of(gate(at_most=2), people), Curve.of(gate(at_least=3), people)
    assert ours.kept.tolist() == [True, True, False, False]
    assert ours.row(error)["error of the kept"] == 15 and peer.row(error)["> 100 mm"] == 0.5
    below = below_peers({DEFAULT: ours, "peer": peer}, error, ["peer"])
    assert below["at 50%"] == below["as peer stands"] == 70


def test_every_kind_of_damage_is_what_it_says() -> None:
    before = people(200)
    after, kinds = damaged(before, seed=0)
    assert torch.equal(damaged(before, seed=0)[0].xy, after.xy)
    assert set(kinds.tolist()) == set(range(len(KINDS)))
    below = points_of(BELOW)
    for number in range(200):
        gone = (before.confidence[number] > 0) & (after.confidence[number] == 0)
        moved = (before.xy[number] != after.xy[number]).any(-1)
        kind = KINDS[int(kinds[number])]
        if kind == "cut at the hips":
            assert gone[below].all() and not moved.any() and gone.sum() == len(below)
        elif kind == "one half hidden":
            assert 0.3 < gone.float().mean() < 0.55 and not moved.any()
        elif kind == "a limb of somebody else":
            assert not gone.any() and 5 <= moved.sum() <= 23
        else:
            left = points_of(ARMS, "left") + points_of(("knee",), "left")
            assert moved[left].any() and not gone.any()
            assert torch.equal(before.xy[number].sort(0).values, after.xy[number].sort(0).values)
