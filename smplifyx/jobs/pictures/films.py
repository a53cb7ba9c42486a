"""The overlays of a video's frames as a film, and every so manieth of them as a strip."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from ... import viz
from ...core.files import open_regular
from ...core.npz import replacing
from ...tracking.sequences import sequences_of
from ..store import Store
from .files import frames, panel_path

LEAST_FRAMES = 3  # of a clip: fewer make no film
MOST_IN_STRIP = 12  # pictures
STRIP_HEIGHT = 480  # pixels
Picture = UInt8[np.ndarray, "height width 3"]


def write_films(store: Store, fps: float) -> list[Path]:
    """Makes `films/<first frame>.mp4` and `.jpg` of each clip whose overlays are drawn.

    fps: frame numbers that pass in a second. Returns: the films. Raises OSError where one cannot be
    written.
    """
    stems = [rows[0].stem for rows in frames(store)]
    made: list[Path] = []
    for clip in sequences_of(stems):
        pictures = [panel_path(store, stem) for stem in clip.stems]
        drawn = [path for path in pictures if path.is_file()]
        if len(drawn) < LEAST_FRAMES:
            continue
        viz.write_image(store.film(clip.stems[0], ".jpg"), _strip(drawn))
        film = store.film(clip.stems[0], ".mp4")
        _write_film(film, drawn, fps / clip.step)
        made.append(film)
    return made


def _strip(pictures: Sequence[Path]) -> Picture:
    """Pictures at even distances, side by side."""
    count = min(len(pictures), MOST_IN_STRIP)
    places = np.linspace(0, len(pictures) - 1, count).round().astype(int)
    parts: list[Picture] = []
    for place in places:
        picture = _read(pictures[place])
        width = max(round(picture.shape[1] * STRIP_HEIGHT / picture.shape[0]), 1)
        parts.append(cv2.resize(picture, (width, STRIP_HEIGHT), interpolation=cv2.INTER_AREA))
    return cv2.cvtColor(np.concatenate(parts, axis=1), cv2.COLOR_BGR2RGB)


def _write_film(path: Path, pictures: Sequence[Path], rate: float) -> None:
    """Writes pictures one after the other as an mp4. Raises OSError where that cannot be."""
    height, width = _read(pictures[0]).shape[:2]
    size = (width // 2 * 2, height // 2 * 2)  # of odd sizes encoders make nothing
    # OpenCV knows the format by the suffix, which a half-written file of ours does not have
    with tempfile.TemporaryDirectory() as folder, replacing(path) as temporary:
        made = Path(folder) / "film.mp4"
        film = cv2.VideoWriter(str(made), cv2.VideoWriter.fourcc(*"mp4v"), rate, size)
        try:
            for picture in map(_read, pictures):
                film.write(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
        finally:
            film.release()
        if not made.is_file():
            raise OSError(errno.EIO, "OpenCV could not write the film", str(path))
        shutil.move(made, temporary)


def _read(path: Path) -> Picture:
    """One of our own pictures, as OpenCV has it. Raises OSError where it is none."""
    with open_regular(path) as stream:
        content = np.frombuffer(stream.read(), np.uint8)
    picture = cv2.imdecode(content, cv2.IMREAD_COLOR)
    if picture is None:
        raise OSError(errno.EIO, "not a picture", str(path))
    return np.asarray(picture, np.uint8)
