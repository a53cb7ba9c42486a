"""NeuralAnnot's JSON and its COCO-WholeBody file as Hand4Whole and OSX use them."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_people import CASES, everybody, person, with_image, write
from golden_body import GoldenBody, project

from smplifyx.body import skinning
from smplifyx.writers.dataset_rows import PartsKept
from smplifyx.writers.neuralannot import NEURALANNOT

# the family's 137 as places of the 144 of the `smplx` package
FAMILY = (
    *(0, 1, 2, 4, 5, 7, 8, 12, 16, 17, 18, 19, 20, 21, 60, 61, 62, 63, 64, 65, 59, 58, 57, 56, 55),
    *(37, 38, 39, 66, 25, 26, 27, 67, 28, 29, 30, 68, 34, 35, 36, 69, 31, 32, 33, 70),
    *(52, 53, 54, 71, 40, 41, 42, 72, 43, 44, 45, 73, 49, 50, 51, 74, 46, 47, 48, 75),
    *(22, 15, 57, 56),
    *range(76, 144),
)
# which of the family's 137 each of the readers' 134 is; -1: the hands' own wrists are none
WHOLE_BODY = (
    *(24, 22, 23, 20, 21, 8, 9, 10, 11, 12, 13, 1, 2, 3, 4, 5, 6),  # COCO
    *(0, 14, 15, 16, 17, 18, 19),  # pelvis, feet
    *(-1, *range(25, 45)),
    *(-1, *range(45, 65)),
    *range(120, 137),  # the contour: first in the file, last in the model
    *range(69, 120),
)

Files = tuple[dict[str, Any], dict[str, Any]]


def open_files(target: Path) -> Files:
    """The fits, and the COCO file."""
    coco = target.with_name(f"{target.stem}_coco.json")
    return json.loads(target.read_text()), json.loads(coco.read_text())


def samples(files: Files) -> list[dict[str, Any]]:
    """What the data set keeps: every annotation with its points, image and fit."""
    fits, coco = files
    images = {image["id"]: image for image in coco["images"]}
    kept = []
    for annotation in coco["annotations"]:
        if annotation["iscrowd"] or annotation["num_keypoints"] == 0:
            continue
        body = np.array(annotation["keypoints"], np.float32).reshape(17, 3)
        hips = body[[11, 12]]
        pelvis = np.array([*hips[:, :2].mean(0), hips[0, 2] * hips[1, 2]])[None]
        parts = [
            np.array(annotation[name], np.float32).reshape(-1, 3)
            for name in ("foot_kpts", "lefthand_kpts", "righthand_kpts", "face_kpts")
        ]
        points = np.concatenate([body, pelvis, *parts])
        assert points.shape == (134, 3)
        kept.append(
            {
                "image": images[annotation["image_id"]],
                "annotation": annotation,
                "points": points,
                "fit": fits[str(annotation["id"])],
            }
        )
    return kept


def body_of(fit: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices, the family's 137 joints, and those in pixels: neutral, no PCA,
    `flat_hand_mean=False`, eyes ahead.
    """
    params = fit["smplx_param"]
    body = GoldenBody.embedded()
    left = np.array(params["lhand_pose"]) if params["lhand_valid"] else np.zeros(45)
    right = np.array(params["rhand_pose"]) if params["rhand_valid"] else np.zeros(45)
    jaw = np.array(params["jaw_pose"]) if params["face_valid"] else np.zeros(3)
    expression = np.array(params["expr"]) if params["face_valid"] else np.zeros(10)
    betas = np.array(params["shape"])
    if (np.abs(betas) > 3).any():
        betas = betas * 0
    pose = np.concatenate(
        [
            params["root_pose"],
            params["body_pose"],
            jaw,
            np.zeros(6),
            left + body.left_mean,
            right + body.right_mean,
        ]
    )
    vertices, joints, orient = body.forward(pose, betas, expression)
    transl = np.array(params["trans"])
    joints = body.joints144(vertices, joints, orient)[list(FAMILY)] + transl
    K = np.diag([*fit["cam_param"]["focal"], 1.0])
    K[:2, 2] = fit["cam_param"]["princpt"]
    return vertices + transl, joints, project(joints, K)


def off(sample: dict[str, Any]) -> float:
    """The median distance of the reader's joints from the file's points, in parts of the box."""
    _, _, pixels = body_of(sample["fit"])
    index = np.array(WHOLE_BODY)
    used = (sample["points"][:, 2] > 0) & (index >= 0)
    distance = np.linalg.norm(pixels[index[used]] - sample["points"][used, :2], axis=-1)
    return float(np.median(distance) / max(sample["annotation"]["bbox"][2:]))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    target = tmp_path_factory.mktemp("neuralannot") / "train.json"
    write(NEURALANNOT, target, everybody())
    return open_files(target)


@pytest.mark.parametrize("case", [case for case in CASES if case != "child"])
def test_golden_reader(files: Files, case: str) -> None:
    sample = samples(files)[CASES.index(case)]
    one = person(case)
    params = one.result.params
    left, right = one.body.left_hand, one.body.right_hand
    assert left is not None and right is not None
    read = params.replace(leye_pose=params.leye_pose * 0, reye_pose=params.reye_pose * 0)
    if case in ("no hands", "one hand"):
        read = read.replace(left_hand_pose=left.mean.reshape(15, 3))
    if case == "no hands":
        read = read.replace(right_hand_pose=right.mean.reshape(15, 3))
    truth = skinning.vertices(one.body, read).numpy()
    joints = one.result.camera.project(skinning.joints(one.body, read)).numpy()
    vertices, _, pixels = body_of(sample["fit"])
    assert np.abs(vertices - truth).max() < 1e-4
    own = np.array(FAMILY) < 55  # of the model's own joints
    assert np.abs(pixels[own] - joints[np.array(FAMILY)[own]]).max() < 0.1
    assert off(sample) < 0.02
    assert sample["image"]["file_name"] == f"{case.replace(' ', '_')}.jpg"


@pytest.mark.parametrize(
    "mutate",
    [
        lambda param: param.update(lhand_pose=[value + 0.15 for value in param["lhand_pose"]]),
        lambda param: param.update(trans=(np.array(param["trans"]) - [0, 0.3, 0]).tolist()),
        lambda param: param.update(
            body_pose=param["body_pose"][3:6] + param["body_pose"][:3] + param["body_pose"][6:]
        ),
        lambda param: param.update(shape=[0.0] * 10),
        lambda param: param["shape"].__setitem__(0, 3.1),
        lambda param: param.update(lhand_valid=False),
    ],
    ids=["hand mean", "pelvis", "sides", "no shape", "beta above 3", "hand not valid"],
)
def test_mutations_are_noticed(files: Files, mutate: Callable[[dict[str, Any]], object]) -> None:
    fit = files[0]["1"]
    spoilt = copy.deepcopy(fit)
    mutate(spoilt["smplx_param"])
    assert np.abs(body_of(spoilt)[0] - body_of(fit)[0]).max() > 0.01


def test_another_camera_is_noticed(files: Files) -> None:
    spoilt = copy.deepcopy(files[0]["1"])
    spoilt["cam_param"]["princpt"].reverse()
    assert np.abs(body_of(spoilt)[2] - body_of(files[0]["1"])[2]).max() > 2


def test_another_persons_fit_is_noticed(files: Files) -> None:
    """A wrong id shows up nowhere else."""
    fits, coco = files
    shifted = dict(zip(fits, [*list(fits.values())[1:], fits["1"]], strict=True))
    assert all(off(sample) > 0.02 for sample in samples((shifted, coco)))


@pytest.mark.parametrize("name", ["keypoints", "lefthand_kpts", "face_kpts"])
def test_points_in_another_order_are_noticed(files: Files, name: str) -> None:
    annotation = copy.deepcopy(files[1]["annotations"][0])
    points = np.array(annotation[name]).reshape(-1, 3)
    annotation[name] = np.roll(points, 1, axis=0).flatten().tolist()
    before = samples(files)[0]
    after = samples((files[0], dict(files[1], annotations=[annotation])))[0]
    _, _, pixels = body_of(before["fit"])
    index = np.array(WHOLE_BODY)
    known = index >= 0

    def worst(sample: dict[str, Any]) -> float:
        distance = np.linalg.norm(pixels[index[known]] - sample["points"][known, :2], axis=-1)
        return float(distance.mean())

    assert worst(after) > worst(before) + 2


@pytest.mark.parametrize("key", ["lhand_valid", "rhand_valid", "face_valid"])
def test_readers_stop_without_a_flag(files: Files, key: str) -> None:
    spoilt = copy.deepcopy(files[0]["1"])
    del spoilt["smplx_param"][key]
    with pytest.raises(KeyError):
        body_of(spoilt)


def test_shapes_and_flags(files: Files) -> None:
    sizes = {
        "root_pose": 3, "body_pose": 63, "shape": 10, "trans": 3, "lhand_pose": 45,
        "rhand_pose": 45, "jaw_pose": 3, "expr": 10,
    }  # fmt: skip
    fits, coco = files
    assert list(fits) == [str(number + 1) for number in range(len(CASES))]
    for fit, annotation, case in zip(fits.values(), coco["annotations"], CASES, strict=True):
        param = fit["smplx_param"]
        assert {name: len(param[name]) for name in sizes} == sizes
        has_left, has_right = case not in ("no hands", "one hand"), case != "no hands"
        assert (param["lhand_valid"], param["rhand_valid"]) == (has_left, has_right)
        assert (annotation["lefthand_valid"], annotation["righthand_valid"]) == (
            has_left,
            has_right,
        )
        assert any(param["lhand_pose"]) == has_left and any(annotation["lefthand_box"]) == has_left
        assert annotation["face_valid"] is param["face_valid"] is True
        assert [len(annotation[name]) for name in ("keypoints", "foot_kpts", "face_kpts")] == [
            51, 18, 204,
        ]  # fmt: skip
        assert len(annotation["lefthand_kpts"]) == len(annotation["righthand_kpts"]) == 63
        x, y, width, height = annotation["bbox"]
        image = next(one for one in coco["images"] if one["id"] == annotation["image_id"])
        assert min(x, y) >= 0
        assert x + width <= image["width"] and y + height <= image["height"]
    child = fits[str(CASES.index("child") + 1)]["smplx_param"]
    assert not any(child["shape"])  # says that there is none
    cropped = coco["annotations"][CASES.index("cropped")]
    assert cropped["num_keypoints"] == 13 and cropped["keypoints"][-12:] == [0] * 12


def test_people_of_an_image_share_it(tmp_path: Path) -> None:
    first = person("adult")
    second = dataclasses.replace(person("wide"), id="adult/1", image="adult.jpg")
    other = with_image(person("cropped"), "sub/c.jpg")
    write(NEURALANNOT, tmp_path / "a.json", [first, second, other], per_block=2)
    _, coco = open_files(tmp_path / "a.json")
    assert [image["id"] for image in coco["images"]] == [1, 3]
    assert [image["file_name"] for image in coco["images"]] == ["adult.jpg", "sub/c.jpg"]
    assert [one["image_id"] for one in coco["annotations"]] == [1, 1, 3]
    assert coco["categories"][0]["id"] == coco["annotations"][0]["category_id"]


def test_a_hand_that_was_rejected_is_not_valid(tmp_path: Path) -> None:
    one = dataclasses.replace(person(), kept=PartsKept(left_hand=False, shape=False))
    write(NEURALANNOT, tmp_path / "a.json", [one])
    fits, coco = open_files(tmp_path / "a.json")
    param = fits["1"]["smplx_param"]
    assert not param["lhand_valid"] and not any(param["lhand_pose"]) and param["rhand_valid"]
    assert not coco["annotations"][0]["lefthand_valid"]
    assert not any(param["shape"])


def test_the_same_bytes_twice(tmp_path: Path) -> None:
    target = tmp_path / "train.json"
    made = write(NEURALANNOT, target, everybody(), per_block=1)
    first = [path.read_bytes() for path in made.files]
    again = write(NEURALANNOT, target, everybody(), per_block=1)
    assert [path.read_bytes() for path in again.files] == first
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in made.files}
