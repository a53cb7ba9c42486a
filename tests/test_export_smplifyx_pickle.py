"""The original SMPLify-X's pickles as its own programs and others use them."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from export_people import CASES, body_of, everybody, person, write
from golden_body import GoldenBody, project

from smplifyx.body import skinning
from smplifyx.body.model import Age
from smplifyx.writers.dataset_rows import DatasetPerson
from smplifyx.writers.smplifyx_pickle import SMPLIFYX_PKL

ORIGINAL = {
    "camera_rotation": (1, 3, 3), "camera_translation": (1, 3), "betas": (1, 10),
    "global_orient": (1, 3), "left_hand_pose": (1, 45), "right_hand_pose": (1, 45),
    "jaw_pose": (1, 3), "leye_pose": (1, 3), "reye_pose": (1, 3), "expression": (1, 10),
    "body_pose": (1, 63),
}  # fmt: skip

Result = dict[str, np.ndarray]


def read(folder: Path, case: str) -> Result:
    return pickle.loads((folder / case.replace(" ", "_") / "000.pkl").read_bytes())


def mesh_of(result: Result, use_pca: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices and joints before the camera, and the joints' pixels: without VPoser, with
    `flat_hand_mean=False` as in the original's settings; eleven betas need age "kid".
    """
    body = GoldenBody.embedded()
    if result["betas"].shape[1] == 11:
        body = GoldenBody.of(body_of(age=Age.CHILD), body)
    left, right = result["left_hand_pose"][0], result["right_hand_pose"][0]
    if use_pca:
        space = body_of().left_hand, body_of().right_hand
        assert space[0] is not None and space[1] is not None
        left = result["left_hand_pca"][0] @ space[0].components[:12].numpy()
        right = result["right_hand_pca"][0] @ space[1].components[:12].numpy()
    pose = np.concatenate(
        [
            result["global_orient"][0],
            result["body_pose"][0],
            result["jaw_pose"][0],
            result["leye_pose"][0],
            result["reye_pose"][0],
            left + body.left_mean,
            right + body.right_mean,
        ]
    )
    vertices, joints, _ = body.forward(pose, result["betas"][0], result["expression"][0])
    turn, move = result["camera_rotation"][0].astype(float), result["camera_translation"][0]
    vertices, joints = vertices @ turn.T + move, joints @ turn.T + move
    K = np.diag([*result["focal_length"][0], 1.0])
    K[:2, 2] = result["center"][0]
    return vertices, joints, project(joints, K)


def truth_of(one: DatasetPerson) -> tuple[np.ndarray, np.ndarray]:
    params = one.result.params
    joints = skinning.joints(one.body, params)
    return skinning.vertices(one.body, params).numpy(), one.result.camera.project(joints).numpy()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("smplifyx") / "results"
    write(SMPLIFYX_PKL, target, everybody())
    return target


@pytest.mark.parametrize("case", CASES)
def test_golden_reader(folder: Path, case: str) -> None:
    vertices, _, pixels = mesh_of(read(folder, case))
    truth, joints = truth_of(person(case))
    assert np.abs(vertices - truth).max() < 1e-4
    assert np.abs(pixels - joints).max() < 0.1


@pytest.mark.parametrize("case", CASES)
def test_every_value_becomes_a_tensor(folder: Path, case: str) -> None:
    """`render_pkl` makes one of each, and gives them all to the model."""
    result = read(folder, case)
    for value in result.values():
        assert torch.tensor(value, dtype=torch.float32).isfinite().all()
        assert value.dtype in (np.float32, np.int32) and value.shape[0] == 1
    shapes = ORIGINAL | ({"betas": (1, 11)} if case == "child" else {})
    assert {name: result[name].shape for name in shapes} == shapes
    # names that the model's forward pass has for something else
    assert not {"transl", "return_verts", "return_full_pose", "pose2rot"} & set(result)


@pytest.mark.parametrize(
    "mutate",
    [
        lambda result: result["left_hand_pose"].__iadd__(0.15),
        lambda result: result["camera_translation"].__isub__([[0.0, 0.3, 0.0]]),
        lambda result: result["body_pose"].__setitem__(
            (0, slice(0, 6)), result["body_pose"][0, [3, 4, 5, 0, 1, 2]]
        ),
        lambda result: result["betas"].__imul__(0),
        lambda result: result["camera_rotation"].__imul__([[[1], [-1], [-1]]]),  # as its meshes are
    ],
    ids=["hand mean", "pelvis", "sides", "no shape", "turned"],
)
def test_mutations_are_noticed(folder: Path, mutate: Callable[[Result], object]) -> None:
    good = read(folder, "adult")
    spoilt = copy.deepcopy(good)
    mutate(spoilt)
    assert np.abs(mesh_of(spoilt)[0] - mesh_of(good)[0]).max() > 0.01


def test_another_focal_length_is_noticed(folder: Path) -> None:
    """Readers of the original assume 5000, and the image's middle."""
    good = read(folder, "off-centre")
    spoilt = good | {"focal_length": np.full((1, 2), 5000.0)}
    assert np.abs(mesh_of(spoilt)[2] - mesh_of(good)[2]).max() > 2
    spoilt = good | {"center": good["image_size"] / 2}
    assert np.abs(mesh_of(spoilt)[2] - mesh_of(good)[2]).max() > 2


def test_hands_in_components(tmp_path: Path) -> None:
    """What lies in the first twelve comes back; of others the nearest there."""
    one = person()
    space = one.body.left_hand, one.body.right_hand
    assert space[0] is not None and space[1] is not None
    generator = torch.Generator().manual_seed(3)
    hands = [
        of.mean + torch.randn(12, generator=generator) * 0.3 @ of.components[:12] for of in space
    ]
    params = one.result.params.replace(
        left_hand_pose=hands[0].reshape(15, 3), right_hand_pose=hands[1].reshape(15, 3)
    )
    inside = dataclasses.replace(one, result=dataclasses.replace(one.result, params=params))
    write(SMPLIFYX_PKL, tmp_path / "a", [inside])
    vertices, _, _ = mesh_of(read(tmp_path / "a", "adult"), use_pca=True)
    assert np.abs(vertices - truth_of(inside)[0]).max() < 1e-4

    write(SMPLIFYX_PKL, tmp_path / "b", [one])
    result = read(tmp_path / "b", "adult")
    components = space[0].components[:12].numpy()
    rest = result["left_hand_pose"][0] - result["left_hand_pca"][0] @ components
    assert np.abs(components @ rest).max() < 1e-4  # nothing of it is left in the space
    assert np.linalg.norm(rest) < np.linalg.norm(result["left_hand_pose"])


def test_people_of_an_image_lie_in_its_folder(tmp_path: Path) -> None:
    people = [
        dataclasses.replace(person("adult"), id="sub/photo/0"),
        dataclasses.replace(person("wide"), id="sub/photo/2"),
    ]
    made = write(SMPLIFYX_PKL, tmp_path / "out", people)
    names = {path.relative_to(tmp_path / "out").as_posix() for path in made.files}
    assert names == {"sub/photo/000.pkl", "sub/photo/002.pkl", "people.rows.csv"}


def test_the_same_bytes_twice(tmp_path: Path) -> None:
    first = write(SMPLIFYX_PKL, tmp_path / "a", everybody())
    second = write(SMPLIFYX_PKL, tmp_path / "b", everybody())
    for one, other in zip(first.files, second.files, strict=True):
        assert one.read_bytes() == other.read_bytes()
