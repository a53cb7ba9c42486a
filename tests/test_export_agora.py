"""Predictions as AGORA's evaluation uses them."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from export_people import CASES, body_of, everybody, person, reader_of, with_image, write
from golden_body import GoldenBody, project

from smplifyx.body import skinning
from smplifyx.body.model import Age
from smplifyx.camera import Camera
from smplifyx.core.choices import Gender
from smplifyx.writers.agora import AGORA
from smplifyx.writers.dataset_rows import DatasetPerson

VECTORS = {
    "transl": 3, "global_orient": 3, "body_pose": 63, "left_hand_pose": 45, "right_hand_pose": 45,
    "jaw_pose": 3, "leye_pose": 3, "reye_pose": 3, "expression": 10,
}  # fmt: skip

Prediction = dict[str, Any]


def read_all(folder: Path) -> dict[str, Prediction]:
    """All that the check of the format finds, which takes every file of the folder."""
    paths = sorted((folder / "predictions").iterdir())
    return {path.name: pickle.loads(path.read_bytes()) for path in paths}


def check(prediction: Prediction) -> None:
    """What is asked of a prediction of SMPL-X by its parameters."""
    assert prediction.get("gender", "neutral") in ("male", "female", "neutral")
    if prediction.get("kid_flag", False):
        assert prediction["params"]["betas"].shape[1] == prediction["num_betas"] == 11
    for name, size in (*VECTORS.items(), ("betas", prediction.get("num_betas", 10))):
        array = prediction["params"][name]
        assert isinstance(array, np.ndarray) and array.shape == (1, size)
        assert array.dtype == np.float32 and np.isfinite(array).all()
    joints = prediction["joints"]
    assert isinstance(joints, np.ndarray) and joints.shape == (24, 2)


def mesh_of(prediction: Prediction) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and joints: no PCA, and the package's own default, `flat_hand_mean=False`. Children
    have the model of their gender, girls the neutral one.
    """
    if "verts" in prediction:
        return prediction["verts"], prediction["allSmplJoints3d"]
    gender, is_kid = prediction.get("gender", "neutral"), prediction.get("kid_flag", False)
    adult = GoldenBody.embedded("neutral" if is_kid and gender == "female" else gender)
    body = GoldenBody.of(body_of(age=Age.CHILD), adult) if is_kid else adult
    params = prediction["params"]
    pose = np.concatenate(
        [
            params["global_orient"][0],
            params["body_pose"][0],
            params["jaw_pose"][0],
            params["leye_pose"][0],
            params["reye_pose"][0],
            params["left_hand_pose"][0] + body.left_mean,
            params["right_hand_pose"][0] + body.right_mean,
        ]
    )
    betas = params["betas"][0, : 11 if is_kid else prediction.get("num_betas", 10)]
    vertices, joints, orient = body.forward(pose, betas, params["expression"][0])
    transl = params["transl"][0]
    return vertices + transl, body.joints144(vertices, joints, orient)[:127] + transl


@pytest.fixture(scope="module")
def predictions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Prediction]:
    folder = tmp_path_factory.mktemp("agora")
    write(AGORA, folder / "out", everybody())
    return read_all(folder / "out")


def own(predictions: dict[str, Prediction], case: str) -> Prediction:
    return predictions[f"{case.replace(' ', '_')}_personId_0.pkl"]


@pytest.mark.parametrize("case", CASES)
def test_golden_reader(predictions: dict[str, Prediction], case: str) -> None:
    prediction, one = own(predictions, case), person(case)
    check(prediction)
    truth = skinning.vertices(one.body, one.result.params).numpy()
    vertices, joints = mesh_of(prediction)
    assert np.abs(vertices - truth).max() < 1e-4
    pixels = project(joints[:24], one.result.camera.K.numpy())
    assert np.abs(pixels - prediction["joints"]).max() < 0.1


def test_names_are_those_of_images(tmp_path: Path) -> None:
    """The evaluation takes the name up to `_personId_`, and looks for an image with `.png`."""
    people = [
        with_image(person("adult"), "ag_val_5_15_00012.png"),
        with_image(dataclasses.replace(person("wide"), id="adult/3"), "ag_val_5_15_00012.png"),
        with_image(person("cropped"), "sub/c.png"),
        dataclasses.replace(person("one hand"), id="deep/stem/0", image=""),
    ]
    write(AGORA, tmp_path / "out", people, per_block=2)
    names = list(read_all(tmp_path / "out"))
    images = ["_".join(name.split("_")[:-2]) + ".png" for name in names]
    assert images == [
        "ag_val_5_15_00012.png", "ag_val_5_15_00012.png", "deep-stem.png", "sub-c.png",
    ]  # fmt: skip
    assert [re.sub(r"_personId_\d*.pkl", ".png", name) for name in names] == images
    assert names[1].endswith("_personId_3.pkl")


def test_pixels_of_the_small_images_are_told_in_the_full_ones(tmp_path: Path) -> None:
    one = person("adult")
    camera = Camera.from_focal(900.0, torch.tensor([1280.0, 720.0]))
    small = dataclasses.replace(
        one,
        result=dataclasses.replace(one.result, camera=camera),
        image="ag_val_00012_1280x720.png",
    )
    write(AGORA, tmp_path / "out", [small])
    ((name, prediction),) = read_all(tmp_path / "out").items()
    assert name == "ag_val_00012_personId_0.pkl"
    _, joints = mesh_of(prediction)
    full = np.array([[2700.0, 0, 1920], [0, 2700, 1080], [0, 0, 1]])
    assert np.abs(project(joints[:24], full) - prediction["joints"]).max() < 0.1


def child(gender: Gender) -> DatasetPerson:
    """With the proportions of the neutral child: the embedded bodies differ in nothing else."""
    one = person("child")
    body = dataclasses.replace(one.body, gender=gender)
    return dataclasses.replace(one, body=body)


@pytest.mark.parametrize("gender", [Gender.FEMALE, Gender.MALE])
def test_girls_are_meshes(tmp_path: Path, gender: Gender) -> None:
    """The evaluation has only the neutral model for them."""
    one = child(gender)
    write(AGORA, tmp_path / "out", [one])
    (prediction,) = read_all(tmp_path / "out").values()
    check(prediction)
    assert prediction["gender"] == gender.value
    assert ("verts" in prediction) == (gender is Gender.FEMALE)
    if gender is Gender.FEMALE:
        truth = skinning.vertices(one.body, one.result.params).numpy()
        vertices, joints = mesh_of(prediction)
        assert np.abs(vertices - truth).max() < 1e-4
        assert joints.shape == (127, 3) and joints.dtype == np.float32


@pytest.mark.parametrize(
    "mutate",
    [
        lambda params: params["left_hand_pose"].__iadd__(0.15),
        lambda params: params["transl"].__isub__([[0.0, 0.3, 0.0]]),
        lambda params: params["body_pose"].__setitem__(
            (0, slice(0, 6)), params["body_pose"][0, [3, 4, 5, 0, 1, 2]]
        ),
        lambda params: params["betas"].__imul__(0),
    ],
    ids=["hand mean", "pelvis", "sides", "no shape"],
)
def test_mutations_are_noticed(
    predictions: dict[str, Prediction], mutate: Callable[[Any], object]
) -> None:
    good = own(predictions, "adult")
    spoilt = copy.deepcopy(good)
    mutate(spoilt["params"])
    assert np.abs(mesh_of(spoilt)[0] - mesh_of(good)[0]).max() > 0.01


def test_a_childs_last_beta_left_out_is_noticed(predictions: dict[str, Prediction]) -> None:
    good = own(predictions, "child")
    spoilt = copy.deepcopy(good)
    spoilt["params"]["betas"][0, 10] = 0
    assert np.abs(mesh_of(spoilt)[0] - mesh_of(good)[0]).max() > 0.01


def test_men_and_women_have_their_own_models(tmp_path: Path) -> None:
    man = person(gender=Gender.MALE)
    reader = dataclasses.replace(reader_of(AGORA), model=man.body)
    write(AGORA, tmp_path / "out", [man], reader)
    (prediction,) = read_all(tmp_path / "out").values()
    assert prediction["gender"] == "male" and prediction["params"]["betas"].all()
    truth = skinning.vertices(man.body, man.result.params).numpy()
    assert np.abs(mesh_of(prediction)[0] - truth).max() < 1e-4


def test_the_same_bytes_twice(tmp_path: Path) -> None:
    first = write(AGORA, tmp_path / "a", everybody())
    second = write(AGORA, tmp_path / "b", everybody())
    for one, other in zip(first.files, second.files, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert {path.name for path in (tmp_path / "a").iterdir()} == {
        "predictions", "people.rows.csv", "smplifyx_export.json",
    }  # fmt: skip
