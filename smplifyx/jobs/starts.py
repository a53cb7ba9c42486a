"""The predictions of a job: found for each frame by its name or number, matched to its people."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ..body.model import BodyModel
from ..camera import Camera
from ..core.messages import plain
from ..keypoints import Keypoints
from ..predictions.matching import Match, matched
from ..predictions.prediction import Prediction
from ..predictions.table import read_predictions
from ..readers.frames import Frame, Note

_NUMBER = re.compile(r"(\d+)$")
_SHOWN = 3  # names of photos whose predictions nobody has


@dataclass(eq=False)
class StartTable:
    """All predictions of a file or folder: by photo, or by the number of a frame, whose video may
    be told.

    body: poses what is told in rotations. notes: what could not be read.
    """

    body: BodyModel
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
        if prediction.frame is not None:
            self.by_number.setdefault(prediction.frame, []).append(prediction)
        if prediction.photo:
            self.by_photo.setdefault(_stem(prediction.photo), []).append(prediction)
        if prediction.frame is None and not prediction.photo:
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
        groups = [*self.by_photo.items(), *((str(n), of) for n, of in self.by_number.items())]
        name_of: dict[int, str] = {}  # each once, however many names it is found by
        for name, predictions in groups:
            for prediction in predictions:
                name_of.setdefault(id(prediction), name)
        unused = [name for one, name in name_of.items() if one not in self._used]
        notes = [Note("prediction not read", plain(note)) for note in self.notes]
        if unused:
            shown = ", ".join(dict.fromkeys(unused[:_SHOWN]))
            more = ", ..." if len(unused) > _SHOWN else ""
            said = f"{len(unused)} are of nobody who was fitted ({plain(shown)}{more})"
            notes.append(Note("predictions without a person", said))
        return tuple(notes)


def _is_of(prediction: Prediction, names: Sequence[str]) -> bool:
    """Whether a prediction of a frame's number may be of the frame of these names."""
    told = _stem(prediction.photo)
    return not told or any(name.startswith(told) or name.endswith(told) for name in names)


def _stem(name: str) -> str:
    """A photo's name without folders and suffix."""
    return PurePosixPath(name.replace("\\", "/")).stem
