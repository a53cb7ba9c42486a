"""What small files next to the keypoints say about a camera: K and the size of the image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ..core.files import boundary
from . import camera_spellings as spell
from .frames import ImageSize, KeypointError
from .sidecars import load_json
from .values import number_or_nan

LARGEST = 1_000_000  # pixels on one side
# pixels; NaN is outside too; less than the first is a fraction of the image or millimetres
FOCAL_RANGE = (10, 1e6)
FARTHEST_CENTER = 1e6  # pixels
LARGEST_SKEW = 1e-3  # of the focal length: what calibrations call none


class IntrinsicsError(KeypointError):
    """Camera data that cannot be used: the message names the file or option, the field and what is
    allowed.
    """


@dataclass(frozen=True, eq=False)
class CameraRecord:
    """What one entry of a sidecar says of a camera.

    `origin` names the file and entry. `K` is in pixels, None where the entry tells none; a
    principal point of NaN means the centre of the image. `image_size` is that of the image that K
    was measured in, (width, height) in pixels. `note` says what was ignored.
    """

    origin: str
    K: Float[np.ndarray, "3 3"] | None
    image_size: ImageSize | None
    note: str | None = None


def read_size(values: Mapping[str, object], origin: str) -> ImageSize | None:
    """(width, height) from `image_size` or `width` and `height`, also as `image_width` or
    `canvas_width`; None where absent.

    Raises IntrinsicsError.
    """
    return _size(spell.spelled(values), spell.SIZE, spell.SIZE_SIDES, origin)


def _size(
    words: Mapping[str, object],
    pairs: tuple[str, ...],
    sides: tuple[tuple[str, str], ...],
    origin: str,
) -> ImageSize | None:
    """The size from a pair, or from both values of the first spelling that has a width."""
    pair = spell.first_of(words, pairs)
    if pair is None:
        for width_word, height_word in sides:
            if width_word in words:
                pair = [words[width_word], words.get(height_word)]
                break
    if pair is None:
        return None
    if isinstance(pair, list) and len(pair) == 2:
        width = number_or_nan(pair[0])
        height = number_or_nan(pair[1])
        if 1 <= width <= LARGEST and 1 <= height <= LARGEST:
            return round(width), round(height)
    raise IntrinsicsError(
        f"{origin}: image size should be two numbers of 1..{LARGEST} pixels, got {pair!r:.60}"
    )


def _camera_size(words: Mapping[str, object], origin: str) -> ImageSize | None:
    """The size in a file about cameras, which know more words for it."""
    found = _size(words, spell.SIZE, spell.SIZE_SIDES, origin)
    if found is None:
        found = _size(words, spell.CAMERA_SIZE, spell.CAMERA_SIZE_SIDES, origin)
    shape = spell.first_of(words, spell.SHAPE)
    if found is None and isinstance(shape, list) and len(shape) >= 2:
        found = _size({"wh": shape[1::-1]}, ("wh",), (), origin)
    return found


def read_record(values: object, origin: str) -> CameraRecord:
    """One camera from `K` (3x3, row by row) or `fx` with optional `fy`, `cx`, `cy`, and optional
    image size, in any of the spellings of `camera_spellings`.

    Raises IntrinsicsError.
    """
    if not isinstance(values, Mapping):
        raise IntrinsicsError(
            f"{origin}: expected an object with K or fx, got {type(values).__name__}"
        )
    with boundary(origin, "a camera", IntrinsicsError):
        words = _opened(values)
        matrix = spell.first_of(words, spell.MATRIX)
        K = _from_numbers(words, origin) if matrix is None else _from_matrix(matrix, origin)
        size = _camera_size(words, origin)
        distortion = [
            str(key) for key, value in values.items()
            if spell.word_of(str(key)) in spell.DISTORTION and _is_distorted(value)
        ]  # fmt: skip
    note = f"lens distortion ({', '.join(distortion)[:60]}) ignored" if distortion else None
    return CameraRecord(origin=origin, K=K, image_size=size, note=note)


def is_camera(values: object) -> bool:
    """Whether an object has words of a camera."""
    if not isinstance(values, Mapping):
        return False
    words = _opened(values)
    known = (*spell.MATRIX, *spell.FX, *spell.FOCAL)
    return any(word in words for word in known)


def _opened(values: Mapping[str, object]) -> dict[str, object]:
    """The words of a camera, those of objects in it that describe it included."""
    words = spell.spelled(values)
    for word in (*spell.NESTED, *spell.MATRIX):
        inner = words.get(word)
        if isinstance(inner, Mapping) and "data" not in inner:
            del words[word]
            words = {**spell.spelled(inner), **words}
    return words


def _is_distorted(coefficients: object) -> bool:
    """Whether anything but zeros is said of a distortion."""
    if isinstance(coefficients, Mapping):
        coefficients = coefficients.get("data")
    try:
        return bool(np.any(np.asarray(coefficients)))
    except ValueError:  # lists of unequal lengths: no coefficients, but not nothing
        return True


def read_camera_file(path: Path) -> CameraRecord:
    """The camera in one JSON file. Raises IntrinsicsError."""
    return read_record(load_json(path, IntrinsicsError), str(path))


def _from_matrix(value: object, origin: str) -> Float[np.ndarray, "3 3"]:
    if isinstance(value, Mapping):  # OpenCV's rows, cols, data
        value = value.get("data")
    try:
        K = _square(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError, OverflowError) as error:
        raise IntrinsicsError(f"{origin}: K should be 3x3 numbers, got {value!r:.60}") from error
    is_upper = bool((K[2] == (0, 0, 1)).all()) and K[1, 0] == 0  # a transposed K is not
    if not np.isfinite(K).all() or not is_upper:
        raise IntrinsicsError(
            f"{origin}: K should be [[fx,0,cx],[0,fy,cy],[0,0,1]] (transposed?), got {K.tolist()}"
        )
    if abs(K[0, 1]) > LARGEST_SKEW * abs(K[0, 0]):
        raise IntrinsicsError(
            f"{origin}: K has a skew of {K[0, 1]:g} px; only cameras without skew are supported"
        )
    _check(fx=K[0, 0], fy=K[1, 1], cx=K[0, 2], cy=K[1, 2], origin=origin)
    return K


def _square(matrix: np.ndarray) -> Float[np.ndarray, "3 3"]:
    """K of a 3x3, 3x4 or 4x4 matrix, of nine numbers, or of (fx, fy, cx, cy)."""
    if matrix.shape == (4,):
        fx, fy, cx, cy = matrix
        return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    if matrix.shape in ((3, 4), (4, 4)):
        return matrix[:3, :3]
    return matrix.reshape(3, 3)


def _from_numbers(words: Mapping[str, object], origin: str) -> Float[np.ndarray, "3 3"] | None:
    focal = _pair(words, spell.FX, spell.FY, spell.FOCAL)
    center = _pair(words, spell.CX, spell.CY, spell.CENTER)
    if focal is None:
        if center is not None or spell.first_of(words, spell.FY) is not None:
            raise IntrinsicsError(f"{origin}: has fy, cx or cy but no fx")
        return None
    fx = number_or_nan(focal[0])
    fy = fx if focal[1] is None else number_or_nan(focal[1])  # square pixels, unless told
    cx, cy = _center(center, origin)
    _check(fx=fx, fy=fy, cx=cx, cy=cy, origin=origin)
    return np.array(
        [
            [fx, 0, cx],
            [0, fy, cy],
            [0, 0, 1],
        ]
    )


def _pair(
    words: Mapping[str, object],
    xs: tuple[str, ...],
    ys: tuple[str, ...],
    both: tuple[str, ...],
) -> Sequence[object] | None:
    """The values for x and y (None: not told) under words of their own, or under one for both."""
    x = spell.first_of(words, xs)
    y = spell.first_of(words, ys)
    if x is not None or (y is not None and xs is spell.CX):
        return x, y
    pair = spell.first_of(words, both)
    if isinstance(pair, list) and len(pair) == 1:
        pair = pair[0]
    if pair is None or (isinstance(pair, list) and len(pair) == 2):
        return pair
    return pair, None


def _center(given: Sequence[object] | None, origin: str) -> tuple[float, float]:
    """(cx, cy) in pixels, NaN for the centre of the image."""
    if given is None:
        return math.nan, math.nan
    if None in given:
        raise IntrinsicsError(f"{origin}: needs cx and cy, or neither (the centre of the image)")
    cx = number_or_nan(given[0])
    cy = number_or_nan(given[1])
    if not (math.isfinite(cx) and math.isfinite(cy)):
        raise IntrinsicsError(f"{origin}: cx and cy should be numbers in pixels, got {given!r:.60}")
    return cx, cy


def _check(*, fx: float, fy: float, cx: float, cy: float, origin: str) -> None:
    """Raises IntrinsicsError for numbers in pixels that no camera has."""
    shortest, longest = FOCAL_RANGE
    for name, focal in (("fx", fx), ("fy", fy)):
        if not shortest <= focal <= longest:
            raise IntrinsicsError(f"{origin}: {name} should be 10..1e6 pixels, got {focal:g}")
    for name, place in (("cx", cx), ("cy", cy)):
        if abs(place) > FARTHEST_CENTER:
            raise IntrinsicsError(f"{origin}: {name} should be -1e6..1e6 pixels, got {place:g}")
