"""Points of a moving body that move as bodies do: residuals between the frames of a clip.

`couplings.Smooth` holds unknowns even; this holds points in space even, which is what motion is
about: a hip angle and the elbow's move a wrist, and only the wrist's acceleration has a known size.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..core.invariant_linalg import gram
from ..features.points import POINTS, PointsOnBones
from ..solvers.contract import Evaluation
from ..solvers.linear_systems import Arrow, BlockBanded, BlockDiagonal
from ..solvers.linear_systems.frame_blocks import sum_over_frames
from ..solvers.residual_objective import gradient_by_autograd
from .chain_rule import ChainRule
from .couplings import Smooth
from .problem import Problem
from .view import View

ACCELERATION = (1.0, -2.0, 1.0)  # of three frames in a row
VELOCITY = (-1.0, 1.0)
BANDS = 2  # frames that a frame sees before it


@dataclass(frozen=True, eq=False)
class PointMotion:
    """Differences of points between frames, robustly small.

    The energy of the difference d = sum_i stencil[i] y[t + i] of a point is rho^2 z / (z + rho^2)
    with z = |gain d|^2 (Geman-McClure): what is far larger than usual is let go.
    """

    stencil: tuple[float, ...]
    gain: Float[Tensor, "points 3"]  # 1 / metres of the difference, along the camera's axes
    rho: float  # in units of gain

    def differences(self, places: Float[Tensor, "groups n points 3"]) -> Tensor:
        """gain d of each start of the stencil [groups, n - reach, points, 3]."""
        count = places.shape[1] - self.reach
        total = torch.zeros_like(places[:, :count])
        for offset, factor in enumerate(self.stencil):
            total = total + factor * places[:, offset : offset + count]
        return total * self.gain

    @property
    def reach(self) -> int:
        """How many frames after the first it looks at."""
        return len(self.stencil) - 1


@dataclass(frozen=True, eq=False)
class MovingPoints:
    """Frames of groups that move evenly, in unknowns and in points: an `Objective` of groups.

    at: which of the stage's points `motions` are about. held: frames that are known from elsewhere,
    such as the last of the chunk before: they do not move, and the others join them.
    """

    smooth: Smooth  # its objective is a `Problem`
    at: tuple[int, ...]
    motions: tuple[PointMotion, ...]
    held: Bool[Tensor, "groups n"]

    def rows(self, index: Int[Tensor, " kept"]) -> MovingPoints:
        """The same for some groups."""
        return dataclasses.replace(self, smooth=self.smooth.rows(index), held=self.held[index])

    def energy(self, x: Float[Tensor, "groups dim"]) -> Float[Tensor, " groups"]:
        """The energy of each group."""
        return self.evaluate(x).energy

    def gradient(
        self, x: Float[Tensor, "groups dim"]
    ) -> tuple[Float[Tensor, " groups"], Float[Tensor, "groups dim"]]:
        """Energy and its exact gradient, by reverse differentiation; 0 for what is held."""
        energy, gradient = gradient_by_autograd(self.energy, x)
        tied = self.smooth.tied
        tied.own(gradient).mul_(~self.held[..., None])
        return energy, gradient

    def normal(self, x: Float[Tensor, "groups dim"]) -> tuple[Float[Tensor, " groups"], Arrow]:
        """The energy of each group, its gradient and its Hessian."""
        found = self.evaluate(x)
        quadratic = found.linearised(None)
        assert isinstance(quadratic, Arrow)
        return found.energy, quadratic

    def evaluate(self, x: Float[Tensor, "groups dim"]) -> Evaluation:
        """The energy of each group; the derivatives are worked out from the same view."""
        view = self.problem.view(self.smooth.tied.split(x))
        found = self.smooth.evaluate_at(x, self.problem.evaluate_at(view))
        places = self._places(view)

        def linearised(groups: Tensor | None) -> Arrow:
            arrow = found.linearised(groups)
            assert isinstance(arrow, Arrow)
            if groups is None:
                return self._with_motion(arrow, view, places)
            numbers = self.smooth.tied.frames.numbers(groups)
            return self.rows(groups)._with_motion(arrow, view.rows(numbers), places[groups])

        return Evaluation(found.energy + self._own_energy(places), linearised)

    @property
    def problem(self) -> Problem:
        """That of the frames, each alone."""
        problem = self.smooth.tied.objective
        assert isinstance(problem, Problem)
        return problem

    @cached_property
    def _present(self) -> Bool[Tensor, "groups n"]:
        return self.smooth.tied.frames.present

    def _places(self, view: View) -> Float[Tensor, "groups n points 3"]:
        """Where the points are, frame by frame; zero in absent ones."""
        return self.smooth.tied.frames.padded(view.scene[POINTS][:, list(self.at)])

    def _own_energy(self, places: Tensor) -> Float[Tensor, " groups"]:
        energy = torch.zeros_like(places[:, 0, 0, 0])
        for motion in self.motions:
            square = motion.differences(places).square().sum(-1)  # [groups, starts, points]
            robust = motion.rho**2 * square / (square + motion.rho**2)
            known = self._present[:, motion.reach :, None]
            energy = energy + sum_over_frames(torch.where(known, robust, 0.0).sum(-1))
        return energy

    def _with_motion(self, arrow: Arrow, view: View, places: Tensor) -> Arrow:
        """The quadratic of the frames with what lies between them added, and what is held fixed."""
        pull, weights = self._pull_and_weights(places)
        slopes = self._slopes(view)  # [groups, n, 3 points, width], of the problem's unknowns
        shared = list(self.smooth.tied.shared)
        own = [column for column in range(slopes.shape[-1]) if column not in set(shared)]
        of_own = slopes[..., own]
        gradient = arrow.gradient.clone()
        into = self.smooth.tied.own(gradient)  # a view of it
        into += (of_own * pull.flatten(2)[..., None]).sum(2)

        blocks = arrow.own.blocks + _gram(of_own, weights[0], of_own)
        lower = self._lower_of(arrow.own)
        for band in range(BANDS):
            later, before = of_own[:, band + 1 :], of_own[:, : -band - 1]
            lower[:, band + 1 :, band] += _gram(later, weights[band + 1][:, band + 1 :], before)
        moved = arrow.replace(gradient=gradient, own=BlockBanded(blocks, lower, self._present))
        if shared:
            moved = self._with_shared(moved, slopes[..., shared], of_own, pull, weights)
        return self._with_held(moved)

    def _with_shared(
        self, arrow: Arrow, of_shared: Tensor, of_own: Tensor, pull: Tensor, weights: list[Tensor]
    ) -> Arrow:
        """The part of the unknowns that all frames share: they move the points of all frames."""
        count = of_shared.shape[-1]
        along = (of_shared * pull.flatten(2)[..., None]).sum(2)
        gradient = arrow.gradient.clone()
        gradient[:, :count] += sum_over_frames(along)

        # W S, where W couples the points of frames up to BANDS apart and S are the shared slopes
        weighted = weights[0][..., None] * of_shared
        for band in range(BANDS):
            between = weights[band + 1][:, band + 1 :, :, None]
            weighted[:, band + 1 :] += between * of_shared[:, : -band - 1]
            weighted[:, : -band - 1] += between * of_shared[:, band + 1 :]
        groups, frames = weighted.shape[:2]

        def product(slopes: Tensor) -> Tensor:
            return gram(slopes.flatten(0, 1), weighted.flatten(0, 1)).unflatten(0, (groups, frames))

        return arrow.replace(
            gradient=gradient,
            shared=arrow.shared + sum_over_frames(product(of_shared)),
            coupling=arrow.coupling + product(of_own).flatten(1, 2),
        )

    def _with_held(self, arrow: Arrow) -> Arrow:
        """Held frames have no gradient and see nobody: their step is zero."""
        if not bool(self.held.any()):
            return arrow
        free = (~self.held).to(arrow.gradient)
        gradient = arrow.gradient.clone()
        self.smooth.tied.own(gradient).mul_(free[..., None])
        lower = self._lower_of(arrow.own) * free[:, :, None, None, None]
        for band in range(BANDS):
            lower[:, band + 1 :, band] *= free[:, : -band - 1, None, None]
        per_frame = arrow.coupling.unflatten(1, (free.shape[1], -1)) * free[..., None, None]
        own = BlockBanded(arrow.own.blocks, lower, self._present)
        return arrow.replace(gradient=gradient, own=own, coupling=per_frame.flatten(1, 2))

    def _lower_of(self, own: BlockDiagonal | BlockBanded) -> Tensor:
        """A copy of the bands that are there already; zeros where there are none."""
        if isinstance(own, BlockBanded):
            return own.lower.clone()
        groups, frames, width, _ = own.blocks.shape
        return own.blocks.new_zeros(groups, frames, BANDS, width, width)

    def _pull_and_weights(self, places: Tensor) -> tuple[Tensor, list[Tensor]]:
        """How the energy moves with each point [groups, n, points, 3], and how that moves with the
        same point up to BANDS frames before [groups, n, 3 points], along each axis.
        """
        pull = torch.zeros_like(places)
        weights = [torch.zeros_like(pull) for _ in range(BANDS + 1)]
        frames = places.shape[1]
        for motion in self.motions:
            off = motion.differences(places)
            squash = motion.rho**2 / (off.square().sum(-1, keepdim=True) + motion.rho**2)
            known = self._present[:, motion.reach :, None, None]
            bend = torch.where(known, 2 * squash.square(), 0.0)  # as `Curvature.REWEIGHTED`
            force = bend * off * motion.gain
            curvature = bend * motion.gain**2
            starts = frames - motion.reach
            for later, factor in enumerate(motion.stencil):
                pull[:, later : later + starts] += factor * force
                for before in range(later + 1):
                    both = factor * motion.stencil[before]
                    weights[later - before][:, later : later + starts] += both * curvature
        return pull, [weight.flatten(2) for weight in weights]

    def _slopes(self, view: View) -> Float[Tensor, "groups n coordinates width"]:
        """How the points move with the problem's unknowns, frame by frame."""
        folded = self.problem.folded
        points = folded.bound(POINTS)
        assert isinstance(points, PointsOnBones)
        slopes = points.slopes(self.at, ChainRule(folded, view))
        return self.smooth.tied.frames.padded(slopes.flatten(1, 2))


def _gram(one: Tensor, weight: Tensor, other: Tensor) -> Tensor:
    """one^T diag(weight) other of each frame [groups, n, rows, width]."""
    shape = one.shape[:2]
    weighted = weight[..., None] * other
    return gram(one.flatten(0, 1), weighted.flatten(0, 1)).unflatten(0, shape)
