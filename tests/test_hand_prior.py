"""The hand prior: its file and cards, the mirrored right hand, how a preset chooses it, and its
recipe.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from scipy.spatial.transform import Rotation

from priors.recipes.bodies.hands import flexion_axis, sample_hands
from priors.recipes.hands.kinematics import Chain, finger_points, solve
from priors.recipes.hands.posed import (
    read_godot,
    read_iwer,
    read_steamvr,
    read_ultimatexr,
    read_ultraleap,
)
from priors.recipes.hands.poses import finger_positions, hand_at_rest, rows_of, solve_hands
from priors.recipes.hands.recordings import FINGERS, Recordings, Source, read_handyjs, thinned
from priors.recipes.hands.statistics import (
    Sample,
    hand_pca,
    levers,
    mix,
    reconstruction_degrees,
    reconstruction_mm,
)
from priors.recipes.hands.tracked import read_dex, read_leap
from smplifyx.body import skinning
from smplifyx.body.joints import JOINT_INDEX
from smplifyx.body.loading.files import load_body
from smplifyx.body.model import HandSpace
from smplifyx.body.params import BodyParams
from smplifyx.config import Block, HandPrior, load_preset
from smplifyx.core import assets
from smplifyx.features.joint_angles import HandPose
from smplifyx.fitting.setup import FitSetup
from smplifyx.keypoints import names
from smplifyx.pose_priors.hands import recorded_hands
from smplifyx.pose_priors.limits import hand_limits

DOUBLE = torch.float64
HANDS = assets.folder("priors") / "hands"
MIRROR = torch.tensor([1.0, -1.0, -1.0], dtype=DOUBLE).repeat(15)
DATA = Path(__file__).parents[2] / "shared" / "data" / "hands"
LIKE = torch.zeros(1, dtype=DOUBLE)


def _rest() -> np.ndarray:
    return hand_at_rest(load_body(None))


def _synthetic(count: int) -> np.ndarray:
    axis = flexion_axis(load_body(None).joint_template.double().numpy())
    return sample_hands(count, axis, np.random.default_rng(0))


@pytest.mark.parametrize("stem", ["hands.npz", "limits.yaml"])
def test_cards_belong_to_their_files(stem: str) -> None:
    card = yaml.safe_load((HANDS / f"{stem.split('.')[0]}.card.yaml").read_text())
    assert card["file"] == stem
    assert card["sha256"] == hashlib.sha256((HANDS / stem).read_bytes()).hexdigest()
    assert {"what", "source", "licence", "command", "figures"} <= set(card)


def test_right_hand_mirrors_the_left_exactly() -> None:
    left, right = recorded_hands(LIKE)
    assert torch.equal(right.mean, left.mean * MIRROR) and torch.equal(right.sds, left.sds)
    assert torch.equal(right.components, left.components * MIRROR)
    assert left.measured and right.measured


def test_same_coefficients_give_mirrored_meshes() -> None:
    body = load_body(None).to(dtype=DOUBLE)
    left, right = recorded_hands(body.v_template)
    coefficients = (
        torch.randn(24, dtype=DOUBLE, generator=torch.Generator().manual_seed(0)) * left.sds
    )
    params = BodyParams.zeros((), 0, 0, like=body.v_template)
    params = params.replace(
        left_hand_pose=(left.mean + coefficients @ left.components).unflatten(0, (15, 3)),
        right_hand_pose=(right.mean + coefficients @ right.components).unflatten(0, (15, 3)),
    )
    points = skinning.points(body, params)
    flip = points.new_tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(
        points[names.LEFT_HAND] * flip, points[names.RIGHT_HAND], atol=1e-6, rtol=0
    )


def test_components_are_unit_and_ordered_by_how_far_they_move_the_fingers() -> None:
    left, _ = recorded_hands(LIKE)
    torch.testing.assert_close(
        left.components.norm(dim=1), torch.ones(24, dtype=DOUBLE), atol=1e-6, rtol=0
    )
    rest = _rest()
    start = finger_positions(left.mean.numpy()[None], rest)
    steps = (left.sds[:, None] * left.components).numpy()
    moved = [
        np.linalg.norm(finger_positions(left.mean.numpy() + step, rest) - start, axis=-1).mean()
        for step in steps
    ]
    assert moved[0] > 2 * moved[3] > 2 * moved[12]
    assert np.mean(moved[:6]) > 3 * np.mean(moved[12:])


def test_first_component_curls_the_fingers() -> None:
    left, _ = recorded_hands(LIKE)
    flexion = left.components[0].unflatten(0, (15, 3))[:12, 2]
    assert (flexion < 0).all()  # fingers of the left hand curl about -z


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"mean": np.zeros(44)}, "mean has shape"),
        ({"components": np.zeros((3, 44))}, "components has shape"),
        ({"sds": np.ones(2)}, "sds"),
        ({"sds": np.array([1.0, 0.0, 1.0])}, "sds"),
        ({"mean": np.full(45, np.nan)}, "not finite"),
    ],
)
def test_faulty_files_are_named(tmp_path: Path, change: dict[str, np.ndarray], fault: str) -> None:
    good = {"mean": np.zeros(45), "components": np.eye(45)[:3], "sds": np.ones(3)}
    np.savez(tmp_path / "hands.npz", **(good | change))
    with pytest.raises(ValueError, match=f"hands.npz.*{fault}"):
        recorded_hands(LIKE, tmp_path / "hands.npz")


def test_presets_choose_the_hands() -> None:
    body = load_body(None)
    recorded, own = load_preset("smplx"), load_preset("smplify_x_2019")
    assert recorded.hand_prior is HandPrior.RECORDED and own.hand_prior is HandPrior.BODY
    expected: dict[str, HandSpace] = {
        "smplx": recorded_hands(body.v_template)[1],
        "smplify_x_2019": body.right_hand,
    }
    for config in (recorded, own):
        hand = FitSetup(body, config).decoder.right_hand
        assert torch.equal(hand.mean, expected[config.name].mean)
        assert torch.equal(
            hand.components, expected[config.name].components[: config.hand_components]
        )
    bare = dataclasses.replace(body, left_hand=None, right_hand=None)
    assert len(FitSetup(bare, recorded).decoder.left_hand.sds) == 0


def test_limits_are_a_term_of_the_last_stage_for_each_hand() -> None:
    body, config = load_body(None), load_preset("smplx")
    priors = FitSetup(body, config).priors
    terms = {t.name: t for t in priors.weighted(config.stages[-1].weights)}
    left, right = hand_limits(body.v_template)
    for block, limits in ((Block.LEFT_HAND, left), (Block.RIGHT_HAND, right)):
        term = terms[f"{block.value}_limits"].term
        assert term.feature == HandPose(block) and torch.equal(term.lower, limits.lower)


@pytest.mark.parametrize("finger", range(1, 5), ids=FINGERS[1:])
def test_inverse_kinematics_find_the_angles_of_exact_fingers(finger: int) -> None:
    rest = _rest()
    chain = Chain.at_rest(rest, finger)
    rng = np.random.default_rng(finger)
    angles = rng.uniform(0.1, 1.2, (60, chain.angles))
    angles[:, 1] = rng.uniform(-0.3, 0.3, 60)
    shape = rng.uniform(-0.2, 0.2, chain.shared)
    lengths = np.linalg.norm(np.diff(rest[finger_points(finger)], axis=0), axis=1)
    truth = chain.rotations(angles, shape)
    found, axes, off = solve(chain, chain.positions(truth, lengths), 1e-3)
    assert off.max() < 0.05
    worst = max((a.inv() * b).magnitude().max() for a, b in zip(truth, found, strict=True))
    assert worst < 0.03 and np.abs(axes - shape)[:3].max() < 0.03


def test_recordings_go_through_in_any_frame_and_size() -> None:
    rest, pose = _rest(), _synthetic(6)
    joints = np.concatenate([np.zeros((6, 1, 3)), finger_positions(pose, rest)], 1)
    group = ("a",) * 6
    recordings = Recordings(0.8 * joints, group, group, Source.HANDYJS, np.zeros(6))
    solved, _ = solve_hands(recordings, 0.8 * rest)
    again = finger_positions(solved.pose, rest)
    # their thumbs bend about axes of their own
    assert np.linalg.norm(again - joints[:, 1:], axis=-1).mean() < 6.0
    assert solved.off[:, 1:].mean() < 1.0


def test_forward_kinematics_agree_with_the_body() -> None:
    body, rest, pose = load_body(None).to(dtype=DOUBLE), _rest(), _synthetic(3)
    params = BodyParams.zeros((3,), 0, 0, like=body.v_template)
    params = params.replace(left_hand_pose=torch.from_numpy(pose).unflatten(-1, (15, 3)))
    joints = skinning.joints(body, params)
    ours = finger_positions(pose, rest)
    for finger, name in enumerate(FINGERS):
        theirs = (
            joints[:, [JOINT_INDEX[f"left_{name}{i}"] for i in (1, 2, 3)]]
            - joints[:, [JOINT_INDEX["left_wrist"]]]
        )
        np.testing.assert_allclose(
            ours[:, 4 * finger : 4 * finger + 3], 1000 * theirs.numpy(), atol=0.1
        )


def test_statistics_keep_moments_and_shares() -> None:
    rest, pose = _rest(), _synthetic(300)
    scale = levers(pose, rest)
    pca = hand_pca(Sample.of(pose), scale)
    np.testing.assert_allclose(pca.mean, pose.mean(0), atol=1e-12)
    covariance = (pca.components.T * pca.sds**2) @ pca.components
    np.testing.assert_allclose(covariance, np.cov(pose.T, bias=True), atol=1e-9)
    assert reconstruction_mm(pca, pose, 45, rest) < 1e-6
    assert reconstruction_degrees(pca, pose, 45, rest) < 1e-5
    assert reconstruction_mm(pca, pose, 12, rest) < 0.5 * reconstruction_mm(pca, pose, 3, rest)
    both = mix([(Sample.of(pose), 3.0), (Sample.of(pose[:10] + 1), 1.0)])
    np.testing.assert_allclose(both.weight[:300].sum(), 0.75)


def test_samples_with_a_bad_fit_count_less() -> None:
    weight = Sample.of(np.zeros((3, 45)), np.array([0.0, 3.0, 9.0])).weight
    np.testing.assert_allclose(weight / weight[0], [1.0, 0.5, 0.1])


def test_fingers_have_rows_of_their_own() -> None:
    assert sorted(i for name in FINGERS for i in range(15)[rows_of(name)]) == list(range(15))


@pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the recorded hands of {DATA}")
def test_recorded_hands_come_out_left_and_precise() -> None:
    rest = _rest()
    recordings = read_handyjs(DATA, rest)
    assert len(recordings.points) == 110 and recordings.palm_error.max() < 2.5
    thumb_up = recordings.points[recordings.group.index("thumb")]
    # the thumb stands out, the index is curled
    assert thumb_up[4, 2] > 80 and thumb_up[8, 0] < thumb_up[5, 0] + 20
    solved, _ = solve_hands(recordings, rest)
    assert solved.off.mean() < 1.0
    assert (
        hand_limits(LIKE)[0]
        .inside(torch.from_numpy(solved.pose).unflatten(-1, (15, 3)))
        .double()
        .mean()
        > 0.99
    )
    fist = Rotation.from_rotvec(solved.pose[recordings.group.index("asl s")].reshape(15, 3)[:12])
    assert (fist.as_rotvec()[:, 2] < -0.3).all()


def test_frames_near_an_earlier_one_are_dropped() -> None:
    points = np.zeros((4, 21, 3)) + np.array([0.0, 3.0, 12.0, 1.0])[:, None, None]
    names = ("a 0", "a 1", "a 2", "b 0")
    recordings = Recordings(points, names, ("a", "a", "a", "b"), Source.LEAP, np.zeros(4))
    assert thinned(recordings, 8.0).name == ("a 0", "a 2", "b 0")
    assert thinned(recordings, 8.0, across=True).name == ("a 0", "a 2")


@pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the recorded hands of {DATA}")
@pytest.mark.parametrize(
    ("read", "count"),
    [
        (read_leap, 330),
        (read_dex, 128),
        (read_steamvr, 18),
        (read_godot, 35),
        (read_ultimatexr, 60),
        (read_ultraleap, 6),
        (read_iwer, 3),
    ],
)
def test_every_source_gives_left_hands_that_curl(
    read: Callable[[Path, np.ndarray], Recordings], count: int
) -> None:
    recordings = read(DATA, _rest())
    assert len(recordings.points) == count and recordings.palm_error.mean() < 5.0
    knuckles, middles, tips = (recordings.points[:, at] for at in ((5, 9), (6, 10), (8, 12)))
    # along x, the thumb's side at +z, tips below their middle joints as the palm faces down
    assert (knuckles[..., 0] > 50).all() and (recordings.points[:, 5] > recordings.points[:, 17])[
        :, 2
    ].all()
    assert (tips[..., 1] < middles[..., 1]).mean() > 0.7
