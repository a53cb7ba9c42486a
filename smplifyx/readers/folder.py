"""From a folder or a file of keypoints to frames of people, one at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..core.messages import one_line, plain
from .frame_size import with_image_size
from .frames import Frame, KeypointError, Note, Person, unusable
from .hands import put_right
from .image_finder import ImageFinder
from .listing import ListedFile, Listing, list_source
from .options import AS_IT_COMES, ReadOptions
from .people_sidecar import with_facts
from .reader import ImagePeople, KeypointFile, Reader
from .reading import FrameReading
from .scores import with_scores
from .stems import plain_stem, safe_name
from .table import READERS
from .wrong_input import SOLID, holds_only_solid_points, is_wrong, kind_of_file, refusal


def read_frames(
    source: Path | str,
    images: Path | str | None = None,
    recursive: bool = False,
    options: ReadOptions = AS_IT_COMES,
    readers: Sequence[Reader] = READERS,
) -> FrameReading:
    """Every frame of a folder of keypoint files, or of one file, sorted by stem and read one at a
    time.

    Files are `X_keypoints.json` or `X.json`: OpenPose (one frame each), or COCO, COCO-WholeBody and
    Halpe annotations or results (a frame per image), told apart by their content; `readers` are the
    formats. A frame's image has the same name, or one that means the same (see `image_finder`), and
    lies in `images` or in the folder of the file; with `recursive`, folders within are part of the
    stem on both sides. A file or an image of a file that cannot be read becomes a frame with a
    `problem`. A frame whose stem was already read gets one of its own. What was given and not used
    is in `leftovers` of the answer, after the last frame.

    Raises KeypointError, at once, when `source` or `images` does not exist, holds no such file, or
    is something else.
    """
    images = None if images is None else Path(images)
    listing = list_source(Path(source), images, recursive, readers)
    folders = [listing.folder]
    if listing.images is not None:
        folders.insert(0, listing.images)
    stems = [file.stem for file in listing.files]
    finder = ImageFinder(folders, recursive, stems, asked_for=listing.images is not None)
    frames = _Frames(listing, finder, options, readers)
    return FrameReading(
        frames.read(), stems=stems, leftovers=lambda: (*listing.notes, *finder.leftovers())
    )


def count_files(
    source: Path | str, recursive: bool = False, readers: Sequence[Reader] = READERS
) -> int:
    """How many keypoint files `read_frames` would read: its frames, where each file is of one
    image.
    """
    return len(list_source(Path(source), None, recursive, readers).files)


@dataclass
class _Frames:
    """The frames of all files of a listing, each under a stem of its own."""

    listing: Listing
    finder: ImageFinder
    options: ReadOptions
    readers: Sequence[Reader]
    file_of_stem: dict[str, Path] = field(default_factory=dict)

    def read(self) -> Iterator[Frame]:
        """One frame after the other; none is kept."""
        for file in self.listing.files:
            for frame in self._read_file(file):
                yield self._claimed(frame)
                del frame  # not to be kept alive while the next is read

    def _claimed(self, frame: Frame) -> Frame:
        """The frame under a stem that no frame before it has."""
        first = self.file_of_stem.get(frame.stem)
        if first is None:
            self.file_of_stem[frame.stem] = frame.keypoint_file
            return frame
        file_name = safe_name(frame.keypoint_file.name).partition(".")[0]
        own = base = f"{frame.stem}_{file_name}"
        for count in itertools.count(2):
            if own not in self.file_of_stem:
                break
            own = f"{base}_{count}"
        self.file_of_stem[own] = frame.keypoint_file
        note = Note("image named twice", f"{frame.stem} was already read from {first.name}")
        return replace(frame, stem=own, notes=(*frame.notes, note))

    def _read_file(self, listed: ListedFile) -> Iterator[Frame]:
        """The frames of one file; what makes it unreadable becomes the problem of a single
        frame.
        """
        file = KeypointFile(listed.path, self.options)
        try:
            reader = _reader_of(file, self.readers)
            for found in reader.read(file):
                yield self._frame_of(found, file, listed)
        except Exception as error:  # the boundary of a file: whatever it makes a reader raise
            image = self.finder.find(listed.stem, needed=False).path
            yield Frame(
                stem=listed.stem,
                keypoint_file=file.path,
                image=image,
                photo="" if image is None else image.name,
                problem=_why_unreadable(file, error, self.readers),
            )

    def _frame_of(self, found: ImagePeople, file: KeypointFile, listed: ListedFile) -> Frame:
        """One image of a file as a frame. Whatever goes wrong costs this image alone."""
        name = found.file_name
        stem = listed.stem if name is None else _stem_of_named(name, listed.inner)
        frame = Frame(stem=stem, keypoint_file=file.path, photo=name or "", notes=found.notes)
        try:
            return self._filled(frame, with_scores(found, self.options), file, listed)
        except KeypointError as error:
            return replace(frame, problem=one_line(error, limit=None))
        except Exception as error:  # the boundary of an image
            return replace(frame, problem=_in_words(file.path, error))

    def _filled(
        self, frame: Frame, found: ImagePeople, file: KeypointFile, listed: ListedFile
    ) -> Frame:
        """The frame with its image, size and people; raises KeypointError where people would be
        taken for others.
        """
        if found.file_name is None:
            image = self.finder.find(listed.stem)
        else:
            image = self.finder.find_named(found.file_name, listed.inner, file.path)
        photo = frame.photo or ("" if image.path is None else image.path.name)
        frame = replace(
            frame,
            image=image.path,
            photo=photo,
            people=() if found.problem else _without_solid(found, file),
            problem=found.problem,
            notes=(*found.notes, *image.notes),
        )
        if found.problem is not None:
            return frame
        # facts first: a photo that cannot be read is left out with the size, but its folder counts
        people = with_facts(frame)
        if people is not frame.people:
            frame = replace(frame, people=people)
        sized = with_image_size(frame, found.image_size, found.units, self.options.keypoint_size)
        return replace(sized, people=tuple(put_right(person) for person in sized.people))


def _stem_of_named(name: str, inner: str) -> str:
    """The stem of an image that a file names; the folder of the file is part of it."""
    stem = safe_name(plain_stem(name))
    return f"{inner}/{stem}" if inner and not stem.startswith(f"{inner}/") else stem


def _reader_of(file: KeypointFile, readers: Sequence[Reader]) -> Reader:
    """The first reader that recognises the file. Raises ValueError where none does."""
    lower_name = file.path.name.lower()
    # a file given by its own name may have any suffix: then its content has to tell
    fitting = [reader for reader in readers if lower_name.endswith(reader.suffixes)] or readers
    for reader in fitting:
        if reader.recognises(file):
            return reader
    if _is_solid(file):
        raise ValueError(SOLID)
    raise ValueError(f"holds neither {' nor '.join(reader.content for reader in fitting)}")


def _is_solid(file: KeypointFile) -> bool:
    """Whether a file, if it is JSON, has its points in space."""
    try:
        return holds_only_solid_points(file.document)
    except (OSError, ValueError):
        return False


def _without_solid(found: ImagePeople, file: KeypointFile) -> tuple[Person, ...]:
    """The people; of a file with points in space alone, that is what is wrong with each."""
    unseen = [person for person in found.people if not person.keypoints.any()]
    if not unseen or found.file_name is not None or not _is_solid(file):
        return found.people
    return tuple(
        replace(unusable(person.index, SOLID), id=person.id) if person in unseen else person
        for person in found.people
    )


def _why_unreadable(file: KeypointFile, error: Exception, readers: Sequence[Reader]) -> str:
    """What is wrong with a file: what it is, where that is known, else what its reader says."""
    kind = kind_of_file(file.path)
    suffixes = tuple(suffix for reader in readers for suffix in reader.suffixes)
    if kind is None or not is_wrong(kind, file.path.name, suffixes):
        return _in_words(file.path, error)
    return plain(refusal(file.path, kind), limit=None)


def _in_words(path: Path, error: Exception) -> str:
    reason = one_line(error, limit=None)
    if isinstance(error, (OSError, ValueError)):  # a reader's own words
        return plain(f"{path}: {reason}", limit=None)
    return plain(f"{path}: not readable ({type(error).__name__}: {reason})", limit=None)
