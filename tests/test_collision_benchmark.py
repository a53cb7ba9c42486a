"""The collision benchmark: its brute force on shapes known by heart, its poses, its tables, its
pictures.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from unittest import mock

import numpy as np
import pytest
import torch
from cases import embedded_body
from mocap_data import random_poses

from benchmarks import collision, collision_fits, collision_pictures, reaching
from benchmarks.brute import Brute, brute_force, cross, crossing, distance, lids, winding
from benchmarks.collision_fits import Compared, Limb, Region, Term, limb_of
from benchmarks.reaching import RECIPES, FitRecipe, Kind, body_pose, reach, spots, spotted
from benchmarks.touching import Sample, Source, Stop
from smplifyx.body import skinning
from smplifyx.body.joints import JOINT_NAMES
from smplifyx.body.params import BodyParams
from smplifyx.collision.mesh.triangles import intersect
from smplifyx.collision.parts import Parts
from smplifyx.data.synthetic import GenerateOptions, photograph

FLOAT = torch.float32
CUBE = np.array([[x, y, z] for x in (0.0, 1.0) for y in (0.0, 1.0) for z in (0.0, 1.0)])
SIDES = np.array([[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6], [0, 2, 6],
                  [0, 6, 4], [1, 5, 7], [1, 7, 3]])  # fmt: skip
TURN = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
TURN = TURN * np.sign(np.linalg.det(TURN))


def triangles(count: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.uniform(size=(count, 1, 3)) + generator.normal(0, 0.15, (count, 3, 3))


def two_cubes(shift: tuple[float, float, float], apart: bool = True) -> Brute:
    """What two unit cubes, a part each, do to each other, looked at askew."""
    vertices = np.concatenate([CUBE, CUBE + shift]) @ TURN.T
    of = torch.arange(2)
    held = torch.tensor([[False, apart], [apart, False]])
    return brute_force(
        vertices,
        np.concatenate([SIDES, SIDES + 8]),
        Parts(of.repeat_interleave(8), of.repeat_interleave(12), held),
    )


def test_every_pair_of_faces_that_crosses_is_found_once():
    corners, part = triangles(240, 1), np.arange(240) % 3
    apart = np.array([[False, True, True], [True, False, False], [True, False, False]])
    found = {frozenset(pair) for pair in crossing(corners, part, apart).tolist()}
    assert len(found) == len(crossing(corners, part, apart)) > 20
    a, b = np.triu_indices(240, 1)
    expected = cross(corners[a], corners[b]) & apart[part[a], part[b]]
    assert found == {frozenset(pair) for pair in np.stack([a, b], 1)[expected].tolist()}


def test_triangles_cross_as_the_check_says():
    a, b = triangles(3000, 2), triangles(3000, 3)
    b = b - b.mean(1, keepdims=True) + a.mean(1, keepdims=True) + 0.06
    found = cross(a, b)
    assert 0.2 < found.mean() < 0.95
    assert np.array_equal(found, intersect(torch.as_tensor(a.T), torch.as_tensor(b.T)).numpy())


def test_a_cube_winds_around_what_is_inside():
    points = np.random.default_rng(4).uniform(-0.5, 1.5, (400, 3))
    inside = ((points > 0) & (points < 1)).all(1)
    corners = CUBE[SIDES] @ TURN.T
    assert np.array_equal(winding(points @ TURN.T, corners), inside.astype(float))
    expected = np.where(
        inside,
        np.minimum(points, 1 - points).min(1),
        np.linalg.norm(points - points.clip(0, 1), axis=1),
    )
    np.testing.assert_allclose(distance(points @ TURN.T, corners), expected, atol=1e-12)


def test_lids_close_holes():
    open_top = np.delete(SIDES, [10, 11], 0)
    lid = lids(CUBE, open_top)
    assert lid.shape == (4, 3, 3) and (lid[:, :, 2] == 1).all()
    corners = np.concatenate([CUBE[open_top], lid]) @ TURN.T
    assert winding(np.array([[0.3, 0.4, 0.9], [0.3, 0.4, 1.1]]) @ TURN.T, corners).tolist() == [
        1,
        0,
    ]
    assert lids(CUBE, SIDES).shape == (0, 3, 3)


@pytest.mark.parametrize(
    ("shift", "depth"), [((0.9, 0.85, 0.8), 0.1), ((0.95, 0.6, 0.7), 0.05), ((1.01, 0.2, 0.3), 0)]
)
def test_cubes_lie_as_deep_in_each_other_as_they_were_pushed(shift, depth):
    found = two_cubes(shift)
    assert found.touches == (depth > 0)
    assert found.depth == pytest.approx(depth)
    assert found.triangles <= 24 and not two_cubes(shift, apart=False).touches


def one_of_each() -> tuple[BodyParams, tuple]:
    recipes = tuple(recipe for kind in RECIPES.values() for recipe in kind)
    body = embedded_body(FLOAT)
    people = BodyParams.zeros(
        (len(recipes),), body.shapedirs.shape[-1], body.expressiondirs.shape[-1], body.v_template
    )
    return people.replace(
        body_pose=torch.stack([body_pose(recipe.start) for recipe in recipes])
    ), recipes


def test_every_recipe_brings_skin_to_skin():
    people, recipes = one_of_each()
    body = embedded_body(FLOAT)
    before, after = (
        spot_gaps(people, recipes),
        spot_gaps(reach(body, people, recipes, torch.zeros(len(recipes))), recipes),
    )
    assert after.max() < 0.05 and after.median() < 0.01 < before.min()


def spot_gaps(people: BodyParams, recipes: tuple[FitRecipe, ...]) -> torch.Tensor:
    """The largest distance in metres between a moving spot and its target of each person."""
    number = {spot: 2 * i for i, spot in enumerate(spots())}
    with torch.no_grad():
        points = skinning.points(spotted(embedded_body(FLOAT)), people)
    ends = [[(number[r.moving], number[r.target]) for r in recipe.reaches] for recipe in recipes]
    return torch.stack([
        (points[row, [a for a, _ in one]] - points[row, [b for _, b in one]]).norm(dim=-1).max()
        for row, one in enumerate(ends)
    ])  # fmt: skip


@lru_cache(maxsize=1)
def hands_on_hips() -> Sample:
    source = Source(embedded_body(FLOAT), random_poses(2), threads=1)
    with mock.patch.object(reaching, "STEPS", 100):
        return Sample.cat(
            [source.draw(Kind.HANDS_ON_HIPS, 2, 3, stop) for stop in (Stop.BEFORE, Stop.TOUCH)]
        )


def test_made_poses_stop_where_they_are_told():
    sample = hands_on_hips()
    assert sample.touches.tolist() == [False, False, True, True]
    assert (sample.depth < 0.01).all() and (
        sample.triangles > 0
    ).tolist() == sample.touches.tolist()
    told = collision.said(embedded_body(FLOAT), sample.params)
    assert (told.triangles == sample.triangles).all() and told.overlap.max() < 10
    assert len(told.pair) == 4


@pytest.mark.parametrize("kind", [Kind.MOCAP, Kind.PRIOR, Kind.FISTS])
def test_other_people_are_drawn_alike_each_time(kind):
    source = Source(embedded_body(FLOAT), random_poses(5), threads=1)
    first, second = (source.draw(kind, 2, 1) for _ in range(2))
    assert torch.equal(first.params.full_pose(), second.params.full_pose())
    assert first.kinds == (kind, kind) and not first.params.transl.any()


def told_and_sample() -> tuple[Sample, collision.Said]:
    """Four people: touching at 0, 2 and 12 mm, and free; the spheres miss the first two, the check
    none.
    """
    body = embedded_body(FLOAT)
    pairs = np.array([[0, 1]])
    brute = [Brute(pairs, np.array([depth])) for depth in (0.0, 0.002, 0.012)] + [
        Brute(pairs[:0], np.zeros(1))
    ]
    params = BodyParams.zeros(
        (4,), body.shapedirs.shape[-1], body.expressiondirs.shape[-1], body.v_template
    )
    kinds = (Kind.MOCAP, Kind.MOCAP, Kind.FISTS, Kind.FISTS)
    cut = torch.zeros(4, 5, dtype=torch.bool)
    cut[:3, :2] = True
    cut[0, 2] = True
    said = collision.Said(
        cut.sum(1),
        torch.tensor([0.0, 2, 12, 0]),
        cut,
        torch.tensor([0, 0, 10.0, 2]),
        ("a – b",) * 4,
    )
    return Sample(params, kinds, tuple(brute)), said


def test_recall_and_precision():
    sample, told = told_and_sample()
    row = collision.by_kind(sample, told)["**all**"]
    assert (row["touch"], row["do not"]) == (3, 1)
    assert (row["exact: recall"], row["exact: precision"]) == ("1.000", "1.000")
    assert (row["spheres > 1 mm: recall"], row["spheres > 1 mm: precision"]) == ("0.333", "0.500")
    assert (row["spheres > 3 mm: recall"], row["spheres > 3 mm: precision"]) == ("0.333", "1.000")
    assert collision.by_kind(sample, told)[Kind.CROSSED_ARMS.value]["exact: recall"] == "–"
    depths = collision.by_depth(sample, told)
    assert [row["people"] for row in depths.values()] == [1, 1, 0, 0, 1, 0, 0]
    assert depths["10 – 20 mm"]["spheres > 3 mm: recall"] == "1.000"


def test_the_check_is_held_against_the_brute_force_face_by_face():
    rows = collision.against(*told_and_sample())
    assert list(rows["people"].values()) == [3, 0, 0]
    assert list(rows["triangles"].values()) == [6, 0, 1]


def test_pushes_are_told_for_people_who_do_not_touch():
    sample, told = told_and_sample()
    body = embedded_body(FLOAT)
    rows = collision.pushes(body, sample, told)
    assert rows["T-pose, flat hands"]["most"] == 0
    assert rows["just before a touch"]["people"] == 1 and rows["just before a touch"]["most"] == 2
    assert rows["mocap that touches nothing"]["people"] == 0
    assert len(collision._table(rows).splitlines()) == len(rows) + 2


def test_every_joint_belongs_to_a_limb():
    limbs = [limb_of(name) for name in JOINT_NAMES]
    assert len(set(limbs)) == 2 + 2 * 6
    assert limbs[JOINT_NAMES.index("left_index2")] == Limb(Region.HAND, "left")
    assert limbs[JOINT_NAMES.index("right_hip")] == Limb(Region.THIGH, "right")
    assert limbs[JOINT_NAMES.index("right_eye_smplhf")] == Limb(Region.HEAD, "")


def test_photographed_people_keep_their_bodies():
    people = hands_on_hips().params
    seen = photograph(embedded_body(FLOAT), people, 5, GenerateOptions(noise_px=0.0, dropped=0.0))
    assert torch.equal(seen.truth.body_pose, people.body_pose) and torch.equal(
        seen.truth.betas, people.betas
    )
    assert (seen.truth.transl[:, 2] > 1).all()
    shown = seen.keypoints.confidence > 0
    points = seen.camera.project(skinning.points(embedded_body(FLOAT), seen.truth))
    torch.testing.assert_close(points[shown], seen.keypoints.xy[shown])
    found = collision_fits.outcome(seen.truth, seen, embedded_body(FLOAT))
    assert found.errors.pa_mpjpe.max() < 0.01 and found.pixels.nanquantile(0.99) < 0.01
    assert (found.triangles == hands_on_hips().triangles).all()


def compared(depth: dict[Term, float]) -> Compared:
    """Fits that are the truth but for how deep they are said to be."""
    people = photograph(embedded_body(FLOAT), hands_on_hips().params, 5)
    truth = collision_fits.outcome(people.truth, people, embedded_body(FLOAT))
    fits = {
        term: dataclasses.replace(
            truth, depth=0 * truth.depth + mm, triangles=10 * mm + 0 * truth.depth
        )
        for term, mm in depth.items()
    }
    return Compared(people, truth, fits)


def test_hands_that_stay_on_hips_are_counted():
    same = compared({Term.OFF: 0.0, Term.ON: 0.0})
    found = collision_fits.kept(hands_on_hips(), same, embedded_body(FLOAT))
    assert set(found[Term.ON]) == {"hand – trunk"} and all(found[Term.ON]["hand – trunk"])
    away = dataclasses.replace(
        same.truth, params=same.truth.params.replace(body_pose=0 * same.truth.params.body_pose)
    )
    gone = dataclasses.replace(same, fits={Term.OFF: same.truth, Term.ON: away})
    found = collision_fits.kept(hands_on_hips(), gone, embedded_body(FLOAT))
    assert all(found[Term.OFF]["hand – trunk"]) and not any(found[Term.ON]["hand – trunk"])


@pytest.mark.parametrize(("after", "kept", "ratio", "verdicts"), [
    (0.5, [True] * 10, 1.4, ["PASS"] * 5), (2.5, [True, False], 1.6, ["FAIL", "FAIL", "PASS", "FAIL", "FAIL"]),
])  # fmt: skip
def test_the_targets(after, kept, ratio, verdicts):
    contact = {Term.OFF: {"hand – trunk": [True] * len(kept)}, Term.ON: {"hand – trunk": kept}}
    timed = {64: {Term.OFF: 1.0, Term.ON: ratio}}
    table = collision_fits._verdicts(compared({Term.OFF: 10.0, Term.ON: after}), contact, timed)
    assert [row.split("|")[3] for row in table.splitlines()[2:]] == verdicts


def test_a_picture_shows_what_cuts(tmp_path):
    body = embedded_body(FLOAT)
    free, _, touching, _ = collision_pictures._shown(
        body, collision_pictures._upright(body, hands_on_hips().params)
    )
    picture = collision_pictures._pair(Kind.HANDS_ON_HIPS, touching, free, body)
    side = collision_pictures.SIDE
    assert picture.shape == (side + collision_pictures.STRIP, 2 * side, 3)
    assert (
        collision_pictures._red(picture[:, :side]) > 0 == collision_pictures._red(picture[:, side:])
    )
    collision_pictures._write(tmp_path / "pair.jpg", picture)
    assert 2_000 < (tmp_path / "pair.jpg").stat().st_size < 120_000
