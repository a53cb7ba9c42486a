"""The command line: exit codes, one-line errors, and the way from keypoints to pictures with the
real fit.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import trimesh
import yaml
from job_tools import person, run_quick, table, write_folder, write_frame

from smplifyx.cli import main
from smplifyx.core import assets

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "data"


def call(*arguments: object) -> int:
    """The exit code of `smplifyx ARGUMENTS`."""
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return caught.value.code or 0


@pytest.fixture(scope="module")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example photo, fitted with everything."""
    out = tmp_path_factory.mktemp("portrait") / "out"
    options = (
        "--overlay",
        "--report",
        "--mesh",
        "glb",
        "--quiet",
        "--fov",
        "40",
        "--preset",
        "fast",
    )
    assert call("fit", EXAMPLE / "keypoints", "--images", EXAMPLE, "--out", out, *options) == 0
    return out


def test_fit_leaves_everything(portrait: Path) -> None:
    made = {path.relative_to(portrait).as_posix() for path in portrait.rglob("*") if path.is_file()}
    assert {"summary.csv", "config.yaml", "log.txt", "index.html", "results/astronaut/000.npz",
            "overlays/astronaut.jpg", "pictures/astronaut/turned.jpg", "meshes/astronaut/000.glb"} <= made  # fmt: skip
    row = next(row for row in table(portrait) if row["stem"] == "astronaut")
    assert (
        row["status"] == "ok" and float(row["body_percent"]) < 3 and float(row["face_percent"]) < 3
    )
    assert float(row["penetration_mm"]) >= 0 and int(row["intersecting_triangles"]) >= 0
    assert "astronaut" in (portrait / "index.html").read_text(encoding="utf-8")


def test_the_mesh_is_in_the_gltf_frame(portrait: Path) -> None:
    mesh = trimesh.load(portrait / "meshes" / "astronaut" / "000.glb", force="mesh")
    with np.load(portrait / "results" / "astronaut" / "000.npz") as archive:
        points = archive["points3d"]
    middle = np.nanmedian(points[:25], 0) * (1, -1, -1)
    assert middle[2] < -0.3  # in front of the camera, which looks along -z
    assert (mesh.bounds[0] < middle).all() and (middle < mesh.bounds[1]).all()


def test_fit_again_keeps_and_render_draws_again(portrait: Path) -> None:
    picture, result = (
        portrait / "pictures/astronaut/overlay.jpg",
        portrait / "results/astronaut/000.npz",
    )
    made, fitted = picture.stat().st_mtime_ns, result.stat().st_mtime_ns
    options = ("--overlay", "--report", "--quiet", "--fov", "40", "--preset", "fast")
    assert call("fit", EXAMPLE / "keypoints", "--images", EXAMPLE, "--out", portrait, *options) == 0
    assert (picture.stat().st_mtime_ns, result.stat().st_mtime_ns) == (made, fitted)
    assert call("render", portrait, "--quiet") == 0
    assert picture.stat().st_mtime_ns > made and result.stat().st_mtime_ns == fitted


def test_a_job_file_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    job = {
        "keypoints": str(EXAMPLE / "keypoints"),
        "out": "some/out",
        "preset": "fast",
        "report": True,
    }
    Path("job.yaml").write_text(yaml.safe_dump(job))
    assert call("run", "job.yaml") == 0
    printed = capsys.readouterr()
    assert (
        " ok" in printed.out and "some/out/index.html" in printed.out and "people/s" in printed.err
    )
    assert 'src="pictures/astronaut/overlay.jpg"' in Path("some/out/index.html").read_text(
        encoding="utf-8"
    )


BAD = {  # what the message must name, by arguments; F is a folder of good files, T an empty one
    ("fit", "T/nowhere", "--out", "T/out"): "nowhere",
    ("fit", "F", "--out", "T/out", "--preset", "splendid"): "splendid",
    ("fit", "F", "--out", "T/out", "--model", "T/none.npz"): "none.npz",
    ("fit", "F", "--out", "T/out", "--device", "tpu"): "tpu",
    ("fit", "F", "--out", "T/out", "--batch-size", "0"): "--batch-size",
    ("fit", "F", "--out", "T/out", "--bogus"): "--bogus",
    ("fit", "F"): "--out",
    ("run", "T/none.yaml"): "none.yaml",
    ("render", "T"): "config.yaml",
    ("dance",): "dance",
}


@pytest.mark.parametrize("arguments", BAD, ids=" ".join)
def test_bad_usage_is_2(
    tmp_path: Path, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"F": str(write_folder(tmp_path / "in", frames=1)), "T": str(tmp_path)}
    filled = [
        places.get(a, a.replace("T/", f"{tmp_path}/", 1) if a.startswith("T/") else a)
        for a in arguments
    ]
    assert call(*filled) == 2
    printed = capsys.readouterr()
    assert BAD[arguments] in printed.err and "Traceback" not in printed.err and not printed.out
    assert not (tmp_path / "out").exists()


WRONG_JOBS = [
    "keypoints: a\nout: b\nspeed: 3\n",
    "keypoints: a\n",
    ": : :\n\t",
    "keypoints: a\nout: b\nfov: 200\n",
]


@pytest.mark.parametrize("text", WRONG_JOBS)
def test_a_wrong_job_file_is_one_line(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "job.yaml").write_text(text)
    assert call("run", tmp_path / "job.yaml") == 2
    error = capsys.readouterr().err
    assert "job.yaml" in error and error.count("\n") == 1


def test_nothing_done_is_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_frame(tmp_path / "in", "nobody", [])
    assert call("fit", tmp_path / "in", "--out", tmp_path / "out", "--quiet") == 1
    assert "nobody could be fitted" in capsys.readouterr().err
    assert [row["status"] for row in table(tmp_path / "out")] == ["no_people"]


def test_presets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("presets") == 0
    assert {path.stem for path in assets.folder("cfg_files").glob("*.yaml")} <= set(
        capsys.readouterr().out.split()
    )


def test_doctor_finds_the_built_in_bodies(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("doctor") == 0
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("torch", "neutral.npz", "GL:", "preset smplx"))


def test_help_is_readable(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("fit", "--help") == 0
    printed = capsys.readouterr().out
    assert (
        "--overlay" in printed
        and "--no-collision" in printed
        and "None}" not in printed
        and "tyro" not in printed
    )


def test_ctrl_c_is_clean_and_the_job_goes_on(tmp_path: Path) -> None:
    for index in range(200):
        write_frame(tmp_path / "in", f"f{index:03d}", [person(index)])
    command = [
        sys.executable,
        "-m",
        "smplifyx",
        "fit",
        str(tmp_path / "in"),
        "--out",
        str(tmp_path / "out"),
    ]
    running = subprocess.Popen(
        [*command, "--batch-size", "1", "--quiet"], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while (
        not list((tmp_path / "out").rglob("0*.npz"))
        and time.monotonic() < deadline
        and running.poll() is None
    ):
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, error = running.communicate(timeout=60)
    assert (
        running.returncode == 130 and "goes on where it was" in error and "Traceback" not in error
    )
    assert not list((tmp_path / "out").rglob("*.tmp"))
    run_quick(tmp_path / "in", tmp_path / "out")
    assert len(table(tmp_path / "out")) == 200


def test_a_body_model_that_cannot_be_read_ends_the_job_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "SMPLX_NEUTRAL.npz").write_bytes(b"no body")
    options = ("--model", tmp_path / "SMPLX_NEUTRAL.npz", "--out", tmp_path / "out")
    assert call("fit", EXAMPLE / "keypoints", *options) == 2
    said = capsys.readouterr().err.strip()
    assert "SMPLX_NEUTRAL.npz" in said and "\n" not in said and not (tmp_path / "out").exists()
