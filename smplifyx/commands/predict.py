"""`smplifyx predict`: keypoints and starts from photos."""

from __future__ import annotations

from ..config import FieldError
from ..predict.folder import Looked, OutputFolders, predict_folder
from ..predict.opening import open_detector
from ..predict.silence import SilentDetector
from .bars import Bar
from .codes import DONE, NOTHING_DONE
from .options import PredictOptions
from .terminal import Terminal


def run(options: PredictOptions, terminal: Terminal) -> int:
    """Looks for people in every picture; bad only if no picture could be looked at.

    Raises FieldError for a folder that cannot be written to, DetectorError where there is nothing
    to detect with, PictureError where there are no pictures.
    """
    _check_folders(options)
    detector = SilentDetector(open_detector(options.task))
    folders = OutputFolders(out=options.out, images=options.images, drawn=options.draw)
    bar = Bar(options.quiet)

    def tell(looked: Looked) -> None:
        if looked.problem:
            terminal.complain(looked.problem)
        bar.step()

    bar.start(None, unit="picture")
    try:
        results = predict_folder(detector, options.pictures, folders, options.every, tell)
    finally:
        bar.end()
    looked_at = [looked for looked in results if not looked.problem]
    if not options.quiet:
        people = sum(looked.people for looked in looked_at)
        terminal.say(f"{people} people in {len(looked_at)} pictures; see {options.out}")
    return DONE if looked_at else NOTHING_DONE


def _check_folders(options: PredictOptions) -> None:
    """Raises FieldError for a folder of pictures that would be written into the photos' own."""
    photos = options.pictures if options.pictures.is_dir() else options.pictures.parent
    for field in ("images", "draw"):
        folder = getattr(options, field)
        if folder is not None and folder.resolve() == photos.resolve():
            raise FieldError(field, f"{folder}: the photos are there, and would be written over")
