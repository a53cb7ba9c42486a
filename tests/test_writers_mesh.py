"""Meshes as files: every format comes back, and what cannot be written is refused whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import trimesh
from cases import embedded_body

from smplifyx.jobs.job import MeshFormat
from smplifyx.writers.mesh import write_mesh


@pytest.mark.parametrize("name", ["a.stl", "a"])
def test_an_unknown_mesh_format(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="obj"):
        write_mesh(tmp_path / name, torch.zeros(3, 3), torch.tensor([[0, 1, 2]]))


@pytest.mark.parametrize("kind", list(MeshFormat))
def test_meshes_come_back(tmp_path: Path, kind: MeshFormat) -> None:
    body = embedded_body(torch.float32)
    write_mesh(tmp_path / f"a.{kind.value}", body.v_template, body.faces)
    mesh = trimesh.load(tmp_path / f"a.{kind.value}", force="mesh", process=False)
    turn = torch.tensor([1.0, -1.0, -1.0]) if kind is MeshFormat.GLB else torch.ones(3)
    assert torch.allclose(torch.as_tensor(mesh.vertices).float(), body.v_template * turn, atol=1e-5)
    assert len(mesh.faces) == len(body.faces) and mesh.is_watertight


def test_a_mesh_that_is_not_finite(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not finite"):
        write_mesh(tmp_path / "a.obj", torch.full((3, 3), torch.nan), torch.tensor([[0, 1, 2]]))
    assert not list(tmp_path.iterdir())
