"""Tars as the readers of WebDataset use them: names split at the first dot, nothing unpickled."""

from __future__ import annotations

import dataclasses
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_people import CASES, everybody, person, write
from golden_body import GoldenBody, project
from PIL import Image

from smplifyx.body import skinning
from smplifyx.writers.dataset_rows import DatasetPerson
from smplifyx.writers.webdataset import WEBDATASET

Sample = dict[str, Any]


def samples(folder: Path) -> dict[str, Sample]:
    """What WebDataset makes of the tars: members that follow each other with the same key are one
    sample.
    """
    found: dict[str, Sample] = {}
    last = ""
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                assert member.isfile() and "/" not in member.name
                key, _, suffix = member.name.partition(".")
                assert key == last or key not in found, "members of a sample lie apart"
                last = key
                content = tar.extractfile(member)
                assert content is not None
                found.setdefault(key, {})[suffix] = content.read()
    return found


def decoded(sample: Sample) -> tuple[Sample, dict[str, np.ndarray]]:
    """The JSON and the arrays."""
    with np.load(io.BytesIO(sample["npz"]), allow_pickle=False) as arrays:
        return json.loads(sample["json"]), dict(arrays)


def vertices_of(arrays: dict[str, np.ndarray], row: int, golden: GoldenBody) -> np.ndarray:
    """What a reader makes of a person."""
    names = ("global_orient", "body_pose", "jaw_pose", "leye_pose", "reye_pose")
    hands = ("left_hand_pose", "right_hand_pose")
    pose = np.concatenate([arrays[name][row].reshape(-1, 3) for name in (*names, *hands)])
    betas = arrays["betas"][row]
    if golden.shapes > 10:  # a child's
        betas = np.append(betas[:10], arrays["kid_beta"][row])
    return golden.forward(pose, betas, arrays["expression"][row], arrays["transl"][row])[0]


def in_photo(one: DatasetPerson, folder: Path, name: str, orientation: int = 1) -> DatasetPerson:
    """The person in a small photo of that name, red at its upright top."""
    pixels = np.zeros((40, 30, 3), np.uint8)
    pixels[:20, :, 0] = 255
    stored = pixels if orientation == 1 else np.rot90(pixels)  # 6: to be turned clockwise
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(path, exif=exif)
    return dataclasses.replace(one, image=name, photo=path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("webdataset")
    names = ["a.b c.jpg", "sub/zwölf.png", "3.jpg", "4.jpg", "5.jpg", "6.jpg", "7.jpg"]
    people = [
        in_photo(one, root, name, 6 if name == "4.jpg" else 1)
        for one, name in zip(everybody(), names, strict=True)
    ]
    second = dataclasses.replace(people[0], id=f"{people[0].id.rpartition('/')[0]}/1")
    write(WEBDATASET, root / "shards", [people[0], second, *people[1:]], per_block=4)
    return root / "shards"


@pytest.mark.parametrize("number", range(len(CASES)), ids=CASES)
def test_golden_reader(folder: Path, number: int) -> None:
    one = everybody()[number]
    truth = skinning.vertices(one.body, one.result.params).numpy()
    told, arrays = decoded(list(samples(folder).values())[number])
    assert told["people"][0]["model_sha256"] == one.body.sha256
    golden = GoldenBody.of(one.body, GoldenBody.embedded())
    assert np.abs(vertices_of(arrays, 0, golden) - truth).max() < 1e-4
    assert (
        np.abs(project(arrays["points3d"][0], arrays["K"][0]) - arrays["points2d"][0]).max() < 0.1
    )


@pytest.mark.parametrize(
    "mutate",
    [
        lambda arrays: arrays["transl"].__iadd__(0.1),
        lambda arrays: arrays["betas"].__imul__(0),
        lambda arrays: arrays["right_hand_pose"].__iadd__(0.15),
        lambda arrays: arrays["body_pose"].__setitem__(
            (slice(None), slice(0, 2)), arrays["body_pose"][:, [1, 0]]
        ),
    ],
    ids=["place", "shape", "hand mean", "sides"],
)
def test_mutations_are_noticed(
    folder: Path, mutate: Callable[[dict[str, np.ndarray]], object]
) -> None:
    golden = GoldenBody.embedded()
    _, arrays = decoded(next(iter(samples(folder).values())))
    good = vertices_of(arrays, 0, golden)
    mutate(arrays)
    assert np.abs(vertices_of(arrays, 0, golden) - good).max() > 0.01


def test_samples(folder: Path) -> None:
    """One for each photo, with the same members in each; roots are objects; nothing is NaN."""
    found = samples(folder)
    assert len(found) == len(CASES)
    assert {tuple(sample) for sample in found.values()} == {("jpg", "json", "npz")}
    assert all(key.isascii() and " " not in key for key in found)
    for sample in found.values():
        told, arrays = decoded(sample)
        assert isinstance(told, dict)
        for name, array in arrays.items():
            assert len(array) == len(told["people"]), name
            assert array.dtype in (np.float32, bool), name
            assert np.isfinite(array).all(), name
    first, arrays = decoded(next(iter(found.values())))
    assert [one["id"] for one in first["people"]] == ["adult/0", "adult/1"]
    assert first["people"][0]["verdict"]["left_hand"] is True


def test_photos_are_upright_jpegs(folder: Path) -> None:
    for sample in samples(folder).values():
        photo = Image.open(io.BytesIO(sample["jpg"]))
        assert photo.format == "JPEG" and photo.size == (30, 40)
        assert photo.getexif().get(0x0112, 1) == 1
        assert np.asarray(photo)[5, 15, 0] > 200 and np.asarray(photo)[35, 15, 0] < 50


def test_what_is_unknown(tmp_path: Path) -> None:
    one = in_photo(person("adult"), tmp_path, "a.jpg")
    lacking = dataclasses.replace(one, result=one.result.replace(joint_covariance=None))
    write(WEBDATASET, tmp_path / "shards", [lacking])
    _, arrays = decoded(next(iter(samples(tmp_path / "shards").values())))
    assert not arrays["covariance_known"].any() and (arrays["sigma_px"] == -1).all()


def test_no_photo(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="adult/0: no photo"):
        write(WEBDATASET, tmp_path / "shards", [person("adult")])


def test_same_bytes(folder: Path, tmp_path: Path) -> None:
    people = [in_photo(one, tmp_path, f"{number}.jpg") for number, one in enumerate(everybody())]
    made = write(WEBDATASET, tmp_path / "shards", people)
    first = [path.read_bytes() for path in made.files]
    write(WEBDATASET, tmp_path / "shards", people)
    assert [path.read_bytes() for path in made.files] == first


def test_webdataset_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WDS_SECURE", "1")
    webdataset = pytest.importorskip("webdataset")
    tars = sorted(map(str, folder.glob("*.tar")))
    read = list(webdataset.WebDataset(tars, shardshuffle=False).decode("rgb8"))
    assert len(read) == len(CASES)
    assert read[0]["jpg"].shape == (40, 30, 3) and len(read[0]["json"]["people"]) == 2
    assert read[0]["npz"]["body_pose"].shape == (2, 21, 3)
