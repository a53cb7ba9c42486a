"""Rows of an objective that are not independent: they share unknowns, move smoothly, or meet.

A coupling makes another objective of one or several. A row of the new one is a whole group: all
frames of a clip, all views of a person, all people of a photo. So the contract of solvers holds as
it is: groups are independent of each other, and any solver runs on them. Nothing here knows what a
row is about.

    Tied(problem, frames, shared)            the frames of a group share some unknowns
    Smooth(Tied(...), columns, weight)       and others move evenly from frame to frame
    Between(members, link, places)           groups of people, and residuals between them
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..core.bundle import Bundle
from ..solvers.contract import Evaluation, Objective, evaluate
from ..solvers.linear_systems import Arrow, BlockBanded, BlockDiagonal, Dense, Quadratic
from ..solvers.linear_systems.frame_blocks import sum_over_frames
from ..solvers.residual_objective import gradient_by_autograd

# ---- frames of groups


@dataclass(frozen=True)
class Frames(Bundle):
    """Which frames each group has. Groups of different lengths are padded to the longest, n.

    "Flat" tensors hold all frames that are there, group after group, in their order: the rows of
    the objective that is coupled. "Padded" ones are [groups, n, ...], zero where a frame is absent.
    """

    present: Bool[Tensor, "groups n"]  # of each group the first few

    @classmethod
    def of(cls, group: Int[Tensor, " rows"]) -> Frames:
        """From the group of each row; the rows of a group stand together, in their order in time.

        Raises ValueError where a group is torn apart.
        """
        if bool((group.diff() < 0).any()):
            raise ValueError("the rows of a group must stand together: sort them by their group")
        _, counts = torch.unique_consecutive(group, return_counts=True)
        longest = int(counts.max()) if len(counts) else 0
        return cls(torch.arange(longest, device=group.device) < counts[:, None])

    @property
    def longest(self) -> int:
        """How many frames the padded groups have."""
        return self.present.shape[1]

    @cached_property
    def places(self) -> Int[Tensor, " rows"]:
        """Where each flat frame stands among the padded frames of all groups."""
        return self.present.flatten().nonzero()[:, 0]

    def numbers(self, groups: Int[Tensor, " kept"]) -> Int[Tensor, " rows"]:
        """The flat frames of some groups, in the order of these."""
        number = self.present.flatten().cumsum(0).view(self.present.shape) - 1
        return number[groups][self.present[groups]]

    def padded(self, flat: Float[Tensor, "rows ..."]) -> Float[Tensor, "groups n ..."]:
        """Flat values as padded ones."""
        padded = flat.new_zeros(self.present.numel(), *flat.shape[1:])
        padded = padded.index_copy(0, self.places, flat)
        return padded.view(*self.present.shape, *flat.shape[1:])

    def flat(self, padded: Float[Tensor, "groups n ..."]) -> Float[Tensor, "rows ..."]:
        """Padded values as flat ones."""
        return padded.flatten(0, 1).index_select(0, self.places)

    def repeated(self, of_groups: Float[Tensor, "groups ..."]) -> Float[Tensor, "rows ..."]:
        """The value of its group for each flat frame."""
        group = self.places // max(self.longest, 1)
        return of_groups.index_select(0, group)

    def total(self, flat: Float[Tensor, "rows ..."]) -> Float[Tensor, "groups ..."]:
        """The sum over the frames of each group; who else is in the batch changes no bit of it."""
        return sum_over_frames(self.padded(flat))


# ---- shared unknowns


@dataclass(frozen=True)
class Tied:
    """The frames of a group share some unknowns: an `Objective` whose rows are the groups.

    Its energy is the sum of the frames'. Its unknowns [groups, s + n k] are the s shared ones, then
    the k others of every frame, zero for absent ones. One shape for the frames of a clip, or one
    body for several views. Memory is linear in the padded frames: put groups of like lengths into
    one batch. `shared` may be empty, for what `Smooth` adds.
    """

    objective: Objective  # its rows are the flat frames; its quadratics are `Dense`
    frames: Frames
    shared: tuple[int, ...]  # columns of the objective's x

    def join(self, x: Float[Tensor, "rows width"]) -> Float[Tensor, "groups dim"]:
        """The unknowns of groups from those of frames; shared ones are the mean of the frames."""
        shared, own = self._columns(x.shape[-1])
        count = self.frames.present.sum(1, keepdim=True)
        mean = self.frames.total(x[:, shared]) / count
        return torch.cat([mean, self.frames.padded(x[:, own]).flatten(1)], -1)

    def split(self, x: Float[Tensor, "groups dim"]) -> Float[Tensor, "rows width"]:
        """The unknowns of every frame, as the objective takes them."""
        shared, own = self._columns(self._width(x))
        of_groups = self.frames.repeated(x[:, : len(self.shared)])
        of_frames = self.frames.flat(self.own(x))
        # `both` holds the columns in the order (shared, own); put them back in their own order.
        both = torch.cat([of_groups, of_frames], -1)
        return both.index_select(-1, torch.argsort(torch.cat([shared, own])))

    def own(self, x: Float[Tensor, "groups dim"]) -> Float[Tensor, "groups n k"]:
        """The unknowns of each frame that are not shared, padded."""
        return x[:, len(self.shared) :].unflatten(1, (self.frames.longest, -1))

    def own_columns(self, columns: Sequence[int]) -> tuple[int, ...]:
        """Where columns of the objective's x stand among a frame's own unknowns.

        Raises ValueError for shared ones.
        """
        if both := set(columns) & set(self.shared):
            raise ValueError(f"columns {sorted(both)} are shared: they are the same in all frames")
        return tuple(column - sum(s < column for s in self.shared) for column in columns)

    def rows(self, index: Int[Tensor, " kept"]) -> Tied:
        """The same for some groups; they stay padded to the same length, as x is."""
        objective = self.objective.rows(self.frames.numbers(index))
        return Tied(objective, self.frames[index], self.shared)

    def energy(self, x: Float[Tensor, "groups dim"]) -> Float[Tensor, " groups"]:
        """The energy of each group."""
        return self.frames.total(self.objective.energy(self.split(x)))

    def gradient(
        self, x: Float[Tensor, "groups dim"]
    ) -> tuple[Float[Tensor, " groups"], Float[Tensor, "groups dim"]]:
        """The energy of each group and its gradient."""
        energy, gradient = self.objective.gradient(self.split(x))
        return self.frames.total(energy), self._joined_gradient(gradient, self.frames)

    def normal(self, x: Float[Tensor, "groups dim"]) -> tuple[Float[Tensor, " groups"], Arrow]:
        """The energy of each group, its gradient and its Hessian."""
        energy, quadratic = self.objective.normal(self.split(x))
        return self.frames.total(energy), self._arrow(quadratic, self.frames)

    def evaluate(self, x: Float[Tensor, "groups dim"]) -> Evaluation:
        """The energy of each group; the derivatives go on from what the objective worked out."""
        return self.evaluate_at(evaluate(self.objective, self.split(x)))

    def evaluate_at(self, found: Evaluation) -> Evaluation:
        """The same where the frames are evaluated already."""

        def linearised(groups: Tensor | None) -> Arrow:
            if groups is None:
                return self._arrow(found.linearised(None), self.frames)
            of_frames = found.linearised(self.frames.numbers(groups))
            return self._arrow(of_frames, self.frames[groups])

        return Evaluation(self.frames.total(found.energy), linearised)

    def _arrow(self, of_frames: Quadratic, frames: Frames) -> Arrow:
        """The quadratic of groups from that of their flat frames."""
        if not isinstance(of_frames, Dense):
            kind = type(of_frames).__name__
            raise TypeError(f"frames can be tied if each has a full Hessian, not {kind}")
        hessian = of_frames.hessian  # [rows, width, width]
        shared, own = self._columns(hessian.shape[-1])
        of_shared = hessian.index_select(1, shared)
        of_own = hessian.index_select(1, own)
        coupling = of_own.index_select(2, shared)
        blocks = of_own.index_select(2, own)
        return Arrow(
            gradient=self._joined_gradient(of_frames.gradient, frames),
            shared=frames.total(of_shared.index_select(2, shared)),
            coupling=frames.padded(coupling).flatten(1, 2),
            own=BlockDiagonal(frames.padded(blocks), frames.present),
        )

    def _joined_gradient(self, of_frames: Tensor, frames: Frames) -> Tensor:
        shared, own = self._columns(of_frames.shape[-1])
        of_shared = frames.total(of_frames[:, shared])
        return torch.cat([of_shared, frames.padded(of_frames[:, own]).flatten(1)], -1)

    def _width(self, x: Tensor) -> int:
        """How many unknowns the objective has, from those of a group."""
        count = len(self.shared)
        return count + (x.shape[-1] - count) // max(self.frames.longest, 1)

    def _columns(self, width: int) -> tuple[Tensor, Tensor]:
        """The shared columns of the objective's x, and the others."""
        device = self.frames.present.device
        own = [column for column in range(width) if column not in self.shared]
        return torch.tensor(self.shared, dtype=torch.int64, device=device), torch.tensor(
            own, dtype=torch.int64, device=device
        )


# ---- smooth motion


@dataclass(frozen=True)
class Smooth:
    """Frames of a group, in their order, that move evenly: an `Objective` whose rows are groups.

    Adds the squares of weight * (y[t + 2] - 2 y[t + 1] + y[t]) for the unknowns y in `columns`. The
    frames must be evenly spaced in time (begin another group at a gap), and the unknowns must mean
    the same in all of them: of an increment on a base, all frames need the same base. Second
    differences couple each frame with the two before it, so the Hessian has two bands of blocks.
    """

    tied: Tied
    columns: tuple[int, ...]  # of the objective's x; none of the shared ones
    weight: float | tuple[float, ...]  # of all columns, or of each

    def rows(self, index: Int[Tensor, " kept"]) -> Smooth:
        """The same for some groups."""
        return dataclasses.replace(self, tied=self.tied.rows(index))

    def energy(self, x: Float[Tensor, "groups dim"]) -> Float[Tensor, " groups"]:
        """The energy of each group."""
        return self.tied.energy(x) + self._own_energy(self._residual(x))

    def gradient(
        self, x: Float[Tensor, "groups dim"]
    ) -> tuple[Float[Tensor, " groups"], Float[Tensor, "groups dim"]]:
        """The energy of each group and its gradient."""
        energy, gradient = self.tied.gradient(x)
        residual = self._residual(x)
        return energy + self._own_energy(residual), gradient + self._own_gradient(residual, x)

    def normal(self, x: Float[Tensor, "groups dim"]) -> tuple[Float[Tensor, " groups"], Arrow]:
        """The energy of each group, its gradient and its Hessian."""
        energy, arrow = self.tied.normal(x)
        return energy + self._own_energy(self._residual(x)), self._with_bands(arrow, x)

    def evaluate(self, x: Float[Tensor, "groups dim"]) -> Evaluation:
        """The energy of each group; the derivatives go on from what the objective worked out."""
        return self.evaluate_at(x, evaluate(self.tied.objective, self.tied.split(x)))

    def evaluate_at(self, x: Float[Tensor, "groups dim"], frames: Evaluation) -> Evaluation:
        """The same where the frames are evaluated already."""
        found = self.tied.evaluate_at(frames)

        def linearised(groups: Tensor | None) -> Arrow:
            arrow = found.linearised(groups)
            if not isinstance(arrow, Arrow):
                raise TypeError(f"frames are tied by an Arrow, not by {type(arrow).__name__}")
            if groups is None:
                return self._with_bands(arrow, x)
            frames = dataclasses.replace(self.tied, frames=self.tied.frames[groups])
            some = dataclasses.replace(self, tied=frames)
            return some._with_bands(arrow, x[groups])

        return Evaluation(found.energy + self._own_energy(self._residual(x)), linearised)

    def _residual(self, x: Tensor) -> Tensor:
        """The weighted second differences [groups, n - 2, columns]; zero beyond a group's end."""
        moving = self.tied.own(x)[..., list(self._at)]
        differences = moving[:, 2:] - 2 * moving[:, 1:-1] + moving[:, :-2]
        weighted = self._weights(x) * differences
        return torch.where(self._known, weighted, 0.0)

    def _own_energy(self, residual: Tensor) -> Tensor:
        return sum_over_frames(residual.square().sum(-1))

    def _own_gradient(self, residual: Tensor, x: Tensor) -> Tensor:
        """[groups, dim]; each second difference pulls at three frames."""
        pull = 2 * self._weights(x) * residual
        moving = x.new_zeros(*self.tied.frames.present.shape, len(self.columns))
        moving[:, :-2] += pull
        moving[:, 1:-1] -= 2 * pull
        moving[:, 2:] += pull
        gradient = torch.zeros_like(x)
        self.tied.own(gradient)[..., list(self._at)] = moving  # a view of the gradient
        return gradient

    def _with_bands(self, arrow: Arrow, x: Tensor) -> Arrow:
        """The quadratic of the tied frames, and that of the second differences."""
        weights = self._weights(x)
        # of each second difference, along each column [groups, n - 2, columns]
        curvature = 2 * weights * weights * self._known
        blocks = arrow.own.blocks.clone()
        frames, dim = blocks.shape[1:3]
        at = list(self._at)

        # The outer products of (1, -2, 1), on the frames t, t + 1, t + 2 of each difference.
        diagonal = blocks.diagonal(dim1=-2, dim2=-1)[..., at]
        diagonal[:, :-2] += curvature
        diagonal[:, 1:-1] += 4 * curvature
        diagonal[:, 2:] += curvature
        blocks[..., at, at] = diagonal
        one_before = curvature.new_zeros(len(x), frames, len(at))
        one_before[:, 1:-1] -= 2 * curvature
        one_before[:, 2:] -= 2 * curvature
        two_before = curvature.new_zeros(len(x), frames, len(at))
        two_before[:, 2:] += curvature
        lower = blocks.new_zeros(len(x), frames, 2, dim, dim)
        lower[..., at, at] = torch.stack([one_before, two_before], 2)

        gradient = arrow.gradient + self._own_gradient(self._residual(x), x)
        own = BlockBanded(blocks, lower, arrow.own.present)
        return arrow.replace(gradient=gradient, own=own)

    @property
    def _known(self) -> Tensor:
        """Which second differences lie within their group [groups, n - 2, 1]."""
        return self.tied.frames.present[:, 2:, None]

    @cached_property
    def _at(self) -> tuple[int, ...]:
        """The columns among a frame's own unknowns."""
        return self.tied.own_columns(self.columns)

    def _weights(self, like: Tensor) -> Tensor:
        return torch.as_tensor(self.weight, dtype=like.dtype, device=like.device)


# ---- several objectives, and what lies between them

ViewType = TypeVar("ViewType", bound="ViewLike")
MemberType = TypeVar("MemberType", bound="Member")
# of what a link only takes, never gives
LinkedView = TypeVar("LinkedView", bound="ViewLike", contravariant=True)
LinkedMember = TypeVar("LinkedMember", bound="Member", contravariant=True)


@runtime_checkable
class ViewLike(Protocol):
    """What a member has worked out at its x, to be looked at by itself and by the link."""

    def rows(self: ViewType, index: Int[Tensor, " kept"]) -> ViewType:
        """The same for some rows."""
        ...


@runtime_checkable
class Member(Objective, Protocol[ViewType]):
    """An objective that shows what it worked out, so that nothing is worked out twice."""

    def rows(self: MemberType, index: Int[Tensor, " kept"]) -> MemberType:
        """The same for some rows."""
        ...

    def view(self, x: Float[Tensor, "batch own"]) -> ViewType:
        """What there is to see at x."""
        ...

    def evaluate_at(self, view: ViewType) -> Evaluation:
        """The evaluation there."""
        ...


@runtime_checkable
class Link(Protocol[LinkedMember, LinkedView]):
    """An energy between the members of each group."""

    def rows(self, index: Int[Tensor, " kept"]) -> Link[LinkedMember, LinkedView]:
        """The same for some groups."""
        ...

    def energy(self, views: Sequence[LinkedView]) -> Float[Tensor, " batch"]:
        """The energy, from what each member sees."""
        ...

    def linearised(
        self,
        x: Float[Tensor, "batch dim"],
        members: Sequence[LinkedMember],
        views: Sequence[LinkedView],
        places: Sequence[slice],
    ) -> Dense:
        """Its gradient and Hessian along the unknowns of all; places: each member's in x."""
        ...


@dataclass(frozen=True)
class Between(Generic[MemberType, ViewType]):
    """The energies of all members and one between them: an `Objective` whose rows are groups.

    Row i of each member belongs to group i. x [batch, dim] holds the unknowns of all members side
    by side. The Hessian is full: what lies between may couple any two members.
    """

    members: tuple[MemberType, ...]
    link: Link[MemberType, ViewType]
    places: tuple[slice, ...]  # of each member's unknowns in x

    def join(self, parts: Sequence[Float[Tensor, "batch _"]]) -> Float[Tensor, "batch dim"]:
        """The unknowns of groups from those of each member."""
        return torch.cat(list(parts), -1)

    def split(self, x: Float[Tensor, "batch dim"]) -> tuple[Tensor, ...]:
        """Each member's unknowns."""
        return tuple(x[:, own].contiguous() for own in self.places)

    def rows(self, index: Int[Tensor, " kept"]) -> Between[MemberType, ViewType]:
        """The same for some groups."""
        members = tuple(member.rows(index) for member in self.members)
        return dataclasses.replace(self, members=members, link=self.link.rows(index))

    def views(self, x: Float[Tensor, "batch dim"]) -> list[ViewType]:
        """What each member sees at x."""
        return [member.view(own) for member, own in zip(self.members, self.split(x), strict=True)]

    def energy(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """The energy of each group."""
        return self.evaluate(x).energy

    def gradient(
        self, x: Float[Tensor, "batch dim"]
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch dim"]]:
        """Energy and its exact gradient, by reverse differentiation."""
        return gradient_by_autograd(self.energy, x)

    def normal(self, x: Float[Tensor, "batch dim"]) -> tuple[Float[Tensor, " batch"], Quadratic]:
        """Energy, exact gradient and the Hessian of members and link."""
        found = self.evaluate(x)
        return found.energy, found.linearised(None)

    def evaluate(self, x: Float[Tensor, "batch dim"]) -> Evaluation:
        """The energy of each group; the derivatives are worked out from the same views."""
        views = self.views(x)
        found = [member.evaluate_at(view) for member, view in zip(self.members, views, strict=True)]

        def linearised(index: Tensor | None) -> Dense:
            own = [one.linearised(index) for one in found]
            if index is None:
                return self._joined(x, views, own)
            return self.rows(index)._joined(x[index], [view.rows(index) for view in views], own)

        # in this order: sums of energies round
        energy = self.link.energy(views)
        for one in found:
            energy = energy + one.energy
        return Evaluation(energy, linearised)

    def _joined(self, x: Tensor, views: list[ViewType], own: list[Quadratic]) -> Dense:
        """The quadratic of the link with those of the members added."""
        between = self.link.linearised(x, self.members, views, self.places)
        gradient = between.gradient + torch.cat([one.gradient for one in own], -1)
        hessian = between.hessian
        for place, one in zip(self.places, own, strict=True):
            if not isinstance(one, Dense):
                raise TypeError(f"members need full Hessians, not {type(one).__name__}")
            hessian[:, place, place] += one.hessian  # the link made it for us alone
        return Dense(gradient, hessian)
