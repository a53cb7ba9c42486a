"""The predictions of a job: found for each frame by its name or number, matched to its people, or
named by the sidecars of single people.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from ..body.loading.files import load_body
from ..body.model import BodyModel
from ..camera import Camera
from ..core.messages import plain
from ..keypoints import Keypoints
from ..predictions.matching import Match, matched
from ..predictions.prediction import Prediction
from ..predictions.table import PredictionError, read_predictions
from ..readers.frames import Frame, NamedStart, Note

_NUMBER = re.compile(r"(\d+)$")
_SHOWN = 3  # names of photos whose predictions nobody has
MOST_KEPT = 8  # files that sidecars name: a video's is named again and again


@dataclass(eq=False)
class StartTable:
    """All predictions of a file or folder: by photo, or by the number of a frame, whose video may
    be told.

    body: poses what is told in rotations. predictions: all, in the order read. notes: what could
    not be read.
    """

    body: BodyModel
    predictions: list[Prediction] = field(default_factory=list)
    by_photo: dict[str, list[Prediction]] = field(default_factory=dict)
    by_number: dict[int, list[Prediction]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _used: set[int] = field(default_factory=set)  # ids of predictions

    @classmethod
    def read(cls, source: Path, body: BodyModel) -> StartTable:
        """Raises PredictionError, one line, where nothing can be read."""
        table = cls(body)
        reading = read_predictions(source, body)
        for prediction in reading:
            table.add(prediction)
        table.notes += reading.notes
        return table

    def add(self, prediction: Prediction) -> None:
        """One more, under all that it names."""
        self.predictions.append(prediction)
        if prediction.frame is not None:
            self.by_number.setdefault(prediction.frame, []).append(prediction)
        if prediction.photo:
            self.by_photo.setdefault(_stem(prediction.photo), []).append(prediction)
        if _names_nothing(prediction):
            self.notes.append(f"a prediction of {prediction.system} names neither photo nor frame")

    def of(self, frame: Frame) -> Sequence[Prediction]:
        """Those of a frame: under its photo's name or its own, or under its number, where what is
        told of the photo is the same photo, its video, or nothing.
        """
        own = [_stem(name) for name in (frame.photo, frame.stem) if name]
        for name in own:
            found = self.by_photo.get(name)
            if found:
                return found
        number = _NUMBER.search(frame.stem)
        numbered = self.by_number.get(int(number[1]), ()) if number else ()
        return [one for one in numbered if _is_of(one, own)]

    def matches(
        self, frame: Frame, keypoints: Sequence[Keypoints], camera: Camera
    ) -> list[tuple[Match, str]]:
        """What is told of each person, and by which network."""
        predictions = self.of(frame)
        if not keypoints:
            return []
        people = Keypoints.stack(list(keypoints))
        cameras = Camera.stack([camera] * len(keypoints))
        answers: list[tuple[Match, str]] = []
        for match in matched(predictions, people, cameras, self.body):
            system = ""
            if match.place is not None:
                prediction = predictions[match.place]
                self._used.add(id(prediction))
                system = plain(prediction.system)
            answers.append((match, system))
        return answers

    def leftovers(self) -> tuple[Note, ...]:
        """What was given and is nobody's; whole after the last frame."""
        unused = [
            _stem(one.photo) or str(one.frame)
            for one in self.predictions
            if id(one) not in self._used and not _names_nothing(one)
        ]
        notes = [Note("prediction not read", plain(note)) for note in self.notes]
        if unused:
            shown = ", ".join(dict.fromkeys(unused[:_SHOWN]))
            more = ", ..." if len(unused) > _SHOWN else ""
            said = f"{len(unused)} are of nobody who was fitted ({plain(shown)}{more})"
            notes.append(Note("predictions without a person", said))
        return tuple(notes)


@dataclass(eq=False)
class NamedStarts:
    """The predictions that sidecars name, each file read when it is first named; the last few are
    kept.

    model: the body model of the job. notes: what could not be read, each once.
    """

    model: Path | None
    notes: dict[str, None] = field(default_factory=dict)
    _kept: dict[Path, StartTable] = field(default_factory=dict)

    @cached_property
    def body(self) -> BodyModel:
        """Poses what is told in rotations."""
        return load_body(self.model)

    def match(
        self, start: NamedStart, frame: Frame, keypoints: Keypoints, camera: Camera
    ) -> tuple[Match, str]:
        """What is told of the person, and by which network; of several the nearest.

        Raises PredictionError, one line that names the sidecar, where the file cannot be used.
        """
        try:
            found = _named_in(self._table(start.file), start.person, frame)
        except PredictionError as error:
            raise PredictionError(f"{start.said_by}: start: {error}") from error
        (match,) = matched(found, Keypoints.stack([keypoints]), Camera.stack([camera]), self.body)
        return match, "" if match.place is None else plain(found[match.place].system)

    def leftovers(self) -> tuple[Note, ...]:
        """What of the files could not be read."""
        return tuple(Note("prediction not read", plain(note)) for note in self.notes)

    def _table(self, file: Path) -> StartTable:
        if file not in self._kept:
            if len(self._kept) >= MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            table = StartTable(self.body)
            reading = read_predictions(file, self.body)
            for prediction in reading:
                table.add(prediction)
            self.notes |= dict.fromkeys(reading.notes)
            self._kept[file] = table
        return self._kept[file]


def _named_in(table: StartTable, person: int | None, frame: Frame) -> Sequence[Prediction]:
    """The predictions of a file that may be meant."""
    everybody = table.predictions
    if person is not None:
        if person >= len(everybody):
            raise PredictionError(f"person is {person}, the file has {len(everybody)} people")
        return [everybody[person]]
    if len(everybody) == 1:
        return everybody
    found = table.of(frame) or [one for one in everybody if _names_nothing(one)]
    if not found:
        raise PredictionError(
            f"none of the {len(everybody)} people in the file is of this photo: "
            "say which by its person"
        )
    return found


def _names_nothing(prediction: Prediction) -> bool:
    """Whether neither photo nor frame is told."""
    return prediction.frame is None and not prediction.photo


def _is_of(prediction: Prediction, names: Sequence[str]) -> bool:
    """Whether a prediction of a frame's number may be of the frame of these names."""
    told = _stem(prediction.photo)
    return not told or any(name.startswith(told) or name.endswith(told) for name in names)


def _stem(name: str) -> str:
    """A photo's name without folders and suffix."""
    return PurePosixPath(name.replace("\\", "/")).stem
