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
    """All predictions of a file or folder, by photo and by frame.

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
            if prediction.photo:
                table.by_photo.setdefault(_stem(prediction.photo), []).append(prediction)
            elif prediction.frame is not None:
                table.by_number.setdefault(prediction.frame, []).append(prediction)
            else:
                table.notes.append(
                    f"a prediction of {prediction.system} names neither photo nor frame"
                )
        table.notes += reading.notes
        return table

    def of(self, frame: Frame) -> Sequence[Prediction]:
        """Those of a frame: under its photo's name, its own, or its number."""
        for name in (frame.photo, frame.stem):
            found = self.by_photo.get(_stem(name)) if name else None
            if found:
                return found
        number = _NUMBER.search(frame.stem)
        return self.by_number.get(int(number[1]), ()) if number else ()

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
        unused = [name for name, of in groups for one in of if id(one) not in self._used]
        notes = [Note("prediction not read", plain(note)) for note in self.notes]
        if unused:
            shown = ", ".join(dict.fromkeys(unused[:_SHOWN]))
            more = ", ..." if len(unused) > _SHOWN else ""
            said = f"{len(unused)} are of nobody who was fitted ({plain(shown)}{more})"
            notes.append(Note("predictions without a person", said))
        return tuple(notes)


def _stem(name: str) -> str:
    """A photo's name without folders and suffix."""
    return PurePosixPath(name.replace("\\", "/")).stem
