"""How large the image of a frame is, who says so, and the people's points in its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from ..keypoints.boxes import astray_of_one
from .camera_sidecar import IntrinsicsError, read_camera_file
from .frames import Frame, ImageSize, Note, Person, SizeSource, Units, unusable
from .images import ImageError, PhotoSize, photo_size, turned_upright
from .sidecars import CAMERA_SUFFIX, find_sidecar

# share of a person's seen points; more means that the image is not theirs as it is
MOST_OUTSIDE = 0.3
MARGIN = 0.02  # of a side: detectors look a little beyond the picture
LARGEST_USUAL = 10_000  # pixels of a side; points beyond make one look whether they are astray
SAME_ASPECT = 0.01  # relative difference of two proportions that are the same
_LIKELY_RATIOS = (4 / 3, 1.5, 2, 2.5, 3, 4, 5, 6, 8)  # of a size to the size it was made small to
_FITS = 0.02  # share of points that may still lie outside an image that fits


def with_image_size(
    frame: Frame,
    stated: ImageSize | None,
    units: Units = Units.PIXELS,
    asked: ImageSize | None = None,
) -> Frame:
    """The frame with its image's size and its people in pixels of that image, upright.

    The size is the image's own, else a sidecar's, else that of the images that the keypoints were
    made in: `stated` by the keypoint file, or else `asked` by the user; else it is bounded by the
    points. Points made in an image of another size but the same proportions are scaled, and points
    made in the photo as it is stored are turned as EXIF says. Where that is not known to be right,
    the people are doubtful. An image that cannot be read is as good as none: it becomes a note.
    """
    made_in = stated or asked
    photo, notes = _photo_of(frame)
    size: ImageSize | None
    if photo is not None:
        size, source = photo.upright, SizeSource.IMAGE
    else:
        frame = replace(frame, image=None)
        size, source, more = _size_without_photo(frame, stated, asked)
        notes += more
    if notes:
        frame = replace(frame, notes=(*frame.notes, *notes))
    if units is not Units.PIXELS:
        frame = _in_pixels(frame, units, size)
    elif size is not None and made_in is not None and made_in != size:
        frame = _moved(frame, made_in, size, photo)
    if size is not None:
        frame = _with_doubt_outside(frame, size, photo)
    elif frame.people and units is Units.PIXELS:
        size, source = _bounding_size(frame.people), SizeSource.KEYPOINTS
    return replace(frame, image_size=size, size_source=None if size is None else source)


def _photo_of(frame: Frame) -> tuple[PhotoSize | None, list[Note]]:
    """The sizes of the frame's photo, None where there is none that can be read."""
    if frame.image is None:
        return None, []
    try:
        return photo_size(frame.image), []
    except ImageError as error:
        return None, [Note("image not readable", str(error))]


def _size_without_photo(
    frame: Frame, stated: ImageSize | None, asked: ImageSize | None
) -> tuple[ImageSize | None, SizeSource, list[Note]]:
    """The size that somebody says, who that is, and what could not be used of a sidecar."""
    notes: list[Note] = []
    said: ImageSize | None = None
    try:
        path = find_sidecar(frame, CAMERA_SUFFIX)
        said = None if path is None else read_camera_file(path).image_size
    except IntrinsicsError as error:
        notes.append(Note("camera file not usable", str(error)))
    if said or stated:
        return said or stated, SizeSource.SIDECAR, notes
    return asked, SizeSource.OPTION, notes


def _in_pixels(frame: Frame, units: Units, size: ImageSize | None) -> Frame:
    """The frame with people whose points were fractions of the image."""
    if size is None:
        problem = (
            "coordinates are fractions of the image, and nobody says how large it is: "
            "give --images, or --keypoint-size W H"
        )
        refused = [
            replace(unusable(person.index, person.problem or problem), id=person.id)
            for person in frame.people
        ]
        return replace(frame, people=tuple(refused))
    scale = np.array(size, np.float32)
    if units is Units.SIGNED_FRACTIONS:
        people = [_with_points(person, (_xy(person) + 1) / 2 * scale) for person in frame.people]
    else:
        people = [_with_points(person, _xy(person) * scale) for person in frame.people]
    note = Note("fractions of the image made pixels", f"of {_by(size)}")
    return replace(frame, people=tuple(people), notes=(*frame.notes, note))


def _moved(frame: Frame, made_in: ImageSize, size: ImageSize, photo: PhotoSize | None) -> Frame:
    """The frame with people whose points were made in an image of another size; where its
    proportions are others, all are doubtful.
    """
    is_turned = photo is not None and photo.stored != photo.upright
    if same_proportions(made_in, size):
        scale = np.array(size, np.float32) / np.array(made_in, np.float32)
        people = [_with_points(person, _xy(person) * scale) for person in frame.people]
        note = Note("keypoints scaled", f"from an image of {_by(made_in)} to {_by(size)}")
    elif photo is not None and is_turned and same_proportions(made_in, photo.stored):
        scale = np.array(photo.stored, np.float32) / np.array(made_in, np.float32)
        people = [
            _with_points(
                person, turned_upright(_xy(person) * scale, photo.stored, photo.orientation)
            )
            for person in frame.people
        ]
        detail = f"made in {_by(made_in)}, the photo before EXIF turns it to {_by(size)}"
        note = Note("keypoints turned", detail)
    else:
        detail = f"keypoints were made in {_by(made_in)}, this one is {_by(size)}"
        note = Note("image of other proportions", detail)
        people = [_doubtful(person, str(note)) for person in frame.people]
    return replace(frame, people=tuple(people), notes=(*frame.notes, note))


def same_proportions(one: ImageSize, other: ImageSize) -> bool:
    """Whether one size is the other made larger or smaller, whole pixels apart."""
    width = one[1] * other[0] / other[1]  # of `one`, had it the other's proportions
    pixel = max(1.0, one[1] / other[1])  # what rounding the smaller one may make of it
    return abs(width - one[0]) <= max(SAME_ASPECT * one[0], pixel)


def _with_doubt_outside(frame: Frame, size: ImageSize, photo: PhotoSize | None) -> Frame:
    """The frame with a note and doubt where many of somebody's points lie outside the image."""
    whole = _share_outside(frame.people, size)
    if not whole:
        return frame
    shares = [_share_outside([person], size) for person in frame.people]
    before_turn = _fits_before_turn(frame.people, photo)
    if before_turn is None and not any(share > MOST_OUTSIDE for share in shares):
        return frame
    detail = f"{whole:.0%} of the points, image of {_by(size)}"
    fitting = before_turn or _size_that_fits(frame.people, size)
    if before_turn is not None:
        detail += (
            f"; they fit the photo before EXIF turns it: --keypoint-size {_words(before_turn)}"
        )
    elif fitting is not None:
        detail += f"; they would fit one of {_by(fitting)}: --keypoint-size {_words(fitting)}"
    else:
        detail += ": resized, cropped or turned?"
    note = Note("points outside the image", detail)
    people = [
        _doubtful(person, str(note)) if before_turn or share > MOST_OUTSIDE else person
        for person, share in zip(frame.people, shares, strict=True)
    ]
    return replace(frame, people=tuple(people), notes=(*frame.notes, note))


def _fits_before_turn(people: Sequence[Person], photo: PhotoSize | None) -> ImageSize | None:
    """The size of the photo as stored, where the points fit that alone."""
    if photo is None or photo.stored == photo.upright:
        return None
    fits = _share_outside(people, photo.stored) <= _FITS
    return photo.stored if fits and _share_outside(people, photo.upright) > 5 * _FITS else None


def _size_that_fits(people: Sequence[Person], size: ImageSize) -> ImageSize | None:
    """A usual multiple of the image's size that would hold the points."""
    for ratio in _LIKELY_RATIOS:
        larger = (round(size[0] * ratio), round(size[1] * ratio))
        if _share_outside(people, larger) <= _FITS:
            return larger
    return None


def _bounding_size(people: Sequence[Person]) -> ImageSize:
    """The smallest image that holds every seen point that is not far astray from its person."""
    farthest = _seen_points(people).max(0, initial=0)
    if farthest.max() > LARGEST_USUAL:
        farthest = np.zeros(2, np.float32)
        for person in people:
            xy = person.keypoints[:, :2]
            seen = person.keypoints[:, 2] > 0
            farthest = xy[seen & ~astray_of_one(xy, seen)].max(0, initial=0).clip(min=farthest)
    width, height = np.floor(farthest).astype(int) + 1
    return int(width), int(height)


def _share_outside(people: Sequence[Person], size: ImageSize) -> float:
    points = _seen_points(people)
    if not len(points):
        return 0.0
    x, y = points.T
    width, height = size
    across, down = MARGIN * width, MARGIN * height
    outside = (x < -across) | (x > width + across) | (y < -down) | (y > height + down)
    return float(outside.mean())


def _seen_points(people: Sequence[Person]) -> Float[np.ndarray, "points 2"]:
    nobody = np.zeros((0, 3), np.float32)  # so that there is something to join
    points = np.concatenate([nobody, *(person.keypoints for person in people)])
    return points[points[:, 2] > 0, :2]


def _xy(person: Person) -> Float[np.ndarray, "137 2"]:
    return person.keypoints[:, :2]


def _with_points(person: Person, xy: Float[np.ndarray, "137 2"]) -> Person:
    """The person with the seen points elsewhere."""
    keypoints = person.keypoints.copy()
    seen = keypoints[:, 2] > 0
    keypoints[seen, :2] = xy[seen]
    return replace(person, keypoints=keypoints)


def _doubtful(person: Person, why: str) -> Person:
    return replace(person, doubt=person.doubt or why)


def _by(size: ImageSize) -> str:
    return f"{size[0]}x{size[1]}"


def _words(size: ImageSize) -> str:
    return f"{size[0]} {size[1]}"
