"""Frames that share unknowns and move smoothly, and groups of objectives: real problems and small
ones.
"""

from __future__ import annotations

import dataclasses
import resource
import subprocess
import sys
from functools import lru_cache

import pytest
import torch
from cases import DOUBLE, camera, decoder, embedded_body, noisy_keypoints, preset, random_state
from solver_problems import derivatives
from torch import Tensor

from smplifyx.body import skinning
from smplifyx.config import Block, Part, StageConfig, Weights
from smplifyx.core.bundle import Bundle
from smplifyx.evidence.keypoints2d import Keypoints2D
from smplifyx.fitting.batch import FitBatch
from smplifyx.fitting.setup import FitSetup
from smplifyx.fitting.stage_problem import StageProblem
from smplifyx.problem.couplings import Between, Frames, Smooth, Tied
from smplifyx.problem.problem import Problem
from smplifyx.solvers import LBFGS, LevenbergMarquardt, Objective, ResidualObjective, Status
from smplifyx.solvers.contract import Evaluation
from smplifyx.solvers.linear_systems import Arrow, BlockBanded, Dense
from smplifyx.solvers.residual_objective import gradient_by_autograd

DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["f64", "f32"])
GROUPS = torch.tensor([0, 0, 0, 1, 2, 2, 2, 2, 2])  # of each frame
SHARED = (1, 4)
WIDTH = 6


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


# ---- a small objective: frames that see all their unknowns, mildly nonlinear


def curved(x: Tensor, data: Tensor) -> Tensor:
    mixing = numbers(WIDTH + 2, WIDTH, seed=3).to(x)
    seen = (x[:, None] * mixing).sum(-1)
    return seen + 0.1 * seen.sin() - data


def small(frames: int = len(GROUPS), dtype: torch.dtype = DOUBLE) -> ResidualObjective:
    return ResidualObjective(curved, numbers(frames, WIDTH + 2, seed=4).to(dtype))


def tied(shared: tuple[int, ...] = SHARED, dtype: torch.dtype = DOUBLE) -> Tied:
    return Tied(small(dtype=dtype), Frames.of(GROUPS), shared)


def smooth(shared: tuple[int, ...] = SHARED, dtype: torch.dtype = DOUBLE) -> Smooth:
    return Smooth(tied(shared, dtype), columns=(0, 3, 5), weight=(0.7, 2.0, 1.3))


COUPLED = {
    "tied": tied,
    "smooth": smooth,
    "smooth, nothing shared": lambda dtype=DOUBLE: smooth((), dtype),
}
each_coupling = pytest.mark.parametrize("make", COUPLED.values(), ids=COUPLED)


def start_of(coupled: Tied | Smooth, seed: int = 7) -> Tensor:
    base = coupled.tied if isinstance(coupled, Smooth) else coupled
    assert isinstance(base.objective, ResidualObjective)
    return base.join(numbers(len(GROUPS), WIDTH, seed=seed).to(base.objective.data))


def whole_residual(coupled: Tied | Smooth, x: Tensor) -> list[Tensor]:
    """The residual of each group, written out frame by frame."""
    base = coupled.tied if isinstance(coupled, Smooth) else coupled
    own = [column for column in range(WIDTH) if column not in base.shared]
    residuals = []
    first = 0
    for group, count in enumerate(GROUPS.bincount().tolist()):
        frames = []
        for t in range(count):
            frame = x.new_zeros(WIDTH)
            frame[list(base.shared)] = x[group, : len(base.shared)]
            begin = len(base.shared) + t * len(own)
            frame[own] = x[group, begin : begin + len(own)]
            frames.append(frame)
        frames = torch.stack(frames)
        lines = [curved(frames, numbers(len(GROUPS), WIDTH + 2, seed=4)[first : first + count])]
        if isinstance(coupled, Smooth):
            moving = frames[:, list(coupled.columns)] * x.new_tensor(coupled.weight)
            for t in range(count - 2):
                lines.append((moving[t + 2] - 2 * moving[t + 1] + moving[t])[None])
        residuals.append(torch.cat([line.flatten() for line in lines]))
        first += count
    return residuals


@each_coupling
def test_energy_gradient_and_curvature_are_those_of_the_residual_written_out(make) -> None:
    coupled = make()
    x = start_of(coupled)
    energy, quadratic = coupled.normal(x)
    assert isinstance(quadratic, Arrow)
    assert isinstance(quadratic.own, BlockBanded) == isinstance(coupled, Smooth)
    residuals = whole_residual(coupled, x)
    torch.testing.assert_close(energy, torch.stack([r.square().sum() for r in residuals]))
    torch.testing.assert_close(coupled.energy(x), energy, rtol=1e-12, atol=0)
    for group, residual in enumerate(residuals):
        jacobian = torch.autograd.functional.jacobian(
            lambda x, group=group: whole_residual(coupled, x)[group], x
        )[:, group]
        torch.testing.assert_close(quadratic.gradient[group], 2 * jacobian.T @ residual)
        # what the factor of H + I does to a vector is what the matrix does
        matrix = 2 * jacobian.T @ jacobian + torch.eye(x.shape[1])
        right = numbers(x.shape[1], 1, seed=8)
        real = torch.cat(
            [
                torch.ones(x.shape[1] - quadratic.own.diagonal().shape[1], dtype=torch.bool),
                quadratic.own.present[group].repeat_interleave(quadratic.own.blocks.shape[-1]),
            ]
        )
        solved = quadratic.factor(torch.ones_like(x)).solve(right.expand(len(x), -1, -1))[group]
        torch.testing.assert_close(solved[real], torch.linalg.solve(matrix, right)[real])


@each_coupling
def test_the_gradient_is_that_of_autograd(make) -> None:
    coupled = make()
    x = start_of(coupled)
    energy, gradient = coupled.gradient(x)
    by_autograd = gradient_by_autograd(coupled.energy, x)
    torch.testing.assert_close(energy, by_autograd[0])
    torch.testing.assert_close(gradient, by_autograd[1])
    torch.testing.assert_close(coupled.normal(x)[1].gradient, by_autograd[1])


@DTYPES
@each_coupling
def test_groups_are_the_same_to_the_last_bit_in_any_company(make, dtype: torch.dtype) -> None:
    coupled = make(dtype=dtype)
    x, solver = start_of(coupled), LevenbergMarquardt(max_steps=30)
    assert isinstance(coupled, Objective)
    together = solver.minimise(coupled, x)
    found = coupled.evaluate(x)
    assert torch.equal(found.energy, coupled.normal(x)[0])
    for some in ([2], [1, 0], [2, 1]):
        index = torch.tensor(some)
        alone = solver.minimise(coupled.rows(index), x[index])
        for field in dataclasses.fields(alone):
            assert torch.equal(getattr(alone, field.name), getattr(together, field.name)[index])
        part, expected = found.linearised(index), coupled.rows(index).normal(x[index])[1]
        assert isinstance(part, Arrow) and isinstance(expected, Arrow)
        assert torch.equal(part.gradient, expected.gradient)
        assert torch.equal(part.own.blocks, expected.own.blocks)
        assert torch.equal(part.coupling, expected.coupling)
        assert torch.equal(part.shared, expected.shared)


@pytest.mark.parametrize("some", [[0], [1], [0, 1]])
def test_a_group_does_not_see_how_far_others_are_padded(some: list[int]) -> None:
    """Groups of 3 and 1 frames, padded to 5 with a longer one and to 3 or 1 without it."""
    coupled, solver = smooth(dtype=torch.float32), LevenbergMarquardt(max_steps=30)
    x = start_of(coupled)
    together = solver.minimise(coupled, x)
    rows = torch.isin(GROUPS, torch.tensor(some)).nonzero()[:, 0]
    base = Tied(coupled.tied.objective.rows(rows), Frames.of(GROUPS[rows]), SHARED)
    short = dataclasses.replace(coupled, tied=base)
    size = len(SHARED) + base.frames.longest * (WIDTH - len(SHARED))
    alone = solver.minimise(short, x[some, :size])
    assert torch.equal(alone.x, together.x[some, :size])
    assert torch.equal(alone.energy, together.energy[some])
    assert torch.equal(alone.steps, together.steps[some])


@each_coupling
def test_levenberg_marquardt_ends_where_lbfgs_ends(make) -> None:
    coupled = make()
    x = start_of(coupled)
    found = LevenbergMarquardt(tolerance=1e-12).minimise(coupled, x)
    expected = LBFGS(max_steps=2000, tolerance=1e-14, gradient_tolerance=1e-10).minimise(coupled, x)
    assert found.converged.all() and (found.steps < 30).all()
    torch.testing.assert_close(found.energy, expected.energy, rtol=1e-9, atol=0)
    torch.testing.assert_close(found.x, expected.x, rtol=0, atol=1e-4)


def test_a_frame_that_is_not_finite_fails_its_group_alone() -> None:
    coupled = tied()
    data = coupled.objective.data.clone()
    data[4] = torch.nan  # of group 2
    spoilt = dataclasses.replace(coupled, objective=ResidualObjective(curved, data))
    solver = LevenbergMarquardt()
    found, clean = (solver.minimise(one, start_of(coupled)) for one in (spoilt, coupled))
    assert found.status.tolist()[2] == Status.FAILED and found.converged[:2].all()
    assert torch.equal(found.x[:2], clean.x[:2])


def test_unknowns_come_back_from_groups() -> None:
    coupled, x = tied(), numbers(len(GROUPS), WIDTH)
    for group in range(3):
        x[group == GROUPS] = x[group == GROUPS].index_copy(
            1,
            torch.tensor(SHARED),
            x[group == GROUPS][:1, list(SHARED)].expand((GROUPS == group).sum(), -1),
        )
    torch.testing.assert_close(coupled.split(coupled.join(x)), x, rtol=1e-14, atol=0)


def test_what_cannot_be_coupled_is_told() -> None:
    with pytest.raises(ValueError, match="stand together"):
        Frames.of(torch.tensor([0, 1, 0]))
    wrong = Smooth(tied(), columns=(0, 1), weight=1.0)
    with pytest.raises(ValueError, match="shared"):
        wrong.energy(start_of(wrong))
    nested = Tied(tied(), Frames.of(torch.tensor([0, 0, 0])), ())
    with pytest.raises(TypeError, match="full Hessian"):
        nested.normal(start_of(tied())[None].flatten(0, 1).flatten()[None])


# ---- residuals between objectives


@dataclasses.dataclass(frozen=True)
class Seen(Bundle):
    x: Tensor

    def rows(self, index: Tensor) -> Seen:
        return self[index]


@dataclasses.dataclass(frozen=True)
class Looking(ResidualObjective):
    def view(self, x: Tensor) -> Seen:
        return Seen(x)

    def evaluate_at(self, view: Seen) -> Evaluation:
        def linearised(index: Tensor | None) -> Dense:
            if index is None:
                return self.normal(view.x)[1]
            return self.rows(index).normal(view.x[index])[1]

        return Evaluation(self.energy(view.x), linearised)


@dataclasses.dataclass(frozen=True)
class SameLast:
    """Members that agree in their last unknown."""

    def rows(self, index: Tensor) -> SameLast:
        return self

    def energy(self, views: list[Seen]) -> Tensor:
        return self._residual(torch.cat([view.x for view in views], -1), None).square().sum(-1)

    def linearised(self, x: Tensor, members, views, places) -> Dense:
        return ResidualObjective(self._residual).normal(x)[1]

    def _residual(self, x: Tensor, _: None) -> Tensor:
        last = x.unflatten(-1, (-1, WIDTH))[..., -1]
        return 3.0 * last.diff(dim=-1)


def test_energies_of_members_and_one_between_them() -> None:
    members = tuple(Looking(curved, numbers(4, WIDTH + 2, seed=seed)) for seed in range(3))
    places = tuple(slice(WIDTH * i, WIDTH * (i + 1)) for i in range(3))
    between = Between(members, SameLast(), places)
    x = numbers(4, 3 * WIDTH, seed=9)

    def whole(x: Tensor, data: Tensor) -> Tensor:
        parts = [
            curved(own, seen) for own, seen in zip(x.split(WIDTH, -1), data.unbind(1), strict=True)
        ]
        return torch.cat([*parts, SameLast()._residual(x, None)], -1)

    written_out = ResidualObjective(whole, torch.stack([m.data for m in members], 1))
    for found, expected in zip(derivatives(between, x), derivatives(written_out, x), strict=True):
        torch.testing.assert_close(found, expected)
    torch.testing.assert_close(between.gradient(x)[1], written_out.gradient(x)[1])
    solution = LevenbergMarquardt().minimise(between, x)
    expected = LevenbergMarquardt().minimise(written_out, x)
    torch.testing.assert_close(solution.energy, expected.energy)


# ---- a person in many frames


CLIP = 64
FREE = (Block.GLOBAL_ORIENT, Block.TRANSL, Block.BODY, Block.BETAS)


@lru_cache(maxsize=2)
def clip_problem(count: int = CLIP) -> Problem:
    """One person in many poses who walks in a straight line, seen with noise."""
    body, config = embedded_body(), preset()
    truth = random_state(count, seed=2, spread=0.15)
    walk = torch.arange(count)[:, None] * torch.tensor([0.01, 0.0, 0.02], dtype=DOUBLE)
    truth = truth.replace(
        betas=truth.betas[:1].expand(count, -1) * 5,
        transl=torch.tensor([-0.3, 0.3, 4.0], dtype=DOUBLE) + walk,
    )
    weights = Weights(reprojection=1.0, pose_prior=0.5, limits=2.0, shape=0.5)
    stage = StageConfig(name="clip", free=FREE, parts=(Part.BODY,), weights=weights)
    cameras = camera(count)
    points2d = cameras.project(skinning.points(body, decoder().params(truth)))
    scale = torch.full((count,), 350.0, dtype=DOUBLE)
    seen = Keypoints2D(noisy_keypoints(points2d, 3.0), cameras, scale, config.reprojection)
    state = truth.replace(
        betas=torch.zeros_like(truth.betas),
        body=truth.body + 0.05 * numbers(*truth.body.shape, seed=5),
        transl=truth.transl + 0.1 * numbers(count, 3, seed=6),
    )
    people = FitBatch(seen, {}, FitSetup(body, config))
    return StageProblem.of(stage, people).at(state)


def one_shape(count: int = CLIP) -> Tied:
    problem = clip_problem(count)
    at = problem.slices[Block.BETAS]
    return Tied(
        problem, Frames.of(torch.zeros(count, dtype=torch.int64)), tuple(range(at.start, at.stop))
    )


def test_frames_of_one_person_share_a_shape() -> None:
    clip, solver = one_shape(), LevenbergMarquardt(max_steps=100)
    problem = clip.objective
    assert isinstance(problem, Problem)
    start = problem.pack(problem.state)
    apart = solver.minimise(problem, start)
    together = solver.minimise(clip, clip.join(start))
    assert together.converged.all()

    frames = clip.split(together.x)
    betas = problem.unpack(frames).betas
    assert torch.equal(betas, betas[:1].expand_as(betas))
    assert float(problem.unpack(apart.x).betas.std(0).max()) > 1e-3, "alone they differ"

    # every frame alone is lower, the best shape of them all on average is not
    averaged = clip.energy(clip.join(apart.x))
    assert float(apart.energy.sum()) < float(together.energy[0]) < float(averaged[0])


def test_the_gradient_of_tied_frames_is_that_of_autograd() -> None:
    clip = one_shape(5)
    problem = clip.objective
    assert isinstance(problem, Problem)
    x = clip.join(problem.pack(problem.state))
    _, quadratic = clip.normal(x)
    expected = gradient_by_autograd(clip.energy, x)[1]
    near = 1e-6 * float(expected.abs().max())
    torch.testing.assert_close(quadratic.gradient, expected, rtol=1e-6, atol=near)


def test_a_smooth_clip_moves_more_evenly() -> None:
    clip, solver = one_shape(16), LevenbergMarquardt(max_steps=30)
    problem = clip.objective
    assert isinstance(problem, Problem)
    at = problem.slices[Block.TRANSL]
    x = clip.join(problem.pack(problem.state))
    even = Smooth(clip, columns=tuple(range(at.start, at.stop)), weight=30.0)

    def unevenness(x: Tensor) -> float:
        return float(clip.split(x)[:, at].diff(n=2, dim=0).square().sum())

    free, held = solver.minimise(clip, x), solver.minimise(even, x)
    assert float(held.energy[0]) < float(even.energy(free.x)[0])
    assert unevenness(held.x) < 0.3 * unevenness(free.x)
    expected = gradient_by_autograd(even.energy, x)[1]
    near = 1e-6 * float(expected.abs().max())
    torch.testing.assert_close(even.normal(x)[1].gradient, expected, rtol=1e-6, atol=near)


# ---- memory

OWN_WIDTH = 60  # unknowns of a frame, 10 of them shared


def bytes_of(bundle: Bundle) -> int:
    values = (getattr(bundle, field.name) for field in dataclasses.fields(bundle))
    return sum(
        bytes_of(value) if isinstance(value, Bundle) else value.numel() * value.element_size()
        for value in values
    )


@dataclasses.dataclass(frozen=True)
class Apart:
    """Frames whose energy is a parabola, at the cost of its Hessian."""

    target: Tensor

    def energy(self, x: Tensor) -> Tensor:
        return (x - self.target).square().sum(-1)

    def gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.energy(x), 2 * (x - self.target)

    def normal(self, x: Tensor) -> tuple[Tensor, Dense]:
        hessian = 2 * torch.eye(x.shape[1], dtype=x.dtype).repeat(len(x), 1, 1)
        return self.energy(x), Dense(2 * (x - self.target), hessian)

    def rows(self, index: Tensor) -> Apart:
        return Apart(self.target[index])


def long_clip(frames: int) -> tuple[Tied, Tensor]:
    objective = Apart(numbers(frames, OWN_WIDTH).float())
    clip = Tied(objective, Frames.of(torch.zeros(frames, dtype=torch.int64)), tuple(range(10)))
    return clip, clip.join(torch.zeros(frames, OWN_WIDTH))


def test_memory_is_linear_in_the_frames() -> None:
    sizes = []
    for frames in (1000, 10_000):
        clip, x = long_clip(frames)
        even = Smooth(clip, columns=(20, 21, 22), weight=1.0)
        sizes.append([bytes_of(one.normal(x)[1]) for one in (clip, even)])
    for (short, long), bands in zip(zip(*sizes, strict=True), (1, 3), strict=True):
        assert 9 < long / short < 11
        assert long < 1.5 * bands * 10_000 * OWN_WIDTH**2 * 4


def solve_a_long_clip(frames: int) -> None:
    """Prints the megabytes that a fit takes at its peak, over what was there before."""
    clip, x = long_clip(frames)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    solution = LevenbergMarquardt(max_steps=10).minimise(clip, x)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert solution.converged.all()
    mean = clip.objective.target[:, :10].mean(0)
    torch.testing.assert_close(solution.x[0, :10], mean, rtol=0, atol=1e-4)
    print((after - before) / 1024)


def test_ten_thousand_frames_fit_in_memory() -> None:
    """Dense would need (50 x 10,000 + 10)^2 floats: a terabyte."""
    peaks = []
    for frames in (1000, 10_000):
        run = subprocess.run(
            [sys.executable, __file__, str(frames)], capture_output=True, text=True, check=True
        )
        peaks.append(float(run.stdout))
    one_hessian = 10_000 * OWN_WIDTH**2 * 4 / 2**20  # megabytes: 137
    assert peaks[1] < 12 * one_hessian
    assert peaks[1] < 14 * max(peaks[0], one_hessian / 10)


if __name__ == "__main__":
    solve_a_long_clip(int(sys.argv[1]))
