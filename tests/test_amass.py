"""The AMASS reader: both layouts, both spellings of the frame rate, resampling, the way up."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from make_recordings import swinging, write_amass
from scipy.spatial.transform import Rotation

from smplifyx.data.amass import iter_amass, read_amass
from smplifyx.data.bvh import RecordingError

LAYOUTS = ("smplh", "smplx", "smplx_poses")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_agree(tmp_path: Path, layout: str) -> None:
    angles = swinging(20)
    poses = read_amass(write_amass(tmp_path / "motion.npz", angles, 30.0, layout))
    assert poses.body_pose == pytest.approx(angles[:, 1:], abs=1e-9)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_up_becomes_y(tmp_path: Path, layout: str) -> None:
    """A person who stands in a world with z up is SMPL-X body turned a quarter about x; a turn
    about z is about y.
    """
    angles = np.zeros((3, 22, 3))
    angles[:, 0, 0] = np.pi / 2
    assert read_amass(
        write_amass(tmp_path / "m.npz", angles, 30, layout)
    ).global_orient == pytest.approx(0, abs=1e-9)
    # a turn about up
    angles[:, 0] = (Rotation.from_euler("z", 0.7) * Rotation.from_euler("x", np.pi / 2)).as_rotvec()
    poses = read_amass(write_amass(tmp_path / "m.npz", angles, 30, layout))
    assert poses.global_orient == pytest.approx(np.tile([0, 0.7, 0], (3, 1)), abs=1e-9)


@pytest.mark.parametrize(
    ("rate", "frames", "expected"), [(120, 121, 31), (60, 120, 60), (25, 26, 31), (100, 2, 1)]
)
def test_resampled_to_thirty(tmp_path: Path, rate: float, frames: int, expected: int) -> None:
    angles = np.zeros((frames, 22, 3))
    angles[:, 4, 0] = np.arange(frames) / rate  # a knee that bends by one radian a second
    poses = read_amass(write_amass(tmp_path / "motion.npz", angles, rate, "smplh"))
    assert poses.body_pose.shape == (expected, 21, 3)
    assert poses.body_pose[:, 3, 0] == pytest.approx(np.arange(expected) / 30, abs=1e-9)


def test_resampling_takes_the_short_way_round(tmp_path: Path) -> None:
    """Two spellings of nearly the same rotation: between them the joint must not pass through zero."""
    angles = np.zeros((2, 22, 3))
    angles[0, 16, 1], angles[1, 16, 1] = np.pi - 0.1, -(np.pi - 0.1)
    between = read_amass(write_amass(tmp_path / "motion.npz", angles, 15, "smplx")).body_pose[:, 15]
    assert len(between) == 3 and np.linalg.norm(between, axis=-1).min() > np.pi - 0.11


def test_subjects_are_folders_and_other_files_are_passed_over(tmp_path: Path) -> None:
    for name in ("set/anna/a", "set/anna/b", "set/otto/a", "lonely"):
        write_amass(tmp_path / f"{name}_poses.npz", swinging(3), 30, "smplh")
    np.savez(tmp_path / "set" / "anna" / "shape.npz", betas=np.zeros(16), gender="female")
    found = [(recording.subject, recording.name) for recording in iter_amass(tmp_path)]
    assert found == [("lonely_poses", "lonely_poses"), ("set/anna", "a_poses"), ("set/anna", "b_poses"),
                     ("set/otto", "a_poses")]  # fmt: skip


BAD = {
    "no rate": ({"poses": np.zeros((4, 156))}, "frame rate"),
    "rate zero": ({"poses": np.zeros((4, 156)), "mocap_framerate": 0.0}, "frame rate"),
    "rate nearly zero": ({"poses": np.zeros((4, 156)), "mocap_framerate": 1e-9}, "frame rate"),
    "rate not a number": ({"poses": np.zeros((4, 156)), "mocap_framerate": np.nan}, "frame rate"),
    "two rates": ({"poses": np.zeros((4, 156)), "mocap_framerate": [1.0, 2.0]}, "frame rate"),
    "rate of words": ({"poses": np.zeros((4, 156)), "mocap_framerate": "fast"}, "not a motion"),
    "turns": ({"poses": np.full((4, 156), 1e300), "mocap_framerate": 30.0}, "not finite"),
    "SMPL": ({"poses": np.zeros((4, 72)), "mocap_framerate": 30.0}, r"expected \(T, 156\)"),
    "parts": (
        {"root_orient": np.zeros((4, 3)), "pose_body": np.zeros((5, 63)), "mocap_frame_rate": 30.0}, "pose_body",
    ),
    "empty": ({"poses": np.zeros((0, 156)), "mocap_framerate": 30.0}, "no frames"),
    "NaN": ({"poses": np.full((4, 156), np.nan), "mocap_framerate": 30.0}, "not finite"),
    "objects": ({"poses": np.array([{}], dtype=object), "mocap_framerate": 30.0}, "plain arrays"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_errors_name_the_file(tmp_path: Path, case: str) -> None:
    arrays, message = BAD[case]
    np.savez(tmp_path / "motion.npz", **arrays)
    with pytest.raises(ValueError, match=message) as caught:
        read_amass(tmp_path / "motion.npz")
    assert "motion.npz" in str(caught.value)


def test_a_file_that_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "motion.npz").write_bytes(b"not a zip file")
    with pytest.raises(ValueError, match="motion.npz"):
        list(iter_amass(tmp_path))


def test_a_pipe_and_damaged_bytes_are_told(tmp_path: Path) -> None:
    path = write_amass(tmp_path / "motion.npz", swinging(3), 30, "smplh")
    content = bytearray(path.read_bytes())
    content[900] ^= 255
    path.write_bytes(content)
    with pytest.raises(RecordingError, match="motion.npz"):
        list(iter_amass(tmp_path))
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(RecordingError, match="not a regular file"):
        list(iter_amass(tmp_path))
