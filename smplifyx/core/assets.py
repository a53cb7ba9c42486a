"""Where the data that smplifyx ships with lies: learned numbers and presets."""

from __future__ import annotations

from pathlib import Path

FOLDERS = ("priors", "cfg_files")


def folder(name: str) -> Path:
    """The folder 'priors' or 'cfg_files': inside the installed package, else beside it in a source
    checkout.

    Raises ValueError for another name and FileNotFoundError where the data was not installed.
    """
    if name not in FOLDERS:
        raise ValueError(f"no data folder {name!r}: expected one of {', '.join(FOLDERS)}")
    package = Path(__file__).resolve().parent.parent
    # A folder of that name beside an *installed* package is another distribution's: only a
    # checkout's counts.
    candidates = [package / name] + (
        [package.parent / name] if not package.parent.name.endswith("-packages") else []
    )
    for path in candidates:
        if path.is_dir():
            return path
    raise FileNotFoundError(
        f"the data folder {name!r} of smplifyx is missing from {package}: reinstall smplifyx"
    )
