"""Fitted people as files: every format of the table, and how one is added."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
import trimesh
from cases import embedded_body
from job_tools import quick_fit

from smplifyx.camera import Camera
from smplifyx.config import load_preset
from smplifyx.core.choices import MeshFormat
from smplifyx.fitting.result import FitResult
from smplifyx.keypoints import Keypoints
from smplifyx.writers.mesh import NOTES, MeshWriter
from smplifyx.writers.table import WRITERS, write_person
from smplifyx.writers.writer import FittedPerson

SUFFIXES = [writer.suffix for writer in WRITERS]


def fitted_person() -> FittedPerson:
    """Somebody who stands three metres away, fitted by no means at all."""
    body = embedded_body(torch.float32)
    points = torch.rand((1, 137, 3), generator=torch.Generator().manual_seed(0)) * 100 + 1
    keypoints = Keypoints.from_array(points)
    camera = Camera.from_focal(500.0, torch.tensor([[640.0, 480.0]]))
    (result,) = quick_fit(keypoints, camera, (body,), load_preset("smplx"))
    return FittedPerson.of(result, body)


class NoseWriter:
    """A format of the test: one line, where the nose is."""

    suffix = ".nose.txt"

    def write(self, path: Path, person: FittedPerson) -> None:
        x, y, z = person.result.points3d[0].tolist()
        path.write_text(f"{x:.3f} {y:.3f} {z:.3f} of {len(person.vertices)} vertices")


def test_a_new_format_is_one_class_and_one_line(tmp_path: Path) -> None:
    person = fitted_person()
    write_person(tmp_path / "a.nose.txt", person, (*WRITERS, NoseWriter()))
    words = (tmp_path / "a.nose.txt").read_text().split()
    assert [float(word) for word in words[:3]] == pytest.approx(
        person.result.points3d[0].tolist(), abs=1e-3
    )
    assert int(words[4]) == len(person.vertices)


def test_the_table_has_every_mesh_format_and_the_result() -> None:
    assert set(SUFFIXES) == {".npz"} | {f".{mesh.value}" for mesh in MeshFormat}
    assert len(set(SUFFIXES)) == len(SUFFIXES) and set(NOTES) == set(MeshFormat)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("upper", [False, True])
def test_every_format_makes_its_folder_and_leaves_nothing_else(
    tmp_path: Path, suffix: str, upper: bool
) -> None:
    path = tmp_path / "new" / f"a{suffix.upper() if upper else suffix}"
    write_person(path, fitted_person())
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_a_result_comes_back(tmp_path: Path) -> None:
    person = fitted_person()
    write_person(tmp_path / "a.npz", person)
    found = FitResult.load(tmp_path / "a.npz")
    assert torch.equal(found.vertices(person.body), person.vertices)


@pytest.mark.parametrize("mesh_format", list(MeshFormat))
def test_a_mesh_is_that_of_the_person_and_says_in_which_frame(
    tmp_path: Path, mesh_format: MeshFormat
) -> None:
    person = fitted_person()
    path = tmp_path / f"a{MeshWriter(mesh_format).suffix}"
    write_person(path, person)
    mesh = trimesh.load(path, force="mesh", process=False)
    turn = torch.tensor([1.0, 1.0, 1.0])
    if mesh_format is MeshFormat.GLB:
        turn = torch.tensor([1.0, -1.0, -1.0])
    found = torch.as_tensor(mesh.vertices).float()
    assert torch.allclose(found, person.vertices * turn, atol=1e-5)
    if mesh_format is not MeshFormat.GLB:
        assert NOTES[mesh_format].encode() in path.read_bytes()


def test_an_unknown_suffix_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.stl: people are written as \.npz, \.obj"):
        write_person(tmp_path / "a.stl", fitted_person())
    assert not list(tmp_path.iterdir())


def test_a_person_belongs_to_the_body_that_was_fitted() -> None:
    person = fitted_person()
    other = dataclasses.replace(person.body, name="another", sha256="another")
    with pytest.raises(ValueError, match="not with another"):
        FittedPerson.of(person.result, other)
