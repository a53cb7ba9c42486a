"""4D-Humans' shards as WebDataset and its training read them."""

from __future__ import annotations

import dataclasses
import io
import pickle
import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from export_people import everybody, person, rows_of, with_image, write
from golden_smpl import intrinsics, placed, points49, reader, truth
from PIL import Image

from smplifyx.body.joints import BodyKind
from smplifyx.writers.dataset_rows import DatasetPerson
from smplifyx.writers.four_d_humans_tar import FOUR_D_HUMANS_TAR, reprojection_loss

SIZE = (40, 30)  # of the photos; their content does not matter
PELVIS = 39
_NAME = re.compile(r"^((?:.*/|)[^.]+)[.]([^/]*)$")  # a key ends at the first dot
NAMES = ("adult.jpg", "b/ä ö.v2.jpg", "b/ä ö.v3.jpg", "c.png", "turned.jpg", "off.jpg", "wide.jpg")


class Sample(NamedTuple):
    key: str
    photo: Image.Image
    persons: list[dict]


def photo(folder: Path, name: str) -> Path:
    """A small photo; `turned` lies on its side, which EXIF says."""
    path = folder / name.replace("/", "_")
    image = Image.new("RGB", SIZE, (200, 100, 50))
    exif = Image.Exif()
    if name.startswith("turned"):
        exif[0x0112] = 6
    image.save(path, exif=exif)
    return path


def people(folder: Path) -> list[DatasetPerson]:
    """Everybody, each in a photo of their own, and a second person beside the first."""
    everyone = everybody(BodyKind.SMPL)
    second = person("adult", BodyKind.SMPL, seed=7, number=1)
    of_names = [
        with_image(one, name, photo(folder, name))
        for one, name in zip(everyone, NAMES, strict=True)
    ]
    return [of_names[0], with_image(second, NAMES[0], of_names[0].photo), *of_names[1:]]


def samples(path: Path) -> Iterator[Sample]:
    """A shard as WebDataset groups it: by key, as long as members stand side by side."""
    current, parts = "", dict[str, bytes]()
    with tarfile.open(path) as shard:
        for member in shard:
            match = _NAME.match(member.name)
            assert match is not None
            key, ending = match.groups()
            if key != current and parts:
                yield _sample(current, parts)
                parts = {}
            current = key
            assert ending not in parts, f"{key} twice"
            file = shard.extractfile(member)
            assert file is not None
            parts[ending] = file.read()
    yield _sample(current, parts)


def _sample(key: str, parts: dict[str, bytes]) -> Sample:
    assert parts.keys() == {"jpg", "data.pyd"}
    return Sample(key, Image.open(io.BytesIO(parts["jpg"])), pickle.loads(parts["data.pyd"]))


def low1(entry: dict) -> dict | None:
    """An entry after the filters of `low1.yaml`, but for the histogram of poses; None: dropped."""
    entry = dict(entry)
    points = entry["keypoints_2d"].copy()
    points[:, 2] = np.where(points[:, 2] < 0.3, 0, points[:, 2])
    entry["keypoints_2d"] = points
    if entry["has_betas"] and (np.abs(entry["betas"]) > 3).any():
        entry["has_betas"] = np.array(0.0)
    both = float(entry["has_body_pose"] > 0 and entry["has_betas"] > 0)
    entry["has_betas"] = entry["has_body_pose"] = np.array(both)
    if (points[:, 2] > 0).sum() <= 4:
        return None
    loss = entry.get("extra_info", {}).get("fitting_loss", np.array({})).item()
    if loss.get("reprojection_loss") is not None and loss["reprojection_loss"] >= 31000:
        return None
    assert entry["scale"].min().item() * 200 > 1
    return entry


class Seen(NamedTuple):
    vertices: np.ndarray
    pixels: float
    metres: float
    extent: float


def read(entry: dict, K: np.ndarray) -> Seen:
    """What training makes of somebody."""
    pose, betas = entry["body_pose"], entry["betas"]
    assert pose.shape == (72,)
    vertices, points = points49(np.concatenate([pose[:3], pose[3:]]), betas)
    points = points[:44]
    points2d, points3d = entry["keypoints_2d"].astype(float), entry["keypoints_3d"].astype(float)
    t, pixels = placed(points, points2d[:, :2], points2d[:, 2], K)
    off = (points3d[:, :3] - points3d[PELVIS, :3]) - (points - points[PELVIS])
    metres = (np.linalg.norm(off, axis=-1) * points3d[:, 3]).max()
    counted = points2d[points2d[:, 2] > 0, :2]
    crop = (counted - entry["center"]) / (entry["scale"] * 200).max()
    return Seen(vertices + t, pixels, float(metres), float(np.abs(crop).max()))


@pytest.fixture(scope="module")
def everyone(tmp_path_factory: pytest.TempPathFactory) -> list[DatasetPerson]:
    return people(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, everyone: list[DatasetPerson]) -> Path:
    target = tmp_path_factory.mktemp("shards") / "train"
    write(FOUR_D_HUMANS_TAR, target, everyone, reader(FOUR_D_HUMANS_TAR))
    return target


def entries(folder: Path) -> list[dict]:
    shards = sorted(folder.glob("*.tar"))
    return [entry for shard in shards for sample in samples(shard) for entry in sample.persons]


def test_golden_reader(folder: Path, everyone: list[DatasetPerson]) -> None:
    read_entries = entries(folder)
    assert len(read_entries) == len(everyone)
    for someone, entry in zip(everyone, read_entries, strict=True):
        kept = low1(entry)
        assert kept is not None
        if someone.id.startswith("child"):
            assert kept["has_body_pose"] == 0  # goes with the betas: told in the docs
            continue
        assert kept["has_betas"] == 1
        assert kept["has_body_pose"] == 1
        seen = read(kept, intrinsics(someone))
        assert np.abs(seen.vertices - truth(someone)[0]).max() < 1e-4
        assert seen.pixels < 0.1
        assert seen.metres < 1e-4
        assert 0.15 < seen.extent < 1.25


@pytest.mark.parametrize(
    "mutate",
    [
        lambda entry: entry["scale"].__imul__(200),
        lambda entry: entry["scale"].__itruediv__(200),
        lambda entry: entry.update(body_pose=entry["body_pose"][3:]),
        lambda entry: entry.update(scale=float(entry["scale"][0])),
        lambda entry: entry["extra_info"].update(fitting_loss={"reprojection_loss": 1.0}),
        lambda entry: entry["keypoints_2d"].__setitem__(
            slice(25, 44), entry["keypoints_2d"][43:24:-1].copy()
        ),
        lambda entry: entry["keypoints_3d"][:, :3].__imul__(1000),
        lambda entry: entry["body_pose"][:3].__imul__(-1),
    ],
    ids=["pixels", "small", "69", "float", "dict", "order", "millimetres", "world"],
)
def test_mutations_are_noticed(
    folder: Path, everyone: list[DatasetPerson], mutate: Callable[[dict], object]
) -> None:
    K = intrinsics(everyone[0])
    good = read(entries(folder)[0], K)
    entry = entries(folder)[0]
    mutate(entry)
    try:
        kept = low1(entry)
        assert kept is not None
        bad = read(kept, K)
    except (AssertionError, AttributeError):
        return
    assert (
        np.abs(bad.vertices - good.vertices).max() > 0.01
        or bad.pixels > 2
        or bad.metres > 0.01
        or not 0.15 < bad.extent < 1.25
    )


def test_names_and_photos(folder: Path) -> None:
    shards = sorted(folder.glob("*.tar"))
    assert [shard.name for shard in shards] == ["000000.tar", "000001.tar", "000002.tar"]
    found = [sample for shard in shards for sample in samples(shard)]
    keys = [sample.key for sample in found]
    assert len(set(keys)) == len(keys) == len(NAMES)
    assert keys[0] == "000000000_adult"
    assert all(re.fullmatch("[A-Za-z0-9_-]+", key) for key in keys)
    assert [len(sample.persons) for sample in found] == [2, 1, 1, 1, 1, 1, 1]
    by_stem = {sample.key.split("_", 1)[1]: sample.photo for sample in found}
    assert by_stem["turned"].size == SIZE[::-1]
    assert by_stem["turned"].getexif().get(0x0112, 1) == 1
    assert by_stem["c"].format == "JPEG"
    assert by_stem["adult"].size == SIZE


def test_names_that_differ_behind_a_dot_stay_apart(folder: Path) -> None:
    """With their own names, two photos would be one sample."""
    assert len({_NAME.match(name).group(1) for name in NAMES[1:3]}) == 1  # type: ignore[union-attr]
    keys = [sample.key for shard in folder.glob("*.tar") for sample in samples(shard)]
    assert len([key for key in keys if "v2" in key or "v3" in key]) == 2


def test_types(folder: Path) -> None:
    entry = entries(folder)[0]
    shapes = {name: value.shape for name, value in entry.items() if name != "extra_info"}
    assert shapes == {
        "keypoints_2d": (44, 3),
        "keypoints_3d": (44, 4),
        "center": (2,),
        "scale": (2,),
        "body_pose": (72,),
        "betas": (10,),
        "has_body_pose": (),
        "has_betas": (),
    }
    arrays = [value for name, value in entry.items() if name != "extra_info"]
    assert all(array.dtype == np.float32 and np.isfinite(array).all() for array in arrays)
    loss = entry["extra_info"]["fitting_loss"]
    assert (loss.shape, loss.dtype) == ((), np.dtype(object))
    assert loss.item().keys() == {"reprojection_loss"}


def test_reprojection_loss_grows_with_the_error_and_ends() -> None:
    exact = person(kind=BodyKind.SMPL)
    keypoints = exact.result.keypoints
    moved = [
        dataclasses.replace(
            exact,
            result=dataclasses.replace(
                exact.result,
                points2d=keypoints.xy + torch.tensor([pixels, 0.0]),
            ),
        )
        for pixels in (0.0, 3.0, 1e6)
    ]
    losses = reprojection_loss(rows_of(moved))
    assert losses[0] == 0
    assert losses[1] == pytest.approx(0.8**2 * 25 * 9, rel=1e-2)
    assert losses[2] == pytest.approx(0.8**2 * 25 * 100**2, rel=1e-2)


def test_the_same_bytes_twice(tmp_path: Path, everyone: list[DatasetPerson]) -> None:
    made = write(FOUR_D_HUMANS_TAR, tmp_path / "a", everyone, reader(FOUR_D_HUMANS_TAR))
    again = write(FOUR_D_HUMANS_TAR, tmp_path / "b", everyone, reader(FOUR_D_HUMANS_TAR))
    for one, other in zip(made.files, again.files, strict=True):
        assert one.read_bytes() == other.read_bytes()
    with tarfile.open(tmp_path / "a" / "000000.tar") as shard:
        assert {(member.mtime, member.uid, member.gid) for member in shard} == {(0, 0, 0)}


def test_old_numpy_reads_the_pickle(folder: Path) -> None:
    with tarfile.open(folder / "000000.tar") as shard:
        file = shard.extractfile("000000000_adult.data.pyd")
        assert file is not None
        content = file.read()
    assert content.startswith(b"\x80\x03")
    assert b"numpy._core" not in content
