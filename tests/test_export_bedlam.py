"""BEDLAM's npz as its readers use it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from export_people import CASES, everybody, write
from golden_body import GoldenBody, members, project

from smplifyx.body import skinning
from smplifyx.body.model import Age
from smplifyx.writers.bedlam import BEDLAM

ROWS = [case for case in CASES if case != "child"]  # whose betas the reader's body understands


def read(file: dict[str, np.ndarray], row: int) -> tuple[np.ndarray, np.ndarray]:
    """What BEDLAM's data set makes of a row: vertices in the camera's frame, and the distance of
    its joints from `gtkps` in pixels.
    """
    body = GoldenBody.embedded()
    pose = file["pose_cam"][row].reshape(55, 3).astype(float)
    camera = file["cam_ext"][row].astype(float).copy()
    camera[:3, 3] += file["trans_cam"][row]
    vertices, joints, _ = body.forward(pose, file["shape"][row])
    vertices, joints = vertices + camera[:3, 3], joints + camera[:3, 3]
    pixels = project(joints[:24], file["cam_int"][row].astype(float))
    return vertices, np.linalg.norm(pixels - file["gtkps"][row, :, :2], axis=-1)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    target = tmp_path_factory.mktemp("bedlam") / "train.npz"
    write(BEDLAM, target, everybody(children=False))
    return members(target)


@pytest.mark.parametrize("row", range(len(ROWS)), ids=ROWS)
def test_golden_reader(file: dict[str, np.ndarray], row: int) -> None:
    people = everybody(children=False)
    assert people[row].body.age is Age.ADULT
    params = people[row].result.params
    zero = params.replace(expression=params.expression * 0)  # BEDLAM has no expression
    truth = skinning.vertices(people[row].body, zero).numpy()
    vertices, pixels = read(file, row)
    assert np.abs(vertices - truth).max() < 1e-4
    assert pixels.max() < 0.1


@pytest.mark.parametrize(
    "mutate",
    [
        lambda file: file["cam_ext"][:, :3, 3].__isub__([0.0, 0.3, 0.0]),
        lambda file: file["trans_cam"].__iadd__(0.05),
        lambda file: file["pose_cam"][:, 75:120].__iadd__(0.15),  # another hand mean
        lambda file: file["pose_cam"].__setitem__(
            (slice(None), slice(3, 9)), file["pose_cam"][:, [6, 7, 8, 3, 4, 5]]
        ),  # left and right hip
        lambda file: file["shape"].__imul__(0),
    ],
    ids=["pelvis", "twice", "hand mean", "sides", "shape"],
)
def test_mutations_are_noticed(
    file: dict[str, np.ndarray], mutate: Callable[[dict[str, np.ndarray]], object]
) -> None:
    good, _ = read(file, 0)
    spoilt = {name: array.copy() for name, array in file.items()}
    mutate(spoilt)
    vertices, _ = read(spoilt, 0)
    assert np.abs(vertices - good).max() > 0.01


def test_a_row_drawn_ten_times_stays(file: dict[str, np.ndarray]) -> None:
    """Readers add `trans_cam` into a view of `cam_ext`."""
    view = file["cam_ext"].copy()[0][:, 3]
    for _ in range(10):
        view[:3] += file["trans_cam"][0]
    assert np.array_equal(view, file["cam_ext"][0][:, 3])


def test_shapes_and_box(file: dict[str, np.ndarray]) -> None:
    count = len(ROWS)
    assert file["shape"].shape == (count, 11)
    assert file["gtkps"].shape == (count, 24, 3)
    assert file["imgname"].dtype.kind == "U"
    seen = everybody(children=False)[0].result.keypoints
    extent = np.ptp(seen.xy[seen.confidence > 0.1].numpy(), axis=0).max()
    assert file["scale"][0] == pytest.approx(1.2 * extent / 200, rel=1e-4)


def test_hand_boxes_are_about_the_hands(file: dict[str, np.ndarray]) -> None:
    """CameraHMR crops hands: the wrist's children lie in them, also of hands nobody saw."""
    body = GoldenBody.embedded()
    pose = file["pose_cam"][0].reshape(55, 3).astype(float)
    _, joints, _ = body.forward(pose, file["shape"][0])
    pixels = project(joints + file["cam_ext"][0, :3, 3], file["cam_int"][0].astype(float))
    for name, fingers in (("lh", pixels[25:40]), ("rh", pixels[40:55])):
        half = 100 * file[f"{name}_s"][0]
        assert np.abs(fingers - file[f"{name}_c"][0]).max() < half
        assert half < 0.4 * 100 * file["scale"][0]


def test_target_is_whole_or_nothing(tmp_path: Path) -> None:
    target = tmp_path / "train.npz"
    made = write(BEDLAM, target, everybody(children=False), per_block=2)
    first = target.read_bytes()
    write(BEDLAM, target, everybody(children=False), per_block=2)
    assert target.read_bytes() == first
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in made.files}
