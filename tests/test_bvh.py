"""The BVH reader against hand-made files of known motion."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

from smplifyx.data.bvh import (
    Clip,
    RecordingError,
    forward_kinematics,
    iter_clips,
    parse_bvh,
    read_bvh,
)
from smplifyx.data.mocap import by_subject

HIERARCHY = """HIERARCHY
ROOT hip
{{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition {root}
  JOINT knee
  {{
    OFFSET 0 -2 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {{
      OFFSET 0 -1 0
    }}
  }}
}}
MOTION
Frames: {frames}
Frame Time: 0.5
{values}
"""
ZYX = "Zrotation Yrotation Xrotation"


def _text(values: str, root: str = ZYX, frames: int = 1) -> str:
    return HIERARCHY.format(root=root, frames=frames, values=values)


def _end(clip: Clip) -> np.ndarray:
    _, position = forward_kinematics(clip.rotations, clip.skeleton.offsets, clip.skeleton.parents)
    return position[0, -1] + clip.translation[0]


@pytest.mark.parametrize(
    ("values", "root", "end"),
    [
        ("0 0 0  0 0 0  0 0 0", ZYX, (0, -3, 0)),
        ("1 2 3  0 0 0  0 0 0", ZYX, (1, -1, 3)),
        ("0 0 0  90 0 0  0 0 0", ZYX, (3, 0, 0)),  # z: down turns to +x
        # the knee's second channel is x: down turns to -z
        ("0 0 0  0 0 0  0 90 0", ZYX, (0, -2, -1)),
        ("0 0 0  90 90 0  0 0 0", ZYX, (3, 0, 0)),  # y acts first on a leg along y: nothing; then z
        # x acts first, then z leaves it
        ("0 0 0  90 90 0  0 0 0", "Zrotation Xrotation Yrotation", (0, 0, -3)),
    ],
)
def test_channels_in_file_order(values: str, root: str, end: tuple[float, ...]) -> None:
    assert _end(parse_bvh(_text(values, root), "01_01")) == pytest.approx(end, abs=1e-12)


def test_hierarchy() -> None:
    clip = parse_bvh(_text("0 0 0 0 0 0 0 0 0\n0 0 0 0 0 0 0 0 0", frames=2), "07_12")
    assert clip.skeleton.names == ("hip", "knee", "knee_end")
    assert clip.skeleton.parents == (-1, 0, 1)
    assert clip.rotations.shape == (2, 3, 3, 3)
    assert (clip.subject, clip.frame_time) == ("07", 0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("MOTION", "not a BVH file"),
        (_text("0 0 0", frames=1), "9 channels announced, 3 numbers"),
        (_text("0 0 0 0 0 0 0 0 spam"), "malformed BVH"),
        (_text("0 0 0 0 0 0 0 0 0").replace("}\n}\n", "}\n", 1), "unbalanced braces"),
        (_text("0 0 0 0 0 0 0 0 0").replace("Frames:", "Pictures:"), "does not begin with"),
    ],
)
def test_broken_files_are_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        parse_bvh(text, "broken_clip")
    assert "broken_clip" in str(caught.value)


def test_archive_equals_folder(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    with tarfile.open(tmp_path / "clips.tar.xz", "w:xz") as archive:
        for name in ("02_01", "01_01"):
            data = _text(f"{name[:2]} 0 0 10 20 30 40 50 60").encode()
            (folder / f"{name}.bvh").write_bytes(data)
            # an archive may claim any path: nothing is ever extracted
            info = tarfile.TarInfo(f"../{name}.bvh")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    packed, plain = list(iter_clips(tmp_path / "clips.tar.xz")), list(iter_clips(folder))
    assert [c.name for c in packed] == [c.name for c in plain] == ["01_01", "02_01"]
    for a, b in zip(packed, plain, strict=True):
        np.testing.assert_array_equal(a.rotations, b.rotations)
        np.testing.assert_array_equal(a.translation, read_bvh(folder / f"{a.name}.bvh").translation)


def test_subjects_are_chosen_by_name(tmp_path: Path) -> None:
    for name in ("02_01", "01_01", "02_11"):
        (tmp_path / f"{name}.bvh").write_text(_text("0 0 0 0 0 0 0 0 0"))
    assert [c.name for c in iter_clips(tmp_path, {"02"})] == ["02_01", "02_11"]


def _hostile_text(old: str, new: str) -> str:
    """A sound file with one word replaced."""
    return _text("0 0 0 0 0 0 0 0 0").replace(old, new, 1)


HOSTILE = {
    "negative channels": (_hostile_text("CHANNELS 3", "CHANNELS -5"), "knee has -5 channels"),
    "many channels": (_hostile_text("CHANNELS 3", "CHANNELS 9999999"), "knee has 9999999 channels"),
    "axis": (_hostile_text("Xposition", "Wposition"), "hip has a channel Wposition"),
    "axis twice": (_hostile_text("3 Zrotation Xr", "3 Xrotation Xr"), "malformed"),
    "joints of nothing": (_hostile_text("End Site", "End Site { } " * 40 + "End Site"), "in all"),
    "not a number": (_text("0 0 0 0 0 0 0 nan 0"), "not finite"),
    "frames": (_text("0 0 0 0 0 0 0 0 0", frames=10**12), "announced"),
    "negative frames": (_text("", frames=-1), "announced"),
    "no joint above": ("HIERARCHY End Site { MOTION", "malformed"),
    "nothing": ("HIERARCHY MOTION", "malformed|no joint"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_one_line_with_their_path(tmp_path: Path, case: str) -> None:
    text, message = HOSTILE[case]
    (tmp_path / "01_01.bvh").write_text(text)
    with pytest.raises(RecordingError, match=message) as caught:
        list(iter_clips(tmp_path))
    assert str(tmp_path / "01_01.bvh") in str(caught.value) and "\n" not in str(caught.value)


def test_damaged_archives_and_pipes_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "clips.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("01_01.bvh")
        info.size = 5000
        archive.addfile(info, io.BytesIO(np.random.default_rng(0).bytes(5000)))
    whole = path.read_bytes()
    for content in (whole[:300], whole[:2000] + bytes(200) + whole[2200:], b"hello", b""):
        path.write_bytes(content)
        with pytest.raises(RecordingError, match="not a tar of BVH files"):
            list(iter_clips(path))
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(RecordingError, match="not a regular file"):
        list(iter_clips(path))


def test_archives_unpack_to_what_is_likely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smplifyx.data.packed.ALWAYS_ALLOWED", 2**20)
    path = tmp_path / "clips.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("01_01.bvh")
        info.size = 2**22
        archive.addfile(info, io.BytesIO(bytes(2**22)))
    with pytest.raises(RecordingError, match="unpacks to more than 1 MiB"):
        list(iter_clips(path))


def test_other_skeletons_are_told_by_path(tmp_path: Path) -> None:
    (tmp_path / "01_01.bvh").write_text(_text("0 0 0 0 0 0 0 0 0\n0 0 0 0 0 0 0 0 0", frames=2))
    with pytest.raises(RecordingError, match="no joint ") as caught:
        by_subject(iter_clips(tmp_path), np.zeros((55, 3)))
    assert "01_01.bvh" in str(caught.value)


def test_missing_archive(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no_such"):
        next(iter_clips(tmp_path / "no_such.tar"))
