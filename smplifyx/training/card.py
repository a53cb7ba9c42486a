"""The card beside a trained prior, and the picture of its validation curve."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from .contract import Description, History


@dataclass(frozen=True)
class Recordings:
    """Where the recordings come from, what their owners allow, and the command that made the prior
    of them.

    `figures` of other trainings, to compare with, go into the card as they are.
    """

    source: str
    licence: str
    command: str
    figures: Mapping[str, object] = field(default_factory=dict)


def write_card(
    file: Path, card: Path, about: tuple[Recordings, Description], figures: Mapping[str, object]
) -> None:
    """What a person needs to judge `file`, as YAML at `card`."""
    origin, description = about
    content = {
        "file": file.relative_to(card.parent).as_posix(),
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "what": description.what,
        "fields": description.fields,
        "source": origin.source,
        "licence": origin.licence,
        "command": origin.command,
        "settings": description.settings,
        "figures": dict(figures),
    }
    card.write_text(
        yaml.safe_dump(content, sort_keys=False, width=120, allow_unicode=True), encoding="utf-8"
    )


def draw_curve(history: History, path: Path) -> None:
    """The figures over the epochs as PNG, one panel each.

    Raises ImportError where matplotlib is missing.
    """
    from matplotlib.figure import Figure  # here: the extra [train]

    names = sorted({name for entry in history for name in entry.validation} - {"loss"})
    epochs = [entry.index for entry in history]
    figure = Figure(figsize=(4 * (len(names) + 1), 3), layout="constrained")
    panels = figure.subplots(1, len(names) + 1, squeeze=False)[0]
    panels[0].plot(epochs, [entry.train_loss for entry in history], label="training")
    if all("loss" in entry.validation for entry in history):
        panels[0].plot(epochs, [entry.validation["loss"] for entry in history], label="validation")
    panels[0].set(title="loss", xlabel="epoch", yscale="symlog")
    panels[0].legend()
    for panel, name in zip(panels[1:], names, strict=True):
        panel.plot(epochs, [entry.validation[name] for entry in history])
        panel.set(title=name.replace("_", " "), xlabel="epoch")
    figure.savefig(path, dpi=100)
