"""`smplifyx presets`: the ways of fitting that --preset names."""

from __future__ import annotations

from ..config import load_preset, preset_names
from .codes import DONE
from .options import NoOptions
from .terminal import Terminal


def run(_options: NoOptions, terminal: Terminal) -> int:
    """Prints a line for each."""
    for name in preset_names():
        terminal.say(f"{name:18s} {load_preset(name).summary}")
    return DONE
