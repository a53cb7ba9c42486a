"""The people of a video fitted: who is on a track as a clip, chunk after chunk, others alone.

What a chunk comes to depends on its frames, the track's shape and the last two results before it.
So every chunk whose results are on the disk is done, and a killed job goes on with the next.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

from ..body.model import BodyModel
from ..config import ClipConfig
from ..core.choices import Age, BodyAge, body_age
from ..core.messages import one_line
from ..core.threads import threads_at_once
from ..fitting.clip_fit import BANDS, ClipChunk, Clips
from ..fitting.result import FitResult, FitStatus
from .batches import Bodies, FitAnswer, FitTask, Item, stacked
from .fit_and_check import with_penetration
from .fit_recipe import FitRecipe
from .output import JobOutput
from .source import earlier_result, same_input
from .store import Store, StoreError, is_of_the_disk
from .summary import Row, row_of
from .track_measures import Movement, TrackLine, measured, write_tracks
from .tracking import write_table
from .video_tracks import TrackRow, VideoTrack, people_of_video

LOG = logging.getLogger(__name__)
ASKED_FOR_AGE = 5  # frames of a track that are fitted alone to tell a child's body


def fit_video(
    items: Sequence[Item],
    fps: float,
    recipe: FitRecipe,
    bodies: Bodies,
    size: int,
    store: Store,
    output: JobOutput,
) -> None:
    """Fits everybody in the frames of a video, and writes results and tables.

    fps: frame numbers that pass in a second. size: people fitted at once; no result depends on it.
    An error costs its track that, whose frames are then fitted alone. Raises OSError where the disk
    refuses.
    """
    people = people_of_video(items, fps)
    write_table(store.tracked_people, people.table)
    LOG.info("%d people are on %d tracks", len(people.on_tracks), len(people.tracks))
    lines = _LinesInOrder(items, output)
    job = _VideoJob(recipe, bodies, size, store, output, lines)
    alone = [
        (i, item.work)
        for i, item in enumerate(items)
        if isinstance(item.work, FitTask) and i not in people.on_tracks
    ]
    job.fit_alone(alone)
    going = [job.begun(track) for track in people.tracks]
    for group in job.groups(going):
        job.fit_group(group)
    write_tracks(store.tracks, [one.line(recipe.config.clip) for one in going])


class _LinesInOrder:
    """The lines of the summary in the order of the input, each as soon as those before it are
    known.
    """

    def __init__(self, items: Sequence[Item], output: JobOutput) -> None:
        self._items = items
        self._output = output
        self._rows = [None if isinstance(item.work, FitTask) else item.work for item in items]
        self._next = 0
        self._release()

    def tell(self, item: int, row: Row) -> None:
        """What became of an item."""
        self._rows[item] = row
        self._release()

    def _release(self) -> None:
        while self._next < len(self._rows):
            row = self._rows[self._next]
            if row is None:
                return
            self._output.write([replace(self._items[self._next], work=row)], ())
            self._next += 1


@dataclass(eq=False)
class _Going:
    """A track, how many of its frames are final, and what is kept of those."""

    track: VideoTrack
    done: int = 0
    last: FitResult | None = None  # of the last frames that are final
    age: BodyAge | None = None
    moved: list[Movement] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        return self.done == len(self.track.rows)

    def add(self, results: Sequence[FitResult], body: BodyModel) -> None:
        """The next frames are final."""
        # what the next chunk looks at is the body alone; not all results know the same of others
        bare = FitResult.stack([one.replace(energies={}, evidence={}) for one in results])
        self.done += len(results)
        self.last = bare[-BANDS:]
        self.age = body.age
        self.moved.append(Movement.of(bare, body))

    def line(self, clip: ClipConfig) -> TrackLine:
        """Of tracks.csv."""
        track = self.track
        task = track.rows[0].task
        line = TrackLine(
            track=track.number,
            clip=track.clip,
            first=track.rows[0].frame,
            last=track.rows[-1].frame,
            frames=len(track.rows),
            filled=len(track.rows) - len(track.seen),
            gender=task.gender.value,
        )
        if not self.is_done or self.last is None:
            return line
        line = replace(
            line,
            age=self.last.provenance.age,
            stature_m=float(self.last.shape.stature[-1]),
        )
        joins = [part.start for part in _parts(len(track.rows), clip)[1:]]
        return measured(line, Movement.cat(self.moved), joins, track.fps)


@dataclass(frozen=True, eq=False)
class _VideoJob:
    """What fits people of a video and puts the results on the disk."""

    recipe: FitRecipe
    bodies: Bodies
    size: int
    store: Store
    output: JobOutput
    lines: _LinesInOrder

    def fit_alone(self, people: Sequence[tuple[int, FitTask]]) -> None:
        """Fits people, with the number of each one's item, alone, unless an earlier run did."""
        left: list[tuple[int, FitTask]] = []
        for item, task in people:
            found = earlier_result(task, self.store)
            if found is None:
                left.append((item, task))
            else:
                self.lines.tell(item, row_of(task.stem, found))
        for start in range(0, len(left), self.size):
            some = left[start : start + self.size]
            answers = self.recipe.fitted([task for _, task in some], self.bodies)
            for (item, task), answer in zip(some, answers, strict=True):
                self.lines.tell(item, self.output.saved(task, answer))

    def begun(self, track: VideoTrack) -> _Going:
        """A track with the chunks of an earlier run that are whole."""
        going = _Going(track)
        first = track.rows[0].task
        for part in _parts(len(track.rows), self.recipe.config.clip):
            rows = track.rows[part.start : part.stop]
            found = self._earlier(track, rows)
            if found is None:
                break
            age = body_age(found[0].provenance.age)
            going.add(found, self.bodies.of(first.gender, age, first.detector))
            for row, result in zip(rows, found, strict=True):
                if row.item is not None:
                    self.lines.tell(row.item, row_of(row.task.stem, result))
        return going

    def _earlier(self, track: VideoTrack, rows: Sequence[TrackRow]) -> list[FitResult] | None:
        """The results of an earlier run for all of these frames; None where one is missing."""
        found: list[FitResult] = []
        for row in rows:
            if row.item is not None:
                result = earlier_result(row.task, self.store)
            else:
                result = self.store.existing_filled(track.number, row.frame)
                if result is not None and not same_input(result, row.task):
                    result = None
            if result is None:
                return None
            found.append(result)
        return found

    def groups(self, going: Sequence[_Going]) -> list[list[_Going]]:
        """The tracks that are not done, those together that are fitted side by side."""
        left = [one for one in going if not one.is_done]
        self._tell_ages([one for one in left if one.age is None])
        by_kind: dict[object, list[_Going]] = {}
        for one in left:
            evidence = tuple(type(kind).__name__ for kind in one.track.rows[0].task.evidence)
            by_kind.setdefault((one.track.kind, one.age, evidence), []).append(one)
        count = max(threads_at_once(), self.size // self.recipe.config.clip.chunk)
        groups: list[list[_Going]] = []
        for alike in by_kind.values():
            for start in range(0, len(alike), count):
                groups.append(alike[start : start + count])
        return groups

    def _tell_ages(self, going: Sequence[_Going]) -> None:
        """Whose proportions each track has: as the job or the input say, else as most of some
        frames do.
        """
        asked: list[tuple[_Going, FitTask]] = []
        for one in going:
            first = one.track.rows[0].task
            if first.age is Age.AUTO:
                one.age = Age.ADULT
                seen = one.track.seen
                if len(self.bodies.choice(first.gender, Age.AUTO, first.detector)) > 1:
                    places = torch.linspace(0, len(seen) - 1, ASKED_FOR_AGE).round().int().unique()
                    asked += [(one, seen[place].task) for place in places.tolist()]
            else:
                one.age = first.age
        told: dict[_Going, Counter[str]] = {}
        for start in range(0, len(asked), self.size):
            some = asked[start : start + self.size]
            answers = self.recipe.fitted([task for _, task in some], self.bodies)
            for (one, _), answer in zip(some, answers, strict=True):
                told.setdefault(one, Counter()).update(_age_told(answer))
        for one, ages in told.items():
            if ages[Age.CHILD.value] > ages[Age.ADULT.value]:
                one.age = Age.CHILD

    def fit_group(self, going: Sequence[_Going]) -> None:
        """Fits tracks of one kind side by side; where that fails, each by itself; where that fails,
        the frames that are left, each alone.
        """
        try:
            self._fit_together(going)
            return
        except Exception as error:
            if is_of_the_disk(error):
                raise
            numbers = ", ".join(str(one.track.number) for one in going)
            LOG.exception("tracks %s: not fitted together: %s", numbers, one_line(error))
        if len(going) > 1:
            for one in going:
                self.fit_group([one])
            return
        (one,) = going
        left: list[tuple[int, FitTask]] = []
        for row in one.track.rows[one.done :]:
            if row.item is not None:
                # without the hash: another run tries the track again
                origin = replace(row.task.origin, track_sha256="")
                left.append((row.item, replace(row.task, origin=origin)))
        self.fit_alone(left)

    def _fit_together(self, going: Sequence[_Going]) -> None:
        first = going[0].track.rows[0].task
        age = going[0].age
        assert age is not None, "groups() has told all ages"
        body = self.bodies.of(first.gender, age, first.detector)
        clips = Clips.of(body, self.recipe.config, going[0].track.fps)
        rows = [row for one in going for row in one.track.rows]
        keypoints, camera, evidence = stacked([row.task for row in rows], body.v_template.device)
        people = clips.fitter.gather(keypoints, camera, evidence)
        lengths = [len(one.track.rows) for one in going]
        tracks = torch.arange(len(rows), device=people.scale.device).split(lengths)
        done = {
            i: (one.done, one.last.to(device=people.scale.device))
            for i, one in enumerate(going)
            if one.last is not None
        }
        whose = [one for one in going for _ in one.track.rows]
        begun = time.perf_counter()
        with torch.no_grad():
            for at, found in clips.chunks(people, tracks, done):
                if bool((found.status == int(FitStatus.FAILED)).any()):
                    # the chunks that follow would begin with bodies that are none
                    raise ArithmeticError("a chunk has no finite solution")
                own = [rows[i] for i in at.tolist()]
                results = [found[i].to(device="cpu") for i in range(len(own))]
                results = with_penetration(results, [body])
                seconds = (time.perf_counter() - begun) / len(own)
                one = whose[int(at[0])]
                self._save(one.track, own, results, seconds)
                one.add(results, body)
                begun = time.perf_counter()

    def _save(
        self,
        track: VideoTrack,
        rows: Sequence[TrackRow],
        results: Sequence[FitResult],
        seconds: float,
    ) -> None:
        """Puts the results of frames that are final on the disk, in order of time."""
        for row, result in zip(rows, results, strict=True):
            told = result.replace(origin=replace(row.task.origin, seconds=seconds))
            if row.item is not None:
                self.lines.tell(row.item, self.output.saved(row.task, told))
                continue
            try:
                told.save(self.store.filled(track.number, row.frame))
            except (OSError, StoreError) as error:
                if is_of_the_disk(error):
                    raise
                LOG.warning("track %d, frame %d: %s", track.number, row.frame, error)


def _parts(length: int, clip: ClipConfig) -> list[range]:
    """The frames of a track that become final with each chunk."""
    found: list[range] = []
    begun = 0
    while begun < length:
        final = ClipChunk.after(begun, length, clip).final
        found.append(range(begun, final))
        begun = final
    return found


def _age_told(answer: FitAnswer) -> list[str]:
    """The age of a body that is a good fit."""
    if not isinstance(answer, FitResult) or int(answer.status) != FitStatus.OK:
        return []
    return [answer.provenance.age]
