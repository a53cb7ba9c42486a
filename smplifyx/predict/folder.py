"""Everybody in a folder of pictures, as keypoint files; what is wrong with one costs only it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..core.messages import one_line, plain
from ..viz.images import write_image
from ..viz.points import draw_points
from ..viz.scene import Figure
from .keypoint_files import write_people
from .people_detector import PeopleDetector
from .pictures import SourcePicture, pictures_of

COLOUR = (1.0, 1.0, 1.0)  # of bodies, which are not drawn


@dataclass(frozen=True)
class OutputFolders:
    """Where to write.

    out: folder for keypoints and predictions.
    images: folder for the pictures, as JPEG; None: not written.
    drawn: folder for the pictures with the points in them, as JPEG; None: not written.
    """

    out: Path
    images: Path | None = None
    drawn: Path | None = None


@dataclass(frozen=True)
class Looked:
    """What came of one picture: how many people, or (problem) why nothing did, one line."""

    stem: str
    people: int
    problem: str = ""


def predict_folder(
    detector: PeopleDetector,
    source: Path,
    folders: OutputFolders,
    every: int = 1,
    tell: Callable[[Looked], None] | None = None,
) -> list[Looked]:
    """Looks for people in a photo, every so manieth frame of a video, or all of a folder.

    tell: is called after each picture. Raises PictureError where there are no pictures, and OSError
    where nothing can be written.
    """
    results: list[Looked] = []
    for picture in pictures_of(source, every):
        looked = _look(detector, picture, folders)
        results.append(looked)
        if tell is not None:
            tell(looked)
    return results


def _look(detector: PeopleDetector, picture: SourcePicture, folders: OutputFolders) -> Looked:
    if picture.image is None:
        return Looked(picture.stem, 0, plain(picture.problem))
    try:
        people = detector.detect(picture.image)
    except Exception as error:  # whatever a network stumbles over is this picture's
        return Looked(picture.stem, 0, f"{plain(picture.stem)}: {one_line(error)}")
    write_people(folders.out, picture.stem, picture.photo, people)
    if folders.images is not None:
        write_image(folders.images / f"{picture.stem}.jpg", picture.image)
    if folders.drawn is not None:
        figures = [Figure(COLOUR, keypoints=person.keypoints) for person in people]
        write_image(folders.drawn / f"{picture.stem}.jpg", draw_points(picture.image, figures))
    return Looked(picture.stem, len(people))
