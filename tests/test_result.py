"""Results: batches of people, and the file of one person."""

from __future__ import annotations

import contextlib
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from cases import camera, decoder, embedded_body, noisy_keypoints, random_state
from hostile_files import mutated

from smplifyx.body import skinning
from smplifyx.core.npz import ResultFileError, replacing
from smplifyx.evidence.height import KnownHeight
from smplifyx.fitting.joint_depth import depth_sd
from smplifyx.fitting.quality import (
    box_diagonal,
    confident_body_points,
    reprojection_percent,
    reprojection_px,
    status_of,
)
from smplifyx.fitting.result import FitResult, FitStatus, Origin, Penetration, Provenance
from smplifyx.fitting.uncertainty import ShapeUncertainty
from smplifyx.jobs.summary import row_of

FIELDS = {  # of the file, with their shapes
    "global_orient": (3,), "body_pose": (21, 3), "left_hand_pose": (15, 3), "right_hand_pose": (15, 3),
    "jaw_pose": (3,), "leye_pose": (3,), "reye_pose": (3,), "betas": (10,), "expression": (10,), "transl": (3,),
    "K": (3, 3), "image_size": (2,), "points3d": (137, 3), "points2d": (137, 2), "keypoints": (137, 3),
    "energies": (2,), "energy_terms": (2,), "hypothesis_energies": (4,), "status": (), "gender": (),
    "model_name": (), "model_sha256": (), "preset": (), "flat_hand_mean": (), "K_source": (), "image_size_source": (),
    "gender_source": (), "gender_probability": (), "gender_log_odds": (),
}  # fmt: skip


def people(count: int, dtype: torch.dtype = torch.float32) -> FitResult:
    """Made-up people whose keypoints lie near their points; the second has no finite energy."""
    body, cameras = embedded_body(dtype), camera(count, dtype)
    params = decoder(dtype).params(random_state(count, dtype=dtype))
    points3d = skinning.points(body, params)
    points2d = cameras.project(points3d)
    keypoints = noisy_keypoints(points2d, noise=2.0)
    energy = torch.arange(count, dtype=dtype)
    if count > 1:
        energy[1] = torch.nan
    untried = torch.full_like(energy, torch.inf)
    return FitResult(
        params=params,
        camera=cameras,
        keypoints=keypoints,
        points3d=points3d,
        points2d=points2d,
        energies={"reprojection": energy * 0.75, "shape": energy * 0.25},
        energy=energy,
        hypothesis_energies=torch.stack([energy, energy + 1, energy + 2, untried], -1),
        chosen=torch.zeros(count, dtype=torch.long),
        gap=torch.ones(count, dtype=dtype),
        status=status_of(keypoints, points2d, energy, torch.ones(count, dtype=torch.bool)),
        steps=torch.full((count,), 7),
        latent=params.body_pose.flatten(1),
        shape=ShapeUncertainty(energy, energy, energy),
        provenance=Provenance.of(body, "smplx", "gaussian"),
        evidence={KnownHeight: KnownHeight(energy)},
    )


def measured(count: int, dtype: torch.dtype = torch.float32) -> FitResult:
    """The same people, with made-up penetrations."""
    depth = torch.arange(count, dtype=dtype) / 3
    return people(count, dtype).replace(penetration=Penetration(depth, torch.arange(count)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_penetration_comes_back(tmp_path: Path, dtype: torch.dtype) -> None:
    saved = measured(3, dtype)[2]
    saved.save(tmp_path / "000.npz")
    loaded = FitResult.load(tmp_path / "000.npz").penetration
    assert torch.equal(loaded.depth_mm, saved.penetration.depth_mm) and int(loaded.triangles) == 2
    assert loaded.depth_mm.dtype == dtype


def test_files_without_a_penetration_load(tmp_path: Path) -> None:
    people(1)[0].save(tmp_path / "000.npz")
    assert FitResult.load(tmp_path / "000.npz").penetration is None
    with np.load(tmp_path / "000.npz") as archive:
        assert not {"penetration_mm", "intersecting_triangles"} & set(archive.files)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_covariances_come_back_and_older_files_have_none(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    covariance = torch.randn(3, 67, 3, 3, dtype=dtype)
    saved = people(3, dtype).replace(joint_covariance=covariance)
    saved[2].save(tmp_path / "new.npz")
    loaded = FitResult.load(tmp_path / "new.npz").joint_covariance
    assert torch.equal(loaded, covariance[2]) and loaded.dtype == dtype
    people(3, dtype)[2].save(tmp_path / "old.npz")
    assert FitResult.load(tmp_path / "old.npz").joint_covariance is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_held_out_distances_come_back_and_older_files_have_none(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    held_out = torch.rand(3, 25, dtype=dtype)
    people(3, dtype).replace(held_out=held_out)[2].save(tmp_path / "new.npz")
    loaded = FitResult.load(tmp_path / "new.npz").held_out
    assert torch.equal(loaded, held_out[2]) and loaded.dtype == dtype
    people(3, dtype)[2].save(tmp_path / "old.npz")
    assert FitResult.load(tmp_path / "old.npz").held_out is None


def test_a_depth_is_as_sure_as_the_seen_joints() -> None:
    result = people(1)
    assert depth_sd(result).isnan().all()
    confidence = torch.zeros_like(result.keypoints.confidence)
    confidence[:, [0, 4, 7, 8]] = 1.0
    covariance = torch.zeros(1, 67, 3, 3)
    covariance[:, [0, 4, 7], 2, 2] = torch.tensor([0.1, 0.2, 0.4]) ** 2
    known = result.replace(
        keypoints=result.keypoints.replace(confidence=confidence), joint_covariance=covariance
    )
    assert float(depth_sd(known)) == pytest.approx(0.2)  # the root does not count
    unseen = known.keypoints.replace(confidence=torch.zeros_like(confidence))
    assert depth_sd(known.replace(keypoints=unseen)).isnan().all()


def test_a_penetration_goes_with_its_person() -> None:
    batch = measured(3)
    assert float(batch[2].penetration.depth_mm) == float(batch.penetration.depth_mm[2])
    again = FitResult.stack([batch[i] for i in range(3)])
    assert torch.equal(again.penetration.triangles, batch.penetration.triangles)
    for parts in ([batch, people(1)], [people(1), batch]):
        assert FitResult.cat(parts).penetration is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_saved_person_comes_back(tmp_path: Path, dtype: torch.dtype) -> None:
    origin = Origin("a.json", "a.jpg", 3, "exif", "image", 0.25)
    saved = people(3, dtype)[2].replace(origin=origin)
    saved = saved.replace(keypoints=saved.keypoints.replace(trust=torch.linspace(0, 1, 137)))
    saved.save(tmp_path / "deep" / "000.npz")
    loaded = FitResult.load(tmp_path / "deep" / "000.npz")
    body = embedded_body(dtype)
    assert (loaded.vertices(body) - saved.vertices(body)).abs().max() <= 1e-6
    assert torch.equal(loaded.points3d.nan_to_num(), saved.points3d.nan_to_num())
    assert torch.equal(loaded.keypoints.trust, saved.keypoints.trust)
    assert loaded.origin == origin and loaded.provenance == saved.provenance
    assert loaded.energies == saved.energies and FitStatus(int(loaded.status)) is FitStatus.OK
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["000.npz"]


def test_the_file_explains_itself_without_pickle(tmp_path: Path) -> None:
    people(1)[0].save(tmp_path / "000.npz")
    with np.load(tmp_path / "000.npz", allow_pickle=False) as archive:
        shapes = {name: archive[name].shape for name in FIELDS}
        words = (str(archive["status"]), str(archive["gender"]), bool(archive["flat_hand_mean"]))
        versions = archive["versions"].tolist()
    assert shapes == FIELDS
    assert words == ("ok", "neutral", True)
    assert any(line.startswith("torch=") for line in versions)


def broken_files(folder: Path) -> dict[str, Path]:
    """Files that are not results."""
    people(1)[0].save(folder / "good.npz")
    good = (folder / "good.npz").read_bytes()
    with np.load(folder / "good.npz") as archive:
        arrays = dict(archive)
    (folder / "empty.npz").write_bytes(b"")
    (folder / "text.npz").write_text("hello")
    (folder / "half.npz").write_bytes(good[: len(good) // 2])
    (folder / "flipped.npz").write_bytes(good[:900] + bytes(200) + good[1100:])
    np.savez(folder / "foreign.npz", poses=np.zeros(3))
    np.savez(folder / "shape.npz", **arrays | {"body_pose": np.zeros((23, 3))})
    np.savez(
        folder / "penetration.npz",
        **arrays | {"penetration_mm": np.zeros(2), "intersecting_triangles": 0},
    )
    np.savez(folder / "status.npz", **arrays | {"status": np.array("splendid")})
    np.savez(folder / "pickle.npz", **arrays | {"preset": np.array({"a": 1}, dtype=object)})
    with zipfile.ZipFile(folder / "zip.npz", "w") as archive:
        archive.writestr("readme.txt", "not an array")
    return {path.stem: path for path in folder.glob("*.npz")} | {"missing": folder / "missing.npz"}


@pytest.mark.parametrize(
    "name",
    [
        "empty",
        "text",
        "half",
        "flipped",
        "foreign",
        "shape",
        "penetration",
        "status",
        "pickle",
        "zip",
        "missing",
    ],
)
def test_a_broken_file_is_one_clear_line(tmp_path: Path, name: str) -> None:
    path = broken_files(tmp_path)[name]
    with pytest.raises(ResultFileError) as caught:
        FitResult.load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_result_belongs_to_its_body() -> None:
    other = replace(embedded_body(torch.float32), sha256="0" * 64)
    with pytest.raises(ValueError, match="fitted with"):
        people(1).vertices(other)


def test_only_one_person_is_saved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one person"):
        people(2).save(tmp_path / "x.npz")


def test_batches_index_and_join() -> None:
    batch = people(3)
    again = FitResult.stack([batch[i] for i in range(3)])
    joined = FitResult.cat([batch[:1], batch[1:]])
    for other in (again, joined):
        assert torch.equal(other.params.betas, batch.params.betas)
        assert torch.equal(
            other.energies["shape"].nan_to_num(), batch.energies["shape"].nan_to_num()
        )
        assert other.provenance == batch.provenance


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("the disk is full")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


# key -> what a file may not hold under it
ODD = {
    "K": np.zeros((3, 3), dtype=bool), "transl": np.zeros(3, dtype=np.longdouble), "steps": np.array(1.5),
    "energy": np.array("much"), "betas": np.zeros(3, dtype="V8"), "body_pose": np.full((21, 3), np.nan),
    "image_size": np.array([np.inf, 4.0]), "person": np.array(True), "seconds": np.array(1),
    "penetration_mm": np.array(b"deep"), "known_height_m": np.array("tall"), "versions": np.array(["no sign"]),
    "notes": np.array([1, 2]), "keypoint_trust": np.full(137, np.inf), "energies": np.zeros(5),
}  # fmt: skip


@pytest.mark.parametrize("key", ODD)
def test_values_of_another_kind_are_one_clear_line(tmp_path: Path, key: str) -> None:
    measured(1)[0].save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as archive:
        arrays = dict(archive) | {key: ODD[key]}
    np.savez(tmp_path / "b.npz", **arrays)
    with pytest.raises(ResultFileError) as caught:
        FitResult.load(tmp_path / "b.npz")
    assert "b.npz" in str(caught.value) and "\n" not in str(caught.value)


def test_a_failed_person_may_have_no_numbers(tmp_path: Path) -> None:
    person = people(1)[0]
    nowhere = person.params.replace(transl=torch.full((3,), torch.nan))
    failed = person.replace(params=nowhere, status=torch.tensor(int(FitStatus.FAILED)))
    failed.save(tmp_path / "a.npz")
    assert FitStatus(int(FitResult.load(tmp_path / "a.npz").status)) is FitStatus.FAILED


def test_damaged_results_load_or_are_one_clear_line(tmp_path: Path) -> None:
    """Whatever loads has a row and can be saved."""
    measured(1)[0].save(tmp_path / "good.npz")
    good = (tmp_path / "good.npz").read_bytes()
    with np.load(tmp_path / "good.npz") as archive:
        arrays = dict(archive)
    body = embedded_body()
    rng = np.random.default_rng(0)
    path = tmp_path / "a.npz"
    refused = 0
    for round_ in range(150):
        if round_ % 3:
            path.write_bytes(mutated(good, rng))
        else:
            key = list(arrays)[int(rng.integers(len(arrays)))]
            np.savez(path, **arrays | {key: odd_value(arrays[key], rng)})
        try:
            loaded = FitResult.load(path)
        except ResultFileError as error:
            refused += 1
            assert str(path) in str(error) and "\n" not in str(error)
            continue
        row_of("stem", loaded)
        loaded.save(tmp_path / "again.npz")
        if round_ % 9 == 0:
            with contextlib.suppress(ValueError):  # of another body
                loaded.vertices(body)
    assert refused > 50


def odd_value(value: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The array in another dtype or shape, or with another number in it."""
    dtype = rng.choice(
        ["f2", "f4", "f8", ">f4", "g", "i1", "i8", "u8", "?", "c8", "U4", "S4", "V8"]
    )
    match int(rng.integers(3)):
        case 0:
            return np.zeros(value.shape, dtype)
        case 1:
            return np.zeros((*value.shape, int(rng.integers(3))), value.dtype)
    if value.dtype.kind == "U":
        return np.full(value.shape, rng.choice(["", "ok", "a=b", "\ud800", "\x00", "9" * 400]))
    odd = [np.nan, np.inf, -1, 0, 1e30] if value.dtype.kind == "f" else [-1, 0, 1]
    return np.full(value.shape, rng.choice(odd), value.dtype)


def test_a_pipe_is_no_result(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(ResultFileError, match="not a regular file"):
        FitResult.load(tmp_path / "a.npz")


def test_the_error_is_the_median_over_seen_points() -> None:
    result = people(1)
    shifted = result.keypoints.replace(xy=result.points2d.nan_to_num() + torch.tensor([3.0, 4.0]))
    px = reprojection_px(shifted, result.points2d)
    assert [round(float(value), 3) for value in (px.body, px.hands, px.face)] == [5.0, 5.0, 5.0]
    percent = reprojection_percent(shifted, result.points2d)
    assert float(percent.body) == pytest.approx(500 / float(box_diagonal(shifted)), rel=1e-4)


def without(parts: slice) -> FitResult:
    """One person with some points unseen."""
    result = people(1)
    confidence = result.keypoints.confidence.clone()
    confidence[:, parts] = 0
    return result.replace(keypoints=result.keypoints.replace(confidence=confidence))


@pytest.mark.parametrize(
    ("unseen", "moved", "energy", "expected"),
    [
        (slice(0, 0), 0.0, 1.0, FitStatus.OK),
        (slice(7, 25), 0.0, 1.0, FitStatus.LOW_EVIDENCE),
        (slice(8, 25), 0.0, 1.0, FitStatus.OK),
        (slice(0, 137), 0.0, 1.0, FitStatus.LOW_EVIDENCE),
        (slice(0, 0), 300.0, 1.0, FitStatus.POOR),
        (slice(0, 0), 0.0, torch.nan, FitStatus.FAILED),
        (slice(0, 0), torch.nan, 1.0, FitStatus.FAILED),
    ],
)  # fmt: skip
def test_status(unseen: slice, moved: float, energy: float, expected: FitStatus) -> None:
    result = without(unseen)
    energies = torch.full((1,), energy)
    status = status_of(
        result.keypoints, result.points2d + moved, energies, torch.ones(1, dtype=torch.bool)
    )
    assert FitStatus(int(status)) is expected


def test_confident_points_are_the_bodys() -> None:
    assert int(confident_body_points(without(slice(25, 137)).keypoints)) == 25
