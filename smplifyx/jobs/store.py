"""The output folder: where everything lies, whose configuration it holds, what of it may be
removed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pydantic
import yaml

from ..core.fields import faults_of, told
from ..core.messages import plain
from ..core.npz import ResultFileError, replacing
from ..core.yaml_files import read_yaml
from ..fitting.result import FitResult
from .lock import locked

MADE_BY = "smplifyx"  # first key of a config.yaml that is ours
# what a job may make, and --overwrite remove
FOLDERS = ("results", "tracks", "overlays", "pictures", "meshes", "pages", "gates", "films")
FILES = (
    *("summary.csv", "conversion.csv", "tracks.csv", "tracked_people.csv"),
    *("config.yaml", "log.txt", "index.html"),
)
# Names of half-written files: only these are ours to remove, each only where we write it.
_PERSON = r"\d{3,}"
_TEMPORARIES = {
    "": r"(summary|conversion|tracks|tracked_people)\.csv|config\.yaml|index\.html",
    "results": _PERSON + r"\.npz",
    "tracks": r"\d{6,}\.npz",
    "overlays": r".+\.jpg",
    "pictures": r"(photo|overlay|turned)\.jpg",
    "meshes": _PERSON + r"\.(obj|ply|glb)",
    "pages": r"\d{4,}\.html",
    "gates": r".+\.(csv|html)",
    "films": r".+\.(mp4|jpg)",
}


# Errors of the whole disk or machine: the next file would fare no better. Any other one, a folder
# in the place of a file, say, is about its own path.
_OF_THE_DISK = {"ENOSPC", "EDQUOT", "EROFS", "EIO", "ESTALE", "ENOMEM", "EMFILE", "ENFILE"}


class StoreError(ValueError):
    """An output folder that this job must not write to; the message is one line."""


class RecordedSettings(pydantic.BaseModel):
    """What is read again of a job's own settings."""

    model_config = pydantic.ConfigDict(frozen=True, extra="allow", strict=True)

    preset: str
    model: str | None = None
    kid_template: str | None = None
    images: str | None = None


class Record(pydantic.BaseModel):
    """A config.yaml: how an output folder was made. What is not named here may be there, too."""

    model_config = pydantic.ConfigDict(frozen=True, extra="allow", strict=True)

    smplifyx: dict[str, object]  # MADE_BY: what changes no result
    job: RecordedSettings
    preset: dict[str, object]
    models: dict[str, str]  # sha256 by gender, and of "kid"
    priors: dict[str, str] = {}


@dataclass(frozen=True)
class Store:
    """Paths of one output folder."""

    root: Path

    def inside(self, *parts: str) -> Path:
        """The path of something that may be written or removed: every writer asks here.

        Raises StoreError, one line, for a path that leads out of the folder, by its parts or by a
        link on the way.
        """
        path = self.root.joinpath(*parts)
        names = [name for part in parts for name in part.split("/")]
        if not all(map(_is_plain_name, names)):
            raise StoreError(f"{plain(str(path))}: not a name of an output folder")
        parent = Path(os.path.realpath(path.parent))
        if not parent.is_relative_to(os.path.realpath(self.root)):
            raise StoreError(f"{path}: a link leads out of {self.root}")
        return path

    @property
    def summary(self) -> Path:
        """The table of all people."""
        return self.inside("summary.csv")

    @property
    def config(self) -> Path:
        """The configuration as run."""
        return self.inside("config.yaml")

    @property
    def log(self) -> Path:
        """The log of every run into this folder."""
        return self.inside("log.txt")

    @property
    def results(self) -> Path:
        """One folder per frame, one npz per person."""
        return self.inside("results")

    def result(self, stem: str, person: int) -> Path:
        """The file of one person. Raises StoreError as `inside`."""
        return self.inside("results", stem, f"{person:03d}.npz")

    def filled(self, track: int, frame: int) -> Path:
        """The file of a track's person in a frame, by its number, in which nobody saw them. Raises
        StoreError as `inside`.
        """
        return self.inside("tracks", f"{track:03d}", f"{frame:06d}.npz")

    @property
    def tracks(self) -> Path:
        """The table of the tracks of a video."""
        return self.inside("tracks.csv")

    @property
    def tracked_people(self) -> Path:
        """The table of who is on which track."""
        return self.inside("tracked_people.csv")

    def film(self, stem: str, suffix: str) -> Path:
        """The film of the clip that begins with that frame, `.mp4`, or its strip, `.jpg`. Raises
        StoreError as `inside`.
        """
        return self.inside("films", f"{stem}{suffix}")

    def gate(self, name: str, suffix: str) -> Path:
        """A file of the gate of that name, `.csv` or `.html`. Raises StoreError as `inside`."""
        return self.inside("gates", f"{name}{suffix}")

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
        except (ResultFileError, StoreError):
            return None

    def existing_filled(self, track: int, frame: int) -> FitResult | None:
        """The same for a frame in which nobody saw the person."""
        try:
            return FitResult.load(self.filled(track, frame))
        except (ResultFileError, StoreError):
            return None

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Nobody else writes to this folder during the block, and its places are what they should
        be.

        Raises FolderBusyError where another run does, StoreError for links and other things in the
        place of our files and folders.
        """
        with locked(self.root):
            self._check_places()
            yield

    def _check_places(self) -> None:
        """Our files are regular ones or not there; our folders are folders inside this one."""
        root = os.path.realpath(self.root)
        for name in FILES:
            path = self.root / name
            if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
                raise StoreError(f"{path}: in the place of a file of smplifyx, and not a file")
        for name in FOLDERS:
            path = self.root / name
            if not os.path.lexists(path):
                continue
            if not path.is_dir():
                raise StoreError(f"{path}: in the place of a folder of smplifyx, and not a folder")
            if not Path(os.path.realpath(path)).is_relative_to(root):
                raise StoreError(f"{path}: a link leads out of {self.root}")


@contextlib.contextmanager
def open_store(
    root: Path, record: Mapping[str, object], inputs: list[Path], overwrite: bool
) -> Iterator[Store]:
    """The output folder for a job whose results `record` determines; made, resumed, or with
    `overwrite` begun anew. Nobody else writes to it during the block.

    Raises StoreError where the folder holds another job's results, or is not ours to write to, and
    FolderBusyError where another run writes to it.
    """
    store = Store(root)
    if root.exists() and not root.is_dir():
        raise StoreError(f"{root}: the output must be a folder, this is a file")
    _check_ours(store)  # before anything is put there
    root.mkdir(parents=True, exist_ok=True)
    with locked(root):
        if overwrite:
            _clear(store, inputs)
        store._check_places()
        if _check_ours(store):
            _check_same(store, record)
        with replacing(store.config) as path:
            text = yaml.safe_dump(dict(record), sort_keys=False, allow_unicode=True)
            path.write_text(text, encoding="utf-8")
        _remove_leftovers(store)
        yield store


def is_of_the_disk(error: Exception) -> bool:
    """Whether an error is one of the whole disk or machine, and ends a job."""
    if not isinstance(error, OSError) or error.errno is None:
        return False
    return errno.errorcode.get(error.errno) in _OF_THE_DISK


def read_record(store: Store) -> Record:
    """The configuration as run. Raises StoreError where there is none of ours."""
    if not store.config.exists():
        raise StoreError(f"{store.root}: no config.yaml: not an output folder of smplifyx")
    content = read_yaml(store.config, StoreError)
    if not isinstance(content, dict) or MADE_BY not in content:
        raise StoreError(f"{store.config}: not written by smplifyx; choose another --out")
    try:
        return Record.model_validate(content)
    except pydantic.ValidationError as error:
        raise StoreError(f"{store.config}: {told(faults_of(error, Record))}") from error


def _check_ours(store: Store) -> bool:
    """Whether the folder has a config.yaml of ours. Raises StoreError for somebody else's
    results.
    """
    if store.config.is_file():
        read_record(store)
        return True
    if store.results.is_dir() or store.summary.is_file():
        raise StoreError(
            f"{store.root}: holds results but no config.yaml of smplifyx; choose another --out"
        )
    return False


def _check_same(store: Store, record: Mapping[str, object]) -> None:
    """The part of the record that decides the results must not have changed."""
    before = _flat(read_record(store).model_dump())
    now = _flat(dict(record))
    different = [key for key in now | before if before.get(key) != now.get(key)]
    # What is under MADE_BY (versions, options that change no result) may differ.
    changed = [key for key in different if not key.startswith(f"{MADE_BY}.") and key != MADE_BY]
    if not changed:
        return
    key = changed[0]
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    raise StoreError(
        f"{store.root}: made with another configuration "
        f"({plain(f'{key}: {before.get(key)} there, {now.get(key)} now')}{more});"
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
    """Half-written files of a run that was killed, told by their names: `.NAME.PROCESS.tmp` of a
    NAME that is written there.

    This folder is ours and locked, so none of them belongs to a process that still lives.
    """
    for folder, name in _TEMPORARIES.items():
        place = store.root / folder
        if not place.is_dir():
            continue
        ours = re.compile(rf"\.({name})\.\d+\.tmp")
        # not below the root itself: other folders are not ours
        for path in place.rglob(".*.tmp") if folder else place.glob(".*.tmp"):
            if ours.fullmatch(path.name) and stat.S_ISREG(path.lstat().st_mode):
                path.unlink(missing_ok=True)


def _is_plain_name(name: str) -> bool:
    """Whether it names something in a folder, and not that folder, its parent or another place."""
    is_here = name in ("", ".", "..")
    return not is_here and os.sep not in name and plain(name) == name
