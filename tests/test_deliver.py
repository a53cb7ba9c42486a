"""From results to pictures, meshes and pages: whole, the same wherever they are drawn, and faults
that stay alone.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from cases import embedded_body
from job_tools import Counting, end_state, person, quick_fit, run_quick, write_folder, write_frame
from test_mesh_check import INTO_BELLY
from test_result import people

from smplifyx.body.joints import JOINT_INDEX
from smplifyx.camera import Camera
from smplifyx.fitting.result import FitResult, Penetration
from smplifyx.jobs.job import JobConfig, MeshFormat
from smplifyx.jobs.pictures import Drawing, FramePictures, Wanted, count_frames, draw_all, report
from smplifyx.jobs.pictures.files import frames
from smplifyx.jobs.pictures.frame_pictures import _Body, _person
from smplifyx.jobs.runner import run_job
from smplifyx.jobs.store import Store
from smplifyx.parallel.background_tasks import BackgroundTasks
from smplifyx.viz import Renderer
from smplifyx.writers.mesh import write_mesh

ROOT = Path(__file__).parent.parent
ALL = Wanted(overlay=True, mesh=MeshFormat.PLY, report=True)
DEADLY = 5  # frames, after which a job in `main` is killed


def drawn_beside(keypoints: Path, out: Path, wanted: Wanted = ALL) -> Drawing:
    """Runs a job with the quick fit and draws its frames beside it."""
    drawing = Drawing(FramePictures(Store(out), wanted))
    job = JobConfig(keypoints=keypoints, out=out, batch_size=2, quiet=True)
    run_job(job, Counting(), quick_fit, drawing)
    return drawing


def made(out: Path) -> dict[str, bytes]:
    """Everything that was drawn or exported."""
    folders = ("overlays", "pictures", "meshes")
    paths = (path for folder in folders for path in (out / folder).rglob("*") if path.is_file())
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in paths}


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
    seen = []
    drawing = draw_all(store, dataclasses.replace(ALL, mesh=MeshFormat.OBJ), lambda: seen.append(1))
    text = report(store).read_text(encoding="utf-8")
    assert (drawing.made, drawing.failed) == (1, 0)
    assert len(seen) == count_frames(store) == 2 and "sub_b" in text and "no_people" in text
    assert sorted(path.name for path in (tmp_path / "out" / "meshes" / "a").iterdir()) == [
        "000.obj",
        "001.obj",
    ]
    assert (tmp_path / "out" / "overlays" / "a.jpg").is_file()


@pytest.mark.parametrize(
    ("wanted", "folders"),
    [
        (Wanted(overlay=True), {"overlays"}),
        (Wanted(report=True), {"pictures"}),
        (Wanted(mesh=MeshFormat.PLY), {"meshes"}),
        (ALL, {"overlays", "pictures", "meshes"}),
    ],
)
def test_only_what_is_wanted_is_made(tmp_path: Path, wanted: Wanted, folders: set[str]) -> None:
    write_frame(tmp_path / "in", "a", [person(1)])
    drawn_beside(tmp_path / "in", tmp_path / "out", wanted)
    assert {name.split("/")[0] for name in made(tmp_path / "out")} == folders


def test_beside_a_job_or_after_it_here_or_in_another_process_it_is_the_same(tmp_path: Path) -> None:
    keypoints = write_folder(tmp_path / "in", frames=3)
    drawing = drawn_beside(keypoints, tmp_path / "a")
    store = run_quick(keypoints, tmp_path / "b").store
    after = draw_all(store, ALL, lambda: None)
    assert made(tmp_path / "a") == made(tmp_path / "b") and (drawing.made, drawing.failed) == (
        after.made,
        0,
    ) == (5, 0)
    answers = []
    elsewhere = BackgroundTasks(
        FramePictures(store, dataclasses.replace(ALL, again=True)),
        lambda *told: answers.append(told),
        few=0,
    )
    for rows in reversed(list(frames(store))):
        elsewhere.put(tuple(rows))
    elsewhere.finish()
    assert all(answer == () for _, answer in answers) and made(tmp_path / "a") == made(
        tmp_path / "b"
    )


def test_a_killed_job_draws_what_lacks(tmp_path: Path) -> None:
    keypoints = write_folder(tmp_path / "in")
    drawn_beside(keypoints, tmp_path / "whole")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    command = [sys.executable, "tests/test_deliver.py", str(keypoints), str(tmp_path / "out")]
    killed = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    before = made(tmp_path / "out")
    assert killed.returncode == -9 and 0 < len(before) < len(made(tmp_path / "whole"))
    kept = next(
        tmp_path / "out" / name
        for name in before
        if name.startswith("overlays") and not name.endswith("tmp")
    )
    drawn = kept.stat().st_mtime_ns
    drawn_beside(keypoints, tmp_path / "out")
    assert kept.stat().st_mtime_ns == drawn and made(tmp_path / "out") == made(tmp_path / "whole")
    assert end_state(tmp_path / "out") == end_state(tmp_path / "whole")


def test_only_the_report_marks_penetrations(tmp_path: Path) -> None:
    write_frame(tmp_path / "in", "a", [person(1)])
    store = run_quick(tmp_path / "in", tmp_path / "out").store
    result = FitResult.load(store.result("a", 0))
    pose = result.params.body_pose.clone()
    for joint, angles in INTO_BELLY.items():
        pose[JOINT_INDEX[joint] - 1] = torch.tensor(angles)
    params = result.params.replace(body_pose=pose, betas=torch.zeros(10))
    drawn = {}
    for triangles in (None, 0, 40):
        found = (
            None
            if triangles is None
            else Penetration(torch.tensor(0.5 * triangles), torch.tensor(triangles))
        )
        result.replace(params=params, penetration=found).save(store.result("a", 0))
        draw_all(store, dataclasses.replace(ALL, again=True), lambda: None)
        drawn[triangles] = made(tmp_path / "out")
    changed = {name for name in drawn[None] if drawn[40][name] != drawn[None][name]}
    assert drawn[0] == drawn[None] and changed == {"pictures/a/turned.jpg"}


def test_a_frame_that_cannot_be_drawn_costs_only_itself(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_frame(tmp_path / "in", name, [person(1)])
    store = run_quick(tmp_path / "in", tmp_path / "out").store
    result = FitResult.load(store.result("b", 0))
    other = dataclasses.replace(result.provenance, model_name="other", model_sha256="0" * 64)
    result.replace(provenance=other).save(store.result("b", 0))
    store.result("c", 0).write_bytes(b"cut")
    drawing = draw_all(store, ALL, lambda: None)
    log = store.log.read_text(encoding="utf-8")
    assert (drawing.made, drawing.failed) == (2, 1) and "fitted with other" in log and "c: " in log
    assert [path.name for path in (tmp_path / "out" / "overlays").iterdir()] == ["a.jpg"]
    assert report(store).read_text(encoding="utf-8").count("not drawn, log.txt says why") == 2


def test_a_photo_that_has_gone_is_drawn_without(tmp_path: Path) -> None:
    write_frame(tmp_path / "in", "a", [person(1)])
    store = run_quick(tmp_path / "in", tmp_path / "out").store
    result = FitResult.load(store.result("a", 0))
    gone = dataclasses.replace(result.origin, image=str(tmp_path / "gone.jpg"))
    result.replace(origin=gone).save(store.result("a", 0))
    assert draw_all(store, ALL, lambda: None).made == 1
    assert "drawn without its photo" in store.log.read_text(encoding="utf-8")


def test_a_renderer_that_is_missing_is_told_before_anything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("smplifyx.jobs.pictures.frame_pictures.problem", lambda: "no GL here")
    with pytest.raises(ValueError, match="no GL here"):
        Wanted(overlay=True, renderer=Renderer.PYRENDER).check()
    Wanted(mesh=MeshFormat.OBJ, renderer=Renderer.PYRENDER).check()
    Wanted(overlay=True).check()


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


def main(keypoints: str, out: str) -> None:
    """Runs a job that is killed, without any chance to clean up, when it has drawn some frames."""

    class Deadly(Drawing):
        def _told(self, *told: object) -> None:
            super()._told(*told)
            if self.made == DEADLY:
                os.kill(os.getpid(), signal.SIGKILL)

    drawing = Deadly(FramePictures(Store(Path(out)), ALL))
    run_job(
        JobConfig(keypoints=Path(keypoints), out=Path(out), batch_size=2, quiet=True),
        Counting(),
        quick_fit,
        drawing,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
