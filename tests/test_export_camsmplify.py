"""CameraHMR's npz of SMPL bodies as its trainer uses it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from export_people import CASES, everybody, write
from golden_body import members, project
from golden_smpl import NINE, intrinsics, points49, reader, truth

from smplifyx.body.joints import BodyKind
from smplifyx.writers.camsmplify import CAMSMPLIFY

Files = dict[str, np.ndarray]
PEOPLE = everybody(BodyKind.SMPL, children=False)
ROWS = [case for case in CASES if case != "child"]


class Seen(NamedTuple):
    vertices: np.ndarray  # metres in the camera's frame
    pixels: float  # how far its points are from `gtkps`, at most
    extent: float  # of the points in the crop of -0.5..0.5


def read(file: Files, row: int) -> Seen:
    pose = file["pose_cam"] if "pose_cam" in file else file["pose"]
    pose = pose[:, :72].astype(float)
    translation = file["cam_ext"][row][:, 3].astype(float)
    if "trans_cam" in file:
        translation[:3] += file["trans_cam"][row]
    assert pose.shape[1] == 72
    vertices, points = points49(pose[row], file["shape"][row, :10])
    points = points[:44] + translation[:3]
    points2d = file["gtkps"][row, :44].astype(float)
    off = project(points, file["cam_int"][row].astype(float)) - points2d[:, :2]
    pixels = np.linalg.norm(off, axis=-1) * (points2d[:, 2] > 0)
    counted = points2d[points2d[:, 2] > 0, :2]
    crop = (counted - file["center"][row]) / (200 * file["scale"][row])
    return Seen(vertices + translation[:3], float(pixels.max()), float(np.abs(crop).max()))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Files:
    target = tmp_path_factory.mktemp("camsmplify") / "train.npz"
    write(CAMSMPLIFY, target, PEOPLE, reader(CAMSMPLIFY))
    return members(target)


@pytest.mark.parametrize("row", range(len(ROWS)), ids=ROWS)
def test_golden_reader(file: Files, row: int) -> None:
    seen = read(file, row)
    assert np.abs(seen.vertices - truth(PEOPLE[row])[0]).max() < 1e-4
    assert seen.pixels < 0.1
    assert 0.15 < seen.extent < 1.25
    assert np.allclose(file["cam_int"][row], intrinsics(PEOPLE[row]))
    assert np.array_equal(file["cam_t"][row], file["cam_ext"][row, :3, 3])


@pytest.mark.parametrize(
    "mutate",
    [
        lambda file: file["scale"].__imul__(200),  # the fitter's meaning
        lambda file: file["cam_ext"][:, :3, 3].__isub__([0.0, 0.3, 0.0]),
        lambda file: file["cam_int"][:, 0, 0].__imul__(1.1),
        lambda file: file["pose"].__setitem__(
            (slice(None), slice(3, 9)), file["pose"][:, [6, 7, 8, 3, 4, 5]]
        ),
        lambda file: file["shape"].__imul__(0),
        lambda file: file["gtkps"].__setitem__(slice(None), file["gtkps"][:, ::-1]),
    ],
    ids=["scale", "pelvis", "focal", "sides", "shape", "order"],
)
def test_mutations_are_noticed(file: Files, mutate: Callable[[Files], object]) -> None:
    good = read(file, 0)
    spoilt = {name: array.copy() for name, array in file.items()}
    mutate(spoilt)
    bad = read(spoilt, 0)
    assert (
        np.abs(bad.vertices - good.vertices).max() > 0.01
        or bad.pixels > 2
        or not 0.15 < bad.extent < 1.25
    )


def test_without_the_regressor_its_joints_have_no_weight(tmp_path: Path) -> None:
    target = tmp_path / "train.npz"
    write(CAMSMPLIFY, target, PEOPLE, reader(CAMSMPLIFY, with_regressor=False))
    file = members(target)
    unknown = [25 + index for index in NINE if index < 19]
    others = [index for index in range(44) if index not in unknown]
    assert not file["gtkps"][:, unknown].any()
    assert (file["gtkps"][:, others, 2] > 0).all()
    assert read(file, 0).pixels < 0.1


def test_shapes_types_and_bytes(file: Files, tmp_path: Path) -> None:
    assert not CAMSMPLIFY.facts.marks_shape  # children and others are left out
    shapes = {name: array.shape[1:] for name, array in file.items()}
    assert shapes == {
        "imgname": (),
        "center": (2,),
        "scale": (),
        "pose": (72,),
        "shape": (10,),
        "cam_int": (3, 3),
        "cam_ext": (4, 4),
        "cam_t": (3,),
        "gtkps": (44, 3),
    }
    numbers = [array for name, array in file.items() if name != "imgname"]
    assert all(array.dtype == np.float32 and np.isfinite(array).all() for array in numbers)
    target = tmp_path / "a.npz"
    write(CAMSMPLIFY, target, PEOPLE, reader(CAMSMPLIFY), per_block=2)
    first = target.read_bytes()
    write(CAMSMPLIFY, target, PEOPLE, reader(CAMSMPLIFY), per_block=2)
    assert target.read_bytes() == first
