"""The networks whose files are read, asked in this order, and the reading of a file or folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..body.model import BodyModel
from ..core.messages import one_line, plain
from .camerahmr import CameraHmrReader
from .cliff import CliffReader
from .documents import is_document
from .expose import ExPoseReader
from .gvhmr import GvhmrReader
from .hmr2 import Hmr2Reader
from .mean_hands import MeanHands
from .multihmr import MultiHmrReader
from .nlf import NlfReader
from .own_results import OwnResultReader
from .pixie import PixieReader
from .plain import PlainReader
from .prediction import Prediction
from .prompthmr import PromptHmrReader
from .pymafx import PyMafXReader
from .reader import PredictionFile, PredictionReader, reason_of
from .sam3dbody import Sam3dBodyReader
from .smplerx import SmplerXReader, is_meta
from .spin import SpinReader
from .tram import TramReader, is_camera
from .wham import WhamReader

READERS: tuple[PredictionReader, ...] = (
    OwnResultReader(),
    PromptHmrReader(),
    GvhmrReader(),
    TramReader(),
    WhamReader(),
    PyMafXReader(),
    PixieReader(),
    ExPoseReader(),
    MultiHmrReader(),
    Sam3dBodyReader(),
    CameraHmrReader(),  # before HMR2, whose names it shares
    Hmr2Reader(),
    CliffReader(),
    NlfReader(),
    SpinReader(),
    SmplerXReader(),
    PlainReader(),  # last: its names are those of others, too
)
DEEPEST = 16  # folders within folders
MOST_FILES = 1_000_000
KEYPOINTS = ("_keypoints.json", ".people.json", ".camera.json")
_SHOWN = 3  # names of files that are passed over


class PredictionError(ValueError):
    """Nothing that can be read: the message is one line that names the path and what is read."""


def read_predictions(
    source: Path | str,
    body: BodyModel | None = None,
    readers: Sequence[PredictionReader] = READERS,
) -> PredictionReading:
    """The people of a file, or of all files of a folder and the folders in it, by name.

    Files are told by their content. body: whose mean hand is added to the hands of networks that
    leave it out (None: the embedded body's, see `mean_hands`). Raises PredictionError, in one line:
    at once where `source` does not exist, and from the iterator's end where nobody was read.
    """
    path = Path(source)
    if not path.exists():
        raise PredictionError(f"{plain(str(path))}: no such file or folder")
    return PredictionReading(path, MeanHands(body), readers)


@dataclass(eq=False)
class PredictionReading(Iterator[Prediction]):
    """An iterator over people that afterwards knows what was not read.

    notes: a line for each person or file that could not be read, and what else is to be known;
    whole once the last person was given.
    """

    source: Path
    hands: MeanHands
    readers: Sequence[PredictionReader]
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._people = self._read()

    def __iter__(self) -> PredictionReading:
        return self

    def __next__(self) -> Prediction:
        return next(self._people)

    def _read(self) -> Iterator[Prediction]:
        is_folder = self.source.is_dir()
        passed_over: list[str] = []
        count = 0
        for path in _files(self.source, self.notes) if is_folder else (self.source,):
            name = plain(str(path.relative_to(self.source)) if is_folder else path.name)
            file = PredictionFile(path, name, self.hands)
            if is_folder and path.name.lower().endswith(KEYPOINTS):
                continue  # what a prediction goes with lies beside it
            if is_folder and not self._is_worth_reading(file):
                passed_over.append(name)
                continue
            for prediction in self._read_file(file):
                count += 1
                yield prediction
            self.notes += file.notes
        if passed_over:
            shown = ", ".join(passed_over[:_SHOWN]) + (", ..." if passed_over[_SHOWN:] else "")
            self.notes.append(f"{len(passed_over)} files that hold no data passed over: {shown}")
        self.notes += self.hands.notes()
        if not count:
            supported = ", ".join(reader.content for reader in self.readers)
            why = f" ({self.notes[0]})" if self.notes else ""
            raise PredictionError(
                f"{plain(str(self.source))}: no prediction in it{why}; supported are {supported}"
            )

    def _is_worth_reading(self, file: PredictionFile) -> bool:
        """Whether a file of a folder begins as data; one that cannot be opened is, for its note."""
        try:
            return is_document(file.path)
        except (OSError, ValueError):
            return True

    def _read_file(self, file: PredictionFile) -> Iterator[Prediction]:
        try:
            content = file.content
            if is_meta(content) or is_camera(content):
                return  # read with another file, or not needed
            reader = self._reader_of(file)
            if reader is None:
                file.note("not a prediction of any network that is known")
                return
            yield from reader.read(file)
        except Exception as error:  # whatever it is, it is this file's
            file.note(reason_of(error))

    def _reader_of(self, file: PredictionFile) -> PredictionReader | None:
        """The first reader that knows the file; one that stumbles over it does not.

        Raises what the first one stumbled over where none knows it.
        """
        fault: Exception | None = None
        for reader in self.readers:
            try:
                if reader.recognises(file):
                    return reader
            except Exception as error:  # odd values under known names
                fault = fault or error
        if fault is not None:
            raise fault
        return None


def _files(folder: Path, notes: list[str]) -> Iterator[Path]:
    """The files of a folder and of those in it, in order; links to folders are not followed."""
    left = MOST_FILES
    for here, folders, names in os.walk(folder, onerror=lambda error: notes.append(_said(error))):
        depth = len(Path(here).relative_to(folder).parts)
        folders[:] = sorted(name for name in folders if name[0] != "." and depth < DEEPEST)
        for name in sorted(names):
            if name[0] != ".":
                yield Path(here, name)
                left -= 1
            if not left:
                notes.append(f"more than {MOST_FILES} files: the rest is left out")
                return


def _said(error: OSError) -> str:
    return f"{plain(str(error.filename))}: {one_line(error)}"
