"""What a network predicted of people: placed on their keypoints, weighed by its errors, checked."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from cases import embedded_body
from mocap_data import random_poses

from smplifyx.body.params import BodyParams
from smplifyx.config import ConfigError, load_preset
from smplifyx.core import rotations
from smplifyx.core.npz import ResultFileError
from smplifyx.data.synthetic import GeneratedPeople, generate_people
from smplifyx.evaluation.metrics import pa_mpjpe
from smplifyx.evidence.kinds import evidence_of
from smplifyx.evidence.pose_estimate import BONES, PoseEstimate
from smplifyx.fitting.fit import fit
from smplifyx.fitting.fitter import Fitter
from smplifyx.fitting.held_out import FOLDS, held_out_distance
from smplifyx.fitting.result import FitResult
from smplifyx.keypoints import names
from smplifyx.predictions.estimating import STRANGER, estimated
from smplifyx.predictions.matching import matched
from smplifyx.predictions.placing import place
from smplifyx.predictions.prediction import Axes, Prediction
from smplifyx.predictions.source_errors import load_source_errors

COUNT = 6


@lru_cache(maxsize=1)
def people() -> GeneratedPeople:
    return generate_people(embedded_body(torch.float32), random_poses(40, seed=3), COUNT, 5)


def prediction_of(params: BodyParams, row: int, **fields: object) -> Prediction:
    """All rotations of a body."""
    turned = rotations.exp(params.full_pose()[row]).numpy().astype(np.float32)
    return Prediction("somebody's", turned, np.ones(55, bool), **fields)


@lru_cache(maxsize=1)
def predictions() -> tuple[Prediction, ...]:
    """The truth."""
    return tuple(prediction_of(people().truth, row) for row in range(COUNT))


def test_true_points_stay_where_they_are():
    seen = people()
    placed = place(seen.points, seen.keypoints, seen.camera)
    assert float(placed.error.max()) < 0.04
    distance = (placed.points - seen.points)[..., :2].norm(dim=-1)
    assert float(distance.nanmedian()) < 0.02


def test_points_that_are_turned_and_elsewhere_are_brought_back():
    seen = people()
    turn = rotations.exp(torch.tensor([0.1, 0.15, -0.1]))
    moved = (seen.points - seen.points[:, 8:9]) @ turn.mT
    placed = place(moved, seen.keypoints, seen.camera)
    back = placed.points - placed.points[:, 8:9]
    true = seen.points - seen.points[:, 8:9]
    before = (moved - true)[:, :25].norm(dim=-1).nanmean()
    assert float((back - true)[:, :25].norm(dim=-1).nanmean()) < 0.7 * float(before)


def test_too_few_points_have_no_error():
    seen = people()
    points = seen.points.clone()
    points[:, 3:] = torch.nan
    placed = place(points, seen.keypoints, seen.camera)
    assert placed.error.isnan().all()
    assert placed.points[:, :3].isfinite().all()


def test_a_good_start_makes_a_better_fit_and_a_strangers_is_left_out():
    seen, body = people(), embedded_body(torch.float32)
    alone = fit(seen.keypoints, seen.camera, body, "fast")
    begun = fit(seen.keypoints, seen.camera, body, "fast", start=predictions())
    truth = seen.points[:, :25]
    errors = [pa_mpjpe(result.points3d[:, :25], truth) for result in (alone, begun)]
    assert float(errors[1].nanmean()) < 0.9 * float(errors[0].nanmean())
    assert begun.start is not None and alone.start is None
    assert begun.start.start_error.isfinite().all() and (begun.start.moved_mm > 0).all()

    turned_round = rotations.about("y", torch.tensor(2.5), torch.zeros(()))
    wrong = [
        dataclasses.replace(one, rotations=_root_turned(one.rotations, turned_round.numpy()))
        for one in predictions()
    ]
    said = estimated(wrong, seen.keypoints, seen.camera, body)
    assert not said.estimate.is_told.any() and (said.error > STRANGER).all()
    with_wrong = fit(seen.keypoints, seen.camera, body, "fast", start=wrong)
    assert with_wrong.start is not None and with_wrong.start.start_error.isnan().all()
    torch.testing.assert_close(
        with_wrong.points3d, alone.points3d, atol=1e-3, rtol=0, equal_nan=True
    )


def _root_turned(rotation: np.ndarray, turn: np.ndarray) -> np.ndarray:
    turned = rotation.copy()
    turned[0] = turn @ rotation[0]
    return turned


def test_whose_prediction_it_is_does_not_depend_on_the_order():
    seen, body = people(), embedded_body(torch.float32)
    # all in one picture
    camera = seen.camera[:1].map(lambda t: t.expand(COUNT, *t.shape[1:]))
    xy = camera.project(seen.points)
    keypoints = seen.keypoints.replace(xy=torch.where(xy.isfinite(), xy, 0.0))
    order = [4, 2, 0, 5, 1, 3]
    shuffled = [predictions()[i] for i in order]
    found = matched(shuffled, keypoints, camera, body)
    assert [order[match.place] for match in found if match.place is not None] == list(range(COUNT))
    none = matched([], keypoints, camera, body)
    assert all(match.estimate is None and np.isnan(match.error) for match in none)
    elsewhere = [dataclasses.replace(shuffled[0], box=np.array([0, 0, 1, 1], np.float32))]
    assert all(match.place is None for match in matched(elsewhere, keypoints, camera, body))


def test_a_crop_looks_along_its_ray():
    """The same person, told along the axes of a camera that looks at the middle of the box."""
    seen, body = people(), embedded_body(torch.float32)
    xy = seen.keypoints.xy[:, :25]
    box = torch.cat([xy.amin(1), xy.amax(1)], -1)
    ray = (box.view(-1, 2, 2).mean(1) - seen.camera.center) / seen.camera.focal
    ahead = torch.nn.functional.normalize(torch.nn.functional.pad(ray, (0, 1), value=1.0), dim=-1)
    axis = torch.linalg.cross(torch.tensor([0.0, 0.0, 1.0]).expand_as(ahead), ahead)
    angle = torch.asin(axis.norm(dim=-1, keepdim=True))
    turn = rotations.exp(torch.nn.functional.normalize(axis, dim=-1) * angle)
    crops = [
        Prediction(
            "cropped",
            points=(seen.points[row] @ turn[row]).numpy(),
            axes=Axes.CROP,
            box=box[row].numpy(),
        )
        for row in range(COUNT)
    ]
    whole = [Prediction("whole", points=seen.points[row].numpy()) for row in range(COUNT)]
    from_crop, from_whole = (
        estimated(some, seen.keypoints, seen.camera, body).estimate for some in (crops, whole)
    )
    torch.testing.assert_close(
        from_crop.placed, from_whole.placed, atol=2e-3, rtol=1e-3, equal_nan=True
    )


def test_the_more_it_is_off_in_the_picture_the_less_it_is_believed():
    seen, body = people(), embedded_body(torch.float32)
    noise = torch.randn(seen.points.shape, generator=torch.Generator().manual_seed(0))
    sds = []
    for size in (0.0, 0.03, 0.06):
        points = seen.points + size * noise
        told = [Prediction("x", points=points[row].numpy()) for row in range(COUNT)]
        said = estimated(told, seen.keypoints, seen.camera, body)
        sds.append(float(said.estimate.bones_sd[..., 2].nanmean()))
    assert sds[0] < sds[1] < sds[2]


def test_a_result_keeps_what_it_began_with(tmp_path: Path):
    seen, body = people(), embedded_body(torch.float32)
    begun = fit(seen.keypoints[:1], seen.camera[:1], body, "fast", start=predictions()[:1])[0]
    path = tmp_path / "one.npz"
    begun.save(path)
    back = FitResult.load(path)
    assert back.start is not None and begun.start is not None
    torch.testing.assert_close(back.start.end_error, begun.start.end_error)
    assert bool(back.start.kept) == bool(begun.start.kept)
    kept = back.evidence[PoseEstimate]
    torch.testing.assert_close(kept.placed, begun.evidence[PoseEstimate].placed, equal_nan=True)
    assert PoseEstimate not in evidence_of({})

    with np.load(path) as archive:
        arrays = {key: archive[key] for key in archive.files}
    arrays["estimated_points"] = arrays["estimated_points"][:5]
    np.savez(path, **arrays)
    with pytest.raises(ResultFileError) as caught:
        FitResult.load(path)
    assert "\n" not in str(caught.value)


def test_people_are_the_same_alone_and_in_company():
    seen, body = people(), embedded_body(torch.float32)
    said = estimated(predictions(), seen.keypoints, seen.camera, body).estimate
    fitter = Fitter.of(body, "fast")
    together = fitter.fit(seen.keypoints, seen.camera, [said])
    rows = [4, 1]
    some = fitter.fit(seen.keypoints[rows], seen.camera[rows], [said[rows]])
    assert torch.equal(together.points3d[rows].nan_to_num(), some.points3d.nan_to_num())


def test_what_would_be_without_a_keypoint_is_told_without_a_fit():
    """Of a problem that is linear: the same as solving it again without the fold."""
    generator = torch.Generator().manual_seed(0)
    count, dim = 25, 12
    points = torch.randn(1, count, 3, generator=generator, dtype=torch.float64)
    points[..., 2] += 1000.0  # far away: projection is all but linear
    camera = people().camera[:1].to(dtype=torch.float64)
    jacobian = torch.randn(1, count, 3, dim, generator=generator, dtype=torch.float64)
    jacobian[..., 2, :] = 0.0
    weight = torch.rand(1, count, generator=generator, dtype=torch.float64) + 0.5
    pixels = camera.project(points)
    noise = torch.randn(pixels.shape, generator=generator, dtype=torch.float64)

    slopes = (camera.projection_jacobian(points) @ jacobian)[0]
    prior = 1e-3 * torch.eye(dim, dtype=torch.float64)

    def solved(use: list[int]) -> torch.Tensor:
        A = (slopes[use] * weight[0, use, None, None]).flatten(0, 1)
        b = (noise[0, use] * weight[0, use, None]).flatten()
        return torch.linalg.solve(A.mT @ A + prior, A.mT @ b)

    everything = list(range(count))
    best = solved(everything)
    A = (slopes * weight[0, :, None, None]).flatten(0, 1)
    factor = torch.linalg.cholesky(A.mT @ A + prior)[None]
    fitted = points + (jacobian @ best)
    told = held_out_distance(jacobian, factor, fitted, camera, pixels + noise, weight)[0]
    for fold in range(FOLDS):
        held = everything[fold::FOLDS]
        rest = [point for point in everything if point not in held]
        expected = (slopes[held] @ solved(rest) - noise[0, held]).norm(dim=-1)
        torch.testing.assert_close(told[held].double(), expected, rtol=0.05, atol=1e-3)


def test_everybody_is_told_what_would_be_without_a_keypoint():
    """Without predictions too; the same alone and in company, larger than what was fitted."""
    seen, body = people(), embedded_body(torch.float32)
    fitter = Fitter.of(body, "fast")
    together = fitter.fit(seen.keypoints, seen.camera)
    alone = fitter.fit(seen.keypoints[4:5], seen.camera[4:5])
    assert torch.equal(together.held_out[4].nan_to_num(), alone.held_out[0].nan_to_num())
    seen_body = seen.keypoints.confidence[:, :25] > 0
    assert not (together.held_out.isfinite() & ~seen_body).any()
    told = together.held_out.isfinite()
    fitted = (together.points2d - seen.keypoints.xy).norm(dim=-1)[:, :25]
    assert told.sum() > 0.9 * seen_body.sum()
    assert together.held_out[told].median() > 1.1 * fitted[told].median()


def test_cards_name_every_bone():
    for system in ("default", "mediapipe", "nobody has heard of"):
        card = load_source_errors(system)
        assert card.across.shape == card.depth.shape == (len(BONES),)
        assert (card.depth > 0).all() and card.turns.shape == (21,)
    assert load_source_errors("mediapipe").turns.isnan().all()


def test_a_path_is_no_card():
    assert load_source_errors("../detectors/openpose") == load_source_errors("default")


@pytest.mark.parametrize("fault", ["bones", "rotations"])
def test_a_card_without_a_bone_is_told_in_one_line(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from smplifyx.core import assets

    folder = tmp_path / "predictions"
    folder.mkdir()
    (folder / "default.yaml").write_text(
        f"what: x\nsource: x\nlicence: x\ncommand: x\nbones: {{}}\n{fault}: {{neck: [1, 1]}}\n"
        if fault == "bones"
        else "what: x\nsource: x\nlicence: x\ncommand: x\nbones: {}\n"
    )
    monkeypatch.setattr(assets, "folder", lambda name: tmp_path)
    with pytest.raises(ConfigError) as caught:
        load_source_errors("default")
    assert "\n" not in str(caught.value) and "bones" in str(caught.value)


def test_presets_weigh_predictions_where_they_weigh_depth():
    for name in ("smplx", "fast", "best", "smplh", "smpl"):
        for stage in load_preset(name).stages:
            assert bool(stage.weights.pose_estimate) == bool(stage.weights.bone_depth)


def test_points_of_the_hands_count_where_a_stage_sees_hands():
    ends = {names.POINT_NAMES[end] for end, _ in BONES}
    assert {"left_index_1", "right_thumb_4", "left_pinky_4"} <= ends
