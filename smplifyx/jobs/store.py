"""The output folder: where everything lies, whose configuration it holds, what of it may be
removed.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from ..core.messages import one_line
from ..core.npz import ResultFileError, replacing
from ..fitting.result import FitResult
from .summary import is_temporary

MADE_BY = "smplifyx"  # first key of a config.yaml that is ours
# what a job may make, and --overwrite remove
FOLDERS = ("results", "overlays", "pictures", "meshes", "pages")
FILES = ("summary.csv", "config.yaml", "log.txt", "index.html")


class StoreError(ValueError):
    """An output folder that this job must not write to; the message is one line."""


@dataclass(frozen=True)
class Store:
    """Paths of one output folder."""

    root: Path

    @property
    def summary(self) -> Path:
        """The table of all people."""
        return self.root / "summary.csv"

    @property
    def config(self) -> Path:
        """The configuration as run."""
        return self.root / "config.yaml"

    @property
    def log(self) -> Path:
        """The log of every run into this folder."""
        return self.root / "log.txt"

    @property
    def results(self) -> Path:
        """One folder per frame, one npz per person."""
        return self.root / "results"

    def result(self, stem: str, person: int) -> Path:
        """The file of one person."""
        return self.results / stem / f"{person:03d}.npz"

    def stems(self) -> list[str]:
        """The frames that have results, sorted."""
        folders = {path.parent for path in self.results.rglob("[0-9]*.npz")}
        return sorted(folder.relative_to(self.results).as_posix() for folder in folders)

    def people(self, stem: str) -> list[Path]:
        """The result files of a frame, in the order of its people."""
        paths = (self.results / stem).glob("[0-9]*.npz")
        # Shorter names first: 1000.npz comes after 999.npz.
        return sorted(paths, key=lambda path: (len(path.name), path.name))

    def existing(self, stem: str, person: int) -> FitResult | None:
        """The result of an earlier run; None where there is none or its file is broken."""
        try:
            return FitResult.load(self.result(stem, person))
        except ResultFileError:
            return None


def open_store(
    root: Path, record: Mapping[str, object], inputs: list[Path], overwrite: bool
) -> Store:
    """The output folder for a job whose results `record` determines; made, resumed, or with
    `overwrite` begun anew.

    Raises StoreError where the folder holds another job's results, or is not ours to write to.
    """
    store = Store(root)
    if root.exists() and not root.is_dir():
        raise StoreError(f"{root}: the output must be a folder, this is a file")
    if overwrite and root.is_dir():
        _clear(store, inputs)
    if store.config.is_file():
        _check_same(store, record)
    elif store.results.is_dir() or store.summary.is_file():
        raise StoreError(
            f"{root}: holds results but no config.yaml of smplifyx; choose another --out"
        )
    root.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(store)
    with replacing(store.config) as path:
        path.write_text(
            yaml.safe_dump(dict(record), sort_keys=False, allow_unicode=True), encoding="utf-8"
        )
    return store


def read_record(store: Store) -> dict[str, object]:
    """The configuration as run. Raises StoreError where there is none of ours."""
    try:
        record = yaml.safe_load(store.config.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StoreError(
            f"{store.root}: no config.yaml: not an output folder of smplifyx"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise StoreError(f"{store.config}: not YAML: {one_line(error, limit=None)}") from error
    if not isinstance(record, dict) or MADE_BY not in record:
        raise StoreError(f"{store.config}: not written by smplifyx; choose another --out")
    return record


def _check_same(store: Store, record: Mapping[str, object]) -> None:
    """The part of the record that decides the results must not have changed."""
    before = _flat(read_record(store))
    now = _flat(dict(record))
    different = [key for key in now | before if before.get(key) != now.get(key)]
    # What is under MADE_BY (versions, options that change no result) may differ.
    changed = [key for key in different if not key.startswith(MADE_BY)]
    if not changed:
        return
    key = changed[0]
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    raise StoreError(
        f"{store.root}: made with another configuration "
        f"({key}: {before.get(key)} there, {now.get(key)} now{more});"
        " choose another --out, or --overwrite to begin anew"
    )


def _flat(value: object, prefix: str = "") -> dict[str, object]:
    """Nested dicts and lists as one dict, its keys "outer.inner" and "list.0"."""
    if isinstance(value, list):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        return {prefix: value}
    flat: dict[str, object] = {}
    for key, inner in value.items():
        flat |= _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    return flat


def _clear(store: Store, inputs: list[Path]) -> None:
    """Removes what an earlier job made; never anything else, never a folder that holds an input."""
    if not store.config.is_file():
        return
    read_record(store)  # raises where the folder is not ours
    doomed = [store.root / name for name in (*FOLDERS, *FILES)]
    for path in inputs:
        here = path.resolve()
        holders = (here, *here.parents)
        if any(place.resolve() in holders for place in doomed):
            raise StoreError(f"{store.root}: --overwrite would remove the input {path}")
    for place in doomed:
        if place.is_symlink() or place.is_file():
            place.unlink()
        elif place.is_dir():
            shutil.rmtree(place)


def _remove_leftovers(store: Store) -> None:
    """Half-written files of a run that was killed."""
    _remove_temporary(store.root.iterdir())  # not below: other folders are not ours
    for name in FOLDERS:
        folder = store.root / name
        if folder.is_dir():
            _remove_temporary(folder.rglob(".*"))


def _remove_temporary(paths: Iterable[Path]) -> None:
    for path in paths:
        if is_temporary(path):
            path.unlink(missing_ok=True)
