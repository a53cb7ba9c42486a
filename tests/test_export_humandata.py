"""HumanData as SMPLer-X, SMPLest-X and mmhuman3d use it."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_people import CASES, everybody, person, write
from golden_body import GoldenBody, project

from smplifyx.body import skinning
from smplifyx.core.choices import Gender
from smplifyx.writers.dataset_rows import PartsKept
from smplifyx.writers.humandata import HUMANDATA

ROWS = {
    "_hands": [case for case in CASES if case not in ("no hands", "one hand")],
    "_nohands": ["no hands", "one hand"],
}
WHOSE = [(name, case) for name, cases in ROWS.items() for case in cases]
# of the family's 137 among the 190: body, hands thumb first with tips, jaw, head, eyes, face
MAPPING = (
    *(0, 1, 2, 4, 5, 7, 8, 12, 16, 17, 18, 19, 20, 21, 60, 61, 62, 63, 64, 65, 59, 58, 57, 56, 55),
    *(37, 38, 39, 66, 25, 26, 27, 67, 28, 29, 30, 68, 34, 35, 36, 69, 31, 32, 33, 70),
    *(52, 53, 54, 71, 40, 41, 42, 72, 43, 44, 45, 73, 49, 50, 51, 74, 46, 47, 48, 75),
    *(22, 15, 56, 57),
    *range(76, 144),
)
# the model layer of the same family has these two the other way round
LAYER = (*MAPPING[:67], 57, 56, *MAPPING[69:])
SWAPPED = (67, 68)
LEFT, RIGHT, LEFT_WRIST, RIGHT_WRIST = slice(25, 45), slice(45, 65), 12, 13

File = dict[str, Any]


@dataclass
class Sample:
    """What a data set of the family keeps of a row."""

    image: str
    params: dict[str, Any]
    points2d: np.ndarray  # [137, 2]
    points3d: np.ndarray  # [137, 3]
    valid: np.ndarray  # [137, 1], a view of the file's one mask
    box: np.ndarray


def open_file(path: Path) -> File:
    """All members, dicts taken out of their arrays."""
    with np.load(path, allow_pickle=True) as content:
        members = {name: content[name] for name in content.files}
    return {
        name: array.item() if array.dtype == object else array for name, array in members.items()
    }


def load(file: File) -> list[Sample]:
    """What SMPLest-X does with a file; KeyError for what it needs."""
    assert not file["__keypoints_compressed__"]
    height, width = np.array(file["meta"]["height"]), np.array(file["meta"]["width"])
    key3d = next(
        key for key in ("keypoints3d_cam", "keypoints3d", "keypoints3d_smplx") if key in file
    )
    key2d = next(key for key in ("keypoints2d", "keypoints2d_smplx") if key in file)
    points3d, points2d = file[key3d][:, MAPPING, :3], file[key2d][:, MAPPING, :2]
    mask = file[f"{key3d}_mask"][list(MAPPING)]
    samples = []
    for row in range(len(file["image_path"])):
        params = {name: values[row] for name, values in file["smplx"].items()}
        if params.pop("betas_extra", 0) != 0:
            continue  # a child
        valid = mask.reshape(-1, 1)  # a view: all rows share it
        for name, part, wrist in (("left", LEFT, LEFT_WRIST), ("right", RIGHT, RIGHT_WRIST)):
            pose = params.get(f"{name}_hand_pose")
            seen = pose is not None and not (pose == 0).all()
            params[f"{name}_valid"] = seen
            valid[part] = valid[wrist] = seen
        box = file["bbox_xywh"][row][:4]
        assert (box[:2] >= 0).all() and (box[:2] + box[2:] <= (width[row], height[row])).all()
        if np.isnan(points3d[row]).any():
            continue
        samples.append(
            Sample(str(file["image_path"][row]), params, points2d[row], points3d[row], valid, box)
        )
    return samples


def body_of(params: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and the family's 137 joints: no PCA, `flat_hand_mean=False`, eyes ahead."""
    body = GoldenBody.embedded()
    nothing = np.zeros((15, 3))
    left = params["left_hand_pose"] if params["left_valid"] else nothing
    right = params["right_hand_pose"] if params["right_valid"] else nothing
    betas = np.array(params["betas"], float)
    if (np.abs(betas) > 3).any():
        betas = betas * 0
    pose = np.concatenate(
        [
            params["global_orient"].reshape(1, 3),
            params["body_pose"],
            params["jaw_pose"].reshape(1, 3),
            np.zeros((2, 3)),
            left + body.left_mean.reshape(15, 3),
            right + body.right_mean.reshape(15, 3),
        ]
    )
    vertices, joints, orient = body.forward(pose, betas, params["expression"])
    transl = params["transl"]
    return vertices + transl, body.joints144(vertices, joints, orient)[list(LAYER)] + transl


def errors(file: File, row: int) -> tuple[float, float]:
    """How far the file's points are from the reader's joints: about the pelvis in metres, and in
    pixels of the file's camera; over joints that the reader trains on.
    """
    sample = load(file)[row]
    _, joints = body_of(sample.params)
    joints[list(SWAPPED)] = joints[list(SWAPPED[::-1])]  # which of the two it is, is not agreed
    used = sample.valid[:, 0] > 0
    told = sample.points3d - sample.points3d[0]
    apart = np.abs(told - (joints - joints[0]))[used].max()
    meta = file["meta"]
    row_of = list(file["image_path"]).index(sample.image)
    K = np.diag([*meta["focal_length"][row_of], 1.0])
    K[:2, 2] = meta["principal_point"][row_of]
    pixels = np.linalg.norm(project(joints, K) - sample.points2d, axis=-1)
    return float(apart), float(pixels[used].max())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, File]:
    folder = tmp_path_factory.mktemp("humandata")
    write(HUMANDATA, folder / "train.npz", everybody())
    return {name: open_file(folder / f"train{name}.npz") for name in ROWS}


def adults(file: str) -> list[str]:
    """The cases that the family does not leave out."""
    return [case for case in ROWS[file] if case != "child"]


@pytest.mark.parametrize(("name", "case"), [one for one in WHOSE if one[1] != "child"])
def test_golden_reader(files: dict[str, File], name: str, case: str) -> None:
    row = adults(name).index(case)
    sample = load(files[name])[row]
    one = person(case)
    params = one.result.params
    left, right = one.body.left_hand, one.body.right_hand
    assert left is not None and right is not None
    ahead = params.replace(leye_pose=params.leye_pose * 0, reye_pose=params.reye_pose * 0)
    if name == "_nohands":
        ahead = ahead.replace(
            left_hand_pose=left.mean.reshape(15, 3), right_hand_pose=right.mean.reshape(15, 3)
        )
    truth = skinning.vertices(one.body, ahead).numpy()
    vertices, _ = body_of(sample.params)
    assert np.abs(vertices - truth).max() < 1e-4
    metres, pixels = errors(files[name], row)
    assert metres < 1e-4 and pixels < 0.1


@pytest.mark.parametrize("name", ROWS)
def test_last_row_has_hands_as_the_name_says(files: dict[str, File], name: str) -> None:
    has_hands = name == "_hands"
    for sample in load(files[name]):
        assert sample.params["left_valid"] == sample.params["right_valid"] == has_hands
        assert (sample.valid[LEFT] == has_hands).all() and (sample.valid[RIGHT] == has_hands).all()
    # old readers look at the keys and at the mask alone
    assert ("left_hand_pose" in files[name]["smplx"]) == has_hands
    assert files[name]["keypoints3d_smplx_mask"][25:55].all() == has_hands


@pytest.mark.parametrize("name", ROWS)
def test_rows_in_another_order_have_the_same_hands(files: dict[str, File], name: str) -> None:
    file = files[name]
    count = len(file["image_path"])
    order = np.random.default_rng(0).permutation(count)

    def permuted(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: permuted(item) for key, item in value.items()}
        is_row_wise = isinstance(value, np.ndarray) and value.shape[:1] == (count,)
        return value[order] if is_row_wise else value

    before = {sample.image: sample.valid.copy() for sample in load(file)}
    after = {sample.image: sample.valid.copy() for sample in load(permuted(file))}
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[image], after[image]) for image in before)


@pytest.mark.parametrize(
    "mutate",
    [
        lambda file: file["smplx"]["left_hand_pose"].__iadd__(0.15),  # another hand mean
        lambda file: file["smplx"]["transl"].__isub__([0.0, 0.3, 0.0]),
        lambda file: file["smplx"]["body_pose"].__setitem__(
            (slice(None), [0, 1]), file["smplx"]["body_pose"][:, [1, 0]]
        ),
        lambda file: file["smplx"]["betas"].__imul__(0),
        lambda file: file["smplx"]["betas"].__setitem__((slice(None), 0), 3.1),
        lambda file: file["keypoints3d_smplx"].__imul__(0),
        lambda file: file["keypoints2d_smplx"].__setitem__(
            (slice(None), slice(25, 55)), file["keypoints2d_smplx"][:, 40:70]
        ),
        lambda file: file["meta"]["principal_point"].__iadd__(5),
    ],
    ids=["hand mean", "pelvis", "sides", "no shape", "beta above 3", "no 3D", "slots", "centre"],
)
def test_mutations_are_noticed(files: dict[str, File], mutate: Callable[[File], object]) -> None:
    spoilt = copy.deepcopy(files["_hands"])
    mutate(spoilt)
    metres, pixels = errors(spoilt, 0)
    assert metres > 0.01 or pixels > 2


@pytest.mark.parametrize("key", ["__keypoints_compressed__", "keypoints3d_smplx"])
def test_readers_stop_without(files: dict[str, File], key: str) -> None:
    with pytest.raises((KeyError, StopIteration)):
        load({name: value for name, value in files["_hands"].items() if name != key})


def test_a_row_without_hands_at_the_end_would_take_them_from_all(files: dict[str, File]) -> None:
    """Why there are two files."""
    file = dict(files["_hands"], smplx=dict(files["_hands"]["smplx"]))
    poses = file["smplx"]["left_hand_pose"].copy()
    poses[-1] = 0
    file["smplx"]["left_hand_pose"] = poses
    assert not any(sample.valid[LEFT].any() for sample in load(file))


def test_children_are_marked_and_have_no_shape(files: dict[str, File]) -> None:
    smplx = files["_hands"]["smplx"]
    row = ROWS["_hands"].index("child")
    assert smplx["betas_extra"][row] == pytest.approx(0.4)
    assert not smplx["betas"][row].any()
    assert np.count_nonzero(smplx["betas_extra"]) == 1


def test_mmhuman3d_loads_it(files: dict[str, File]) -> None:
    """What `HumanData.load` and `check.py` ask for."""
    for name, file in files.items():
        count = len(ROWS[name])
        assert file["__data_len__"] == file["__temporal_len__"] == count
        assert not file["__key_strict__"]
        for key in [key for key in file if key.startswith("keypoints") and "mask" not in key]:
            assert file[f"{key}_mask"].shape == (190,)
            assert file[key].shape == (count, 190, 3 + ("3d" in key))
            assert not file[key][:, 144:].any() and file[f"{key}_mask"][144:].sum() == 0
        assert file["bbox_xywh"].shape == (count, 5)
        assert set(file["meta"]["gender"]) == {"neutral"}
        assert file["image_path"].dtype.kind == "U"
        assert file["misc"]["flat_hand_mean"] is False
        for array in (*file.values(), *file["smplx"].values(), *file["meta"].values()):
            if isinstance(array, np.ndarray) and array.dtype.kind == "f":
                assert array.dtype == np.float32 and np.isfinite(array).all()


def test_boxes(files: dict[str, File]) -> None:
    seen = person("adult").result.keypoints
    box = files["_hands"]["bbox_xywh"][0]
    extent = np.ptp(seen.xy.numpy(), axis=0)
    assert np.allclose(box[2:4] * 0.833, extent, rtol=2e-3)  # how readers undo the margin
    hand = files["_hands"]["lhand_bbox_xywh"][0]
    assert np.allclose(hand[:2], seen.xy[25:46].amin(0)) and hand[4] == 1
    one_hand = ROWS["_nohands"].index("one hand")
    assert files["_nohands"]["lhand_bbox_xywh"][one_hand, 4] == 0
    assert files["_nohands"]["rhand_bbox_xywh"][one_hand, 4] == 1


def test_men_have_no_shape(tmp_path: Path) -> None:
    """All readers load the neutral body."""
    write(HUMANDATA, tmp_path / "a.npz", [person(gender=Gender.MALE), person("wide")])
    file = open_file(tmp_path / "a_hands.npz")
    assert not file["smplx"]["betas"][0].any() and file["smplx"]["betas"][1].all()
    assert list(file["meta"]["gender"]) == ["male", "neutral"]


def test_a_face_that_was_rejected_is_the_mean_one(tmp_path: Path) -> None:
    one = dataclasses.replace(person(), kept=PartsKept(face=False))
    write(HUMANDATA, tmp_path / "a.npz", [one])
    file = open_file(tmp_path / "a_hands.npz")
    assert not file["smplx"]["expression"].any() and not file["smplx"]["jaw_pose"].any()
    assert not file["keypoints2d_smplx"][0, 76:144, 2].any()
    assert not file["face_bbox_xywh"].any()
    metres, pixels = errors(file, 0)  # the points are those of that face
    assert metres < 1e-4 and pixels < 0.1


def test_files_without_anybody_are_not_made(tmp_path: Path) -> None:
    """And go, where an earlier export made one; the same people make the same bytes."""
    target = tmp_path / "train.npz"
    write(HUMANDATA, target, everybody(), per_block=1)
    first = (tmp_path / "train_nohands.npz").read_bytes()
    write(HUMANDATA, target, everybody(), per_block=1)
    assert (tmp_path / "train_nohands.npz").read_bytes() == first
    made = write(HUMANDATA, target, [person("adult")])
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in made.files}
    assert {path.name for path in made.files} == {"train_hands.npz", "train_hands.npz.rows.csv"}
