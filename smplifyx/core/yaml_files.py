"""The one reader of YAML: bounded in bytes, nesting and what aliases unfold to; nothing is run."""

from __future__ import annotations

from pathlib import Path

import yaml

from .files import boundary, read_bounded

LARGEST = 256 * 2**10  # bytes; presets and records have some ten thousand
DEEPEST = 32  # lists and mappings within one another
# scalars, lists and mappings, each counted again wherever an alias repeats it
MOST_NODES = 50_000
# characters without quotes: they may be one number, and Python does not write longer ones
LONGEST_PLAIN = 4000


def read_yaml(path: Path, error: type[ValueError]) -> object:
    """What a YAML file holds: dicts, lists, text, numbers, dates, None.

    Raises `error`, one line that begins with the path, for a file that is missing, is no regular
    one, is no YAML, or is too large, too deep, or unfolds to too much.
    """
    with boundary(path, "YAML", error):
        text = read_bounded(path, LARGEST).decode("utf-8-sig")
        _check_size(text)
        return yaml.safe_load(text)


def _check_size(text: str) -> None:
    """Raises ValueError for what would unfold to more than it should.

    It looks at events, which the parser gives one by one; only what makes objects of them recurses.
    """
    sizes: dict[str, int] = {}  # nodes below each anchor that is complete
    open_nodes: list[tuple[str | None, int]] = []  # anchor, and nodes so far
    total = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        size = 0
        anchor: str | None = None
        if isinstance(event, yaml.CollectionStartEvent):
            if len(open_nodes) == DEEPEST:
                raise ValueError(f"nested more than {DEEPEST} deep")
            open_nodes.append((event.anchor, total))
            size = 1
        elif isinstance(event, yaml.ScalarEvent):
            anchor, size = event.anchor, 1
            if event.style is None and len(event.value) > LONGEST_PLAIN:
                raise ValueError(f"a value without quotes has more than {LONGEST_PLAIN} characters")
        elif isinstance(event, yaml.AliasEvent):
            size = _unfolded(event, sizes)
        total += size
        if anchor is not None:
            sizes[anchor] = size
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor is not None:
                sizes[anchor] = total - before
        if total > MOST_NODES:
            raise ValueError(f"holds more than {MOST_NODES} values")


def _unfolded(alias: yaml.AliasEvent, sizes: dict[str, int]) -> int:
    """How many nodes an alias stands for. Raises ValueError for one that stands for itself."""
    if alias.anchor not in sizes:
        raise ValueError(f"the alias *{alias.anchor} is not defined before it")
    return sizes[alias.anchor]
