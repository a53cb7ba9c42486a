"""OpenPose JSON as it really comes: versions 1.0 to 1.3 or none, parts missing, empty, renamed or
damaged; and what other tools write in its form.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from ..keypoints.layouts import LayoutName
from .documents import RecordList
from .frames import Person
from .people import AboutFile, image_of, read_people, read_person
from .reader import ImagePeople, KeypointFile

_MADE_INTO_BODY_25 = (LayoutName.MEDIAPIPE_33,)


class OpenPoseReader:
    """One image to a file: `people`, each with a list of numbers per part."""

    suffixes = (".json", ".json.gz")
    content = "OpenPose 'people'"

    def recognises(self, file: KeypointFile) -> bool:
        """Whether the document is an object with `people`."""
        return isinstance(file.document, dict) and "people" in file.document

    def read(self, file: KeypointFile) -> Iterator[ImagePeople]:
        """Every entry of `people`, in order, as one image. Raises ValueError when `people` is no
        list.
        """
        document = file.document
        assert isinstance(document, dict)  # as recognised
        people = read_openpose_people(document["people"], AboutFile(options=file.options))
        yield image_of(_of_stated_layout(people, document.get("layout")), about=document)


def _of_stated_layout(people: tuple[Person, ...], stated: object) -> tuple[Person, ...]:
    """People whose 25 points were made from another layout's, as `smplifyx predict` says of its
    own: where these points are on a body is that layout's idea.
    """
    layout = next((name for name in _MADE_INTO_BODY_25 if name.value == stated), None)
    if layout is None:
        return people
    return tuple(
        replace(person, layout=layout) if person.layout is LayoutName.BODY_25 else person
        for person in people
    )


def read_openpose_people(entries: object, about: AboutFile) -> tuple[Person, ...]:
    """The entries of `people`. Raises ValueError where it is no list."""
    if entries is None:
        return ()
    if not isinstance(entries, (list, RecordList)):
        raise ValueError(f"'people': expected a list, got {type(entries).__name__}")
    return read_people(entries, partial(read_person, about=about))
