"""The benchmark of the pose priors: what it hides, what it measures and when a gate passes."""

from __future__ import annotations

import math
from functools import lru_cache

import pytest
import torch
from mocap_data import random_poses

from benchmarks import priors as benchmark
from benchmarks.lift import Limb, View, config_of, errors, lift, limbs_of, scene, without
from smplifyx.body.joints import JOINT_NAMES
from smplifyx.body.loading.files import load_body
from smplifyx.config import load_preset
from smplifyx.data.synthetic import GeneratedPeople, GenerateOptions, generate_people
from smplifyx.keypoints.names import POINT_NAMES
from smplifyx.pose_priors import load_prior

COUNT = 8
LIFT = ["PA-MPJPE", "PA p90", "> 150 mm", "MPJPE", "PA seen", "PA hidden", "MPJPE seen", "MPJPE hidden",
        "PA hidden arm", "PA hidden leg", "people/s"]  # fmt: skip
ARM = {"{}_elbow", "{}_wrist", "{}_hand_wrist"} | {
    f"{{}}_{finger}_{i}"
    for finger in ("thumb", "index", "middle", "ring", "pinky")
    for i in (1, 2, 3, 4)
}
LEG = {"{}_knee", "{}_ankle", "{}_big_toe", "{}_small_toe", "{}_heel"}


@lru_cache(maxsize=1)
def people() -> GeneratedPeople:
    """Eight people of whom every point is seen."""
    return generate_people(
        load_body(None), random_poses(20), COUNT, options=GenerateOptions(dropped=0.0)
    )


@pytest.mark.parametrize("limb", Limb)
def test_a_limb_hides_its_points_and_joints(limb):
    points = {name.format(limb.side) for name in (ARM if limb.is_arm else LEG)}
    assert {POINT_NAMES[i] for i in limb.points} == points
    joints = ("elbow", "wrist") if limb.is_arm else ("knee", "ankle", "foot")
    assert [JOINT_NAMES[i] for i in limb.joints] == [f"{limb.side}_{joint}" for joint in joints]


def test_the_limbs_are_all_drawn_alike_and_the_same_each_time():
    drawn = limbs_of(400)
    assert drawn == limbs_of(400)
    assert all(70 < drawn.count(limb) < 130 for limb in Limb)


def test_one_limb_of_each_person_is_hidden_and_nothing_else():
    shown = scene(people(), View.LIMB)
    for person, limb in enumerate(limbs_of(COUNT)):
        unseen = (shown.keypoints.confidence[person] == 0) & (
            people().keypoints.confidence[person] > 0
        )
        assert set(unseen.nonzero()[:, 0].tolist()) <= set(limb.points)
        assert not shown.keypoints.confidence[person, limb.points].any()
        assert shown.hidden[person].nonzero()[:, 0].tolist() == sorted(limb.joints)
    assert torch.equal(shown.keypoints.xy, people().keypoints.xy)


def test_upper_body_only_hides_the_joints_of_both_legs():
    shown = scene(people(), View.UPPER)
    assert {JOINT_NAMES[i] for i in shown.hidden[0].nonzero()[:, 0]} == {
        f"{side}_{joint}" for side in ("left", "right") for joint in ("knee", "ankle", "foot")
    }
    assert not shown.keypoints.confidence[:, POINT_NAMES.index("left_knee")].any()


def test_only_the_focal_length_is_guessed():
    shown = scene(people(), View.GUESSED)
    assert torch.equal(shown.keypoints.confidence, people().keypoints.confidence)
    assert not torch.allclose(shown.camera.K, people().camera.K)


def test_errors_are_told_apart_by_what_is_hidden():
    hidden = torch.zeros(2, 22, dtype=torch.bool)
    arm, leg = Limb.LEFT_ARM.joints, Limb.RIGHT_LEG.joints
    hidden[0, arm], hidden[1, leg] = True, True
    aligned, rooted = torch.ones(2, 22), torch.full((2, 22), 2.0)
    aligned[0, arm], aligned[1, leg], rooted[hidden] = 11.0, 21.0, 32.0
    row = errors(aligned, rooted, hidden)
    assert [row[f"{name} {part}"] for name in ("PA", "MPJPE") for part in ("seen", "hidden")] == [
        1,
        16,
        2,
        32,
    ]
    assert (row["PA hidden arm"], row["PA hidden leg"]) == (11, 21)
    assert row["PA-MPJPE"] == pytest.approx((22 + 2 * 10 + 22 + 3 * 20) / 44)


def test_the_weight_of_the_prior_alone_is_scaled():
    plain, scaled = load_preset("smplx"), config_of("none", 0.5)
    assert scaled.pose_prior == "none"
    for before, after in zip(plain.stages, scaled.stages, strict=True):
        assert after.weights.pose_prior == 0.5 * before.weights.pose_prior
        assert after.weights.limits == before.weights.limits


@pytest.mark.parametrize("view", [View.ALL, View.LIMB])
def test_the_columns_of_the_lift(view):
    row = lift("gaussian", view, people())
    assert list(row) == LIFT
    hidden = {name for name in LIFT if "hidden" in name or "seen" in name}
    assert {name for name, value in row.items() if math.isnan(value)} == (
        hidden if view is View.ALL else set()
    )
    assert 1 < row["PA-MPJPE"] < row["MPJPE"] < 300


def test_reconstruction_by_a_prior_without_a_bottleneck_is_exact_and_its_samples_are_judged():
    prior, body = load_prior("gaussian"), load_body(None)
    rotation = prior.decode(torch.as_tensor(random_poses(4).body_pose).float().flatten(1))
    row = benchmark.reconstruction(prior, body, rotation)
    assert len(row) == 4 and max(row.values()) < 0.01
    assert 0.01 < benchmark.sampled(prior)["samples inside the joint limits"] < 1


def test_refinement_finds_the_latent_that_the_encoder_misses():
    prior, body = load_prior("gaussian"), load_body(None)
    truth = torch.as_tensor(random_poses(4).body_pose).float().flatten(1)
    joints = benchmark.neutral_joints(body, prior.decode(truth))
    found = benchmark.refined(prior, body, truth + 0.1, joints)
    distance = (benchmark.neutral_joints(body, prior.decode(found)) - joints).norm(dim=-1)
    assert distance.mean() < 0.005


@pytest.mark.parametrize(
    ("full", "p90", "hidden", "photos", "passed"),
    [
        (26.9, 41.9, 75.0, 0.92, [True, True, True]),
        (27.1, 41.9, 76.0, 0.91, [False, False, False]),
        (26.9, 42.1, 74.0, 0.93, [False, True, True]),
    ],
)
def test_gates(full, p90, hidden, photos, passed):
    def column(full: float, p90: float, hidden: float, photos: float) -> dict[str, float]:
        return {
            "all points, true focal: PA-MPJPE": full, "all points, true focal: PA p90": p90,
            "one limb hidden: PA hidden": hidden, "one limb hidden: MPJPE hidden": hidden, "photos: within 2%": photos,
        }  # fmt: skip

    columns = {"gaussian": column(29, 48, 100.0, 0.96), "vposer": column(full, p90, hidden, photos)}
    assert list(benchmark.gates(columns["vposer"], columns["gaussian"]).values()) == passed
    verdicts = [line.split("|")[3] for line in benchmark.table(columns).splitlines()[-3:]]
    assert verdicts == ["PASS" if good else "FAIL" for good in passed]
    assert benchmark.table({"vposer": columns["vposer"]}).splitlines()[-2].endswith("|–|")


def test_a_person_without_hidden_points_stays_as_it_was():
    assert torch.equal(
        without(people().keypoints, [[]] * COUNT).confidence, people().keypoints.confidence
    )
