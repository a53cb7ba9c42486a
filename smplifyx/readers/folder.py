"""From a folder or a file of keypoints to frames of people, one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ..core.messages import one_line
from .frame_size import with_image_size
from .frames import Frame, KeypointError
from .hands import put_right
from .image_finder import ImageFinder
from .listing import ListedFile, list_files
from .options import AS_IT_COMES, ReadOptions
from .people_sidecar import with_facts
from .reader import ImagePeople, KeypointFile, Reader
from .reading import FrameReading
from .scores import with_scores
from .stems import plain_stem, safe_name
from .table import READERS


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
    formats. A frame's image has the same stem and lies in `images` or in the folder of the file;
    with `recursive`, subfolders are part of the stem on both sides. A file that cannot be read
    becomes a frame with a `problem`, and so does the second of two with the same stem. What was
    given and not used is in `leftovers` of the answer, after the last frame.

    Raises KeypointError, at once, when `source` or `images` does not exist or holds no such file.
    """
    source = Path(source)
    files = list_files(source, recursive, readers)
    own_folder = source if source.is_dir() else source.parent
    folders = (own_folder,)
    if images is not None:
        images = Path(images)
        if not images.is_dir():
            raise KeypointError(f"{images}: no such folder of images")
        folders = (images, own_folder)
    finder = ImageFinder.of(folders, recursive)
    return FrameReading(_read_files(files, finder, options, readers), leftovers=tuple)


def count_files(
    source: Path | str, recursive: bool = False, readers: Sequence[Reader] = READERS
) -> int:
    """How many keypoint files `read_frames` would read: its frames, where each file is of one
    image.
    """
    return len(list_files(Path(source), recursive, readers))


def _read_files(
    files: list[ListedFile],
    finder: ImageFinder,
    options: ReadOptions,
    readers: Sequence[Reader],
) -> Iterator[Frame]:
    """The frames of all files, each stem once."""
    file_of_stem: dict[str, Path] = {}
    for file in files:
        for frame in _read_file(KeypointFile(file.path, options), file.stem, finder, readers):
            first = file_of_stem.get(frame.stem)
            if first is None:
                file_of_stem[frame.stem] = file.path
                yield frame
            else:
                twice = f"{file.path}: {frame.stem!r} was already read from {first.name}"
                problem = frame.problem or twice
                yield Frame(stem=file.path.name, keypoint_file=file.path, problem=problem)
            del frame  # not to be kept alive while the next is read


def _read_file(
    file: KeypointFile, stem: str, finder: ImageFinder, readers: Sequence[Reader]
) -> Iterator[Frame]:
    """The frames of one file; what makes it unreadable becomes the problem of a single frame."""
    image = finder.find(stem)
    photo = "" if image is None else image.name
    empty = Frame(stem=stem, keypoint_file=file.path, image=image, photo=photo)
    try:
        reader = _reader_of(file, readers)
        for found in reader.read(file):
            yield _frame_of(with_scores(found, file.options), empty, finder)
    except (OSError, ValueError, RecursionError) as error:
        yield replace(empty, problem=f"{file.path}: {one_line(error, limit=None)}")


def _reader_of(file: KeypointFile, readers: Sequence[Reader]) -> Reader:
    """The first reader that recognises the file. Raises ValueError where none does."""
    lower_name = file.path.name.lower()
    # a file given by its own name may have any suffix: then its content has to tell
    fitting = [reader for reader in readers if lower_name.endswith(reader.suffixes)] or readers
    for reader in fitting:
        if reader.recognises(file):
            return reader
    raise ValueError(f"holds neither {' nor '.join(reader.content for reader in fitting)}")


def _frame_of(found: ImagePeople, empty: Frame, finder: ImageFinder) -> Frame:
    """One image of a file as a frame; `empty` is what the file's own name tells of it."""
    frame = replace(empty, people=found.people, notes=found.notes)
    if found.file_name is not None:
        stem = safe_name(plain_stem(found.file_name))
        image = finder.find_named(found.file_name)
        frame = replace(frame, stem=stem, image=image, photo=found.file_name)
    sized = with_image_size(frame, found.image_size)
    try:
        # looked for with `frame`, which still has an image that cannot be read: its folder counts
        people = tuple(put_right(person) for person in with_facts(frame))
        return replace(sized, people=people)
    except KeypointError as error:  # a frame whose people would be taken for others is not fitted
        return replace(sized, people=(), problem=str(error))
