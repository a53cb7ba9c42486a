"""Frames of one person fitted together: one shape, motion as bodies move, gaps filled.

Each frame is looked at alone first, by the stages that try hypotheses. A path through the bodies
that survive them decides what is ambiguous (`paths`). Frames spread over the track then tell its
one shape. With that, the stages that are left run over chunks of frames, whose points move evenly
(`problem.motion`): a chunk looks some frames ahead, and begins with the last two of the chunk
before, which are held, so that there is no seam. See docs/clips.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from ..body import skinning
from ..body.model import BodyModel
from ..camera import Camera
from ..config import Block, ClipConfig, FitConfig, StageConfig, as_preset
from ..core import rotations
from ..core.bundle import Bundle
from ..core.threads import even, one_thread_per_operation, side_by_side
from ..features.variables import State
from ..keypoints import Keypoints
from ..problem.couplings import Frames, Smooth, Tied
from ..problem.motion import ACCELERATION, BANDS, VELOCITY, MovingPoints, PointMotion
from ..problem.problem import Problem
from ..solvers import LevenbergMarquardt
from .alternatives import Alternatives
from .batch import FitBatch
from .fitter import Fitter, in_pieces, nobody, result_of
from .motion_card import load_motion
from .paths import best_path
from .result import FitResult
from .schedule import StagesOutcome, Survivors, survivors_of
from .setup import FitSetup, setup_of
from .stage_problem import StageProblem

MOST_STEPS = 20  # of a stage over a chunk
TOLERANCE = 1e-4
FEET = ("big_toe", "small_toe", "heel")
STILL = 0.05  # metres per second
STILL_RHO = 3.0


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

    def of_tracks(self) -> list[Tensor]:
        """The rows of each track."""
        _, counts = torch.unique_consecutive(self.track, return_counts=True)
        rows = torch.arange(len(self.track), device=self.track.device)
        return list(rows.split(counts.tolist()))


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
    fitter = Fitter.of(body, as_preset(config))
    people = fitter.gather(keypoints, camera, evidence)
    if not len(people):
        return nobody(people)
    with torch.no_grad(), one_thread_per_operation(people.scale.device):
        return _Clips(people, rows).fitted()


def single_stages(config: FitConfig) -> int:
    """How many of the preset's stages look at a frame alone: those up to the last that chooses
    among hypotheses.
    """
    choosing = [i for i, stage in enumerate(config.stages) if stage.merge or stage.mirror]
    last = max(choosing, default=len(config.stages) - 2)
    return min(last + 1, len(config.stages) - 1)


@dataclass(frozen=True, eq=False)
class _Clips:
    """The fit of tracks, step by step."""

    people: FitBatch
    rows: ClipRows

    @property
    def setup(self) -> FitSetup:
        return self.people.setup

    @property
    def clip(self) -> ClipConfig:
        return self.setup.config.clip

    def fitted(self) -> FitResult:
        """All of it."""
        seen = (self.people.keypoints.confidence > 0).any(-1)
        tracks = self.rows.of_tracks()
        survivors = self._survivors(seen)
        state, chosen = self._paths(survivors, seen, tracks)
        state = _filled(state, seen, tracks)
        state = self._one_shape(state, seen, tracks)
        state = self._moving(state, tracks)
        return self._results(state, survivors, chosen, seen)

    def _survivors(self, seen: Bool[Tensor, " rows"]) -> Survivors:
        """What each seen frame may mean, by itself."""
        config = self.setup.config
        alone = list(config.stages[: single_stages(config)])
        alone[-1] = alone[-1].model_copy(update={"keep": self.clip.survivors})
        setup = setup_of(self.setup.body, config.model_copy(update={"stages": tuple(alone)}))
        people = self.people.replace(setup=setup)[seen]
        return Survivors.cat(in_pieces(people, lambda some, _: survivors_of(some)))

    def _paths(
        self, survivors: Survivors, seen: Bool[Tensor, " rows"], tracks: Sequence[Tensor]
    ) -> tuple[State, Int[Tensor, " seen"]]:
        """The bodies on the best path through each track, for all rows (those of unseen ones mean
        nothing), and which survivor each is.
        """
        hypotheses = survivors.hypotheses
        place = seen.cumsum(0) - 1  # of a row among the seen ones
        seconds = self.rows.frame / self.rows.fps
        chosen = torch.zeros_like(hypotheses.person[:, 0])
        energy = torch.where(hypotheses.valid, hypotheses.energy, torch.inf)
        for track in tracks:
            own = track[seen[track]]
            if len(own):
                at = place[own]
                chosen[at] = best_path(energy[at], hypotheses.points[at], seconds[own])
        best = hypotheses[torch.arange(len(chosen), device=chosen.device), chosen]
        return best.state[place.clamp(min=0)].rebased(), chosen

    def _one_shape(
        self, state: State, seen: Bool[Tensor, " rows"], tracks: Sequence[Tensor]
    ) -> State:
        """The same bodies with one shape for each track, that of frames spread over it."""
        config = self.setup.config
        alone = config.stages[single_stages(config) - 1]
        if Block.BETAS not in alone.free:
            return state
        chosen = [_spread(track[seen[track]], self.clip.shape_frames) for track in tracks]
        betas = state.betas.clone()
        by_count: dict[int, list[int]] = {}
        for number, some in enumerate(chosen):
            by_count.setdefault(len(some), []).append(number)
        for count, numbers in by_count.items():
            # the shape's prior counts once, not once a frame
            weight = alone.weights.shape / (1 + self.clip.shape_evidence * (count - 1)) ** 0.5
            weights = alone.weights.model_copy(update={"shape": weight})
            stage = alone.model_copy(update={"weights": weights})
            at = torch.cat([chosen[number] for number in numbers])
            shapes = self._tied_shapes(stage, at, state[at])
            for number, own in zip(numbers, shapes, strict=True):
                betas[tracks[number]] = own
        return _resized(self.setup, state, betas)

    def _tied_shapes(self, stage: StageConfig, at: Tensor, state: State) -> Tensor:
        """The betas of each track, from some of its frames [tracks x frames]."""
        maker = StageProblem.of(stage, self.people[at], ())
        problem = maker.at(state)
        place = problem.slices[Block.BETAS]
        frames = Frames.of(self.rows.track[at])
        tied = Tied(problem, frames, tuple(range(place.start, place.stop)))
        solver = LevenbergMarquardt(max_steps=MOST_STEPS, tolerance=TOLERANCE)
        solution = solver.minimise(tied, tied.join(problem.pack(state)))
        return solution.x[:, : place.stop - place.start]

    def _moving(self, state: State, tracks: Sequence[Tensor]) -> State:
        """All tracks, chunk after chunk: those of different tracks side by side."""
        threads = torch.get_num_threads()
        begun = [0] * len(tracks)  # the first frame of each track that is not final
        while running := [i for i, track in enumerate(tracks) if begun[i] < len(track)]:
            with one_thread_per_operation(self.people.scale.device) as threads:
                # of like lengths together: groups are padded to the longest
                running.sort(key=lambda i: len(tracks[i]) - begun[i])
                pieces = even(len(running), min(max(threads, 1), len(running)))
                chunks = [
                    [_Chunk.of(tracks[i], begun[i], self.clip) for i in running[piece]]
                    for piece in pieces
                ]
                before = state

                def work(piece: slice) -> State:
                    return self._solved(before, chunks[piece.start])

                numbers = [slice(i, i + 1) for i in range(len(chunks))]
                solved = side_by_side(work, numbers, threads)
            for some, found in zip(chunks, solved, strict=True):
                at = torch.cat([chunk.rows for chunk in some])
                state = state.put(at, found)
            for i, chunk in zip(running, [c for some in chunks for c in some], strict=True):
                begun[i] = chunk.final
        return state

    def _solved(self, state: State, chunks: Sequence[_Chunk]) -> State:
        """The bodies of some chunks after the stages that are left."""
        config = self.setup.config
        at = torch.cat([chunk.rows for chunk in chunks])
        people = self.people[at]
        frames = Frames.of(self.rows.track[at])
        own = state[at]
        held = torch.zeros_like(frames.present)
        for group, chunk in enumerate(chunks):
            held[group, : chunk.held] = True
        for stage in config.stages[single_stages(config) :]:
            free = tuple(block for block in stage.free if block is not Block.BETAS)
            maker = StageProblem.of(stage.model_copy(update={"free": free}), people, ())
            problem = maker.at(own)
            moving = self._even_motion(problem, frames, held, maker)
            steps = min(stage.solver.max_steps, MOST_STEPS)
            solver = LevenbergMarquardt(max_steps=steps, tolerance=TOLERANCE)
            tied = moving.smooth.tied
            solution = solver.minimise(moving, tied.join(problem.pack(own)))
            own = problem.unpack(tied.split(solution.x)).rebased()
        return own

    def _even_motion(
        self, problem: Problem, frames: Frames, held: Tensor, maker: StageProblem
    ) -> MovingPoints:
        """The frames of chunks with what lies between them."""
        smooth = self._smooth(Tied(problem, frames, ()))
        card = load_motion()
        rate = self.rows.fps
        clip, like = self.clip, self.people.scale
        known = {point: i for i, point in enumerate(maker.points.canonical)}
        points = [point for point in card.points if point in known]
        sd = torch.tensor([card.points[point] for point in points]).to(like)
        axes = torch.tensor([1.0, 1.0, clip.depth]).to(like)
        gain = clip.acceleration * rate**2 / sd[:, None] * axes
        motions = [PointMotion(ACCELERATION, gain, clip.outlier * clip.acceleration)]
        if clip.stand:
            motions.append(self._standing(points, like))
        at = tuple(known[point] for point in points)
        return MovingPoints(smooth, at, tuple(motions), held)

    def _standing(self, points: Sequence[int], like: Tensor) -> PointMotion:
        """Feet slower than STILL keep still; faster ones are let go."""
        from ..keypoints import names

        feet = [float(names.POINT_NAMES[point].endswith(FEET)) for point in points]
        gain = self.clip.stand * self.rows.fps / STILL * torch.tensor(feet).to(like)
        return PointMotion(
            VELOCITY, gain[:, None].expand(-1, 3), STILL_RHO * self.clip.stand
        )

    def _smooth(self, tied: Tied) -> Smooth:
        """Unknowns that move evenly by themselves: angles, hands and face."""
        problem = tied.objective
        assert isinstance(problem, Problem)
        card, clip = load_motion(), self.clip
        decoder, rate = self.setup.decoder, (self.rows.fps / card.fps) ** 2
        weights: dict[Block, Tensor] = {}
        like = self.people.scale
        if decoder.jointwise:
            width = problem.folded.slices[Block.BODY]
            count = width.stop - width.start
            weights[Block.BODY] = like.new_full((count,), clip.turns / card.turn_sd)
        for block, hand in decoder.hands.items():
            weights[block] = clip.hands / (card.hand_share * hand.sds)
        weights[Block.JAW] = like.new_full((3,), clip.face / card.jaw_sd)
        expressions = self.setup.body.expressiondirs.shape[-1]
        weights[Block.EXPRESSION] = like.new_full((expressions,), clip.face / card.expression_sd)
        columns: list[int] = []
        values: list[float] = []
        for block, place in problem.slices.items():
            if block in weights and bool((weights[block] > 0).all()):
                columns += range(place.start, place.stop)
                values += (rate * weights[block]).tolist()
        return Smooth(tied, tuple(columns), tuple(values))

    def _results(
        self,
        state: State,
        survivors: Survivors,
        chosen: Int[Tensor, " seen"],
        seen: Bool[Tensor, " rows"],
    ) -> FitResult:
        """A result for each row, with what else its frame may have meant."""
        like = self.people.scale
        count, made = len(seen), survivors.energies.shape[1]
        where = seen.nonzero().flatten()
        energies = like.new_full((count, made), torch.inf).index_copy(0, where, survivors.energies)
        gap = torch.full_like(like, torch.nan).index_copy(0, where, survivors.gap)
        hypotheses = survivors.hypotheses
        rows = torch.arange(len(chosen), device=chosen.device)
        index = torch.zeros(count, dtype=torch.int64, device=like.device)
        index = index.index_copy(0, where, hypotheses.index[rows, chosen])
        steps = torch.zeros_like(index).index_copy(0, where, hypotheses.steps[rows, chosen])
        alternatives = Alternatives.none(like, made).put(where, survivors.alternatives)

        def of_piece(some: FitBatch, piece: slice) -> FitResult:
            own = state[piece]
            stage = some.setup.config.stages[-1]
            problem = StageProblem.of(stage, some, ()).at(own)
            by_term = problem.energies(problem.pack(own))
            total = torch.stack([*by_term.values()]).sum(0)
            outcome = StagesOutcome(
                own,
                by_term,
                energies[piece].scatter(1, index[piece][:, None], total[:, None]),
                index[piece],
                gap[piece],
                steps[piece],
                alternatives[piece],
            )
            return result_of(some, outcome)

        return FitResult.cat(in_pieces(self.people, of_piece))


@dataclass(frozen=True, eq=False)
class _Chunk:
    """Frames of a track that are solved together.

    rows: of the batch; held: how many of them, the first ones, are final already; final: the number
    of frames of the track that are final afterwards.
    """

    rows: Int[Tensor, " chunk"]
    held: int
    final: int

    @classmethod
    def of(cls, track: Tensor, begun: int, clip: ClipConfig) -> _Chunk:
        """The next chunk of a track whose first `begun` frames are final."""
        stop = min(begun + clip.chunk + clip.ahead, len(track))
        held = min(begun, BANDS)
        final = stop if stop == len(track) else begun + clip.chunk
        return cls(track[begun - held : stop], held, final)


def _spread(rows: Tensor, most: int) -> Tensor:
    """At most so many of the rows, evenly spread."""
    if len(rows) <= most:
        return rows
    return rows[torch.linspace(0, len(rows) - 1, most).round().long()]


def _resized(setup: FitSetup, state: State, betas: Tensor) -> State:
    """The same bodies with other betas, as large in their images as before."""
    before = skinning.joints(setup.body, setup.decoder.params(state))
    resized = state.replace(betas=betas)
    after = skinning.joints(setup.body, setup.decoder.params(resized))
    size_before = (before - before.mean(1, keepdim=True)).square().sum((1, 2)).sqrt()
    size = (after - after.mean(1, keepdim=True)).square().sum((1, 2)).sqrt()
    middle = before.mean(1) * (size / size_before)[:, None]
    return resized.replace(transl=state.transl + middle - after.mean(1))


def _filled(state: State, seen: Bool[Tensor, " rows"], tracks: Sequence[Tensor]) -> State:
    """The states of unseen rows between those of seen ones, evenly from one to the other; before
    the first and after the last as these.
    """
    for track in tracks:
        own = seen[track].nonzero().flatten()
        missing = (~seen[track]).nonzero().flatten()
        if not len(missing) or not len(own):
            continue
        after = torch.searchsorted(own, missing)
        first = own[(after - 1).clamp(min=0)]
        second = own[after.clamp(max=len(own) - 1)]
        share = (missing - first) / (second - first).clamp(min=1)
        state = state.put(track[missing], _between(state[track[first]], state[track[second]], share))
    return state


def _between(one: State, other: State, share: Tensor) -> State:
    """States on the way from one to the other; orientations on the shortest arc."""
    turn = rotations.log(other.orient @ one.orient.mT)
    orient = rotations.exp(share[:, None] * turn) @ one.orient

    fields = {}
    for field in dataclasses.fields(State):
        first, second = getattr(one, field.name), getattr(other, field.name)
        if field.name != "orient":
            fields[field.name] = first + share.to(first)[:, None] * (second - first)
    return one.replace(orient=orient, **fields)
