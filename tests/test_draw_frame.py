"""One frame as pictures: everyone by one camera, marks where they are explained, photos that have
gone.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import torch
from cases import embedded_body
from job_tools import person, run_quick, write_frame
from picture_tools import ALL, made
from test_mesh_check import INTO_BELLY
from test_result import people

from smplifyx.body.joints import JOINT_INDEX
from smplifyx.camera import Camera
from smplifyx.fitting.result import FitResult, Penetration
from smplifyx.jobs.pictures import draw_all
from smplifyx.jobs.pictures.draw_frame import PersonToDraw, figure_for


def test_another_focal_length_leaves_the_pixels() -> None:
    result = people(1)[0]
    zoomed = Camera.from_focal(2000.0, result.camera.image_size)
    vertices = result.vertices(embedded_body(torch.float32))
    drawn = PersonToDraw(result, embedded_body(torch.float32), vertices)
    moved = figure_for(drawn, zoomed).vertices
    assert (zoomed.project(moved) - result.camera.project(vertices)).abs().max() < 0.01
    assert (moved - vertices).abs().max() > 0.1


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
        found = None
        if triangles is not None:
            found = Penetration(torch.tensor(0.5 * triangles), torch.tensor(triangles))
        result.replace(params=params, penetration=found).save(store.result("a", 0))
        draw_all(store, dataclasses.replace(ALL, again=True), lambda: None)
        # each says which results it shows, and those differ
        drawn[triangles] = {
            name: re.sub(rb"made from \w+", b"", content)
            for name, content in made(tmp_path / "out").items()
        }
    changed = {name for name in drawn[None] if drawn[40][name] != drawn[None][name]}
    assert drawn[0] == drawn[None] and changed == {"pictures/a/turned.jpg"}


def test_a_photo_that_has_gone_is_drawn_without(tmp_path: Path) -> None:
    write_frame(tmp_path / "in", "a", [person(1)])
    store = run_quick(tmp_path / "in", tmp_path / "out").store
    result = FitResult.load(store.result("a", 0))
    gone = dataclasses.replace(result.origin, image=str(tmp_path / "gone.jpg"))
    result.replace(origin=gone).save(store.result("a", 0))
    assert draw_all(store, ALL, lambda: None).made == 1
    assert "drawn without its photo" in store.log.read_text(encoding="utf-8")
