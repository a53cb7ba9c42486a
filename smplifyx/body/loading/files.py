"""Finds and loads body models: SMPL-X, SMPL-H and SMPL files as their makers publish them, and the
embedded body.
"""

from __future__ import annotations

from pathlib import Path

import torch

from ...core import assets
from ...core.choices import (
    BODY_GENDERS,
    Age,
    BodyAge,
    BodyGender,
    Gender,
    body_age,
    body_gender,
)
from ..model import BodyModel
from .assemble import assemble
from .kid import find_kid_template, with_kid
from .raw import BodyFileError
from .read import read_raw

_FAMILIES = ("smplx", "smplh", "smpl")  # the order in which a folder of all models is searched
_ENDINGS = (".npz", ".pkl")


def load_body(
    path: str | Path | None = None,
    gender: BodyGender | str = Gender.NEUTRAL,
    num_betas: int | None = None,
    num_expressions: int | None = None,
    dtype: torch.dtype = torch.float32,
    age: BodyAge | str = Age.ADULT,
    kid_template: str | Path | None = None,
) -> BodyModel:
    """Loads one body model: the embedded one (None), a file, or the file of this gender in a folder
    of models.

    What a file holds decides its kind, not its name. Gender and age may be given by their words
    ("female", "child"). `num_betas` and `num_expressions` keep the
    first components only. A child's body has one more beta after those, from `kid_template` or the
    template beside the file (see `kid.py`). Raises BodyFileError, one line, for a file that cannot
    be used and where there is none of this gender or age, ValueError for another word.
    """
    chosen, whose = body_gender(gender), body_age(age)
    file = find_body(path, chosen)
    raw = read_raw(file)
    body = assemble(raw, gender_of(file, chosen), (num_betas, num_expressions), dtype)
    if whose is Age.ADULT:
        return body
    if kid_template:
        return with_kid(body, Path(kid_template))
    return with_kid(body, find_kid_template(file, vertices=len(body.v_template)))


def find_body(path: str | Path | None, gender: BodyGender) -> Path:
    """The file that `load_body` would read, e.g. models/smplx/SMPLX_NEUTRAL.npz for models/ or
    models/smplx/.

    Raises BodyFileError where nothing is there.
    """
    embedded = assets.folder("priors") / "bodies"
    place = embedded if path is None else Path(path)
    if place.is_file():
        return place
    if not place.is_dir():
        raise BodyFileError(
            f"{place}: found nothing, expected a body model file or a folder of them"
        )
    folders = [place, *(place / family for family in _FAMILIES)]
    candidates = [folder / name for folder in folders for name in _file_names(gender)]
    # Letter case differs between releases; a case-blind comparison also works on case-sensitive
    # disks.
    for candidate in candidates:
        for file in _files(candidate.parent):
            if file.name.lower() == candidate.name.lower():
                return file
    expected = f"a {gender.value} model such as {_example(place, gender)}"
    raise BodyFileError(f"{place}: found {_listing(folders)}, expected {expected}")


def gender_of(path: Path, otherwise: BodyGender) -> BodyGender:
    """The gender that a file's or its folder's name tells, else `otherwise`."""
    for text in (path.stem.lower(), path.parent.name.lower()):
        words = text.replace("-", "_").split("_")
        for gender in BODY_GENDERS:
            if gender.value in words:
                return gender
            # SMPL's own files: basicModel_f_lbs_10_207_0_v1.0.0.pkl
            if "basicmodel" in words and gender.value[0] in words:
                return gender
    return otherwise


def _file_names(gender: BodyGender) -> list[str]:
    """The names that files of this gender have in the folders that users have, best first."""
    word = gender.value
    letter = word[0]
    stems = [f"{family}_{word}" for family in _FAMILIES]
    stems.append(word)
    for version in ("1.1.0", "1.0.0"):
        stems.append(f"basicmodel_{letter}_lbs_10_207_0_v{version}")
        stems.append(f"basicmodel_{word}_lbs_10_207_0_v{version}")
    stems.append(f"{word}/model")  # as AMASS has them
    return [stem + ending for stem in stems for ending in _ENDINGS]


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(file for file in folder.iterdir() if file.is_file())


def _listing(folders: list[Path]) -> str:
    """What there is in place of the file that was looked for: the first few names."""
    files: list[Path] = []
    for folder in folders:
        files += [file for file in _files(folder) if file.suffix.lower() in _ENDINGS]
    if not files:
        return "no .npz or .pkl file"
    names = ", ".join(file.name for file in files[:6])
    return f"{names}, ..." if len(files) > 6 else names


def _example(place: Path, gender: BodyGender) -> str:
    folder = place.name.lower()
    family = folder if folder in _FAMILIES else _FAMILIES[0]
    ending = ".npz" if family == "smplx" else ".pkl"
    return f"{family.upper()}_{gender.name}{ending}"
