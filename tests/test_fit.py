"""The whole fit: known truth, independence of resolution, order and company, and people who cannot
be fitted.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import roma
import torch
from cases import embedded_body, preset
from make_bodies import write

from smplifyx.body.joints import JOINT_NAMES, BodyKind, joint_names, parents
from smplifyx.body.loading.files import load_body
from smplifyx.camera import Camera
from smplifyx.config import FitConfig, with_free_focal
from smplifyx.core import assets, rotations
from smplifyx.data.retarget import Poses
from smplifyx.data.synthetic import GeneratedPeople, GenerateOptions, generate_people
from smplifyx.evaluation.metrics import person_errors
from smplifyx.fitting.fit import fit
from smplifyx.fitting.mirroring import FLIPS
from smplifyx.fitting.quality import reprojection_percent
from smplifyx.fitting.result import FitResult, FitStatus
from smplifyx.keypoints import Keypoints, names
from smplifyx.pose_priors import load_prior

FLOAT = torch.float32
RADIANS = 1e-4


@lru_cache(maxsize=2)
def people(options: GenerateOptions | None = None) -> GeneratedPeople:
    """Eight people in poses drawn from the prior, a little calmer than it, seen from all around."""
    prior, generator = load_prior("gaussian"), torch.Generator().manual_seed(3)
    noise = 0.7 * torch.randn(8, 63, generator=generator)
    poses = prior.mean() + torch.linalg.solve(prior.whitening, noise.T).T
    upright = Poses(np.zeros((8, 3)), poses.unflatten(-1, (21, 3)).double().numpy())
    return generate_people(embedded_body(FLOAT), upright, 8, 5, options)


@lru_cache(maxsize=4)
def fitted(name: str = "smplx") -> FitResult:
    return fit(people().keypoints, people().camera, embedded_body(FLOAT), preset(name))


def turned(a: FitResult, b: FitResult) -> float:
    """The largest difference of any joint's rotation, radians."""
    first, second = (rotations.exp(r.params.full_pose()) for r in (a, b))
    return float(roma.rotmat_geodesic_distance(first, second).max())


@pytest.mark.parametrize("name, limit", [("smplx", 45.0), ("fast", 55.0)])
def test_generated_people_are_recovered(name, limit):
    errors = person_errors(embedded_body(FLOAT), fitted(name).params, people().truth)
    assert float(errors.pa_mpjpe.mean()) < limit
    assert (errors.facing < 90).all()
    assert float(reprojection_percent(people().keypoints, fitted(name).points2d).body.max()) < 1.5
    assert (fitted(name).status == int(FitStatus.OK)).all()


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_the_answer_does_not_depend_on_the_resolution(scale):
    zoom = torch.diag(torch.tensor([scale, scale, 1.0]))
    camera = Camera(zoom @ people().camera.K, people().camera.image_size * scale)
    keypoints = people().keypoints.replace(xy=people().keypoints.xy * scale)
    other = fit(keypoints, camera, embedded_body(FLOAT), preset())
    moved = (other.points3d - fitted().points3d).norm(dim=-1)  # metres
    # rounding decides where it stops
    assert float(moved.nanmean()) < 2e-3 and float(moved.nan_to_num().max()) < 0.02
    torch.testing.assert_close(other.energy, fitted().energy, rtol=5e-3, atol=0.0)


@pytest.mark.parametrize("rows", [[0], [7], [5, 2], [7, 6, 5, 4, 3, 2, 1, 0], [3, 3, 3]])
def test_a_person_is_the_same_alone_and_in_any_company_and_order(rows):
    some = fit(people().keypoints[rows], people().camera[rows], embedded_body(FLOAT), preset())
    assert turned(fitted()[rows], some) < RADIANS
    torch.testing.assert_close(some.params.betas, fitted().params.betas[rows], atol=RADIANS, rtol=0)
    torch.testing.assert_close(
        some.params.transl, fitted().params.transl[rows], atol=RADIANS, rtol=0
    )


HOPELESS = {
    "nothing seen": lambda k: k.replace(confidence=torch.zeros_like(k.confidence)),
    "not a number": lambda k: k.replace(xy=torch.full_like(k.xy, torch.nan)),
    "all at one place": lambda k: k.replace(xy=torch.full_like(k.xy, 500.0)),
}


@pytest.mark.parametrize("name", HOPELESS)
def test_a_hopeless_person_neither_raises_nor_touches_the_others(name):
    one = HOPELESS[name](people().keypoints[:1])
    mixed = Keypoints.cat([people().keypoints[:2], one, people().keypoints[2:4]])
    result = fit(mixed, people().camera[[0, 1, 0, 2, 3]], embedded_body(FLOAT), preset())
    assert turned(result[[0, 1, 3, 4]], fitted()[:4]) < RADIANS
    assert result.status[2] != int(FitStatus.OK)


def test_few_points_are_fitted_and_flagged():
    confidence = people().keypoints.confidence.clone()
    confidence[:, 7:] = 0
    result = fit(
        people().keypoints.replace(confidence=confidence),
        people().camera,
        embedded_body(FLOAT),
        preset(),
    )
    assert (result.status == int(FitStatus.LOW_EVIDENCE)).all()
    assert result.params.body_pose.isfinite().all()


def test_the_best_hypothesis_is_the_one_returned():
    result = fitted()
    tried = result.hypothesis_energies.isfinite()
    assert (tried.sum(1) == 8 + len(FLIPS)).all()
    rows = torch.arange(8)
    assert torch.equal(result.energy, result.hypothesis_energies[rows, result.chosen])
    assert ((result.gap >= 0) | result.gap.isnan()).all()  # nan: every start led to the same body
    torch.testing.assert_close(result.energy, sum(result.energies.values()), rtol=1e-4, atol=1e-4)


def test_points_are_those_of_the_camera():
    result = fitted()
    torch.testing.assert_close(
        result.camera.project(result.points3d), result.points2d, equal_nan=True
    )


def test_a_free_focal_length_is_found_again():
    """Strong perspective and a wrong guess: the fit moves the focal length towards the truth, and
    saves it.
    """
    body = embedded_body(FLOAT)
    near = people(
        GenerateOptions(focal=(0.4, 0.5), fills=(0.8, 0.95), pitch=(20.0, 40.0), noise_px=0.5)
    )
    wrong = near.camera.zoomed(torch.full((8,), 1.4))
    found = fit(near.keypoints, wrong, body, with_free_focal(preset()))
    before = (wrong.focal / near.camera.focal).log().abs().mean()
    after = (found.camera.focal / near.camera.focal).log().abs().mean()
    assert after < 0.8 * before


def test_cameras_and_people_come_in_the_same_number():
    with pytest.raises(ValueError, match="one camera per person"):
        fit(people().keypoints, people().camera[:3], embedded_body(FLOAT), preset())


def reduced_body(kind: BodyKind, path):
    """The embedded body as a SMPL or SMPL-H file: fewer joints, each removed one's weight on its
    parent.
    """
    with np.load(assets.folder("priors") / "bodies" / "neutral.npz") as file:
        full = {
            key: file[key]
            for key in ("v_template", "f", "weights", "J_regressor", "extra_points", "shapedirs")
        }
    kept = joint_names(kind)
    source = [
        JOINT_NAMES.index(n)
        if n in JOINT_NAMES
        else JOINT_NAMES.index(n.split("_")[0] + "_middle1")
        for n in kept
    ]
    ups, weights = parents(BodyKind.SMPLX), full["weights"].copy()
    for joint in reversed(range(len(JOINT_NAMES))):
        if joint not in source:
            heir = joint if joint in source else ups[joint]
            weights[:, heir] += weights[:, joint]
    arrays = {
        "v_template": full["v_template"], "f": full["f"], "shapedirs": full["shapedirs"][..., :10],
        "weights": weights[:, source], "J_regressor": full["J_regressor"][source], "extra_points": full["extra_points"],
        "posedirs": np.zeros((len(weights), 3, 9 * (len(kept) - 1)), np.float32),
        "kintree_table": np.array([parents(kind), range(len(kept))]),
    }  # fmt: skip
    return load_body(write(path, arrays))


OTHER_BODIES = [
    ("smpl", BodyKind.SMPL),
    ("smplh", BodyKind.SMPLH),
    ("smplx", BodyKind.SMPL),
    ("fast", BodyKind.SMPLH),
]


@pytest.mark.parametrize("name, kind", OTHER_BODIES)
def test_the_presets_of_other_bodies_fit_them(tmp_path, name, kind):
    body = reduced_body(kind, tmp_path / f"{name}.npz")
    assert body.kind is kind
    result = fit(people().keypoints, people().camera, body, preset(name))
    percent = reprojection_percent(people().keypoints, result.points2d)
    assert float(percent.body.max()) < 2.0 and percent.face.isnan().all()
    assert percent.hands.isnan().all() == (kind is BodyKind.SMPL)
    assert result.points3d[:, names.FACE].isnan().all()


def test_the_2019_preset_runs_and_states_its_focal_length():
    config = preset("smplify_x_2019")
    short = [s.model_dump() | {"solver": {"kind": "lbfgs", "max_steps": 30}} for s in config.stages]
    quick = FitConfig.model_validate(config.model_dump() | {"stages": short})
    result = fit(people().keypoints[:2], people().camera[:2], embedded_body(FLOAT), quick)
    assert result.camera.focal.unique().tolist() == [5000.0]
    assert result.energy.isfinite().all() and set(result.energies) >= {
        "bending",
        "jaw",
        "left_hand_size",
        "pose_prior",
    }


def scrambled(seed: int) -> Keypoints:
    """People whose body points have changed places: no body makes them."""
    order = torch.randperm(25, generator=torch.Generator().manual_seed(seed))
    index = torch.cat([order, torch.arange(25, names.COUNT)])
    return Keypoints.from_array(people().keypoints.to_array()[:, index])


@pytest.mark.parametrize("seed", [0, 1])
def test_points_that_no_body_makes_end_as_people_and_never_as_ok(seed):
    result = fit(scrambled(seed), people().camera, embedded_body(FLOAT), preset("smplx"))
    assert not (result.status == FitStatus.OK).any()
    human = result.plausibility.is_human
    assert human.float().mean() >= 0.75 and result.tries is not None
    assert (result.status[~human] >= FitStatus.POOR).all()


def test_a_far_point_does_not_pass_for_a_large_person():
    """A nose a million pixels away spans a box of which every error is a thousandth."""
    far = people().keypoints.to_array()
    far[:, 1:25, :2] += 40 * torch.randn(8, 24, 2, generator=torch.Generator().manual_seed(2))
    far[:, 0, :2] = 9.9e5
    result = fit(Keypoints.from_array(far), people().camera, embedded_body(FLOAT), preset("fast"))
    percent = reprojection_percent(result.keypoints, result.points2d).body
    assert (percent > 1).all()


def test_measured_points_are_the_same_to_the_bit_in_batches_of_any_size():
    keypoints, camera, body = people().keypoints, people().camera, embedded_body(FLOAT)
    together = fit(keypoints, camera, body, preset("fast"))
    for size in (1, 3):
        parts = [
            fit(keypoints[i : i + size], camera[i : i + size], body, preset("fast"))
            for i in range(0, 8, size)
        ]
        apart = FitResult.cat(parts)
        for name in ("points3d", "points2d", "energy", "latent"):
            assert torch.equal(getattr(apart, name), getattr(together, name)), name
