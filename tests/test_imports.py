"""Files of datasets back to results: the same mesh, nothing unpickled, one line for what is broken."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from export_people import everybody, person, write
from test_cli import call

from smplifyx.body import skinning
from smplifyx.config import FieldError
from smplifyx.fitting.result import FitResult, Penetration
from smplifyx.fitting.start_check import StartCheck
from smplifyx.imports.imported import ImportedFileError
from smplifyx.jobs.importing import ImportRequest, import_people
from smplifyx.jobs.store import Store
from smplifyx.writers.amass import AMASS
from smplifyx.writers.bedlam import BEDLAM
from smplifyx.writers.dataset_format import DatasetFormat
from smplifyx.writers.dataset_rows import DatasetPerson
from smplifyx.writers.parquet import PARQUET, arrow

LOSSLESS = 1e-6  # metres; float32 at 3.5 m has steps of 2.4e-7
TURNED = 4e-6  # turned to another world and back, in float32


def imported(format: str, file: Path, out: Path) -> list[FitResult]:
    """The results, in the order of the folder."""
    import_people(ImportRequest(file, format, out))
    store = Store(out)
    return [FitResult.load(path) for stem in store.stems() for path in store.people(stem)]


def exported(format: DatasetFormat, folder: Path, people: list[DatasetPerson]) -> Path:
    target = folder / f"set{format.facts.suffix}"
    write(format, target, people)
    return target


def distance(one: DatasetPerson, result: FitResult) -> float:
    """Between the meshes, metres; the expression only where the format has one."""
    params = one.result.params.replace(expression=result.params.expression)
    count = one.result.params.betas.shape[-1]
    back = result.params.replace(betas=result.params.betas[:count])
    there = skinning.vertices(one.body, params)
    return float((skinning.vertices(one.body, back) - there).abs().max())


@pytest.mark.parametrize(
    ("format", "bound"),
    [(PARQUET, LOSSLESS), (BEDLAM, LOSSLESS), (AMASS, TURNED)],
    ids=["parquet", "bedlam", "amass"],
)
def test_the_same_mesh(format: DatasetFormat, bound: float, tmp_path: Path) -> None:
    people = everybody(children=format is PARQUET)
    name = format.facts.name
    results = imported(name, exported(format, tmp_path, people), tmp_path / "out")
    assert len(results) == len(people)
    for one in people:
        nearest = min(
            (r for r in results if r.params.betas.shape == one.result.params.betas.shape),
            key=lambda result: distance(one, result),
        )
        assert distance(one, nearest) < bound
        assert torch.allclose(nearest.camera.K, one.result.camera.K)
        assert (
            torch.allclose(nearest.points2d, one.result.points2d, atol=0.01)
            or format is not PARQUET
        )


def test_parquet_gives_the_result_file(tmp_path: Path) -> None:
    """Every array of it, but for where the photo lies."""
    one = person("one hand")
    number = torch.tensor(2.5)
    result = one.result.replace(
        penetration=Penetration(number, torch.tensor(7)),
        start=StartCheck(number, number, number, torch.tensor(True)),
        tries=torch.tensor(2),
        held_out=torch.tensor([3.5, torch.nan] + [1.0] * 23),
        origin=dataclasses.replace(
            one.result.origin,
            K_guess=tuple(map(float, range(9))),
            gender_probability=0.5,
            image="",
            converted_from="another",
            conversion_mm=(1.0, 9.0, 2.0, 3.0),
            track=4,
            track_sha256="a hash",
        ),
    )
    for name, each in (("full", result), ("bare", one.result.replace(origin=result.origin))):
        file = exported(PARQUET, tmp_path / name, [dataclasses.replace(one, result=each)])
        import_people(ImportRequest(file, "parquet", tmp_path / name / "out"))
        (path,) = (tmp_path / name / "out" / "results").rglob("*.npz")
        each.save(tmp_path / name / "before.npz")
        with np.load(tmp_path / name / "before.npz") as before, np.load(path) as after:
            optional = {"start_error_percent", "end_error_percent", "moved_mm", "known_height_m"}
            assert set(before.files) <= set(after.files) <= set(before.files) | optional
            for key in before.files:
                if before[key].dtype.kind == "f":
                    assert np.allclose(before[key], after[key], rtol=1e-6, equal_nan=True), key
                else:
                    assert (before[key] == after[key]).all(), key


def test_parquet_of_an_older_version(tmp_path: Path) -> None:
    """It has no columns of tracks."""
    pyarrow = arrow()
    folder = exported(PARQUET, tmp_path, [person("adult")])
    (file,) = folder.rglob("*.parquet")
    table = pyarrow.parquet.read_table(file)
    pyarrow.parquet.write_table(table.drop_columns(["track", "track_sha256"]), file)
    (result,) = imported("parquet", folder, tmp_path / "out")
    assert result.origin.track is None and result.origin.track_sha256 == ""


def test_render_and_export_go_on(tmp_path: Path) -> None:
    file = exported(BEDLAM, tmp_path, everybody(children=False)[:2])
    out = tmp_path / "out"
    assert call("import", file, "--format", "bedlam", "--to", out, "--quiet") == 0
    assert call("render", out, "--quiet", "--mesh", "ply") == 0
    assert len(list((out / "meshes").rglob("*.ply"))) == 2
    assert call("export", out, "--format", "parquet", "--to", tmp_path / "again", "--quiet") == 0


def test_people_of_an_image(tmp_path: Path) -> None:
    """Rows that lie apart come together, numbered."""
    people = [person("adult"), person("wide"), person("adult", seed=1)]
    file = exported(BEDLAM, tmp_path, people)
    import_people(ImportRequest(file, "bedlam", tmp_path / "out"))
    store = Store(tmp_path / "out")
    assert store.stems() == ["adult", "wide"]
    assert [path.name for path in store.people("adult")] == ["000.npz", "001.npz"]


def test_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(FieldError, match="parquet, bedlam, amass can"):
        import_people(ImportRequest(tmp_path / "x", "spin", tmp_path / "out"))


def _objects(path: Path) -> None:
    np.savez(path, pose_cam=np.array([{}], dtype=object))


def _short(path: Path) -> None:
    np.savez(path, pose_cam=np.zeros((2, 66), np.float32))


def _not_finite(path: Path) -> None:
    np.savez(path, pose_cam=np.full((2, 165), np.nan, np.float32))


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (_objects, "pose_cam: an array of objects"),
        (_short, r"pose_cam has shape \[2, 66\], expected \['n', 165\]"),
        (_not_finite, "pose_cam is not of finite numbers"),
        (lambda path: path.write_bytes(b"PK\3\4 nothing"), "not an npz of BEDLAM"),
    ],
    ids=["pickle", "shape", "nan", "damaged"],
)
def test_broken_files(make: object, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.npz"
    make(path)  # type: ignore[operator]
    with pytest.raises(ImportedFileError, match=f"broken.npz: .*{fault}"):
        import_people(ImportRequest(path, "bedlam", tmp_path / "out"))


def test_parquet_of_others(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "x.parquet")
    with pytest.raises(ImportedFileError, match="x.parquet: .*does not name smplifyx"):
        import_people(ImportRequest(tmp_path / "x.parquet", "parquet", tmp_path / "out"))
