"""The input of a job of several views: a folder for each calibrated camera, one task a person.

Everybody in every view has a line: who was matched with somebody that is fitted from another view
says so.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise, zip_longest
from pathlib import Path

import torch

from ..core.messages import plain
from ..fitting.views_fit import PeopleInViews
from ..keypoints import Keypoints, names
from ..keypoints.confidence import SEEN
from ..keypoints.layouts import trust
from ..parallel.prefetch import prefetch
from ..readers.calibrations import read_calibration
from ..readers.folder import read_frames
from ..readers.frames import Frame, KeypointError, Note, SizeSource
from ..readers.intrinsics import CameraChoice, CameraSource
from ..readers.reading import FrameReading
from ..readers.selection import Selection, select
from ..views.calibrated_camera import CalibratedCamera
from ..views.matching import MatchedPerson, match_people
from .batches import FitTask, Item
from .gender_order import GenderOrder, order_of
from .job import JobConfig
from .result_names import StemTable
from .source import READ_AHEAD, frame_row, in_words, task_of, task_or_done
from .store import Store
from .summary import Row, RowStatus

LOG = logging.getLogger(__name__)
INNER_FOLDERS = ("annots",)  # EasyMocap's, between the input and the folders of cameras
FEWEST_VIEWS = 2
NO_PARTNER = "cameras without a frame of that moment"
_NUMBER = re.compile(r"\d+")
# what else the name of a camera's folder says
_ENDING = re.compile(r"(json|keypoints|openpose|pose)$")


@dataclass(frozen=True)
class ViewFolder:
    """What one camera of a job has seen."""

    camera: CalibratedCamera
    folder: Path
    frames: FrameReading


@dataclass(frozen=True)
class SeenFrame:
    """One camera's frame of a moment, and whom of it the job selects."""

    frame: Frame
    stem: str
    camera: CalibratedCamera
    chosen: tuple[int, ...]  # places among `frame.people`
    reasons: dict[int, str]  # of those who are left out, by `Person.index`
    problem: str | None = None

    @property
    def keypoints(self) -> Keypoints:
        """Of those who are selected."""
        people = [self.frame.people[place] for place in self.chosen]
        if not people:
            return Keypoints.from_array([])
        return Keypoints.stack(
            [
                Keypoints.from_array(
                    person.keypoints, 1.0 if person.layout is None else trust(person.layout)
                )
                for person in people
            ]
        )


@dataclass(frozen=True)
class ViewsSource:
    """The input of a job of several views, as `Source` is that of one. Its items can be taken
    once.
    """

    job: JobConfig
    views: tuple[ViewFolder, ...]
    selection: Selection
    files: int
    genders: GenderOrder
    missing: tuple[Note, ...] = ()
    alone: list[str] = field(default_factory=list)  # frames of which some views have none

    def items(self, store: Store) -> Iterator[Item]:
        """One item per person and view, moment by moment; read ahead in a thread."""
        return prefetch(self._items(store), READ_AHEAD)

    @property
    def leftovers(self) -> tuple[Note, ...]:
        """What was given and not used; whole after the last item."""
        of_frames = chain.from_iterable(view.frames.leftovers for view in self.views)
        notes = (*self.missing, *dict.fromkeys(of_frames), *self.genders.leftovers)
        if not self.alone:
            return notes
        return (*notes, Note(NO_PARTNER, f"{len(self.alone)}; first: {self.alone[0]}"))

    def _items(self, store: Store) -> Iterator[Item]:
        stems = StemTable()
        for moment in moments([view.frames for view in self.views], self._sorted):
            seen: list[SeenFrame | None] = []
            for view, frame in zip(self.views, moment, strict=True):
                seen.append(None if frame is None else self._seen(view, frame, stems))
            present = [one for one in seen if one is not None]
            if len(present) < len(self.views):
                self.alone.append(present[0].stem)
            works = self._works(present, store)
            for one in present:
                *others, last = works[one.stem]
                for work in others:
                    yield Item(work)
                yield Item(last, ends_frame=True)

    @property
    def _sorted(self) -> bool:
        """Whether the frames of every view are numbered, in their order."""
        return all(_is_numbered(view.frames.stems) for view in self.views)

    def _seen(self, view: ViewFolder, frame: Frame, stems: StemTable) -> SeenFrame:
        stem = stems.claim(f"{view.folder.name}/{frame.stem}", frame.keypoint_file.name)
        frame = self.genders.told(frame)
        for note in frame.notes:
            LOG.info("%s: %s", stem, note)
        chosen, reasons = select(frame.people, self.selection)
        wanted = {person.index for person in chosen}
        places = tuple(p for p, person in enumerate(frame.people) if person.index in wanted)
        problem = frame.problem or _other_size(frame, view.camera)
        if view.camera.image_size is not None and frame.size_source is SizeSource.KEYPOINTS:
            # what was only a bound is told by the calibration
            frame = dataclasses.replace(
                frame, image_size=view.camera.image_size, size_source=SizeSource.SIDECAR
            )
        if problem is not None:
            places = ()
        return SeenFrame(frame, stem, view.camera, places, reasons, problem)

    def _works(self, seen: Sequence[SeenFrame], store: Store) -> dict[str, list[FitTask | Row]]:
        """Everybody of a moment, by the stem of the view's frame."""
        try:
            of_people = self._matched(seen, store)
        except Exception as error:  # whatever is odd about a moment costs no other
            LOG.exception("%s: its views: %s", seen[0].stem, error)
            words = in_words(error)
            of_people = {}
            for one in seen:
                for place in one.chosen:
                    person = one.frame.people[place]
                    row = frame_row(one.frame, one.stem, person, RowStatus.UNREADABLE, words)
                    of_people[one.stem, place] = row
        return {one.stem: self._of_frame(one, of_people) for one in seen}

    def _of_frame(
        self, one: SeenFrame, of_people: dict[tuple[str, int], FitTask | Row]
    ) -> list[FitTask | Row]:
        """Everybody of one view's frame, in order, or one line for a frame without people."""
        frame, stem = one.frame, one.stem
        if frame.problem is not None:
            return [frame_row(frame, stem, None, RowStatus.UNREADABLE, frame.problem)]
        if not frame.people:
            return [frame_row(frame, stem, None, RowStatus.NO_PEOPLE, "the file has no people")]
        works: list[FitTask | Row] = []
        for place, person in enumerate(frame.people):
            if (stem, place) in of_people:
                works.append(of_people[stem, place])
                continue
            unreadable = person.problem or one.problem
            status = RowStatus.UNREADABLE if unreadable else RowStatus.NOT_SELECTED
            reason = unreadable or one.reasons[person.index]
            works.append(frame_row(frame, stem, person, status, reason))
        return works

    def _matched(
        self, seen: Sequence[SeenFrame], store: Store
    ) -> dict[tuple[str, int], FitTask | Row]:
        """Those who are selected, by stem and place: a task in one view, a line in the others."""
        cameras = [one.camera for one in seen]
        matched = match_people(cameras, [one.keypoints for one in seen])
        found: dict[tuple[str, int], FitTask | Row] = {}
        for person in matched:
            found |= self._one_person(person, seen, store)
        return found

    def _one_person(
        self, matched: MatchedPerson, seen: Sequence[SeenFrame], store: Store
    ) -> dict[tuple[str, int], FitTask | Row]:
        places = {view: seen[view].chosen[matched.seen[view] or 0] for view in matched.views}
        people = self._in_views(matched, seen)
        reference = int(people.reference[0])
        own = seen[reference]
        person = own.frame.people[places[reference]]
        whose = self.genders.asked(person)
        camera = CameraChoice(people.camera[0], CameraSource.SIDECAR, "K of the calibration")
        task = task_of(own.frame, own.stem, person, camera, self.job, whose)
        evidence = (*task.evidence, people.views[0])
        task = dataclasses.replace(task, keypoints=people.keypoints[0], evidence=evidence)

        me = _whom(own, places[reference])
        found: dict[tuple[str, int], FitTask | Row] = {}
        found[own.stem, places[reference]] = task_or_done(task, store)
        for view, place in places.items():
            if view == reference:
                continue
            one = seen[view]
            LOG.info("%s is %s", _whom(one, place), me)
            same = one.frame.people[place]
            row = frame_row(one.frame, one.stem, same, RowStatus.NOT_SELECTED, f"fitted as {me}")
            found[one.stem, place] = row
        return found

    def _in_views(self, matched: MatchedPerson, seen: Sequence[SeenFrame]) -> PeopleInViews:
        """One person before all cameras of the job, those included that have not seen them: so
        that everybody has as many views.
        """
        by_name = {one.camera.name: number for number, one in enumerate(seen)}
        like = torch.zeros(())
        unseen = Keypoints.from_array(torch.zeros(1, names.COUNT, 3))
        cameras, views = [], []
        for view in self.views:
            cameras.append(view.camera)
            number = by_name.get(view.camera.name)
            person = None if number is None else matched.seen[number]
            if number is None or person is None:
                views.append(unseen)
            else:
                views.append(seen[number].keypoints[[person]])
        found = PeopleInViews.of(Keypoints.stack(views, 1), cameras, SEEN, like)
        # from the job's cameras to those of the moment
        name = cameras[int(found.reference[0])].name
        return found.replace(reference=torch.tensor([by_name[name]]))


def _whom(one: SeenFrame, place: int) -> str:
    return plain(f"{one.stem} person {one.frame.people[place].index}")


def _other_size(frame: Frame, camera: CalibratedCamera) -> str | None:
    """Why a frame is not of the camera as calibrated; None where it may be."""
    told = frame.size_source not in (None, SizeSource.KEYPOINTS)
    size, calibrated = frame.image_size, camera.image_size
    if not told or size is None or calibrated is None or tuple(size) == tuple(calibrated):
        return None
    return (
        f"the image is {size[0]}x{size[1]}, its camera {camera.name!r:.60} was calibrated at "
        f"{calibrated[0]}x{calibrated[1]}"
    )


def moments(readings: Sequence[FrameReading], numbered: bool) -> Iterator[tuple[Frame | None, ...]]:
    """The frames of all views moment by moment, None for a view that has none.

    numbered: frames of one number are of one moment, and come in the order of their numbers; else
    those of one place are.
    """
    if not numbered:
        yield from zip_longest(*readings)
        return
    coming = [next(reading, None) for reading in readings]
    while any(frame is not None for frame in coming):
        now = min(_number(frame.stem) for frame in coming if frame is not None)
        moment = [
            frame if frame is not None and _number(frame.stem) == now else None for frame in coming
        ]
        yield tuple(moment)
        for view, frame in enumerate(moment):
            if frame is not None:
                coming[view] = next(readings[view], None)


def open_views_source(job: JobConfig) -> ViewsSource:
    """The input of a job with a calibration.

    Raises KeypointError, IntrinsicsError, ValueError where files or options cannot be used.
    """
    assert job.views is not None, "the job has views"
    cameras = read_calibration(job.views)
    folders = _folders(job.keypoints)
    found: list[ViewFolder] = []
    without: list[str] = []
    for camera in cameras:
        folder = folders.pop(_plain_name(camera.name), None)
        if folder is None:
            without.append(camera.name)
            continue
        frames = read_frames(folder, _images(job.images, folder), options=job.read_options)
        found.append(ViewFolder(camera, folder, frames))
    if len(found) < FEWEST_VIEWS:
        names = ", ".join(plain(camera.name) for camera in cameras[:5])
        raise KeypointError(
            f"{job.keypoints}: {len(found)} folders are of cameras of {job.views}; expected one "
            f"for each, called like the camera: {names}"
        )
    counts = [len(view.frames.stems) for view in found]
    if len(set(counts)) > 1 and not all(_is_numbered(view.frames.stems) for view in found):
        raise KeypointError(
            f"{job.keypoints}: the views have {min(counts)} to {max(counts)} files, whose names "
            "have no numbers that tell which are of one moment"
        )
    missing: list[Note] = []
    if without:
        detail = f"{len(without)} of {len(cameras)}; first: {plain(without[0])}"
        missing.append(Note("cameras without a folder", detail))
    if folders:
        first = min(folder.name for folder in folders.values())
        missing.append(Note("folders of no camera", f"{len(folders)}; first: {plain(first)}"))
    selection = Selection(
        min_keypoints=job.min_keypoints, min_size_px=job.min_size, largest=job.largest
    )
    return ViewsSource(job, tuple(found), selection, sum(counts), order_of(job), tuple(missing))


def _folders(source: Path) -> dict[str, Path]:
    """The folders that may be of cameras, by their plain names."""
    if not source.is_dir():
        raise KeypointError(f"{source}: expected a folder with one folder for each camera")
    places = [source / inner for inner in INNER_FOLDERS if (source / inner).is_dir()] or [source]
    folders = sorted(path for path in places[0].iterdir() if path.is_dir())
    return {_plain_name(folder.name): folder for folder in folders}


def _images(images: Path | None, folder: Path) -> Path | None:
    """The folder of a camera's photos, where there is one."""
    if images is None:
        return None
    wanted = _plain_name(folder.name)
    own = (path for path in sorted(images.iterdir()) if path.is_dir())
    return next((path for path in own if _plain_name(path.name) == wanted), None)


def _plain_name(name: str) -> str:
    """The same for a camera, cam_01, and its folder, cam01_json."""
    letters = re.sub(r"[^a-z0-9]", "", name.lower())
    return _ENDING.sub("", letters) or letters


def _number(stem: str) -> int:
    """The last number in a frame's name; -1 where it has none."""
    found = _NUMBER.findall(stem.rpartition("/")[2])
    return int(found[-1][-18:]) if found else -1


def _is_numbered(stems: Sequence[str]) -> bool:
    """Whether each has a number, larger than that of the one before."""
    numbers = [_number(stem) for stem in stems]
    rising = all(before < after for before, after in pairwise(numbers))
    return bool(numbers) and numbers[0] >= 0 and rising
