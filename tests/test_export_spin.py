"""SPIN's npz and fits as its training uses them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from export_people import CASES, everybody, person, write
from golden_body import members
from golden_smpl import NINE, intrinsics, placed, points49, reader, truth

from smplifyx.body.joints import BodyKind
from smplifyx.core.choices import Gender
from smplifyx.writers.spin import SPIN

Files = dict[str, np.ndarray]
PEOPLE = everybody(BodyKind.SMPL)
BELIEVED = [row for row, case in enumerate(CASES) if case != "child"]


class Seen(NamedTuple):
    """What SPIN makes of a row."""

    vertices: np.ndarray  # metres in the camera's frame; of the mean body where not believed
    pixels: float  # how far its points are from `part` at most
    metres: float  # and from `S`, both from between the hips
    extent: float  # of the points in the crop of -1..1


def load(folder: Path) -> Files:
    return {**members(folder / "train.npz"), "fits": np.load(folder / "train_fits.npy")}


def read(file: Files, row: int) -> Seen:
    has_smpl = file.get("has_smpl", np.ones(len(file["imgname"])))
    gender = [0 if str(word) == "m" else 1 for word in file["gender"]] if "gender" in file else -1
    assert gender == -1  # training loads the neutral body
    assert file["imgname"].dtype.kind == "U"
    pose, betas = file["fits"][row, :72], file["fits"][row, 72:]
    if has_smpl[row]:
        pose, betas = file["pose"][row], file["shape"][row]
    vertices, points = points49(pose, betas)
    points = points[25:]
    part, S = file["part"][row].astype(float), file["S"][row].astype(float)
    t, pixels = placed(points, part[:, :2], part[:, 2], intrinsics(PEOPLE[row]))
    about = points - points[2:4].mean(0)
    off = np.linalg.norm(S[:, :3] - S[2:4, :3].mean(0) - about, axis=-1) * S[:, 3]
    counted = part[part[:, 2] > 0, :2]
    crop = (counted - file["center"][row]) / (100 * file["scale"][row])
    return Seen(vertices + t, pixels, float(off.max()), float(np.abs(crop).max()))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Files:
    target = tmp_path_factory.mktemp("spin") / "train.npz"
    write(SPIN, target, PEOPLE, reader(SPIN))
    return load(target.parent)


@pytest.mark.parametrize("row", BELIEVED, ids=[CASES[row] for row in BELIEVED])
def test_golden_reader(file: Files, row: int) -> None:
    seen = read(file, row)
    assert file["has_smpl"][row] == 1
    assert np.abs(seen.vertices - truth(PEOPLE[row])[0]).max() < 1e-4
    assert seen.pixels < 0.1
    assert seen.metres < 1e-4
    assert 0.3 < seen.extent < 2.5


def test_child_has_points_and_pose_but_no_shape(file: Files) -> None:
    row = CASES.index("child")
    assert file["has_smpl"][row] == 0
    assert not file["shape"][row].any()
    assert file["pose"][row].any()
    points = truth(PEOPLE[row])[1][25:]
    assert np.abs(file["S"][row, :, :3] - points).max() < 1e-4
    assert (file["S"][row, :, 3] == 1).all()


def test_gendered_body_is_not_believed(tmp_path: Path) -> None:
    someone = person(kind=BodyKind.SMPL, gender=Gender.FEMALE)
    write(SPIN, tmp_path / "train.npz", [someone], reader(SPIN))
    file = load(tmp_path)
    assert file["has_smpl"][0] == 0
    assert "gender" not in file


@pytest.mark.parametrize(
    "mutate",
    [
        lambda file: file["pose"].__setitem__(
            (slice(None), slice(3, 9)), file["pose"][:, [6, 7, 8, 3, 4, 5]]
        ),
        lambda file: file["pose"][:, :3].__imul__(-1),
        lambda file: file["shape"].__imul__(0),
        lambda file: file["part"].__setitem__(slice(None), file["part"][:, ::-1]),
        lambda file: file["part"][..., 1].__iadd__(30 * np.arange(24) % 50),
        lambda file: file["S"][..., 1].__imul__(-1),  # y up
        lambda file: file["S"][:, 2:4].__imul__(0),  # no hips
        lambda file: file["S"].__setitem__(slice(None), file["S"][:, ::-1]),
        lambda file: file["scale"].__imul__(200),
        lambda file: file["scale"].__itruediv__(200),
    ],
    ids=["sides", "world", "shape", "order", "pixels", "y up", "hips", "S", "scale", "crop"],
)
def test_mutations_are_noticed(file: Files, mutate: Callable[[Files], object]) -> None:
    good = read(file, 0)
    spoilt = {name: array.copy() for name, array in file.items()}
    mutate(spoilt)
    bad = read(spoilt, 0)
    noticed = (
        np.abs(bad.vertices - good.vertices).max() > 0.01,
        bad.pixels > 2,
        bad.metres > 0.01,
        not 0.3 < bad.extent < 2.5,
    )
    assert any(noticed)


def test_without_has_smpl_a_child_is_believed(file: Files) -> None:
    """`pose` and `shape` alone are taken for the truth in every row: so the flag is written."""
    spoilt = {name: array for name, array in file.items() if name != "has_smpl"}
    row = CASES.index("child")
    assert read(spoilt, row).pixels > 2


def test_fits_are_in_the_order_of_the_rows(file: Files) -> None:
    assert file["fits"].shape == (len(PEOPLE), 82)
    assert file["fits"].dtype == np.float32
    assert np.array_equal(file["fits"], np.concatenate([file["pose"], file["shape"]], 1))


def test_without_the_regressor_its_joints_and_s_have_no_weight(tmp_path: Path) -> None:
    write(SPIN, tmp_path / "train.npz", PEOPLE, reader(SPIN, with_regressor=False))
    file = load(tmp_path)
    others = [index for index in range(24) if index not in NINE]
    assert not file["part"][:, NINE].any()
    assert (file["part"][:, others, 2] > 0).all()
    assert not file["S"][..., 3].any()  # the reader measures from between the regressed hips
    assert read(file, 0).pixels < 0.1


def test_shapes_and_detections(file: Files) -> None:
    count = len(PEOPLE)
    assert file["part"].shape == (count, 24, 3)
    assert file["S"].shape == (count, 24, 4)
    assert {array.dtype for name, array in file.items() if name != "imgname"} == {np.dtype("f4")}
    assert all(np.isfinite(array).all() for name, array in file.items() if name != "imgname")
    seen = PEOPLE[0].result.keypoints
    assert np.allclose(file["openpose"][0, :, :2], seen.xy[:25])
    extent = np.ptp(seen.xy[seen.confidence > 0.1].numpy(), axis=0).max()
    assert file["scale"][0] == pytest.approx(1.2 * extent / 200, rel=1e-4)


def test_the_same_bytes_twice(tmp_path: Path) -> None:
    made = write(SPIN, tmp_path / "train.npz", PEOPLE, reader(SPIN), per_block=2)
    first = [path.read_bytes() for path in made.files]
    write(SPIN, tmp_path / "train.npz", PEOPLE, reader(SPIN), per_block=2)
    assert [path.read_bytes() for path in made.files] == first
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in made.files}
