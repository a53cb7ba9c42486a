"""Finds and loads body models: SMPL-X, SMPL-H and SMPL files as their makers publish them, and the
embedded body.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from ...core import assets
from ...core.choices import (
    BODY_GENDERS,
    Age,
    BodyAge,
    BodyGender,
    Detector,
    Gender,
    body_age,
    body_gender,
    by_word,
)
from ...core.messages import plain
from ..model import BodyModel
from .assemble import assemble
from .kid import find_kid_template, with_kid
from .raw import BodyFileError
from .read import read_raw

_FAMILIES = ("smplx", "smplh", "smpl")  # the order in which a folder of all models is searched
_ENDINGS = (".npz", ".pkl")
_DEEPEST = 5  # levels of folders that are searched, the first one included
_MOST_FOLDERS = 1000


def load_body(
    path: str | Path | None = None,
    gender: BodyGender | str = Gender.NEUTRAL,
    num_betas: int | None = None,
    num_expressions: int | None = None,
    dtype: torch.dtype = torch.float32,
    age: BodyAge | str = Age.ADULT,
    kid_template: str | Path | None = None,
    detector: Detector | str = Detector.OPENPOSE,
) -> BodyModel:
    """Loads one body model: the embedded one (None), a file, or the file of this gender in a folder
    of models.

    What a file holds decides its kind, not its name. Gender and age may be given by their words
    ("female", "child"). `num_betas` and `num_expressions` keep the
    first components only. A child's body has one more beta after those, from `kid_template` or the
    template beside the file (see `kid.py`). `detector`: whose keypoints will be fitted ("coco");
    the points of the body are where it looks, as far as the file says (see `point_table.py`).
    Raises BodyFileError, one line, for a file that cannot
    be used and where there is none of this gender or age, ValueError for another word.
    """
    chosen, whose = body_gender(gender), body_age(age)
    seen_by = by_word("detector", detector, Detector)
    file = find_body(path, chosen)
    raw = read_raw(file)
    limits = (num_betas, num_expressions)
    body = assemble(raw, gender_of(file, chosen), limits, dtype, seen_by)
    if whose is Age.ADULT:
        return body
    if kid_template:
        return with_kid(body, Path(kid_template))
    return with_kid(body, find_kid_template(file, vertices=len(body.v_template)))


def find_body(path: str | Path | None, gender: BodyGender) -> Path:
    """The file that `load_body` would read, e.g. models/smplx/SMPLX_NEUTRAL.npz for models/ or
    models/smplx/; a download as it was unpacked is searched too, where it holds one such file.

    Raises BodyFileError where nothing is there, and where it could be one of several.
    """
    embedded = assets.folder("priors") / "bodies"
    place = embedded if path is None else Path(path)
    if place.is_file():
        return place
    if not place.is_dir():
        found = "no regular file" if place.exists() else "nothing"
        raise BodyFileError(
            f"{place}: found {found}, expected a body model file or a folder of them"
        )
    usual = _in_usual_place(place, gender)
    if usual is not None:
        return usual
    seen = list(_model_files(place))
    candidates = _of_gender(seen, gender)
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        found = f"several: {_listing(place, candidates)}"
        raise BodyFileError(f"{place}: found {found}; name one of them with --model")
    expected = f"a {gender.value} model such as {_example(place, gender)}"
    raise BodyFileError(f"{place}: found {_listing(place, seen)}, expected {expected}")


def _in_usual_place(place: Path, gender: BodyGender) -> Path | None:
    """The file of this gender in a folder that is laid out as the packages of the field have it."""
    folders = [place, *(place / family for family in _FAMILIES)]
    candidates = [folder / name for folder in folders for name in _file_names(gender)]
    # Letter case differs between releases; a case-blind comparison also works on case-sensitive
    # disks.
    for candidate in candidates:
        for file in _files(candidate.parent):
            if file.name.lower() == candidate.name.lower():
                return file
    return None


def _model_files(place: Path) -> Iterator[Path]:
    """The .npz, .pkl and .zip files of a folder and those below it, as far as a download reaches.

    Folders that begin with a dot are left out, and so are links, which may lead anywhere.
    """
    level = [place]
    looked_into = 0
    for _ in range(_DEEPEST):
        below: list[Path] = []
        for folder in level:
            looked_into += 1
            if looked_into > _MOST_FOLDERS:
                return
            for entry in _entries(folder):
                if entry.is_dir() and not entry.is_symlink() and not entry.name.startswith("."):
                    below.append(entry)
                elif entry.suffix.lower() in (*_ENDINGS, ".zip") and entry.is_file():
                    yield entry
        level = below


def _of_gender(files: list[Path], gender: BodyGender) -> list[Path]:
    """The files with a name that models of this gender have; of one in two formats, the .npz."""
    names = set(_file_names(gender))
    found: dict[Path, Path] = {}
    for file in files:
        own_name = file.name.lower()
        if names & {own_name, f"{file.parent.name.lower()}/{own_name}"}:
            found.setdefault(file.with_suffix(""), file)  # the .npz comes first
    return list(found.values())


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
    stems.append(f"smplx_{word}_2020")
    stems.append(word)
    for version in ("1.1.0", "1.0.0"):
        stems.append(f"basicmodel_{letter}_lbs_10_207_0_v{version}")
        stems.append(f"basicmodel_{word}_lbs_10_207_0_v{version}")
    stems.append(f"{word}/model")  # as AMASS has them
    return [stem + ending for stem in stems for ending in _ENDINGS]


def _entries(folder: Path) -> list[Path]:
    """What is in a folder, sorted; nothing where it cannot be looked into."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _files(folder: Path) -> list[Path]:
    return [entry for entry in _entries(folder) if entry.is_file()]


def _listing(place: Path, files: list[Path]) -> str:
    """The first few files by their paths in the folder."""
    if not files:
        return "no .npz or .pkl file"
    shown = [plain(file.relative_to(place).as_posix(), limit=100) for file in files[:6]]
    listed = ", ".join(shown) + (", ..." if len(files) > 6 else "")
    only_zips = all(file.suffix.lower() == ".zip" for file in files)
    return f"{listed} (to be unpacked first)" if only_zips else listed


def _example(place: Path, gender: BodyGender) -> str:
    folder = place.name.lower()
    family = folder if folder in _FAMILIES else _FAMILIES[0]
    ending = ".npz" if family == "smplx" else ".pkl"
    return f"{family.upper()}_{gender.name}{ending}"
