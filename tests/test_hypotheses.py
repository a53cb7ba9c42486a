"""Which hypotheses count as one."""

from __future__ import annotations

import pytest
import torch
from cases import random_state

from smplifyx.fitting.hypotheses import Hypotheses


def hypotheses_at(places: list[float], energies: list[float], valid: list[bool]) -> Hypotheses:
    """One person whose hypotheses have two joints, the second at these places along x."""
    joints = torch.zeros(1, len(places), 2, 3)
    joints[0, :, 1, 0] = torch.tensor(places)
    energy = torch.tensor([energies])
    number = torch.arange(len(places))[None]
    state = random_state(len(places), dtype=torch.float32)[None]
    return Hypotheses(
        state=state,
        person=torch.zeros_like(number),
        index=number,
        valid=torch.tensor([valid]),
        steps=number,
        energy=energy,
        by_term=energy[..., None],
        joints=joints,
        points=joints[:, :, :1].expand(-1, -1, 25, -1),
    )


@pytest.mark.parametrize(
    ("places", "valid", "kept"),
    [
        ([0.0, 0.01, 0.5], [True, True, True], [0, 2]),
        # the third is near the second only, which is out
        ([0.0, 0.03, 0.06], [True, True, True], [0, 2]),
        ([0.0, 0.0, 0.0], [True, True, True], [0]),
        ([0.0, 0.1, 0.2], [True, True, False], [0, 1]),
        ([0.0, 0.0, 0.3], [False, True, True], [1, 2]),
    ],
)
def test_of_bodies_nearer_than_the_radius_the_best_goes_on(places, valid, kept) -> None:
    found = hypotheses_at(places, [1.0, 2.0, 3.0], valid).distinct(0.02)
    assert found.index[found.valid].tolist() == kept
    assert found.energy[0, len(kept) :].isinf().all()
