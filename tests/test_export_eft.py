"""EFT's JSON as its viewer reads it: orthographic, so points are off by what depth does."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from export_people import CASES, everybody, person, write
from golden_body import project
from golden_smpl import golden, intrinsics, reader, truth

from smplifyx.body.joints import BodyKind
from smplifyx.writers.dataset_rows import DatasetPerson
from smplifyx.writers.eft import EFT

PEOPLE = everybody(BodyKind.SMPL, children=False)
ROWS = [case for case in CASES if case != "child"]
PERSPECTIVE = 0.1  # of the box: what half a metre of depth does to an arm at 3.5 m


class Seen(NamedTuple):
    vertices: np.ndarray  # metres about the body's own origin
    joints: np.ndarray  # [24, 2] pixels of the photo


def read(item: dict) -> Seen:
    matrices = np.array(item["parm_pose"], np.float32).reshape(24, 3, 3).astype(float)
    assert np.allclose(matrices @ matrices.transpose(0, 2, 1), np.eye(3), atol=1e-5)
    betas = np.array(item["parm_shape"], np.float32).reshape(10)
    assert item["smpltype"] == "smpl"
    vertices, joints, _ = golden().forward(matrices, betas)
    scale, *shift = item["parm_cam"]
    in_crop = 112 * (scale * joints[:, :2] + np.array(shift))
    side = 200 * item["bbox_scale"]
    top_left = np.array(item["bbox_center"]) - side / 2
    return Seen(vertices, in_crop / (224 / side) + top_left + side / 2)


def wanted(someone: DatasetPerson) -> Seen:
    vertices, points = truth(someone)
    params = someone.result.params
    angles = np.concatenate([params.global_orient[None], params.body_pose, np.zeros((2, 3))])
    _, joints, _ = golden().forward(angles, params.betas.numpy(), transl=params.transl.numpy())
    return Seen(vertices - params.transl.double().numpy(), project(joints, intrinsics(someone)))


def load(path: Path) -> list[dict]:
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["ver"]
    return content["data"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    target = tmp_path_factory.mktemp("eft") / "train.json"
    write(EFT, target, PEOPLE, reader(EFT))
    return load(target)


@pytest.mark.parametrize("row", range(len(ROWS)), ids=ROWS)
def test_golden_reader(data: list[dict], row: int) -> None:
    seen, expected = read(data[row]), wanted(PEOPLE[row])
    assert np.abs(seen.vertices - expected.vertices).max() < 1e-4
    off = np.linalg.norm(seen.joints - expected.joints, axis=-1)
    assert np.sqrt((off**2).mean()) == pytest.approx(data[row]["residual_px"], abs=0.05)
    assert off.max() < PERSPECTIVE * 200 * data[row]["bbox_scale"]


def test_no_other_scale_and_shift_are_nearer(data: list[dict]) -> None:
    expected = wanted(PEOPLE[0]).joints

    def error(change: np.ndarray) -> float:
        camera = (np.array(data[0]["parm_cam"]) + change).tolist()
        return float(((read(data[0] | {"parm_cam": camera}).joints - expected) ** 2).sum())

    for change in np.eye(3):
        assert error(0.003 * change) > error(np.zeros(3)) < error(-0.003 * change)


@pytest.mark.parametrize(
    "mutate",
    [
        lambda item: item.update(parm_pose=np.array(item["parm_pose"]).transpose(0, 2, 1).tolist()),
        lambda item: item.update(parm_shape=[0.0] * 10),
        lambda item: item.update(bbox_scale=item["bbox_scale"] * 200),
        lambda item: item.update(bbox_center=item["bbox_center"][::-1]),
        # s (xy + t), as HMR has it
        lambda item: item.update(
            parm_cam=[item["parm_cam"][0], *(t / item["parm_cam"][0] for t in item["parm_cam"][1:])]
        ),
    ],
    ids=["transposed", "shape", "scale", "center", "shift"],
)
def test_mutations_are_noticed(data: list[dict], mutate: Callable[[dict], object]) -> None:
    good = read(data[0])
    spoilt = dict(data[0])
    mutate(spoilt)
    bad = read(spoilt)
    moved = np.linalg.norm(bad.joints - good.joints, axis=-1).max()
    assert np.abs(bad.vertices - good.vertices).max() > 0.01 or moved > 2


def test_fields(data: list[dict]) -> None:
    assert not EFT.facts.marks_shape  # children and others are left out
    assert [item["annotId"] for item in data] == list(range(len(PEOPLE)))
    assert data[0].keys() == {
        "parm_pose",
        "parm_shape",
        "parm_cam",
        "bbox_scale",
        "bbox_center",
        "joint_validity_openpose18",
        "smpltype",
        "annotId",
        "imageName",
        "subjectId",
        "residual_px",
    }
    assert data[0]["subjectId"] == PEOPLE[0].id
    cropped = data[ROWS.index("cropped")]["joint_validity_openpose18"]
    assert len(cropped) == 18
    knees_and_ankles = (9, 10, 12, 13)
    assert {joint for joint, valid in enumerate(cropped) if not valid} == set(knees_and_ankles)


def test_photos_go_by_their_names_alone(tmp_path: Path) -> None:
    someone = dataclasses.replace(person(kind=BodyKind.SMPL), image="a/b/c.jpg")
    write(EFT, tmp_path / "a.json", [someone], reader(EFT))
    assert load(tmp_path / "a.json")[0]["imageName"] == "c.jpg"


def test_the_same_bytes_twice(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write(EFT, target, PEOPLE, reader(EFT), per_block=2)
    first = target.read_bytes()
    write(EFT, target, PEOPLE, reader(EFT), per_block=2)
    assert target.read_bytes() == first
