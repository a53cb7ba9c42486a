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

CORE = ("torch", "numpy", "scipy", "opencv-python-headless", "trimesh", "roma", "pydantic", "tyro")
EXTRAS = {
    "smplx": "smplx",
    "vposer": "human_body_prior",
    "render": "pyrender",
    "detect": "mediapipe",
    "viewer": "viser",
    "cluster": "ray",
}
MODEL_FOLDERS = ("models", "body_models", "data/models")


class Verdict(Enum):
    """How a finding is to be read."""

    FINE = "ok"
    OPTIONAL = "--"  # missing, and only some options need it
    BROKEN = "!!"


@dataclass(frozen=True)
class Finding:
    """One line of the examination; `mend` is the command that helps, where one does."""

    verdict: Verdict
    what: str
    mend: str = ""


def examine() -> list[Finding]:
    """Looks at versions, devices, graphics libraries, body models and presets; changes nothing,
    never raises.
    """
    return [
        *_versions(),
        *_devices(),
        *_extras(),
        _graphics(),
        *_built_in(),
        *_own_models(),
        *_presets(),
    ]


def _versions() -> list[Finding]:
    lines = [
        Finding(
            Verdict.FINE, f"Python {platform.python_version()} on {platform.platform(terse=True)}"
        )
    ]
    for name in ("smplifyx", *CORE):
        try:
            lines.append(Finding(Verdict.FINE, f"{name} {importlib.metadata.version(name)}"))
        except importlib.metadata.PackageNotFoundError:
            lines.append(_missing(name))
    return lines


def _missing(name: str) -> Finding:
    if name == "opencv-python-headless" and importlib.util.find_spec("cv2"):
        return Finding(Verdict.FINE, "OpenCV, from another package than opencv-python-headless")
    if name == "smplifyx":
        return Finding(
            Verdict.OPTIONAL,
            "smplifyx runs from a checkout that is not installed",
            "pip install -e .",
        )
    return Finding(Verdict.BROKEN, f"{name} is missing", f"pip install {name}")


def _devices() -> list[Finding]:
    cpu = torch.device("cpu")
    lines = [
        Finding(
            Verdict.FINE, f"CPU: {os.cpu_count()} cores, {free_bytes(cpu) / 2**30:.1f} GiB free"
        )
    ]
    for index in range(torch.cuda.device_count()):
        free = free_bytes(torch.device("cuda", index)) / 2**30
        lines.append(
            Finding(
                Verdict.FINE,
                f"cuda:{index}: {torch.cuda.get_device_name(index)}, {free:.1f} GiB free",
            )
        )
    if not torch.cuda.is_available():
        lines.append(Finding(Verdict.OPTIONAL, "no CUDA device: fitting runs on the CPU"))
    return lines


def _extras() -> list[Finding]:
    found = {
        extra: importlib.util.find_spec(module) is not None for extra, module in EXTRAS.items()
    }
    return [
        Finding(Verdict.FINE, f"extra [{extra}]")
        if there
        else Finding(
            Verdict.OPTIONAL,
            f"extra [{extra}] is not installed",
            f'pip install "smplifyx[{extra}]"',
        )
        for extra, there in found.items()
    ]


def _graphics() -> Finding:
    if all(ctypes.util.find_library(name) for name in ("EGL", "GL")):
        return Finding(Verdict.FINE, "GL: libEGL and libGL, for --renderer pyrender")
    what = "GL: no libEGL and libGL; only --renderer pyrender needs them"
    return Finding(Verdict.OPTIONAL, what, "apt-get install libegl1 libgl1")


def _built_in() -> list[Finding]:
    lines = []
    for gender in BODY_GENDERS:
        try:
            lines.append(Finding(Verdict.FINE, f"built-in body: {find_body(None, gender).name}"))
        except (BodyFileError, FileNotFoundError) as error:
            lines.append(
                Finding(Verdict.BROKEN, str(error), "pip install --force-reinstall smplifyx")
            )
    return lines


def _own_models() -> list[Finding]:
    lines = []
    for folder in filter(Path.is_dir, map(Path, MODEL_FOLDERS)):
        for gender in BODY_GENDERS:
            try:
                lines.append(Finding(Verdict.FINE, f"your model: {find_body(folder, gender)}"))
            except BodyFileError:
                continue  # one gender less than could be
    if lines:
        return lines
    return [
        Finding(
            Verdict.OPTIONAL,
            f"no models of yours in {', '.join(MODEL_FOLDERS)}: the built-in body is used",
            "smplifyx fit ... --model PATH",
        )
    ]


def _presets() -> list[Finding]:
    lines = []
    for name in preset_names():
        try:
            lines.append(Finding(Verdict.FINE, f"preset {load_preset(name).name}"))
        except ConfigError as error:
            lines.append(
                Finding(Verdict.BROKEN, str(error), "pip install --force-reinstall smplifyx")
            )
    return lines
