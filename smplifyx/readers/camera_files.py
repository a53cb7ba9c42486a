"""Files of cameras: a camera for all images, or one each, as calibrations write them."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]  # not there on newer ones

from ..core.files import boundary, read_bounded
from . import camera_spellings as spell
from .camera_sidecar import CameraRecord, IntrinsicsError, is_camera, read_record
from .camera_table import EVERY, CameraTable
from .sidecars import LARGEST_SIDECAR, load_json
from .stems import plain_stem

LARGEST_YAML = 256 * 2**10  # bytes; its parser takes a second for as many
_LINES = "a line each"  # the key of a table's entries in its document
# what OpenCV writes that is not YAML as others read it
_DIRECTIVE = re.compile(r"\A\ufeff?\s*%YAML[: ]\S*\s*")
_TAG = re.compile(r"!!opencv-(?:matrix|nd-matrix)")
_ALIAS = re.compile(r"(?:^|[\s,\[{:])[&*][\w.-]", re.MULTILINE)
# parameters of COLMAP's camera models
_COLMAP = MappingProxyType(
    {
        "SIMPLE_PINHOLE": ("f", "cx", "cy"),
        "PINHOLE": ("fx", "fy", "cx", "cy"),
        "SIMPLE_RADIAL": ("f", "cx", "cy", "k1"),
        "RADIAL": ("f", "cx", "cy", "k1", "k2"),
        "OPENCV": ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2"),
    }
)


class _Entry(NamedTuple):
    """A camera of a document: `name` is an image's or a camera's own, EVERY for all images."""

    name: str
    values: object
    of_camera: bool = False
    origin: str = ""


def read_cameras(path: Path) -> CameraTable:
    """The cameras of a file, by the names of images or of cameras, in any of the spellings of
    `camera_spellings`; one that names nothing holds for all images (EVERY).

    CSV (`stem,fx,fy,cx,cy[,width,height]`), JSON (one camera, an object per stem, or a list under
    `cameras`), OpenCV's YAML (`camera_matrix`, or `K_NAME` for each), TOML as Pose2Sim has it, and
    COLMAP's cameras.txt. Raises IntrinsicsError, also where nothing in it is a camera.
    """
    document = load_document(path)
    with boundary(path, "a file of cameras", IntrinsicsError):
        return _table(path, list(_entries(document)))


def load_document(path: Path) -> object:
    """What a file of cameras holds, as dicts and lists, by the kind that its name tells.

    Raises IntrinsicsError.
    """
    load = _LOADERS.get(path.suffix.lower())
    if load is None:
        if not path.exists():
            raise IntrinsicsError(f"{path}: no such file")
        kinds = ", ".join(sorted(_LOADERS))
        raise IntrinsicsError(f"{path}: cameras are read from files of the kinds {kinds}")
    return load(path)


def _table(path: Path, entries: list[_Entry]) -> CameraTable:
    records: dict[str, CameraRecord] = {}
    for entry in entries:
        origin = entry.origin or (str(path) if entry.name == EVERY else f"{path}: {entry.name}")
        name = entry.name if entry.of_camera else plain_stem(entry.name)
        if name in records:
            raise IntrinsicsError(f"{origin}: stem {name!r} appears twice")
        record = read_record(entry.values, origin)
        if record.K is not None or record.image_size is not None:
            records[name] = record
    if not any(record.K is not None for record in records.values()):
        raise IntrinsicsError(f"{path}: holds no camera; understood are {spell.UNDERSTOOD}")
    if len(entries) == 1 and entries[0].of_camera:  # the only camera took every image
        records = {EVERY: next(iter(records.values()))}
    return CameraTable(records, path)


def _entries(document: object) -> Iterator[_Entry]:
    """The cameras of a document."""
    if isinstance(document, list):
        yield from _of_list(document, of_camera=True)
        return
    if not isinstance(document, dict):
        yield _Entry(EVERY, document)  # for its error
        return
    words = spell.spelled(document)
    numbered = list(_of_suffixes(document))
    if numbered:
        yield from numbered
        return
    for container in spell.CONTAINERS:
        found = list(
            _of_container(words.get(container), of_camera=container in ("cameras", "cams"))
        )
        if any(is_camera(entry.values) for entry in found):
            yield from found
            return
    if document and not is_camera(document) and all(isinstance(v, dict) for v in document.values()):
        yield from _of_objects(document)
        return
    yield _Entry(EVERY, document)


def _of_suffixes(document: Mapping[str, object]) -> Iterator[_Entry]:
    """K_NAME, dist_NAME, W_NAME and H_NAME: OpenCV's files of several cameras."""
    by_name: dict[str, dict[str, object]] = {}
    for key, value in document.items():
        match = spell.OF_ONE_CAMERA.fullmatch(str(key))
        if match is not None:
            by_name.setdefault(match[2], {})[match[1]] = value
    for name, values in by_name.items():
        if "K" in values:
            yield _Entry(name, values, of_camera=True)


def _of_container(found: object, of_camera: bool) -> Iterator[_Entry]:
    if isinstance(found, list):
        yield from _of_list(found, of_camera)
    elif isinstance(found, dict) and all(isinstance(value, dict) for value in found.values()):
        yield from (
            _Entry(entry.name, entry.values, of_camera or entry.of_camera)
            for entry in _of_objects(found)
        )


def _of_list(entries: list[object], of_camera: bool) -> Iterator[_Entry]:
    """A list of cameras, each named by a word of its own, or by its place."""
    for place, values in enumerate(entries):
        if not isinstance(values, dict):
            raise ValueError(f"expected objects in a list of cameras, got {values!r:.40}")
        words = spell.spelled(values)
        image = spell.first_of(words, spell.IMAGE_NAMES)
        if isinstance(image, (str, int)):
            yield _Entry(str(image), values, origin=str(words.get("origin", "")))
            continue
        name = spell.first_of(words, spell.CAMERA_NAMES)
        name = str(name) if isinstance(name, (str, int)) else str(place)
        yield _Entry(name, values, of_camera)


def _of_objects(document: Mapping[str, object]) -> Iterator[_Entry]:
    """An object per stem, or per camera where it has a name of its own."""
    for key, values in document.items():
        if not is_camera(values) and any(map(is_camera, document.values())):
            continue  # what is said besides: metadata, a capture
        own = spell.spelled(values).get("name") if isinstance(values, dict) else None
        yield _Entry(str(own or key), values, of_camera=own is not None)


def _load_json(path: Path) -> object:
    return load_json(path, IntrinsicsError)


def _load_yaml(path: Path) -> object:
    """OpenCV's YAML, which names a type for its matrices; no alias may repeat anything."""
    with boundary(path, "readable as YAML", IntrinsicsError):
        text = read_bounded(path, LARGEST_YAML).decode("utf-8-sig")
        text = _TAG.sub("", _DIRECTIVE.sub("", text, count=1))
        if _ALIAS.search(text):
            raise ValueError("files of cameras have no aliases")
        return yaml.safe_load(text)


def _load_toml(path: Path) -> object:
    with boundary(path, "readable as TOML", IntrinsicsError):
        return tomllib.loads(read_bounded(path, LARGEST_SIDECAR).decode("utf-8-sig"))


def _load_csv(path: Path) -> object:
    """A table as a list of objects; the first line names the columns."""
    with boundary(path, "readable as CSV", IntrinsicsError):
        # utf-8-sig: spreadsheets put a byte order mark in front
        text = read_bounded(path, LARGEST_SIDECAR).decode("utf-8-sig")
        header = text.partition("\n")[0]
        delimiter = max(",;\t", key=header.count)
        lines = list(csv.DictReader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True))
    cameras: list[object] = []
    for number, line in enumerate(lines, start=2):  # the first line is the header
        origin = f"{path}: line {number}"
        filled = {column: value for column, value in line.items() if column and value}
        words = spell.spelled(filled)
        name = spell.first_of(words, (*spell.IMAGE_NAMES, *spell.CAMERA_NAMES))
        if not name or not is_camera(filled):
            raise IntrinsicsError(
                f"{origin}: needs the columns stem and fx (then fy, cx, cy, width, height)"
            )
        cameras.append({"stem": name, "origin": origin, **filled})
    return cameras


def _load_colmap(path: Path) -> object:
    """COLMAP's cameras.txt, by the names of images.txt where that lies next to it."""
    with boundary(path, "COLMAP's cameras.txt", IntrinsicsError):
        cameras = dict(_colmap_cameras(read_bounded(path, LARGEST_SIDECAR).decode()))
        images = path.with_name("images.txt")
        if not images.is_file():
            return {"cameras": [{"name": name, **camera} for name, camera in cameras.items()]}
        lines = read_bounded(images, LARGEST_SIDECAR).decode().splitlines()
        # every second line is of points
        about = [line.split() for line in lines if not line.startswith("#")][::2]
        return {words[9]: cameras[words[8]] for words in about if len(words) >= 10}


def _colmap_cameras(text: str) -> Iterator[tuple[str, dict[str, object]]]:
    for line in text.splitlines():
        words = line.split()
        if not words or line.startswith("#"):
            continue
        name, model, width, height, *numbers = words
        if model not in _COLMAP:
            raise ValueError(f"camera model {model} is not one of {', '.join(_COLMAP)}")
        values = dict(zip(_COLMAP[model], map(float, numbers), strict=True))
        yield name, {"width": float(width), "height": float(height), **values}


_LOADERS: Mapping[str, Callable[[Path], object]] = MappingProxyType(
    {
        ".csv": _load_csv,
        ".tsv": _load_csv,
        ".json": _load_json,
        ".yml": _load_yaml,
        ".yaml": _load_yaml,
        ".toml": _load_toml,
        ".txt": _load_colmap,
    }
)
