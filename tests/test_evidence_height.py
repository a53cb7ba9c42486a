"""Known heights, and how honestly a fit says what it knows about the shape."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pytest
import torch
from cases import embedded_body, preset
from job_tools import table
from mocap_data import random_poses
from test_age_choice import keypoint_files

from smplifyx.body.model import Age
from smplifyx.body.stature import stature_of
from smplifyx.camera import Camera
from smplifyx.data.synthetic import GeneratedPeople, generate_people
from smplifyx.evidence.height import KnownHeight
from smplifyx.fitting.fit import fit
from smplifyx.fitting.result import FitResult
from smplifyx.jobs.job import JobConfig
from smplifyx.jobs.runner import run_job
from smplifyx.keypoints import Keypoints

FLOAT = torch.float32
COUNT = 16


@lru_cache(maxsize=1)
def people() -> GeneratedPeople:
    return generate_people(embedded_body(FLOAT), random_poses(40, seed=3), COUNT, 11)


def true_height() -> torch.Tensor:
    return stature_of(embedded_body(FLOAT))(people().truth.betas)[0]


@lru_cache(maxsize=2)
def fitted(known: bool) -> FitResult:
    height = true_height() if known else None
    return fit(people().keypoints, people().camera, embedded_body(FLOAT), preset(), height=height)


def known_heights(result: FitResult) -> torch.Tensor:
    return result.evidence[KnownHeight].metres


def depth_error(result: FitResult) -> torch.Tensor:
    return (result.params.transl[:, 2] / people().truth.transl[:, 2]).log().abs()


def test_a_known_height_gives_size_and_distance() -> None:
    off = (fitted(True).shape.stature - true_height()).abs()
    before = (fitted(False).shape.stature - true_height()).abs()
    assert float(off.max()) < 0.01 < float(before.median())
    assert float(depth_error(fitted(True)).mean()) < 0.6 * float(depth_error(fitted(False)).mean())
    assert (known_heights(fitted(True)) == true_height()).all()


def test_an_unknown_height_changes_nothing() -> None:
    """NaN, alone or beside people of known height, is as if nothing were said: bit for bit."""
    some = slice(0, 4)
    keypoints, camera = people().keypoints[some], people().camera[some]
    height = torch.tensor([torch.nan, 1.6, torch.nan, 1.8])
    mixed = fit(keypoints, camera, embedded_body(FLOAT), preset(), height=height)
    plain = fit(keypoints, camera, embedded_body(FLOAT), preset())
    for row in (0, 2):
        assert torch.equal(mixed.params.betas[row], plain.params.betas[row])
        assert torch.equal(mixed.params.transl[row], plain.params.transl[row])
        assert mixed.energies["height"][row] == 0 and known_heights(mixed)[row].isnan()
    assert not torch.equal(mixed.params.betas[1], plain.params.betas[1])


@pytest.mark.parametrize("height", [1.45, 2.05])
def test_even_an_unusual_height_is_believed(height: float) -> None:
    result = fit(
        people().keypoints[:2],
        people().camera[:2],
        embedded_body(FLOAT),
        preset(),
        height=torch.full((2,), height),
    )
    assert (result.shape.stature - height).abs().max() < 0.02


# ---- honesty


def test_the_stated_spread_of_the_stature_is_true() -> None:
    # twice as many: of 16, one person more or less beyond two deviations decides
    body = embedded_body(FLOAT)
    seen_people = generate_people(body, random_poses(40, seed=3), 2 * COUNT, 11)
    shape = fit(seen_people.keypoints, seen_people.camera, body, preset()).shape
    off = (shape.stature - stature_of(body)(seen_people.truth.betas)[0]).abs()
    sd = shape.stature_sd
    assert float((off < 2 * sd).float().mean()) >= 0.9
    assert 0.25 < float((off / sd).square().mean().sqrt()) < 1.3  # neither boasting nor hiding
    assert (fitted(True).shape.stature_sd < 0.011).all()


def seen(points: range | None) -> Keypoints:
    keypoints = people().keypoints
    if points is None:
        return keypoints
    kept = torch.zeros(137)
    kept[list(points)] = 1
    return keypoints.replace(confidence=keypoints.confidence * kept)


# which points are seen -> bounds on the share of the shape they determine
DETERMINED = {
    "everything": (None, 0.05, 0.6),
    "body": (range(25), 0.02, 0.4),
    "nothing": (range(0), 0.0, 1e-3),
}


@pytest.mark.parametrize("name", DETERMINED)
def test_what_is_seen_tells_how_much_is_known(name: str) -> None:
    points, low, high = DETERMINED[name]
    result = fit(seen(points), people().camera, embedded_body(FLOAT), preset("fast"))
    assert low <= float(result.shape.determined.median()) <= high
    if name == "nothing":
        prior = stature_of(embedded_body(FLOAT))(torch.zeros(1, 10))[1].norm()
        torch.testing.assert_close(
            result.shape.stature_sd, prior.expand(COUNT), rtol=0.01, atol=0.0
        )


def test_less_seen_is_less_known() -> None:
    results = [
        fit(seen(points), people().camera, embedded_body(FLOAT), preset("fast"))
        for points, *_ in DETERMINED.values()
    ]
    spread = torch.stack([result.shape.stature_sd.median() for result in results])
    assert (spread.diff() > 0).all()


def test_a_hopeless_person_has_no_evidence_and_harms_nobody() -> None:
    one = people().keypoints[:1].replace(xy=torch.full((1, 137, 2), torch.nan))
    result = fit(
        Keypoints.cat([people().keypoints[:1], one]),
        people().camera[:2],
        embedded_body(FLOAT),
        preset(),
    )
    assert torch.equal(result.shape.stature_sd[0], fitted(False).shape.stature_sd[0])
    assert result.shape.stature_sd[1].isnan() or result.shape.stature_sd[1] > 0


# ---- jobs


def test_a_height_for_all_and_in_the_table(tmp_path: Path) -> None:
    folder = keypoint_files(tmp_path / "in", Age.ADULT, 2)
    job = JobConfig(keypoints=folder, out=tmp_path / "out", quiet=True, preset="fast", height=1.83)
    run_job(job)
    rows = table(tmp_path / "out")
    assert [float(row["stature_m"]) for row in rows] == pytest.approx([1.83, 1.83], abs=0.01)
    assert all(
        0 < float(row["stature_sd_m"]) < 0.011 and 0 < float(row["shape_determined"]) < 1
        for row in rows
    )
    saved = FitResult.load(tmp_path / "out" / "results" / "p0" / "000.npz")
    assert float(known_heights(saved)) == pytest.approx(1.83)
    assert saved.provenance.age == "adult"


@pytest.mark.parametrize("height", [183, 0.1, -1])
def test_heights_are_metres(tmp_path: Path, height: float) -> None:
    with pytest.raises(ValueError, match="height"):
        JobConfig(keypoints=tmp_path, out=tmp_path / "out", height=height)


def test_a_focal_length_that_is_wrong_does_not_move_a_known_height() -> None:
    camera = Camera.from_focal(people().camera.focal[:, 0] * 1.5, people().camera.image_size)
    result = fit(
        people().keypoints, camera, embedded_body(FLOAT), preset("fast"), height=true_height()
    )
    assert (result.shape.stature - true_height()).abs().max() < 0.01
