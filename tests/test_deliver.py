"""From results to pictures and meshes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from cases import embedded_body
from job_tools import person, run_quick, write_frame
from test_result import people

from smplifyx.camera import Camera
from smplifyx.deliver import Wanted, _Body, _person, count_frames, deliver
from smplifyx.export.meshes import write_mesh
from smplifyx.scale.batches import Bodies
from smplifyx.scale.job import MeshFormat
from smplifyx.scale.store import Store


def test_another_focal_length_leaves_the_pixels() -> None:
    result = people(1)[0]
    zoomed = Camera.from_focal(2000.0, result.camera.image_size)
    vertices = result.vertices(embedded_body(torch.float32))
    moved = _person(_Body(result, embedded_body(torch.float32), vertices), zoomed).vertices
    assert (zoomed.project(moved) - result.camera.project(vertices)).abs().max() < 0.01
    assert (moved - vertices).abs().max() > 0.1


def test_every_frame_is_reported_and_every_person_exported(tmp_path: Path) -> None:
    write_frame(tmp_path / "in", "a", [person(1), person(2)])
    write_frame(tmp_path / "in", "sub_b", [])
    store = run_quick(tmp_path / "in", tmp_path / "out").store
    frames = []
    bodies, wanted = Bodies(None, torch.device("cpu")), Wanted(overlay=True, mesh=MeshFormat.OBJ, report=True)
    page = deliver(store, bodies, wanted, lambda: frames.append(1))
    text = page.read_text(encoding="utf-8")
    assert len(frames) == count_frames(store) == 2 and "sub_b" in text and "no_people" in text
    assert sorted(path.name for path in (tmp_path / "out" / "meshes" / "a").iterdir()) == ["000.obj", "001.obj"]
    assert (tmp_path / "out" / "overlays" / "a.jpg").is_file()


def test_other_bodies_than_the_fits_are_refused(tmp_path: Path) -> None:
    write_frame(tmp_path / "in", "a", [person(1)])
    run_quick(tmp_path / "in", tmp_path / "out")
    path = Store(tmp_path / "out").result("a", 0)
    result = people(1)[0]
    other = dataclasses.replace(result.provenance, model_name="other", model_sha256="0" * 64)
    result.replace(provenance=other).save(path)
    with pytest.raises(ValueError, match="fitted with other"):
        deliver(Store(tmp_path / "out"), Bodies(None, torch.device("cpu")), Wanted(report=True), lambda: None)


@pytest.mark.parametrize("name", ["a.stl", "a"])
def test_an_unknown_mesh_format(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="obj"):
        write_mesh(tmp_path / name, torch.zeros(3, 3), torch.tensor([[0, 1, 2]]))


@pytest.mark.parametrize("kind", list(MeshFormat))
def test_meshes_come_back(tmp_path: Path, kind: MeshFormat) -> None:
    import trimesh

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
