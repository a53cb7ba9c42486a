"""The shape of the project: imports point down, data loads, every prior has its card."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

import pytest
import yaml

from smplifyx.config import FitConfig, load_preset, preset_names
from smplifyx.core import assets
from smplifyx.jobs.job import JobConfig, load_job

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "smplifyx"
LAYERS = (  # an import may only point to the same or an earlier line
    ("bundle", "assets", "config", "rotations", "batching", "workers"),
    ("camera", "intrinsics", "keypoints", "solvers"),
    ("body", "collision", "terms", "pose_priors"),
    (
        "state",
        "people",
        "observation",
        "term_table",
        "initial",
        "chain",
        "normal_equations",
        "problem",
        "shared_problem",
        "neighbours",
        "shape_evidence",
        "result_file",
        "result",
        "measure",
        "contact",
    ),
    ("hypotheses", "race", "stations", "stages"),
    ("fit", "ages", "together"),
    ("export", "viz", "scale", "evaluation"),
    ("deliver", "doctor", "training"),
    ("cli",),
    ("__init__", "__main__"),
)
LAYER_OF = {name: depth for depth, names in enumerate(LAYERS) for name in names}
INDEPENDENT = LAYERS[6]  # deleting any one of these breaks only what is above
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def top(module: Path) -> str:
    """The first-level name a file belongs to."""
    return module.parts[0].removesuffix(".py")


def imports(module: Path) -> set[str]:
    """First-level names of smplifyx that a file imports, wherever in the file."""
    found: set[str] = set()
    here = ("smplifyx", *module.with_suffix("").parts)
    for node in ast.walk(ast.parse((PACKAGE / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(here[: len(here) - node.level]) if node.level else ""
            stem = ".".join(filter(None, (base, node.module)))
            names = (
                [f"{stem}.{alias.name}" for alias in node.names] if stem == "smplifyx" else [stem]
            )
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("smplifyx.")}
    return found - {"__version__"}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_imports_point_down(module: Path) -> None:
    own = top(module)
    assert own in LAYER_OF, f"{own} has no layer: give it one in the table"
    wrong = {name for name in imports(module) if LAYER_OF[name] > LAYER_OF[own]}
    if own in INDEPENDENT:
        wrong |= {name for name in imports(module) if name in INDEPENDENT and name != own}
    assert not wrong


@pytest.mark.parametrize("folder", sorted({module.parent for module in MODULES}), ids=str)
def test_every_folder_is_a_package(folder: Path) -> None:
    assert (PACKAGE / folder / "__init__.py").is_file()


@pytest.mark.parametrize("name", preset_names())
def test_presets_load(name: str) -> None:
    assert load_preset(name).name == name


@pytest.mark.parametrize(
    "path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.stem
)
def test_jobs_load(path: Path) -> None:
    job = load_job(path)
    assert job.preset in preset_names()
    assert (ROOT / job.keypoints).exists() and (job.images is None or (ROOT / job.images).is_dir())


def test_there_are_presets_and_jobs() -> None:
    assert len(preset_names()) >= 5 and len(list((ROOT / "configs").glob("*.yaml"))) >= 2


def test_presets_and_jobs_share_no_field() -> None:
    assert not set(FitConfig.model_fields) & set(JobConfig.model_fields)


@pytest.mark.parametrize(
    "path", sorted(assets.folder("priors").rglob("*.npz")), ids=lambda path: path.stem
)
def test_every_prior_has_a_true_card(path: Path) -> None:
    card = yaml.safe_load(path.with_suffix(".card.yaml").read_text(encoding="utf-8"))
    assert card["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert card["file"] == path.name
    assert all(card[key] for key in ("licence", "source", "command"))


def test_data_folders_hold_no_code_at_the_top() -> None:
    assert not [path for name in assets.FOLDERS for path in assets.folder(name).glob("*.py")]
