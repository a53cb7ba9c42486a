"""Points that move evenly: derivatives, frames that are held, groups in company."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from test_couplings import clip_problem
from torch import Tensor

from smplifyx.config import Block
from smplifyx.features.points import POINTS
from smplifyx.problem.couplings import Frames, Smooth, Tied
from smplifyx.problem.motion import ACCELERATION, VELOCITY, MovingPoints, PointMotion
from smplifyx.solvers import LevenbergMarquardt

GROUPS = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
AT = (4, 7, 11, 14)
QUADRATIC = 1e6  # a GMoF width at which nothing is let go


def moving(
    rho: float = 2.0, shared: bool = False, held: int = 0, groups: Tensor = GROUPS
) -> MovingPoints:
    """A clip's frames in groups, with all kinds of what may lie between them."""
    problem = clip_problem(len(groups))
    betas, transl = problem.slices[Block.BETAS], problem.slices[Block.TRANSL]
    columns = tuple(range(betas.start, betas.stop)) if shared else ()
    frames = Frames.of(groups)
    tied = Tied(problem, frames, columns)
    smooth = Smooth(tied, tuple(range(transl.start, transl.stop)), 3.0)
    gain = torch.tensor([[30.0, 40.0, 90.0]]).double().expand(len(AT), 3)
    motions = (PointMotion(ACCELERATION, gain, rho), PointMotion(VELOCITY, gain / 3, rho))
    fixed = torch.zeros_like(frames.present)
    fixed[:, :held] = True
    return MovingPoints(smooth, AT, motions, fixed)


def start_of(coupled: MovingPoints) -> Tensor:
    problem = coupled.problem
    return coupled.smooth.tied.join(problem.pack(problem.state))


def dense(coupled: MovingPoints, x: Tensor) -> tuple[Tensor, Tensor]:
    """(H + 1)^-1 of each group, and the gradient."""
    _, arrow = coupled.normal(x)
    eye = torch.eye(x.shape[1], dtype=x.dtype)
    inverse = arrow.factor(torch.ones_like(x)).solve(eye.expand(len(x), -1, -1))
    return inverse, arrow.gradient


@pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
@pytest.mark.parametrize("rho", [0.5, QUADRATIC])
def test_the_gradient_is_that_of_autograd(rho: float, shared: bool) -> None:
    clip = moving(rho, shared)
    x = start_of(clip)
    energy, expected = clip.gradient(x)
    found_energy, arrow = clip.normal(x)
    assert torch.allclose(energy, found_energy)
    assert torch.allclose(
        arrow.gradient, expected, rtol=1e-7, atol=1e-7 * float(expected.abs().max())
    )


@pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
def test_the_curvature_is_that_of_the_residuals_written_out(shared: bool) -> None:
    clip = moving(QUADRATIC, shared, groups=torch.zeros(4, dtype=torch.int64))
    x = start_of(clip)
    tied = clip.smooth.tied

    def residual(x: Tensor) -> Tensor:
        flat = tied.split(x[None])
        view = clip.problem.view(flat)
        places = view.scene[POINTS][None][:, :, list(AT)]
        between = [motion.differences(places).flatten() for motion in clip.motions]
        transl = flat[:, clip.problem.slices[Block.TRANSL]]
        second = 3.0 * (transl[2:] - 2 * transl[1:-1] + transl[:-2])
        return torch.cat([*between, second.flatten()])

    slopes = torch.autograd.functional.jacobian(residual, x[0], vectorize=True)
    assert isinstance(slopes, Tensor)
    alone = dataclasses.replace(
        clip, motions=(), smooth=dataclasses.replace(clip.smooth, weight=0.0)
    )
    of_frames, _ = dense(alone, x)
    expected = torch.linalg.inv(torch.linalg.inv(of_frames[0]) + 2 * slopes.T @ slopes)
    found, _ = dense(clip, x)
    assert torch.allclose(found[0], expected, rtol=1e-5, atol=1e-7)


def test_held_frames_stay_and_the_others_join_them() -> None:
    clip = moving(QUADRATIC, held=2)
    x = start_of(clip)
    solver = LevenbergMarquardt(max_steps=10)
    end = solver.minimise(clip, x).x
    own = clip.smooth.tied.own
    assert torch.equal(own(end)[:, :2], own(x)[:, :2])
    assert not torch.equal(own(end)[:, 2], own(x)[:, 2])
    free = dataclasses.replace(clip, held=torch.zeros_like(clip.held))
    assert not torch.allclose(own(solver.minimise(free, x).x)[:, 2], own(end)[:, 2], atol=1e-6)


def test_groups_are_the_same_to_the_last_bit_in_any_company() -> None:
    clip = moving()
    solver = LevenbergMarquardt(max_steps=4)
    together = solver.minimise(clip, start_of(clip))
    for group, frames in ((0, 4), (1, 6)):
        rows = (GROUPS == group).nonzero().flatten()
        problem = clip.problem.rows(rows)
        tied = Tied(problem, Frames.of(GROUPS[rows]), ())
        alone = MovingPoints(
            dataclasses.replace(clip.smooth, tied=tied),
            AT,
            clip.motions,
            clip.held[group : group + 1, :frames],
        )
        found = solver.minimise(alone, start_of(alone))
        own = clip.smooth.tied.own(together.x)[group, :frames]
        assert torch.equal(alone.smooth.tied.own(found.x)[0], own)


def test_what_is_far_larger_than_usual_is_let_go() -> None:
    motion = PointMotion(ACCELERATION, torch.ones(1, 3), 2.0)
    places = torch.zeros(1, 5, 1, 3)
    places[0, 2] = 1e6
    clip = moving()
    jumping = dataclasses.replace(clip, motions=(motion,), at=(4,))
    present = torch.ones(1, 5, dtype=torch.bool)
    frames = dataclasses.replace(jumping.smooth.tied, frames=Frames(present))
    jumping = dataclasses.replace(jumping, smooth=dataclasses.replace(jumping.smooth, tied=frames))
    # three second differences see the jump; each costs rho^2 at most
    assert float(jumping._own_energy(places)) == pytest.approx(3 * 2.0**2, rel=1e-6)
