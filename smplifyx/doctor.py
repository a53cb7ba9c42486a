"""What this installation can do, what it lacks, and the command that mends it."""

from __future__ import annotations

import ctypes.util
import importlib.metadata
import importlib.util
import os
import platform
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import torch

from .body.loading.files import BodyFileError, find_body
from .config import ConfigError, load_preset, preset_names
from .core.choices import BODY_GENDERS
from .parallel.resources import free_bytes

CORE = ("torch", "numpy", "scipy", "opencv-python-headless", "trimesh", "roma", "pydantic")
EXTRAS = {  # the module by which each shows
    "smplx": "smplx",
    "vposer": "human_body_prior",
    "render": "pyrender",
    "detect": "mediapipe",
    "heif": "pillow_heif",
    "export": "pyarrow",
}
MODEL_FOLDERS = ("models", "body_models", "data/models")
REINSTALL = "pip install --force-reinstall smplifyx"


class Health(Enum):
    """How a finding is to be read."""

    FINE = "ok"
    OPTIONAL = "--"  # missing, and only some options need it
    BROKEN = "!!"


@dataclass(frozen=True)
class Finding:
    """One line of the examination.

    health: how it is to be read.
    what: what was found.
    mend: the command that helps, where one does.
    """

    health: Health
    what: str
    mend: str = ""


def examine() -> list[Finding]:
    """Looks at versions, devices, graphics libraries, body models and presets.

    Changes nothing, never raises.
    """
    return [
        *_versions(),
        *_devices(),
        *_extras(),
        _graphics(),
        *_built_in_bodies(),
        *_own_models(),
        *_presets(),
    ]


def _versions() -> list[Finding]:
    system = f"Python {platform.python_version()} on {platform.platform(terse=True)}"
    findings = [Finding(Health.FINE, system)]
    for name in ("smplifyx", *CORE):
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            findings.append(_missing(name))
        else:
            findings.append(Finding(Health.FINE, f"{name} {version}"))
    return findings


def _missing(name: str) -> Finding:
    """What it means that no package of that name is installed."""
    if name == "opencv-python-headless" and importlib.util.find_spec("cv2"):
        return Finding(Health.FINE, "OpenCV, from another package than opencv-python-headless")
    if name == "smplifyx":
        what = "smplifyx runs from a checkout that is not installed"
        return Finding(Health.OPTIONAL, what, mend="pip install -e .")
    return Finding(Health.BROKEN, f"{name} is missing", mend=f"pip install {name}")


def _devices() -> list[Finding]:
    free = _gibibytes(torch.device("cpu"))
    findings = [Finding(Health.FINE, f"CPU: {os.cpu_count()} cores, {free:.1f} GiB free")]
    for index in range(torch.cuda.device_count()):
        name = torch.cuda.get_device_name(index)
        free = _gibibytes(torch.device("cuda", index))
        findings.append(Finding(Health.FINE, f"cuda:{index}: {name}, {free:.1f} GiB free"))
    if not torch.cuda.is_available():
        findings.append(Finding(Health.OPTIONAL, "no CUDA device: fitting runs on the CPU"))
    return findings


def _gibibytes(device: torch.device) -> float:
    """Free memory of a device."""
    return free_bytes(device) / 2**30


def _extras() -> list[Finding]:
    findings = []
    for extra, module in EXTRAS.items():
        if importlib.util.find_spec(module) is not None:
            findings.append(Finding(Health.FINE, f"extra [{extra}]"))
        else:
            what = f"extra [{extra}] is not installed"
            mend = f'pip install "smplifyx[{extra}]"'
            findings.append(Finding(Health.OPTIONAL, what, mend))
    return findings


def _graphics() -> Finding:
    if all(ctypes.util.find_library(name) for name in ("EGL", "GL")):
        return Finding(Health.FINE, "GL: libEGL and libGL, for --renderer pyrender")
    what = "GL: no libEGL and libGL; only --renderer pyrender needs them"
    return Finding(Health.OPTIONAL, what, mend="apt-get install libegl1 libgl1")


def _built_in_bodies() -> list[Finding]:
    findings = []
    for gender in BODY_GENDERS:
        try:
            path = find_body(None, gender)
        except (BodyFileError, FileNotFoundError) as error:
            findings.append(Finding(Health.BROKEN, str(error), mend=REINSTALL))
        else:
            findings.append(Finding(Health.FINE, f"built-in body: {path.name}"))
    return findings


def _own_models() -> list[Finding]:
    findings = []
    for name in MODEL_FOLDERS:
        folder = Path(name)
        if not folder.is_dir():
            continue
        for gender in BODY_GENDERS:
            try:
                path = find_body(folder, gender)
            except BodyFileError:
                continue  # one gender less than could be
            findings.append(Finding(Health.FINE, f"your model: {path}"))
    if not findings:
        what = f"no models of yours in {', '.join(MODEL_FOLDERS)}: the built-in body is used"
        findings.append(Finding(Health.OPTIONAL, what, mend="smplifyx fit ... --model PATH"))
    return findings


def _presets() -> list[Finding]:
    findings = []
    for name in preset_names():
        try:
            preset = load_preset(name)
        except ConfigError as error:
            findings.append(Finding(Health.BROKEN, str(error), mend=REINSTALL))
        else:
            findings.append(Finding(Health.FINE, f"preset {preset.name}"))
    return findings
