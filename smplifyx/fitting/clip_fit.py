"""Frames of one person fitted together: one shape, motion as bodies move, gaps filled.

Frames spread over a track tell its one shape first (`Clips.shapes`). Then chunks of frames follow
one another. Each frame of a chunk is looked at alone by the stages that try hypotheses; a path
through the bodies that survive them decides what is ambiguous (`paths`); and the stages that are
left run over the frames together, whose points move evenly (`problem.motion`). A chunk looks some
frames ahead, and begins with the last two frames of the chunk before, which are held: so there is
no seam, memory does not grow with the clip, and whoever has the results of a chunk can go on with
the next. See docs/clips.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..body import skinning
from ..body.model import BodyModel
from ..camera import Camera
from ..config import Block, ClipConfig, FitConfig, StageConfig, as_preset
from ..core import rotations
from ..core.bundle import Bundle
from ..core.invariant_linalg import whole_rows
from ..core.threads import even, one_thread_per_operation, side_by_side
from ..features.variables import State
from ..keypoints import Keypoints, names
from ..problem.couplings import Frames, Tied
from ..problem.motion import BANDS
from ..solvers import LevenbergMarquardt
from .alternatives import Alternatives, middle_of_hips
from .batch import FitBatch
from .even_motion import even_motion
from .fitter import Fitter, nobody, result_of
from .hypotheses import Hypotheses
from .motion_card import MotionCard, load_motion
from .paths import best_path
from .result import FitResult
from .schedule import StagesOutcome, Survivors, survivors_of
from .setup import FitSetup, setup_of
from .stage_problem import StageProblem
from .templates import neutral_state

# of a stage over frames together: they begin near where they end
SOLVER = LevenbergMarquardt(max_steps=6, tolerance=1e-3)
SHAPE_SOLVER = LevenbergMarquardt(max_steps=20, tolerance=1e-3)


@dataclass(frozen=True)
class ClipRows:
    """Which frame of which track each row is: rows of a track stand together, frame after frame.

    There is a row for every frame between a track's first and last: of those in which the person
    was not seen, without any keypoint.
    """

    track: Int[Tensor, " rows"]
    frame: Int[Tensor, " rows"]
    fps: float

    def check(self, count: int) -> None:
        """Raises ValueError where rows are missing, torn apart or of another number."""
        if len(self.track) != count or len(self.frame) != count:
            raise ValueError(f"clip: {len(self.track)} rows, the batch has {count}")
        if not 1 <= self.fps <= 1000:
            raise ValueError(f"clip: fps should be 1..1000, got {self.fps:g}")
        same = self.track.diff() == 0
        if len(torch.unique_consecutive(self.track)) != len(torch.unique(self.track)):
            raise ValueError("clip: the rows of a track must stand together")
        if bool((self.frame.diff()[same] != 1).any()):
            raise ValueError("clip: a track needs a row for each frame, in order of time")

    def of_tracks(self) -> list[Int[Tensor, " frames"]]:
        """The rows of each track."""
        _, counts = torch.unique_consecutive(self.track, return_counts=True)
        rows = torch.arange(len(self.track), device=self.track.device)
        return list(rows.split(counts.tolist()))


@dataclass(frozen=True, eq=False)
class ClipChunk:
    """Frames of a track that are solved together.

    frames: which ones of the track; the first `held` of them are final already, and from `final` on
    they are only looked at.
    """

    frames: range
    held: int
    final: int

    @classmethod
    def after(cls, begun: int, length: int, clip: ClipConfig) -> ClipChunk:
        """The next chunk of a track of `length` frames whose first `begun` are final."""
        stop = min(begun + clip.chunk + clip.ahead, length)
        held = min(begun, BANDS)
        final = stop if stop == length else begun + clip.chunk
        return cls(range(begun - held, stop), held, final)

    @property
    def fresh(self) -> range:
        """The frames of the track that become final."""
        return range(self.frames.start + self.held, self.final)


def fit_clips(
    keypoints: Keypoints,
    camera: Camera,
    body: BodyModel,
    rows: ClipRows,
    config: FitConfig | str | Path | None = None,
    evidence: Sequence[Bundle] = (),
) -> FitResult:
    """Fits the frames of tracks together; a result for each row, in their order.

    keypoints, camera, evidence: as `Fitter.fit` takes them, one row per frame of a track. Raises
    ValueError as it does, and as `ClipRows.check` does.
    """
    rows.check(len(keypoints.confidence))
    clips = Clips.of(body, config or "smplx", rows.fps)
    with torch.no_grad():
        people = clips.fitter.gather(keypoints, camera, evidence)
        if not len(people):
            return nobody(people)
        found = list(clips.chunks(people, rows.of_tracks()))
        at = torch.cat([where for where, _ in found])
        return FitResult.cat([result for _, result in found])[torch.argsort(at)]


def single_stages(config: FitConfig) -> int:
    """How many of the preset's stages look at a frame alone: those up to the last that chooses
    among hypotheses.
    """
    choosing = [i for i, stage in enumerate(config.stages) if stage.merge or stage.mirror]
    last = max(choosing, default=len(config.stages) - 2)
    return max(min(last + 1, len(config.stages) - 1), 1)


@dataclass(frozen=True, eq=False)
class Clips:
    """Fits tracks with one body under one preset, at so many frames a second."""

    fitter: Fitter
    alone: FitSetup  # of the stages that look at a frame alone
    card: MotionCard
    fps: float

    @classmethod
    def of(cls, body: BodyModel, config: FitConfig | str | Path, fps: float) -> Clips:
        """For a body, a preset and a frame rate."""
        # the body keeps its constants: tracks of one body are fitted in many groups
        fitter = Fitter(setup_of(body, as_preset(config)))
        preset = fitter.setup.config
        stages = list(preset.stages[: single_stages(preset)])
        stages[-1] = stages[-1].model_copy(update={"keep": preset.clip.survivors})
        shortened = preset.model_copy(update={"stages": tuple(stages)})
        return cls(fitter, setup_of(fitter.setup.body, shortened), load_motion(), fps)

    @property
    def clip(self) -> ClipConfig:
        """What holds frames together."""
        return self.fitter.setup.config.clip

    def chunks(
        self,
        people: FitBatch,
        tracks: Sequence[Int[Tensor, " frames"]],
        done: Mapping[int, tuple[int, FitResult]] = MappingProxyType({}),
    ) -> Iterator[tuple[Int[Tensor, " fresh"], FitResult]]:
        """Which rows are final and their results, as soon as they are; chunks of different tracks
        side by side.

        people: as `Fitter.gather` gives them. tracks: the rows of each. done: of tracks that are
        begun, how many frames are final, whole chunks, and the results of the last two of these.
        """
        shapes = self.shapes(people, tracks)
        begun = [0] * len(tracks)
        before: dict[int, FitResult] = {}
        for i, (count, last) in done.items():
            begun[i] = count
            before[i] = last
        while running := [i for i, track in enumerate(tracks) if begun[i] < len(track)]:
            coming = {i: ClipChunk.after(begun[i], len(tracks[i]), self.clip) for i in running}
            rows = {i: tracks[i][list(chunk.frames)] for i, chunk in coming.items()}
            found = self.advanced(people, coming, rows, shapes, before)
            for i, result in found.items():
                begun[i] = coming[i].final
                before[i] = result[-BANDS:]
                yield tracks[i][list(coming[i].fresh)], result

    def shapes(
        self, people: FitBatch, tracks: Sequence[Int[Tensor, " frames"]]
    ) -> Float[Tensor, "tracks betas"]:
        """The one shape of each track, from seen frames spread over it; zeros where nothing is
        seen, or shapes are not free.
        """
        setup = self.fitter.setup
        like = people.scale
        found = like.new_zeros(len(tracks), setup.body.shapedirs.shape[-1])
        stage = self.alone.config.stages[-1]
        if Block.BETAS not in stage.free:
            return found
        by_count: dict[int, list[int]] = {}
        chosen: list[Tensor] = []
        for number, track in enumerate(tracks):
            seen = _is_seen(people.keypoints)[track]
            chosen.append(_spread(track[seen], self.clip.shape_frames))
            by_count.setdefault(len(chosen[-1]), []).append(number)
        by_count.pop(0, None)
        for count, numbers in by_count.items():
            at = torch.cat([chosen[number] for number in numbers])
            own = torch.arange(len(numbers), device=at.device).repeat_interleave(count)
            found[numbers] = self._tied_shapes(
                _shape_stage(stage, self.clip, count), people[at], own
            )
        return found

    def _tied_shapes(
        self, stage: StageConfig, people: FitBatch, track: Int[Tensor, " rows"]
    ) -> Float[Tensor, "tracks betas"]:
        """The shape of each track from rows of it, of which every track has as many."""
        state = self._survivors(people).hypotheses.state[:, 0].rebased()
        maker = StageProblem.of(stage, people.replace(setup=self.fitter.setup), ())
        problem = maker.at(state)
        place = problem.slices[Block.BETAS]
        tied = Tied(problem, Frames.of(track), tuple(range(place.start, place.stop)))
        solution = SHAPE_SOLVER.minimise(tied, tied.join(problem.pack(state)))
        return solution.x[:, : place.stop - place.start]

    def advanced(
        self,
        people: FitBatch,
        chunks: Mapping[int, ClipChunk],
        rows: Mapping[int, Int[Tensor, " frames"]],
        shapes: Float[Tensor, "tracks betas"],
        before: Mapping[int, FitResult],
    ) -> dict[int, FitResult]:
        """The results of the frames that become final, by track.

        chunks, rows: of each track that goes on; before: the last results of those that are begun.
        """
        # of like lengths together: groups are padded to the longest
        numbers = sorted(chunks, key=lambda number: len(chunks[number].frames))
        device = people.scale.device
        with one_thread_per_operation(device) as threads:
            pieces = even(len(numbers), threads)

            @torch.no_grad()
            def work(piece: slice) -> dict[int, FitResult]:
                some = numbers[piece]
                own = [_Begun(chunks[i], people[rows[i]], shapes[i], before.get(i)) for i in some]
                return dict(zip(some, self._together(own), strict=True))

            found: dict[int, FitResult] = {}
            for part in side_by_side(work, pieces, threads):
                found |= part
        return {number: found[number] for number in chunks}

    def _together(self, begun: Sequence[_Begun]) -> list[FitResult]:
        """The results of some chunks, solved as the groups of one problem."""
        looked = [self._looked_at(one) for one in begun]
        people = FitBatch.cat([one.people for one in begun])
        group = torch.cat(
            [
                torch.full((len(one.people),), i, device=people.scale.device)
                for i, one in enumerate(begun)
            ]
        )
        frames = Frames.of(group)
        held = torch.zeros_like(frames.present)
        for i, one in enumerate(begun):
            held[i, : one.chunk.held] = True
        state = State.cat([one.state for one in looked])
        for stage, robust in self._stages_together():
            free = tuple(block for block in stage.free if block is not Block.BETAS)
            maker = StageProblem.of(stage.model_copy(update={"free": free}), people, ())
            problem = maker.at(state)
            moving = even_motion(
                problem, frames, held, maker.points, self.clip, self.card, self.fps, robust
            )
            tied = moving.smooth.tied
            solution = SOLVER.minimise(moving, tied.join(problem.pack(state)))
            state = problem.unpack(tied.split(solution.x)).rebased()
        results: list[FitResult] = []
        for i, (one, own) in enumerate(zip(begun, looked, strict=True)):
            at = (group == i).nonzero().flatten()[one.fresh]
            results.append(_results(people[at], state[at], own, one.fresh))
        return results

    def _stages_together(self) -> Sequence[tuple[StageConfig, bool]]:
        """The stages that frames go through together, and whether jumps are let go in them.

        They are the first that is left of the preset, which brings the frames together, and the
        last. Those between them lead bodies softly out of themselves; a path that is held by its
        neighbours needs no such way.
        """
        first, *others = self.fitter.setup.config.stages[len(self.alone.config.stages) :]
        return [(first, False), ((first, *others)[-1], True)]

    def _survivors(self, people: FitBatch) -> Survivors:
        """What each frame may mean, by itself."""
        return survivors_of(people.replace(setup=self.alone))

    def _looked_at(self, begun: _Begun) -> _Looked:
        """The frames of a chunk each alone, on the best path from those that are held."""
        people, held = begun.people, begun.chunk.held
        setup = self.fitter.setup
        seen = _is_seen(people.keypoints)
        seen[:held] = False
        at = seen.nonzero().flatten()
        if not len(at):  # one more frame, which tells nothing
            at = torch.tensor([held], device=seen.device)
        survivors = self._survivors(people[at])
        own, chosen = self._on_path(survivors.hypotheses, at, begun)

        shape = begun.shape.expand(len(people), -1).contiguous()
        state = neutral_state(setup.decoder, setup.body, (len(people),), people.keypoints.xy)
        state = state.put(at, _resized(setup, own, shape[at]))
        if begun.before is not None:
            was = setup.decoder.state(begun.before.params, begun.before.latent)
            state = state.put(torch.arange(held, device=at.device), was[-held:])
            seen[:held] = True
        return _Looked(_filled(state, seen).replace(betas=shape), at, survivors, chosen)

    def _on_path(
        self, hypotheses: Hypotheses, at: Int[Tensor, " seen"], begun: _Begun
    ) -> tuple[State, Int[Tensor, " seen"]]:
        """The bodies on the best path through the seen frames, and which survivor each is."""
        energy = torch.where(hypotheses.valid, hypotheses.energy, torch.inf)
        points = hypotheses.points
        seconds = at / self.fps
        if begun.before is not None:  # the path begins where the frames before it ended
            first = torch.full_like(energy[:1], torch.inf)
            first[:, 0] = 0.0
            body = begun.before.points3d[-1:, : names.BODY.stop]
            last = body - middle_of_hips(body)
            energy = torch.cat([first, energy])
            points = torch.cat([last[:, None].expand(-1, points.shape[1], -1, -1), points])
            seconds = torch.cat(
                [seconds.new_full((1,), (begun.chunk.held - 1) / self.fps), seconds]
            )
        chosen = best_path(energy, points, seconds)[-len(at) :]
        rows = torch.arange(len(at), device=at.device)
        return hypotheses[rows, chosen].state.rebased(), chosen


@dataclass(frozen=True, eq=False)
class _Begun:
    """A chunk, the people of its frames, the track's shape, and the last results before it."""

    chunk: ClipChunk
    people: FitBatch
    shape: Float[Tensor, " betas"]
    before: FitResult | None

    @property
    def fresh(self) -> slice:
        """Where in the chunk the frames lie that become final."""
        return slice(self.chunk.held, self.chunk.final - self.chunk.frames.start)


@dataclass(frozen=True, eq=False)
class _Looked:
    """A chunk before its frames are solved together.

    at: which frames were looked at alone; survivors, chosen: what they may mean, and which of it is
    on the path.
    """

    state: State
    at: Int[Tensor, " seen"]
    survivors: Survivors
    chosen: Int[Tensor, " seen"]


def _results(people: FitBatch, state: State, looked: _Looked, fresh: slice) -> FitResult:
    """A result for each frame that becomes final, with what else it may have meant alone."""
    alone = _alone(people.scale, looked, fresh)
    problem = StageProblem.of(people.setup.config.stages[-1], people, ()).at(state)
    by_term = problem.energies(problem.pack(state))
    # the energy among others of the frame is that of where it ended
    total = torch.stack([*by_term.values()]).sum(0)
    energies = alone.energies.scatter(1, alone.index[:, None], total[:, None])
    outcome = StagesOutcome(
        state=state,
        energies=by_term,
        hypothesis_energies=energies,
        chosen=alone.index,
        gap=alone.gap,
        steps=alone.steps,
        alternatives=alone.alternatives,
    )
    return result_of(people, outcome)


@dataclass(frozen=True)
class _Alone(Bundle):
    """What frames may have meant by themselves, as `StagesOutcome` has it; nothing of those in
    which nobody was seen.
    """

    energies: Float[Tensor, "*batch made"]
    gap: Float[Tensor, "*batch"]
    index: Int[Tensor, "*batch"]
    steps: Int[Tensor, "*batch"]
    alternatives: Alternatives


def _alone(like: Float[Tensor, " fresh"], looked: _Looked, fresh: slice) -> _Alone:
    """Of the frames that become final."""
    inside = (looked.at >= fresh.start) & (looked.at < fresh.stop)
    rows = inside.nonzero().flatten()
    survivors = looked.survivors[rows]
    each = torch.arange(len(rows), device=rows.device)
    best = survivors.hypotheses[each, looked.chosen[rows]]
    seen = _Alone(
        survivors.energies,
        survivors.gap,
        best.index,
        best.steps,
        survivors.alternatives,
    )

    made = survivors.energies.shape[1]
    none = torch.zeros_like(like, dtype=torch.int64)
    nothing = _Alone(
        like.new_full((len(like), made), torch.inf),
        torch.full_like(like, torch.nan),
        none,
        none,
        Alternatives.none(like, made),
    )
    return nothing.put(looked.at[rows] - fresh.start, seen)


def _shape_stage(stage: StageConfig, clip: ClipConfig, count: int) -> StageConfig:
    """The stage for frames that share a shape: the shape's prior counts once, not once a frame, and
    so many frames tell less than as many people would.
    """
    frames = 1 + clip.shape_evidence * (count - 1)
    weights = stage.weights.model_copy(update={"shape": stage.weights.shape / frames**0.5})
    return stage.model_copy(update={"weights": weights})


def _is_seen(keypoints: Keypoints) -> Bool[Tensor, " rows"]:
    return (keypoints.confidence > 0).any(-1)


def _spread(rows: Int[Tensor, " rows"], most: int) -> Int[Tensor, " some"]:
    """At most so many of the rows, evenly spread."""
    if len(rows) <= most:
        return rows
    return rows[torch.linspace(0, len(rows) - 1, most).round().long()]


def _resized(setup: FitSetup, state: State, betas: Float[Tensor, "rows betas"]) -> State:
    """The same bodies with other betas, as large in their images as before."""
    before = _joints(setup, state)
    resized = state.replace(betas=betas)
    after = _joints(setup, resized)
    # who is larger stands further away along the same ray
    times = _size(after) / _size(before)
    middle = before.mean(1) * times[:, None]
    return resized.replace(transl=state.transl + middle - after.mean(1))


def _size(joints: Float[Tensor, "rows joints 3"]) -> Float[Tensor, " rows"]:
    """How far joints lie from their middle."""
    from_middle = joints - joints.mean(1, keepdim=True)
    return from_middle.square().sum((1, 2)).sqrt()


def _joints(setup: FitSetup, state: State) -> Float[Tensor, "rows joints 3"]:
    # a product of few rows rounds otherwise than one of many: always the same kernel
    count = len(state.transl)
    whole = whole_rows(count, state.transl.device)
    return skinning.joints(setup.body, setup.decoder.params(state)[whole])[:count]


def _filled(state: State, known: Bool[Tensor, " frames"]) -> State:
    """The states of a chunk's frames, unknown ones evenly between those that are known; before the
    first and after the last as these.
    """
    own = known.nonzero().flatten()
    missing = (~known).nonzero().flatten()
    if not len(missing) or not len(own):
        return state
    after = torch.searchsorted(own, missing)
    first = own[(after - 1).clamp(min=0)]
    second = own[after.clamp(max=len(own) - 1)]
    share = (missing - first) / (second - first).clamp(min=1)
    return state.put(missing, _between(state[first], state[second], share))


def _between(one: State, other: State, share: Float[Tensor, " rows"]) -> State:
    """States on the way from one to the other, 0 to 1; orientations on the shortest arc."""
    turn = rotations.log(other.orient @ one.orient.mT)
    orient = rotations.exp(share[:, None] * turn) @ one.orient
    fields: dict[str, Tensor] = {}
    for field in dataclasses.fields(State):
        first: Tensor = getattr(one, field.name)
        second: Tensor = getattr(other, field.name)
        if field.name != "orient":
            fields[field.name] = first + share[:, None] * (second - first)
    return one.replace(orient=orient, **fields)
