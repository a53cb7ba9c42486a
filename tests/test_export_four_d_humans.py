"""4D-Humans' npz, and its npz of poses, as its data sets use them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from export_people import CASES, everybody, person, write
from golden_body import members
from golden_smpl import NINE, golden, intrinsics, placed, points49, reader, truth

from smplifyx.body.joints import BodyKind
from smplifyx.writers.dataset_rows import DatasetPerson, PartsKept
from smplifyx.writers.four_d_humans import FOUR_D_HUMANS
from smplifyx.writers.four_d_humans_prior import FOUR_D_HUMANS_PRIOR

Files = dict[str, np.ndarray]
PEOPLE = everybody(BodyKind.SMPL)
PELVIS = 39


class Seen(NamedTuple):
    """What 4D-Humans makes of a row."""

    vertices: np.ndarray  # metres in the camera's frame
    pixels: float  # how far its points are from the file's, at most
    metres: float  # and in space, both from the pelvis
    extent: float  # of the points in the crop of -0.5..0.5
    betas_valid: bool


def read(file: Files, row: int, K: np.ndarray) -> Seen:
    count = len(file["imgname"])
    scale = file["scale"].reshape(count, -1) / 200
    scale = np.tile(scale, (1, 2)) if scale.shape[1] == 1 else scale
    assert scale.shape == (count, 2)
    pose, betas = np.zeros((count, 72)), np.zeros((count, 10))
    has_pose, has_betas = np.zeros(count), np.zeros(count)
    if {"body_pose", "has_body_pose"} <= file.keys():
        pose, has_pose = file["body_pose"], file["has_body_pose"]
    if {"betas", "has_betas"} <= file.keys():
        betas, has_betas = file["betas"], file["has_betas"]
    assert has_pose[row]
    body3d = file["body_keypoints_3d"].copy()
    body3d[:, 1:15, -1] = 0
    points2d = np.concatenate([file["body_keypoints_2d"], file["extra_keypoints_2d"]], 1)[row]
    points3d = np.concatenate([body3d, file["extra_keypoints_3d"]], 1)[row]
    points2d, points3d = points2d.astype(float), points3d.astype(float)

    vertices, points = points49(pose[row], betas[row])
    points = points[:44]
    t, pixels = placed(points, points2d[:, :2], points2d[:, 2], K)
    off = (points3d[:, :3] - points3d[PELVIS, :3]) - (points - points[PELVIS])
    metres = (np.linalg.norm(off, axis=-1) * points3d[:, 3]).max()
    crop = (points2d[points2d[:, 2] > 0, :2] - file["center"][row]) / (200 * scale[row].max())
    return Seen(
        vertices + t, pixels, float(metres), float(np.abs(crop).max()), bool(has_betas[row])
    )


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Files:
    target = tmp_path_factory.mktemp("4d") / "train.npz"
    write(FOUR_D_HUMANS, target, PEOPLE, reader(FOUR_D_HUMANS))
    return members(target)


BELIEVED = [row for row, case in enumerate(CASES) if case != "child"]


@pytest.mark.parametrize("row", BELIEVED, ids=[CASES[row] for row in BELIEVED])
def test_golden_reader(file: Files, row: int) -> None:
    seen = read(file, row, intrinsics(PEOPLE[row]))
    assert seen.betas_valid
    assert np.abs(seen.vertices - truth(PEOPLE[row])[0]).max() < 1e-4
    assert seen.pixels < 0.1
    assert seen.metres < 1e-4
    assert 0.15 < seen.extent < 1.25


def test_child_has_points_and_pose_but_no_betas(file: Files) -> None:
    row = CASES.index("child")
    assert (file["has_body_pose"][row], file["has_betas"][row]) == (1, 0)
    assert not file["betas"][row].any()
    points = truth(PEOPLE[row])[1]
    assert np.abs(file["body_keypoints_3d"][row, :, :3] - points[:25]).max() < 1e-4
    assert np.abs(file["extra_keypoints_3d"][row, :, :3] - points[25:44]).max() < 1e-4


@pytest.mark.parametrize(
    "mutate",
    [
        lambda file: file["body_pose"].__setitem__(
            (slice(None), slice(3, 9)), file["body_pose"][:, [6, 7, 8, 3, 4, 5]]
        ),
        lambda file: file["body_pose"].__setitem__(
            slice(None), np.pad(file["body_pose"][:, 3:], ((0, 0), (0, 3)))
        ),
        lambda file: file["betas"].__imul__(0),
        lambda file: file.pop("has_betas"),
        lambda file: file["scale"].__itruediv__(200),
        lambda file: file["extra_keypoints_2d"].__setitem__(
            slice(None), file["extra_keypoints_2d"][:, ::-1]
        ),
        lambda file: file["extra_keypoints_3d"].__setitem__(
            slice(None), file["extra_keypoints_3d"][:, ::-1]
        ),
        lambda file: file["extra_keypoints_3d"][..., :3].__imul__(1000),
        lambda file: file["extra_keypoints_3d"][:, 14].__imul__(0),
    ],
    ids=["sides", "root", "betas", "partner", "scale", "order", "S", "millimetres", "pelvis"],
)
def test_mutations_are_noticed(file: Files, mutate: Callable[[Files], object]) -> None:
    K = intrinsics(PEOPLE[0])
    good = read(file, 0, K)
    spoilt = {name: array.copy() for name, array in file.items()}
    mutate(spoilt)
    bad = read(spoilt, 0, K)
    assert (
        np.abs(bad.vertices - good.vertices).max() > 0.01
        or bad.pixels > 2
        or bad.metres > 0.01
        or not 0.15 < bad.extent < 1.25
    )


def test_without_its_flags_no_pose_is_read(file: Files) -> None:
    spoilt = {name: array for name, array in file.items() if name != "has_body_pose"}
    with pytest.raises(AssertionError):
        read(spoilt, 0, intrinsics(PEOPLE[0]))


def _unsure(metres: float, point: int) -> DatasetPerson:
    """Somebody with one point that is so unsure."""
    someone = person(kind=BodyKind.SMPL)
    covariance = someone.result.joint_covariance
    assert covariance is not None
    covariance = covariance.clone()
    covariance[point] = torch.eye(3) * metres**2
    result = dataclasses.replace(someone.result, joint_covariance=covariance)
    return dataclasses.replace(someone, result=result)


def test_weights_are_nothing_or_enough(tmp_path: Path) -> None:
    wrist = 4
    weights: list[float] = []
    for metres in (0.005, 0.05, 0.1, 0.3):
        target = tmp_path / f"{metres}.npz"
        write(FOUR_D_HUMANS, target, [_unsure(metres, wrist)], reader(FOUR_D_HUMANS))
        file = members(target)
        weights.append(float(file["body_keypoints_2d"][0, wrist, 2]))
        assert file["extra_keypoints_2d"][0, 6, 2] == weights[-1]  # the same wrist among the 19
    assert weights[0] == 1
    assert 0.3 <= weights[1] < 1
    assert weights[2:] == [0, 0]


def test_a_gate_on_the_shape(tmp_path: Path) -> None:
    kept = PartsKept(shape=False, reasons="betas")
    someone = dataclasses.replace(person(kind=BodyKind.SMPL), kept=kept)
    write(FOUR_D_HUMANS, tmp_path / "a.npz", [someone], reader(FOUR_D_HUMANS))
    file = members(tmp_path / "a.npz")
    assert (file["has_body_pose"][0], file["has_betas"][0]) == (1, 0)


def test_without_the_regressor_nothing_in_space_counts(tmp_path: Path) -> None:
    target = tmp_path / "train.npz"
    write(FOUR_D_HUMANS, target, PEOPLE, reader(FOUR_D_HUMANS, with_regressor=False))
    file = members(target)
    nine = [index for index in NINE if index < 19]
    others = [index for index in range(19) if index not in nine]
    assert not file["extra_keypoints_2d"][:, nine].any()
    assert (file["extra_keypoints_2d"][:, others, 2] > 0).all()
    assert not file["extra_keypoints_3d"][..., 3].any()
    assert not file["body_keypoints_3d"][..., 3].any()
    assert read(file, 0, intrinsics(PEOPLE[0])).pixels < 0.1


def test_shapes_types_and_bytes(file: Files, tmp_path: Path) -> None:
    count = len(PEOPLE)
    shapes = {name: array.shape[1:] for name, array in file.items()}
    assert shapes == {
        "imgname": (),
        "center": (2,),
        "scale": (2,),
        "body_pose": (72,),
        "has_body_pose": (),
        "betas": (10,),
        "has_betas": (),
        "body_keypoints_2d": (25, 3),
        "extra_keypoints_2d": (19, 3),
        "body_keypoints_3d": (25, 4),
        "extra_keypoints_3d": (19, 4),
    }
    assert {len(array) for array in file.values()} == {count}
    numbers = [array for name, array in file.items() if name != "imgname"]
    assert all(array.dtype == np.float32 and np.isfinite(array).all() for array in numbers)
    target = tmp_path / "a.npz"
    write(FOUR_D_HUMANS, target, PEOPLE, reader(FOUR_D_HUMANS), per_block=2)
    first = target.read_bytes()
    write(FOUR_D_HUMANS, target, PEOPLE, reader(FOUR_D_HUMANS), per_block=2)
    assert target.read_bytes() == first


def test_prior(tmp_path: Path) -> None:
    """What the discriminator sees: the body without its root."""
    adults = everybody(BodyKind.SMPL, children=False)
    write(FOUR_D_HUMANS_PRIOR, tmp_path / "mocap.npz", adults, reader(FOUR_D_HUMANS_PRIOR))
    first = (tmp_path / "mocap.npz").read_bytes()
    file = members(tmp_path / "mocap.npz")
    assert {name: array.shape for name, array in file.items()} == {
        "body_pose": (len(adults), 72),
        "betas": (len(adults), 10),
    }
    for row, someone in enumerate(adults):
        pose = np.concatenate([np.zeros(3), file["body_pose"][row, 3:].astype(float)])
        vertices, _, _ = golden().forward(pose.reshape(24, 3), file["betas"][row])
        params = someone.result.params
        angles = np.concatenate([np.zeros((1, 3)), params.body_pose, np.zeros((2, 3))])
        expected, _, _ = golden().forward(angles, params.betas.numpy())
        assert np.abs(vertices - expected).max() < 1e-4
    assert not FOUR_D_HUMANS_PRIOR.facts.marks_shape  # zeros would be real people
    write(FOUR_D_HUMANS_PRIOR, tmp_path / "mocap.npz", adults, reader(FOUR_D_HUMANS_PRIOR))
    assert (tmp_path / "mocap.npz").read_bytes() == first
