"""What is wanted of a frame: only that is made, and a renderer that is missing is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from job_tools import person, write_frame
from picture_tools import ALL, drawn_with_job, made

from smplifyx.jobs.job import MeshFormat
from smplifyx.jobs.pictures import Wanted
from smplifyx.viz import Renderer


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
    drawn_with_job(tmp_path / "in", tmp_path / "out", wanted)
    assert {name.split("/")[0] for name in made(tmp_path / "out")} == folders


def test_a_renderer_that_is_missing_is_told_before_anything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("smplifyx.jobs.pictures.frame_pictures.problem", lambda: "no GL here")
    with pytest.raises(ValueError, match="no GL here"):
        Wanted(overlay=True, renderer=Renderer.PYRENDER).check()
    Wanted(mesh=MeshFormat.OBJ, renderer=Renderer.PYRENDER).check()
    Wanted(overlay=True).check()
