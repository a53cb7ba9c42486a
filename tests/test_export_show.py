"""SHOW's clips as its renderer and TalkSHOW use them."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from export_people import CASES, body_of, person, write
from golden_body import GoldenBody

from smplifyx.body import skinning
from smplifyx.body.model import Age
from smplifyx.writers.dataset_rows import DatasetPerson
from smplifyx.writers.show import SHOW

Clip = dict[str, Any]
SIZES = {
    "body_pose_axis": 63, "jaw_pose": 3, "leye_pose": 3, "reye_pose": 3, "global_orient": 3,
    "transl": 3, "left_hand_pose": 12, "right_hand_pose": 12, "expression": 100,
}  # fmt: skip


def components() -> tuple[np.ndarray, np.ndarray]:
    """What stands for `hand_component.json` and the model's own."""
    left, right = body_of().left_hand, body_of().right_hand
    assert left is not None and right is not None
    return left.components[:12].numpy(), right.components[:12].numpy()


def with_known_hands(one: DatasetPerson) -> DatasetPerson:
    """Hands that twelve components hold."""
    golden = GoldenBody.embedded()
    random = np.random.default_rng(len(one.id))
    means = golden.left_mean, golden.right_mean
    hands = [
        torch.tensor(mean + 0.3 * random.normal(size=12) @ of, dtype=torch.float32).reshape(15, 3)
        for mean, of in zip(means, components(), strict=True)
    ]
    params = one.result.params.replace(left_hand_pose=hands[0], right_hand_pose=hands[1])
    return dataclasses.replace(one, result=dataclasses.replace(one.result, params=params))


def motion_of(clip: Clip) -> np.ndarray:
    """What TalkSHOW trains on: [T, 165], hands without the mean. It asserts 99 columns."""
    names = ("jaw_pose", "leye_pose", "reye_pose")
    full = np.concatenate(
        [
            *(np.array(clip[name]) for name in names),
            np.array(clip["global_orient"]).squeeze(),
            np.array(clip["body_pose_axis"]),
            np.array(clip["left_hand_pose"]),
            np.array(clip["right_hand_pose"]),
        ],
        axis=1,
    )
    assert full.shape[1] == 99
    left, right = components()
    return np.concatenate([full[:, :75], full[:, 75:87] @ left, full[:, 87:] @ right], axis=1)


def render(clip: Clip, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """What SHOW's renderer makes of a frame: vertices, and joints in pixels. The mesh is turned by
    180 degrees about x, and seen by a camera of OpenGL that `camera_transl` moves, y turned round.
    """
    body = GoldenBody.embedded()
    betas = clip["betas"]
    assert betas.ndim == 2 and len(betas) == 1  # the model joins it with the expressions
    if betas.shape[1] == 301:  # the neutral child's model
        body = GoldenBody.of(body_of(age=Age.CHILD), body)
        shape = np.append(betas[0, :10], betas[0, 300])
    else:
        assert betas.shape[1] == 300 and not betas[0, 10:].any()
        shape = betas[0, :10]
    assert clip["expression"].shape[1] == 100 and not clip["expression"][:, 10:].any()
    left, right = components()
    pose = np.concatenate(
        [
            clip["global_orient"][frame],
            clip["body_pose_axis"][frame],
            clip["jaw_pose"][frame],
            clip["leye_pose"][frame],
            clip["reye_pose"][frame],
            clip["left_hand_pose"][frame] @ left + body.left_mean,
            clip["right_hand_pose"][frame] @ right + body.right_mean,
        ]
    )
    vertices, joints, _ = body.forward(pose, shape, clip["expression"][frame, :10])
    vertices, joints = vertices + clip["transl"][frame], joints + clip["transl"][frame]
    eye = clip["camera_transl"] * [1, -1, 1]
    x, y, z = (joints * [1, -1, -1] - eye).T
    focal, center = clip["focal_length"], clip["center"]
    pixels = np.stack([focal * x / -z + center[0], center[1] - focal * y / -z], -1)
    return vertices, pixels


def read_all(target: Path) -> dict[str, Clip]:
    """Every clip, by its path; TalkSHOW wants `SEQ/SEQ.pkl`."""
    paths = sorted(target.rglob("*.pkl"))
    assert all(path.stem == path.parent.name for path in paths)
    return {
        path.parent.relative_to(target).as_posix(): pickle.loads(path.read_bytes())
        for path in paths
    }


def sequence(name: str, numbers: Sequence[int], whose: int = 0) -> list[DatasetPerson]:
    """The same person in other poses, a frame each; one shape and one camera."""
    shape = person("adult").result.params.betas
    frames = []
    for number in numbers:
        one = with_known_hands(person("adult", seed=1000 * whose + number))
        result = dataclasses.replace(
            one.result, params=one.result.params.replace(betas=shape.clone())
        )
        frames.append(dataclasses.replace(one, id=f"{name}_{number:06d}/{whose}", result=result))
    return frames


def truth_of(one: DatasetPerson) -> np.ndarray:
    return skinning.vertices(one.body, one.result.params).numpy()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    target = tmp_path_factory.mktemp("show") / "clips"
    write(SHOW, target, sequence("video", range(4)))
    (only,) = read_all(target).values()
    return only


@pytest.mark.parametrize("case", CASES)
def test_golden_reader(tmp_path: Path, case: str) -> None:
    one = with_known_hands(person(case))
    write(SHOW, tmp_path / "clips", [one])
    (clip,) = read_all(tmp_path / "clips").values()
    vertices, pixels = render(clip, 0)
    assert np.abs(vertices - truth_of(one)).max() < 1e-4
    joints = one.result.camera.project(skinning.joints(one.body, one.result.params)).numpy()
    if case == "off-centre":  # one focal length for both axes: what differs is lost
        assert np.abs(pixels - joints).max() < 0.03 * np.ptp(joints, axis=0).max()
        assert clip["cam_int"][0] == pytest.approx(one.result.camera.K.numpy())
    else:
        assert np.abs(pixels - joints).max() < 0.1


def test_a_clip_is_its_frames(clip: Clip) -> None:
    frames = sequence("video", range(4))
    assert clip["batch_size"] == 4
    assert {name: clip[name].shape for name in SIZES} == {
        name: (4, size) for name, size in SIZES.items()
    }
    for number, one in enumerate(frames):
        assert np.abs(render(clip, number)[0] - truth_of(one)).max() < 1e-4
    motion = motion_of(clip)
    params = frames[2].result.params
    assert motion.shape == (4, 165)
    assert np.allclose(motion[2, 12:75], params.body_pose.flatten())
    mean = GoldenBody.embedded().left_mean
    assert np.allclose(motion[2, 75:120], params.left_hand_pose.flatten().numpy() - mean, atol=1e-5)
    for value in clip.values():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            assert value.dtype == np.float32 and np.isfinite(value).all()
    assert (clip["width"], clip["height"]) == (1000, 1200)
    assert clip["center"].shape == (2,) and clip["camera_transl"].shape == (3,)


@pytest.mark.parametrize(
    "mutate",
    [
        lambda clip: clip["left_hand_pose"].__iadd__(0.5),
        lambda clip: clip["transl"].__isub__([0.0, 0.3, 0.0]),
        lambda clip: clip["body_pose_axis"].__setitem__(
            (slice(None), slice(0, 6)), clip["body_pose_axis"][:, [3, 4, 5, 0, 1, 2]]
        ),
        lambda clip: clip["betas"].__imul__(0),
        lambda clip: clip.update(
            left_hand_pose=clip["right_hand_pose"], right_hand_pose=clip["left_hand_pose"]
        ),
    ],
    ids=["hands", "pelvis", "sides", "no shape", "hands swapped"],
)
def test_mutations_are_noticed(clip: Clip, mutate: Callable[[Clip], object]) -> None:
    spoilt = copy.deepcopy(clip)
    mutate(spoilt)
    assert np.abs(render(spoilt, 0)[0] - render(clip, 0)[0]).max() > 0.01


def test_a_moved_camera_is_noticed(clip: Clip) -> None:
    spoilt = dict(clip, camera_transl=np.array([0.0, 0.3, 0.0]))
    assert np.abs(render(spoilt, 0)[1] - render(clip, 0)[1]).max() > 2


@pytest.mark.parametrize(
    "change",
    [
        lambda clip: clip.update(body_pose_axis=clip["body_pose_axis"].reshape(-1, 21, 3)),
        lambda clip: clip.update(left_hand_pose=np.zeros((4, 45))),
        lambda clip: clip.update({name: clip[name][:1] for name in SIZES}),
    ],
    ids=["as the README says", "hands of 45", "a single frame"],
)
def test_readers_stop_at(clip: Clip, change: Callable[[Clip], object]) -> None:
    spoilt = dict(clip)
    change(spoilt)
    with pytest.raises((ValueError, AssertionError)):
        motion_of(spoilt)


@pytest.mark.parametrize("per_block", [1, 2, 100])
def test_clips_across_blocks(tmp_path: Path, per_block: int) -> None:
    """Two people; a frame is missing of one of them; another video, and a photo."""
    first, second = sequence("v/a", range(5, 10)), sequence("v/a", (5, 6, 8, 9), whose=1)
    people = sorted([*first, *second], key=lambda one: one.id)
    people += [*sequence("v/b", (0, 5, 10)), dataclasses.replace(person("wide"), id="photo/0")]
    write(SHOW, tmp_path / "clips", people, per_block=per_block)
    clips = read_all(tmp_path / "clips")
    assert {name: clip["frame_number"].tolist() for name, clip in clips.items()} == {
        "v/a_000005_0": [5, 6, 7, 8, 9],
        "v/a_000005_1": [5, 6],
        "v/a_000008_1": [8, 9],
        "v/b_000000_0": [0, 5, 10],  # every fifth frame: none is missing
        "photo_0": [-1],
    }
    for number, one in enumerate(first):
        assert np.abs(render(clips["v/a_000005_0"], number)[0] - truth_of(one)).max() < 1e-4


def test_frames_in_another_order(tmp_path: Path) -> None:
    """The order of the input means nothing."""
    frames = sequence("v", range(4))
    write(SHOW, tmp_path / "a", frames)
    write(SHOW, tmp_path / "b", frames[::-1])
    one, other = read_all(tmp_path / "a")["v_000000_0"], read_all(tmp_path / "b")["v_000000_0"]
    assert np.allclose(one["transl"], other["transl"], atol=1e-6)


def test_one_shape_and_camera_for_a_clip(tmp_path: Path) -> None:
    frames = [
        dataclasses.replace(person("adult", seed=seed), id=f"v_{seed}/0") for seed in range(2)
    ]
    write(SHOW, tmp_path / "clips", frames)
    (clip,) = read_all(tmp_path / "clips").values()
    shapes = np.stack([one.result.params.betas.numpy() for one in frames])
    assert np.allclose(clip["betas"][0, :10], shapes.mean(0), atol=1e-6)


def test_the_same_bytes_twice(tmp_path: Path) -> None:
    people = sequence("v", range(5))
    first = write(SHOW, tmp_path / "a", people, per_block=2)
    second = write(SHOW, tmp_path / "b", people, per_block=2)
    for one, other in zip(first.files, second.files, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert {path.name for path in (tmp_path / "a").iterdir()} == {
        "v_000000_0", "people.rows.csv", "smplifyx_export.json",
    }  # fmt: skip
