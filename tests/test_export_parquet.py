"""Our own Parquet, read with pyarrow alone."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from export_people import CASES, everybody, person, write
from golden_body import GoldenBody, project

from smplifyx.body import skinning
from smplifyx.body.joints import BodyKind
from smplifyx.fitting.result import Penetration
from smplifyx.fitting.start_check import StartCheck
from smplifyx.writers.dataset_rows import PartsKept
from smplifyx.writers.parquet import PARQUET, arrow

pa = pytest.importorskip("pyarrow")
Rows = dict[str, list]


def read(folder: Path) -> Rows:
    """All rows of a folder, as Python's own values."""
    arrow()
    return pa.parquet.read_table(folder / "data").to_pydict()


def vertices_of(rows: Rows, row: int) -> np.ndarray:
    """What a reader makes of a row: the body that it names, its parameters."""
    like = GoldenBody.embedded()
    body = everybody()[row].body
    assert body.sha256 == rows["model_sha256"][row]
    names = ("global_orient", "body_pose", "jaw_pose", "leye_pose", "reye_pose")
    hands = ("left_hand_pose", "right_hand_pose")
    pose = np.concatenate([np.array(rows[name][row]) for name in (*names, *hands)])
    golden = GoldenBody.of(body, like)
    values = [np.array(rows[name][row]) for name in ("betas", "expression", "transl")]
    return golden.forward(pose.reshape(55, 3), *values)[0]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    target = tmp_path_factory.mktemp("parquet") / "people"
    write(PARQUET, target, everybody())
    return read(target)


@pytest.mark.parametrize("row", range(len(CASES)), ids=CASES)
def test_golden_reader(rows: Rows, row: int) -> None:
    one = everybody()[row]
    truth = skinning.vertices(one.body, one.result.params).numpy()
    assert np.abs(vertices_of(rows, row) - truth).max() < 1e-4
    K = np.array(rows["K"][row]).reshape(3, 3)
    points = project(np.array(rows["points3d"][row]).reshape(137, 3), K)
    assert np.abs(points - np.array(rows["points2d"][row]).reshape(137, 2)).max() < 0.1


@pytest.mark.parametrize(
    "mutate",
    [
        lambda rows: rows["transl"].__setitem__(0, [0.0, 0.3, 3.0]),
        lambda rows: rows["left_hand_pose"].__setitem__(0, rows["right_hand_pose"][0]),
        lambda rows: rows["betas"].__setitem__(0, [0.0] * 10),
        lambda rows: rows["body_pose"].__setitem__(
            0, np.roll(np.reshape(rows["body_pose"][0], (21, 3)), 1, 0).ravel().tolist()
        ),
    ],
    ids=["place", "hands", "shape", "joints"],
)
def test_mutations_are_noticed(rows: Rows, mutate: Callable[[Rows], object]) -> None:
    spoilt = {name: list(values) for name, values in rows.items()}
    mutate(spoilt)
    assert np.abs(vertices_of(spoilt, 0) - vertices_of(rows, 0)).max() > 0.01


def test_types(tmp_path: Path) -> None:
    """What every reader of Parquet knows: no extension types, floats of four bytes."""
    write(PARQUET, tmp_path / "people", everybody())
    files = sorted((tmp_path / "people" / "data").iterdir())
    assert [file.name[:15] for file in files] == [f"part-{at:09d}-" for at in (0, 3, 6)]
    schema = pa.parquet.read_schema(files[0])
    assert {pa.parquet.read_schema(file).to_string() for file in files} == {schema.to_string()}
    assert schema.field("points3d").type == pa.list_(pa.float32(), 137 * 3)
    assert schema.field("points3d").metadata == {b"shape": b"137,3"}
    assert schema.field("betas").type == pa.list_(pa.float32())
    assert pa.types.is_struct(schema.field("verdict").type)
    assert b"units" in schema.metadata
    assert not [field.name for field in schema if isinstance(field.type, pa.ExtensionType)]
    group = pa.parquet.ParquetFile(files[0]).metadata.row_group(0)
    assert {group.column(at).compression for at in range(group.num_columns)} == {"ZSTD"}


def test_what_is_unknown_is_null(tmp_path: Path) -> None:
    """SMPL has no points of hands and face; and what nobody measured."""
    one = person("adult", BodyKind.SMPL)
    lacking = dataclasses.replace(
        one,
        result=one.result.replace(
            joint_covariance=None,
            points3d=one.result.points3d.index_fill(0, torch.arange(67, 137), torch.nan),
        ),
    )
    write(PARQUET, tmp_path / "people", [lacking])
    rows = read(tmp_path / "people")
    assert rows["joint_covariance"] == [None]
    assert rows["points3d"][0][67 * 3 :] == [None] * (70 * 3)
    assert None not in rows["points3d"][0][: 25 * 3]
    assert rows["penetration_mm"] == rows["kept_start"] == rows["gender_probability"] == [None]
    assert rows["sigma_px"] == [None]
    assert rows["model_kind"] == ["smpl"]


def test_verdict_and_images(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"some bytes")
    kept = PartsKept(left_hand=False, shape=False, reasons="left hand: far off")
    people = [
        dataclasses.replace(person("adult"), kept=kept, photo=photo),
        dataclasses.replace(person("no hands"), kept=PartsKept()),
    ]
    write(PARQUET, tmp_path / "people", people)
    rows = read(tmp_path / "people")
    first, second = rows["verdict"]
    assert first == {
        "body": True,
        "left_hand": False,
        "right_hand": True,
        "face": True,
        "shape": False,
        "reasons": "left hand: far off",
    }
    assert (second["left_hand"], second["right_hand"], second["shape"]) == (False, False, True)
    assert rows["image_sha256"][0].startswith("f") or len(rows["image_sha256"][0]) == 64
    assert rows["image_sha256"][1] is None


def test_optional_fields(tmp_path: Path) -> None:
    """What only some results have, beside one that has it not."""
    one = person("adult")
    number = torch.tensor(2.5)
    more = one.result.replace(
        penetration=Penetration(number, torch.tensor(7)),
        start=StartCheck(number, number, number, torch.tensor(True)),
        tries=torch.tensor(2),
        held_out=torch.tensor([3.5, torch.nan] + [1.0] * 23),
        origin=dataclasses.replace(
            one.result.origin,
            K_guess=tuple(map(float, range(9))),
            converted_from="another",
            conversion_mm=(1.0, 9.0, 2.0, 3.0),
        ),
    )
    write(PARQUET, tmp_path / "people", [dataclasses.replace(one, result=more), one])
    rows = read(tmp_path / "people")
    assert rows["penetration_mm"] == [2.5, None]
    assert rows["kept_start"] == [True, None]
    assert rows["tries"] == [2, None]
    assert rows["K_guess"] == [[float(i) for i in range(9)], None]
    assert rows["held_out_px"] == [[3.5, None] + [1.0] * 23, None]
    assert rows["converted_from"] == ["another", ""]
    assert rows["conversion_mm"] == [[1.0, 9.0, 2.0, 3.0], None]


def test_same_bytes_and_manifest(tmp_path: Path) -> None:
    target = tmp_path / "people"
    made = write(PARQUET, target, everybody())
    first = {path.relative_to(target): path.read_bytes() for path in made.files}
    manifest = json.loads((target / "smplifyx_export.json").read_text())
    assert manifest["files"] == [path.as_posix() for path in first]
    write(PARQUET, target, everybody())
    assert {path: (target / path).read_bytes() for path in first} == first
    # fewer people: the parts that are no more go
    write(PARQUET, target, everybody()[:3])
    assert len(list((target / "data").iterdir())) == 1


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ImportError, match=r"pip install 'smplifyx\[export\]'"):
        write(PARQUET, tmp_path / "people", everybody())
