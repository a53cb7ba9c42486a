"""What a term sees, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..camera import Camera
from ..core.bundle import Bundle


@dataclass(frozen=True)
class Observation(Bundle):
    """What was seen of each person: per-row data that the terms compare the body with.

    The data term's residual is `gain * GMoF((projected - target) / unit, rho)`; a gain of 0 means
    unseen.
    """

    camera: Camera
    target: Float[Tensor, "*batch p 2"]  # pixels
    gain: Float[Tensor, "*batch p"]
    unit: Float[Tensor, "*batch p"]  # pixels
    rho: Float[Tensor, "*batch p"]  # units
    depth: Float[Tensor, "*batch"]  # metres: the first guess
    height: Float[Tensor, "*batch"]  # metres: the person's stature, NaN where it is not known
    candidates: Int[
        Tensor, "*batch n m"
    ]  # a collision sphere and those it may meet, n times; itself where there are fewer


class Inputs(Mapping[str, Tensor]):
    """Tensors by name, some of them made only when somebody asks for them."""

    def __init__(
        self, known: Mapping[str, Tensor], made: Mapping[str, Callable[[], Tensor]]
    ) -> None:
        """made: how to make those that are not known."""
        self._known, self._made = dict(known), made

    def __getitem__(self, name: str) -> Tensor:
        """The tensor of that name."""
        if name not in self._known:
            self._known[name] = self._made[name]()
        return self._known[name]

    def also(self, known: Mapping[str, Tensor], made: Mapping[str, Callable[[], Tensor]]) -> Inputs:
        """These and more."""
        return Inputs({**self._known, **known}, {**self._made, **made})

    def rows(self, index: Int[Tensor, " kept"]) -> Inputs:
        """Those of some people."""
        known = {name: value.index_select(0, index) for name, value in self._known.items()}
        later = {
            name: partial(lambda name: self[name].index_select(0, index), name)
            for name in self._made
        }
        return Inputs(known, later)

    def __iter__(self) -> Iterator[str]:
        """All names."""
        return iter({**self._known, **self._made})

    def __len__(self) -> int:
        """How many there are."""
        return len({**self._known, **self._made})


@dataclass(frozen=True)
class Scene:
    """One evaluation, rows along the first axis. `inputs` holds everything a slope may be taken of:

    `points` [b, p, 3] in the camera's frame; `body_pose` [b, 63], `left_hand_pose`,
    `right_hand_pose` [b, 45] as axis-angle; `up` [b, 3] the direction of the pelvis' y axis in the
    camera's frame; `spheres` [b, s, 4] centre and radius of the body's collision spheres, `transl`
    not added; and the unknowns by the name of their `config.Block`.
    """

    inputs: Mapping[str, Tensor]
    observation: Observation

    def __getitem__(self, name: str) -> Tensor:
        return self.inputs[name]

    def rows(self, index: Int[Tensor, " kept"]) -> Scene:
        """The same for some people; for scenes whose `inputs` are `Inputs`."""
        return Scene(self.inputs.rows(index), self.observation[index])


@dataclass(frozen=True)
class Slopes:
    """Linearised rows: the energy's gradient is exactly `2 wrt^T rows`, its curvature about `2
    wrt^T wrt`.

    wrt[name]: [b, r, d] or, shared by the batch, [r, d]; for `points` also [b, p, k, 3] where row
    (p, k) sees point p alone; `Picked` where each row sees one coordinate alone; `Chosen`; for
    `spheres` also `OnSpheres`.
    """

    rows: Float[Tensor, "b r"]
    wrt: Mapping[str, Tensor | Picked | Chosen | OnSpheres]

    def scaled(self, factor: float) -> Slopes:
        """Those of the rows times `factor`."""
        return Slopes(
            self.rows * factor, {name: slope * factor for name, slope in self.wrt.items()}
        )


@dataclass(frozen=True, eq=False)
class Picked:
    """Slopes of rows that see one coordinate each: row i of person b sees coordinate at[i] with
    slope[b, i].
    """

    at: Int[Tensor, " r"]
    slope: Float[Tensor, "b r"]

    def __mul__(self, factor: float) -> Picked:
        """The slopes of the rows times `factor`."""
        return Picked(self.at, self.slope * factor)

    def dense(self, width: int) -> Float[Tensor, "b r d"]:
        """The same for all `width` coordinates."""
        # one_hot would wait for the device
        picks = self.at[:, None] == torch.arange(width, device=self.at.device)
        return self.slope[..., None] * picks


@dataclass(frozen=True, eq=False)
class Chosen:
    """Slopes that are one of few constant matrices for each person: factor * matrices[which[b]]."""

    matrices: Float[Tensor, "k r d"]
    which: Int[Tensor, " b"]
    factor: float = 1.0

    def __mul__(self, factor: float) -> Chosen:
        """The slopes of the rows times `factor`."""
        return Chosen(self.matrices, self.which, self.factor * factor)

    def dense(self) -> Float[Tensor, "b r d"]:
        """The same, written out."""
        return self.factor * self.matrices[self.which]


@dataclass(frozen=True, eq=False)
class OnSpheres:
    """Slopes of rows that see a few spheres each: row r of person b sees its e-th, at[b, r, e],
    with pull[b, r, e].
    """

    at: Int[Tensor, "b r e"]
    pull: Float[Tensor, "b r e 4"]  # along the centre's three coordinates and the radius

    def __mul__(self, factor: float) -> OnSpheres:
        """The slopes of the rows times `factor`."""
        return OnSpheres(self.at, self.pull * factor)

    @classmethod
    def of_dense(cls, slope: Float[Tensor, "b r n"]) -> OnSpheres:
        """Slopes [b, r, 4 s] of rows that may see all s spheres."""
        pull = slope.unflatten(-1, (-1, 4))
        return cls(torch.arange(pull.shape[2], device=slope.device).expand(pull.shape[:3]), pull)


@dataclass(frozen=True)
class Rows:
    """The residual of a term, its square sum the energy, and its slopes when they have a closed
    form.
    """

    residual: Float[Tensor, "b r"]
    slopes: Callable[[], Slopes] | None = None


Term = Callable[[Scene], Rows]
