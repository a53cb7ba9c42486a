"""What training knows of each kind of prior: the poses it gets, the loss it states, the file it
writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class PoseSet:
    """Poses and how often each is to be seen.

    `rotations` are parent-frame rotation matrices of the 21 body joints, float32; `weights` sum to
    1.
    """

    rotations: Float[Tensor, "poses 21 3 3"]
    weights: Float[Tensor, " poses"]

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 21 3 3"]:
        """So many poses by their weights, with replacement."""
        drawn = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        return self.rotations[drawn]


@runtime_checkable
class Augment(Protocol):
    """Fills what the recordings hold still: poses in, moved poses out.

    CPU tensors, random by `generator` alone.
    """

    def __call__(
        self, poses: Float[Tensor, "batch 21 3 3"], generator: torch.Generator
    ) -> Float[Tensor, "batch 21 3 3"]:
        """The poses, moved."""
        ...


@dataclass(frozen=True, eq=False)
class Material:
    """What a prior is made from.

    `training` and `validation` come from different subjects and are not augmented; the batches that
    a trainee's `loss` gets were drawn from `training` and went through `augment`. `rest_joints` are
    metres.
    """

    training: PoseSet
    validation: PoseSet
    augment: Augment
    rest_joints: Float[Tensor, "22 3"]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: Adam whose rate falls from `rate` to zero along half a cosine over all
    steps.

    An epoch draws as many poses as the training set has. `minutes` (None: no limit) ends the run
    earlier, the rate falling in time; the result then depends on the machine. `clip` bounds the
    gradient's norm.
    """

    epochs: int
    batch: int = 256
    rate: float = 1e-3
    weight_decay: float = 0.0
    clip: float = 1.0
    minutes: float | None = None
    seed: int = 0


@dataclass(frozen=True)
class Description:
    """What the card says of a file besides source, licence and figures: what it is, and what its
    fields hold.
    """

    what: str
    fields: Mapping[str, str]
    settings: Mapping[str, object]


@runtime_checkable
class Product(Protocol):
    """A prior that can be judged and written."""

    def validate(self, poses: Float[Tensor, "poses 21 3 3"]) -> dict[str, float]:
        """Named figures on poses of other subjects, the same at every call; the curve draws each.

        A product that is trained by steps names its loss "loss".
        """
        ...

    def export(self, out: Path, history: History) -> Path:
        """Write the prior at `out` (a file, or a folder) and return the file with the numbers."""
        ...

    def describe(self) -> Description:
        """For the card."""
        ...


@runtime_checkable
class Reconstructs(Protocol):
    """A prior whose latent cannot express every pose."""

    def reconstruct(self, poses: Float[Tensor, "poses 21 3 3"]) -> Float[Tensor, "poses 21 3 3"]:
        """The poses after they went through the latent."""
        ...


@runtime_checkable
class Trainee(Product, Protocol):
    """A prior in training; it may take statistics from the `Material` when it is made (as buffers
    of `module`).

    Everything that a resumed run needs lies in `module.state_dict()`. The loop calls
    `module.train()` before `loss` and `module.eval()` under `no_grad` before `validate`; batches
    are on the module's device.
    """

    @property
    def module(self) -> nn.Module:
        """The network."""
        ...

    def loss(
        self, poses: Float[Tensor, "batch 21 3 3"], progress: float, generator: torch.Generator
    ) -> Float[Tensor, ""]:
        """What is minimised on a batch of augmented poses; `progress` runs from 0 to 1, `generator`
        is on the CPU.
        """
        ...


@dataclass(frozen=True)
class Epoch:
    """The figures after one epoch: mean training loss, and those of `Trainee.validate`."""

    index: int
    train_loss: float
    validation: dict[str, float]


History = tuple[Epoch, ...]
