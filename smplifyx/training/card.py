"""The card of a trained prior, and the picture of its validation curve."""

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
    file: Path,
    card: Path,
    origin: Recordings,
    description: Description,
    figures: Mapping[str, object],
) -> None:
    """What a person needs to judge `file`, as YAML at `card`."""
    content = {
        "file": file.relative_to(card.parent).as_posix(),
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "what": description.what,
        "fields": dict(description.fields),
        "source": origin.source,
        "licence": origin.licence,
        "command": origin.command,
        "settings": dict(description.settings),
        "figures": dict(figures),
    }
    text = yaml.safe_dump(content, sort_keys=False, width=120, allow_unicode=True)
    card.write_text(text, encoding="utf-8")


def draw_curve(history: History, path: Path) -> None:
    """The figures over the epochs as PNG, one panel each.

    Raises ImportError where matplotlib is missing.
    """
    from matplotlib.figure import Figure  # here: the extra [train]

    names = sorted({name for epoch in history for name in epoch.validation} - {"loss"})
    epochs = [epoch.index for epoch in history]
    figure = Figure(figsize=(4 * (len(names) + 1), 3), layout="constrained")
    panels = figure.subplots(1, len(names) + 1, squeeze=False)[0]

    loss_panel = panels[0]
    loss_panel.plot(epochs, [epoch.train_loss for epoch in history], label="training")
    if all("loss" in epoch.validation for epoch in history):
        loss_panel.plot(epochs, [epoch.validation["loss"] for epoch in history], label="validation")
    loss_panel.set(title="loss", xlabel="epoch", yscale="symlog")
    loss_panel.legend()

    for panel, name in zip(panels[1:], names, strict=True):
        panel.plot(epochs, [epoch.validation[name] for epoch in history])
        panel.set(title=name.replace("_", " "), xlabel="epoch")
    figure.savefig(path, dpi=100)
