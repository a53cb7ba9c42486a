"""Folders and files of keypoints as a stream of frames; each costs its own memory only."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from . import coco, openpose
from .people import Frame, KeypointError, Person, SizeSource

T = TypeVar("T")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
KEYPOINT_SUFFIX = "_keypoints"
CAMERA_SUFFIX = ".camera.json"
LARGEST_FILE = 1 << 30  # bytes
SWAPPING_ORIENTATIONS = (5, 6, 7, 8)  # EXIF: the stored rows are the upright image's columns
ORIENTATION = 0x0112


def read_frames(source: Path | str, images: Path | str | None = None) -> Iterator[Frame]:
    """The frames of a keypoint file, or of every JSON file below a folder, in the order of their names.

    OpenPose, COCO-WholeBody and Halpe JSON, told by content. Images (`images`, else beside the keypoints) are found by
    stem. A file that cannot be read is a frame with a `problem`. Raises KeypointError where `source` or `images` is not
    there, or a folder holds no JSON.
    """
    source, images = Path(source), Path(images) if images is not None else None
    files = _keypoint_files(source)
    root = source if source.is_dir() else source.parent
    index = _index_images(images or root)
    return (frame for file in files for frame in _read_file(file, root, index))


def count_frames(source: Path | str) -> int:
    """How many frames `read_frames` gives: files, or the images of one annotation file."""
    files = _keypoint_files(Path(source))
    if len(files) > 1:
        return len(files)
    try:
        document = _load(files[0])
    except ValueError:
        return 1
    return sum(1 for _ in coco.read_images(document)) if coco.is_coco(document) else 1


def prefetch(items: Iterable[T], depth: int = 64) -> Iterator[T]:
    """The same items, read ahead by a thread, at most `depth` waiting; its errors are raised here, closing stops it."""
    waiting: queue.Queue[tuple[bool, object]] = queue.Queue(depth)
    stop = threading.Event()

    def offer(entry: tuple[bool, object]) -> None:
        while not stop.is_set():
            try:
                return waiting.put(entry, timeout=0.1)
            except queue.Full:
                continue

    def read() -> None:
        try:
            for item in items:
                if stop.is_set():
                    return
                offer((True, item))
            offer((False, None))
        except BaseException as error:  # handed to the consumer
            offer((False, error))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        while (entry := waiting.get())[0]:
            yield entry[1]
        if entry[1] is not None:
            raise entry[1]
    finally:
        stop.set()
        thread.join()


def read_image(path: Path | str) -> np.ndarray:
    """An image as RGB uint8 [height, width, 3], upright by its EXIF. Raises KeypointError, one line, if unreadable."""
    try:
        with Image.open(path) as image:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError) as error:
        raise KeypointError(f"{path}: not a readable image: {_one_line(error)}") from error


def image_size(path: Path) -> tuple[int, int]:
    """(width, height) of the upright image from its header alone. Raises KeypointError if unreadable."""
    try:
        with Image.open(path) as image:
            turned = image.getexif().get(ORIENTATION, 1) in SWAPPING_ORIENTATIONS
            return image.size[::-1] if turned else image.size
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError) as error:
        raise KeypointError(f"{path}: not a readable image: {_one_line(error)}") from error


def _keypoint_files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise KeypointError(f"{source}: no such file or folder of keypoints")
    found = (p for p in source.rglob("*") if p.suffix.lower() == ".json" and not p.name.lower().endswith(CAMERA_SUFFIX))
    files = sorted(p for p in found if p.is_file() and not p.name.startswith("."))
    if not files:
        raise KeypointError(f"{source}: no keypoint files (*.json) in this folder")
    return files


def _index_images(folder: Path) -> dict[str, Path]:
    """Images by relative stem in lower case, and by bare name where that is unique enough."""
    if not folder.is_dir():
        raise KeypointError(f"{folder}: no such folder of images")
    index: dict[str, Path] = {}
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES):
        stem = path.relative_to(folder).with_suffix("").as_posix().lower()
        index.setdefault(stem, path)
        index.setdefault(path.stem.lower(), path)
    return index


def _read_file(file: Path, root: Path, images: dict[str, Path]) -> Iterator[Frame]:
    relative = file.relative_to(root).with_suffix("").as_posix()
    stem = relative.removesuffix(KEYPOINT_SUFFIX) or relative
    try:
        document = _load(file)
        if coco.is_coco(document):
            yield from _coco_frames(document, file, images)
            return
        if not openpose.is_openpose(document):
            raise ValueError("neither OpenPose ('people') nor COCO ('annotations') keypoints")
        yield _frame(stem, file, openpose.read_people(document), images, _stated_size(document, file))
    except (ValueError, OSError, RecursionError) as error:
        yield Frame(stem=stem, keypoint_file=file, problem=_one_line(error))


def _load(file: Path) -> object:
    if file.stat().st_size > LARGEST_FILE:
        raise ValueError(f"{file.stat().st_size} bytes, at most {LARGEST_FILE} are read")
    try:
        return json.loads(file.read_bytes().decode("utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"not JSON: {_one_line(error)}") from error


def _coco_frames(document: object, file: Path, images: dict[str, Path]) -> Iterator[Frame]:
    for entry in coco.read_images(document):
        stem = _plain_stem(entry.file_name)
        yield _frame(stem, file, entry.people, images, entry.size)


def _plain_stem(name: str) -> str:
    """A file name from inside a document as a relative stem without `..`."""
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("..", "/", ".")]
    return PurePosixPath(*parts).with_suffix("").as_posix() if parts else "unnamed"


def _frame(
    stem: str, file: Path, people: tuple[Person, ...], images: dict[str, Path], stated: tuple[int, int] | None
) -> Frame:
    image = images.get(stem.lower()) or images.get(stem.rsplit("/", 1)[-1].lower())
    notes = tuple(f"person {p.index}: {note}" for p in people for note in p.notes)
    size, source = stated, SizeSource.SIDECAR
    if image is not None:
        try:
            size, source = image_size(image), SizeSource.IMAGE
        except KeypointError as error:
            notes, image = (*notes, str(error)), None
    if size is None:
        size, source = _bound(people), SizeSource.KEYPOINTS
    return Frame(stem, file, people, image, size, source, notes=notes)


def _bound(people: tuple[Person, ...]) -> tuple[int, int]:
    """The smallest image from the origin that holds every seen point."""
    seen = [p.keypoints[p.keypoints[:, 2] > 0, :2] for p in people]
    points = np.concatenate([np.ones((1, 2), np.float32), *seen])
    return tuple(int(side) for side in np.ceil(points.max(0)).clip(min=1))


def _stated_size(document: dict[str, object], file: Path) -> tuple[int, int] | None:
    """The size that the document, or the camera file beside it, states."""
    for source in (document, _camera_beside(file)):
        pair = source.get("image_size") or (source.get("width"), source.get("height"))
        numbers = isinstance(pair, (list, tuple)) and len(pair) == 2 and all(isinstance(v, (int, float)) for v in pair)
        if numbers and all(0 < v < 1e6 for v in pair):
            return int(pair[0]), int(pair[1])
    return None


def camera_file(file: Path) -> Path:
    """Where the camera of a keypoint file would lie: `X.camera.json` beside `X_keypoints.json`."""
    return file.with_name(file.stem.removesuffix(KEYPOINT_SUFFIX) + CAMERA_SUFFIX)


def _camera_beside(file: Path) -> dict[str, object]:
    path = camera_file(file)
    if not path.is_file():
        return {}
    document = _load(path)
    return document if isinstance(document, dict) else {}


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
