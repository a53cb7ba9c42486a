"""Limbs mirrored in depth, and what that buys."""

from __future__ import annotations

import pytest
import torch
from cases import camera, decoder, embedded_body, noisy_keypoints, preset, random_state, setup

from smplifyx.body import skinning
from smplifyx.body.joints import JOINT_INDEX
from smplifyx.config import Part, StageConfig, with_term_scaled
from smplifyx.features.variables import State
from smplifyx.fitting.fitter import Fitter
from smplifyx.fitting.mirroring import FLIPS, Flip, mirrored
from smplifyx.fitting.schedule import run_stages
from smplifyx.fitting.stage_problem import StageProblem
from smplifyx.fitting.starts import Starts

COUNT = 4


def mirrored_joints() -> tuple[State, torch.Tensor]:
    """Random people, and the joints [people, 1 + flips, 55, 3] of their mirrored selves in the
    camera's frame.
    """
    state = random_state(COUNT, seed=4)
    points = camera(COUNT).project(skinning.points(embedded_body(), decoder().params(state)))
    people = Fitter(setup()).gather(noisy_keypoints(points, noise=1.0), camera(COUNT))
    stage = next(stage for stage in preset().stages if stage.mirror)
    options = mirrored(StageProblem.of(stage, people).at(state), state)
    flat = options.map(lambda t: t.flatten(0, 1))
    joints = skinning.joints(embedded_body(), decoder().params(flat))
    return state, joints.unflatten(0, (COUNT, 1 + len(FLIPS)))


@pytest.mark.parametrize(
    ("number", "flip"), list(enumerate(FLIPS, 1)), ids=lambda value: str(value)[:60]
)
def test_the_bones_of_a_limb_are_reflected_and_nothing_else_moves(number: int, flip: Flip) -> None:
    _, joints = mirrored_joints()
    before, after = joints[:, 0], joints[:, number]
    root, hinge, end = (JOINT_INDEX[joint] for joint in flip.limb)
    sight = torch.nn.functional.normalize(before[:, root], dim=-1)
    for a, b, turned in ((root, hinge, flip.whole), (hinge, end, True)):
        bone = before[:, b] - before[:, a]
        if turned:
            bone = bone - 2 * (bone * sight).sum(-1, keepdim=True) * sight
        torch.testing.assert_close(after[:, b] - after[:, a], bone, atol=1e-4, rtol=0)
    moved = (after - before).norm(dim=-1).amax(0) > 1e-9
    below = {"shoulder": ("elbow", "wrist"), "hip": ("knee", "ankle", "foot")}[
        flip.limb[0].split("_")[1]
    ]
    side = flip.limb[0].split("_")[0]
    body = {JOINT_INDEX[f"{side}_{joint}"] for joint in below} - (
        {hinge} if not flip.whole else set()
    )
    assert set(moved[:22].nonzero()[:, 0].tolist()) == body


def test_a_fit_that_begins_with_a_flipped_arm_ends_as_low_as_one_that_does_not() -> None:
    # without the depth prior, which often turns such an arm back by itself
    body, config = embedded_body(), with_term_scaled(preset(), "bone_depth", 0.0)
    truth = random_state(8, seed=5, spread=0.15)
    seen = camera(8).project(skinning.points(body, decoder().params(truth)))
    keypoints = noisy_keypoints(seen, noise=0.5)
    with_mirror = tuple(stage for stage in config.stages if stage.name in ("mirror", "settle"))
    without = tuple(stage.model_copy(update={"mirror": False}) for stage in with_mirror)

    def lowest(stages: tuple[StageConfig, ...], start: State) -> torch.Tensor:
        fitter = Fitter.of(body, config.model_copy(update={"stages": stages}))
        one_each = start.map(lambda t: t[:, None])
        starts = Starts(one_each, torch.ones(8, 1, dtype=torch.bool))
        people = fitter.gather(keypoints, camera(8))
        return run_stages(people, start=starts).hypothesis_energies.amin(1)

    people = Fitter.of(body, config).gather(keypoints, camera(8))
    turn = FLIPS.index(Flip(("left_shoulder", "left_elbow", "left_wrist"), whole=True))
    problem = StageProblem.of(with_mirror[0], people).at(truth)
    wrong = mirrored(problem, truth)[:, 1 + turn]
    right = lowest(without, truth)
    assert (lowest(without, wrong) > 1.05 * right).sum() >= 4
    assert (lowest(with_mirror, wrong) < 1.02 * right).sum() >= 7


def test_the_default_tries_mirrored_limbs_on_body_and_hands() -> None:
    stage = next(stage for stage in preset().stages if stage.mirror)
    assert set(stage.parts) == {Part.BODY, Part.HANDS}
    assert random_state(1).body.shape[-1] == 63
