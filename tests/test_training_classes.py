"""Rare poses told apart, and what a latent keeps of a turn."""

from __future__ import annotations

import pytest
import torch

from smplifyx.core import rotations
from smplifyx.training.classes import TURNS, PoseClass, classify, kept_turns
from smplifyx.training.fill import JOINTS
from smplifyx.training.skeleton import resting_joints

REST = torch.from_numpy(resting_joints()[:22]).float()


CLASSES = {
    PoseClass.STANDING: {"left_shoulder": (0, 0, -1.2), "right_shoulder": (0, 0, 1.2)},
    PoseClass.SITTING: {"left_hip": (-1.5, 0, 0), "right_hip": (-1.5, 0, 0), "left_knee": (1.5, 0, 0),
                        "right_knee": (1.5, 0, 0)},
    PoseClass.CROUCHING: {"left_hip": (-1.9, 0, 0), "right_hip": (-1.9, 0, 0), "left_knee": (2.3, 0, 0),
                          "right_knee": (2.3, 0, 0)},
    PoseClass.ARMS_OVERHEAD: {"left_shoulder": (0, 0, 1.3), "right_shoulder": (0, 0, -1.3)},
}  # fmt: skip


@pytest.mark.parametrize("wanted", CLASSES)
def test_classes(wanted: PoseClass) -> None:
    angles = torch.zeros(1, 21, 3)
    for joint, value in CLASSES[wanted].items():
        angles[0, JOINTS.index(joint)] = torch.tensor(value, dtype=torch.float32)
    found = {
        kind for kind, member in classify(rotations.exp(angles), REST).items() if bool(member[0])
    }
    assert found == {wanted} or (
        wanted is PoseClass.SITTING and found == {wanted, PoseClass.CROUCHING}
    )


class Half:
    """A prior that turns every joint half as far."""

    def reconstruct(self, rotation: torch.Tensor) -> torch.Tensor:
        return rotations.exp(rotations.log(rotation) / 2)


def test_kept_turns_measure_what_is_left() -> None:
    poses = torch.eye(3).expand(4, 21, 3, 3)
    assert kept_turns(Half(), poses) == pytest.approx(dict.fromkeys(TURNS, 0.5), abs=1e-4)
