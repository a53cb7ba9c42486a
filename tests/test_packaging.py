"""The wheel: what is in it, and what must not be. `.ci/run` installs it too."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from smplifyx.core import assets

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The files of a wheel built from a copy of what git would hand out, without network."""
    pytest.importorskip("setuptools", minversion="77")
    folder = tmp_path_factory.mktemp("wheel")
    build = ["egg_info", f"--egg-base={folder}", "build", f"--build-base={folder / 'build'}"]
    command = [
        sys.executable,
        "setup.py",
        "--quiet",
        *build,
        "bdist_wheel",
        f"--dist-dir={folder / 'dist'}",
    ]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (wheel,) = (folder / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.mark.parametrize(
    ("folder", "pattern"),
    [("priors", "*.npz"), ("priors", "*.yaml"), ("priors", "*.ckpt"), ("cfg_files", "*.yaml")],
)
def test_the_data_is_inside(names: list[str], folder: str, pattern: str) -> None:
    source = assets.folder(folder)
    files = [path for path in source.rglob(pattern) if "recipes" not in path.parts]
    missing = [
        path.name
        for path in files
        if f"smplifyx/{folder}/{path.relative_to(source).as_posix()}" not in names
    ]
    assert files and not missing


def test_every_module_is_inside(names: list[str]) -> None:
    modules = [path.relative_to(ROOT).as_posix() for path in (ROOT / "smplifyx").rglob("*.py")]
    assert modules and not [module for module in modules if module not in names]
    assert any(name.endswith(".j2") for name in names)


def test_nothing_else_is_at_the_top(names: list[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"smplifyx"}


def test_recipes_stay_outside(names: list[str]) -> None:
    assert not [name for name in names if "recipes" in name]
    data = [name for name in names if name.startswith(("smplifyx/priors/", "smplifyx/cfg_files/"))]
    assert data and not [name for name in data if name.endswith(".py")]


@pytest.mark.parametrize("name", ["LICENSE", "NOTICE"])
def test_the_licence_comes_along(names: list[str], name: str) -> None:
    assert [entry for entry in names if entry.endswith(f"licenses/{name}")]
