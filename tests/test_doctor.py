"""What an installation has and lacks: every extra of setup.py shows, and every fault has a remedy."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
from pathlib import Path

import pytest

from smplifyx import doctor
from smplifyx.config import ConfigError
from smplifyx.doctor import Health, examine

SETUP = Path(__file__).parent.parent / "setup.py"
NO_MODULE_OF_THEIR_OWN = {"train"}  # extras that bring several modules; train-prior names them


def _extras() -> set[str]:
    """The extras of setup.py, as they are written there."""
    for node in ast.parse(SETUP.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            if node.targets[0].id == "EXTRAS":
                return set(ast.literal_eval(node.value))
    raise AssertionError("setup.py has no EXTRAS")


def test_the_extras_are_those_of_setup() -> None:
    assert set(doctor.EXTRAS) == _extras() - NO_MODULE_OF_THEIR_OWN


def test_what_is_here_is_fine() -> None:
    findings = examine()
    assert not [finding for finding in findings if finding.health is Health.BROKEN]
    told = " ".join(finding.what for finding in findings)
    assert all(word in told for word in ("Python", "torch", "CPU", "built-in body", "preset smplx"))


def test_a_missing_package_names_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    findings = {finding.what: finding for finding in examine()}
    assert findings["roma is missing"].health is Health.BROKEN
    assert findings["roma is missing"].mend == "pip install roma"
    assert "OpenCV, from another package than opencv-python-headless" in findings
    assert findings["smplifyx runs from a checkout that is not installed"].mend


def test_a_missing_extra_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    findings = {finding.what: finding for finding in examine()}
    for extra in doctor.EXTRAS:
        finding = findings[f"extra [{extra}] is not installed"]
        assert finding.health is Health.OPTIONAL
        assert finding.mend == f'pip install "smplifyx[{extra}]"'


def test_a_broken_preset_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_preset(name: str) -> None:
        raise ConfigError(f"{name}.yaml: broken")

    monkeypatch.setattr(doctor, "load_preset", load_preset)
    broken = [finding for finding in examine() if finding.health is Health.BROKEN]
    assert "smplx.yaml: broken" in [finding.what for finding in broken]
    assert all(finding.mend for finding in broken)
