"""Evidence and cameras in, bodies out: first guess, stages, result."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from ..body import skinning
from ..body.model import Age, BodyModel
from ..body.params import BodyParams
from ..camera import Camera
from ..config import FitConfig, Unit, as_preset
from ..core.bundle import Bundle
from ..core.invariant_linalg import whole_rows
from ..core.threads import one_thread_per_operation, pieces, side_by_side
from ..evidence.evidence import by_kind, check_rows
from ..evidence.keypoints2d import Keypoints2D, person_scale, seen_confidence
from ..keypoints import Keypoints, names
from ..terms.scene import WeightedTerm
from .batch import FitBatch
from .held_out import checked_start
from .joint_calibration import JOINTS
from .joint_uncertainty import JointSpread, joint_jacobian, noise_level
from .plausibility import Plausibility
from .quality import status_of
from .result import FitResult, FitStatus, Provenance
from .schedule import StagesOutcome, final_stage, run_stages
from .second_try import cautious
from .setup import FitSetup, setup_of
from .starts import given_guess
from .uncertainty import Posterior, shape_uncertainty
from .watching import StageReport, Watch

Answer = TypeVar("Answer")


@dataclass(frozen=True, eq=False)
class Fitter:
    """Fits one body under one preset.

    Owns every constant that is made of the two; make it once, fit many batches.
    """

    setup: FitSetup

    @classmethod
    def of(cls, body: BodyModel, config: FitConfig | str | Path) -> Fitter:
        """For a body and a preset (`load_preset`), by its name too."""
        return cls(FitSetup(body, as_preset(config)))

    def fit(
        self,
        keypoints: Keypoints,
        camera: Camera,
        evidence: Sequence[Bundle] = (),
        start: BodyParams | None = None,
        watch: Watch | None = None,
        extra_terms: Sequence[WeightedTerm] = (),
    ) -> FitResult:
        """Fits the body to every person of a batch.

        keypoints, camera: one row per person [batch], on the body's device.
        evidence: what else is known of them, one bundle [batch] of each kind (see `evidence`).
        start: bodies to begin with [batch, hypotheses] in place of the preset's first guesses; the
            best of what they lead to is the result.
        watch: called with a `StageReport` after each stage.
        extra_terms: terms of your own, added to every stage (see `terms.scene`).

        Rows are independent: a person gets the same body alone or in company, and one that cannot
        be fitted gets the status FAILED. Raises ValueError where batches differ or a start does not
        fit the body.

        Who comes out with a body that nobody has (`plausibility`) is fitted a second time, more
        cautiously (`second_try`), and has the status POOR if that does not help.
        """
        result = self.fit_once(keypoints, camera, evidence, start, watch, extra_terms)
        return self.mended(result, camera, evidence, start, extra_terms)

    def fit_once(
        self,
        keypoints: Keypoints,
        camera: Camera,
        evidence: Sequence[Bundle] = (),
        start: BodyParams | None = None,
        watch: Watch | None = None,
        extra_terms: Sequence[WeightedTerm] = (),
    ) -> FitResult:
        """The same without a second try."""
        people = self.gather(keypoints, camera, evidence)
        starts = None
        if start is not None:
            with torch.no_grad():
                starts = given_guess(self.setup, start)
            if len(starts.tried) != len(people):
                raise ValueError(f"start: {len(starts.tried)} people, the batch has {len(people)}")
        terms = _checked(extra_terms)
        if not len(people):
            return nobody(people, terms)
        tell = _one_at_a_time(watch)

        def fit_piece(some: FitBatch, rows: slice) -> FitResult:
            own_starts = None if starts is None else starts[rows]
            outcome = run_stages(some, terms, own_starts, tell and _of_batch(tell, rows))
            return result_of(some, outcome, terms)

        parts = in_pieces(people, fit_piece)
        return parts[0] if len(parts) == 1 else FitResult.cat(parts)

    def mended(
        self,
        result: FitResult,
        camera: Camera,
        evidence: Sequence[Bundle] = (),
        start: BodyParams | None = None,
        extra_terms: Sequence[WeightedTerm] = (),
    ) -> FitResult:
        """What `fit_once` found [batch], with those bodies that nobody has fitted again, where that
        makes them human; the rest is as it is.
        """
        finite = result.status != int(FitStatus.FAILED)
        rows = (finite & ~result.plausibility.is_human).nonzero().flatten()
        if not len(rows):
            return result
        fitter = Fitter(setup_of(self.setup.body, cautious(self.setup.config)))
        again = fitter.fit_once(
            result.keypoints[rows],
            camera[rows],
            [one[rows] for one in evidence],
            None if start is None else start[rows],
            extra_terms=extra_terms,
        )
        better = again.plausibility.is_human.nonzero().flatten()
        mended = again[better]
        return result.put(rows[better], mended.replace(tries=torch.full_like(mended.steps, 2)))

    @torch.no_grad()
    def gather(
        self, keypoints: Keypoints, camera: Camera, evidence: Sequence[Bundle] = ()
    ) -> FitBatch:
        """The people of a batch as the stages take them. Raises ValueError as `fit` does."""
        if keypoints.confidence.dim() != 2 or len(keypoints.confidence) != len(camera.K):
            raise ValueError(
                f"fit takes one camera per person: got "
                f"keypoints {list(keypoints.confidence.shape)} and cameras {list(camera.K.shape)}"
            )
        check_rows(evidence, len(keypoints.confidence))
        config = self.setup.config
        if config.focal_px is not None:
            camera = camera.with_focal(config.focal_px)
        confidence = seen_confidence(keypoints, config.reprojection)
        scale = person_scale(keypoints, confidence, self.setup.neutral_points)
        seen = Keypoints2D(keypoints, camera, scale, config.reprojection)
        return FitBatch.of(seen, by_kind(evidence), self.setup)


def in_pieces(people: FitBatch, work: Callable[[FitBatch, slice], Answer]) -> list[Answer]:
    """The answers for pieces of the batch, in order, as many at once as there are threads; without
    gradients.

    work: gets a piece, and which rows of the batch it is.
    """
    device = people.scale.device

    @torch.no_grad()
    def on_piece(rows: slice) -> Answer:
        return work(people[rows], rows)

    with one_thread_per_operation(device) as threads:
        return side_by_side(on_piece, pieces(len(people), device, threads), threads)


def result_of(
    people: FitBatch, outcome: StagesOutcome, extra_terms: tuple[WeightedTerm, ...] = ()
) -> FitResult:
    """What the stages found of each person, and how far it can be believed."""
    setup, keypoints = people.setup, people.keypoints
    body, config = setup.body, setup.config
    last = final_stage(people, extra_terms)
    posterior = Posterior.of(last.at(outcome.state), body, last.stage.weights)
    jacobian = joint_jacobian(posterior, last.points)
    checked = checked_start(people, outcome.state, posterior, jacobian, last.points)
    # the focal length's unknown is the logarithm of a factor on the camera's own
    camera = people.camera.zoomed(checked.state.focal[:, 0].exp())
    params = setup.decoder.params(checked.state)
    count = len(params.transl)
    # a product of few rows rounds otherwise than one of many: always the same kernel
    whole = whole_rows(count, params.transl.device)
    points3d = skinning.points(body, params[whole])[:count]
    points2d = camera.project(points3d)
    rows = torch.arange(len(outcome.chosen), device=outcome.chosen.device)
    energy = outcome.hypothesis_energies[rows, outcome.chosen]
    shape = shape_uncertainty(posterior, body)
    if config.reprojection.unit is Unit.PERSON:
        noise = noise_level(keypoints, camera, points3d)
        spread = JointSpread.of(posterior, jacobian, outcome.alternatives, points3d, noise)
        joint_covariance = spread.covariance(setup.joint_calibration).to(points3d)
    else:  # energies of another unit mean nothing to the calibration
        joint_covariance = points3d.new_full((count, JOINTS, 3, 3), torch.nan)
        checked = checked.replace(held_out=torch.full_like(checked.held_out, torch.nan))
    is_child = body.age is Age.CHILD
    plausibility = Plausibility.of(params, points3d, shape.stature, is_child)
    return FitResult(
        params=params,
        latent=checked.state.body,
        camera=camera,
        keypoints=keypoints,
        points3d=points3d,
        points2d=points2d,
        energies=outcome.energies,
        energy=energy,
        hypothesis_energies=outcome.hypothesis_energies,
        chosen=outcome.chosen,
        gap=outcome.gap,
        status=status_of(keypoints, points2d, energy, plausibility.is_human),
        steps=outcome.steps,
        shape=shape,
        joint_covariance=joint_covariance,
        provenance=Provenance.of(body, config.name, config.pose_prior),
        held_out=checked.held_out,
        start=checked.check,
        evidence=people.others,
        tries=torch.ones_like(outcome.steps),
    )


def nobody(people: FitBatch, extra_terms: tuple[WeightedTerm, ...] = ()) -> FitResult:
    """The result of an empty batch: all fields with no rows, as wide as those of people."""
    setup = people.setup
    empty = setup.body.derived(_nobody, setup.config.model_dump_json())
    terms = list(extra_terms)
    for evidence in people.others.values():
        terms += evidence.terms(setup.config.stages[-1], setup.body)
    return empty.replace(
        camera=people.camera,
        keypoints=people.keypoints,
        energies=empty.energies | {term.name: empty.energy for term in terms},
        evidence=people.others,
    )


def _nobody(body: BodyModel, config: str) -> FitResult:
    """Nobody's result, from that of somebody who was not seen: so it has the same fields."""
    like = body.v_template
    keypoints = Keypoints.from_array(like.new_zeros(1, names.COUNT, 3)).to(dtype=like.dtype)
    camera = Camera.from_fov(50.0, like.new_full((1, 2), 1000.0)).to(dtype=like.dtype)
    return Fitter(FitSetup(body, FitConfig.model_validate_json(config))).fit(keypoints, camera)[:0]


def _checked(terms: Sequence[WeightedTerm]) -> tuple[WeightedTerm, ...]:
    """Raises ValueError for a term that is none, e.g. a bare function."""
    for term in terms:
        if not isinstance(term, WeightedTerm):
            kind = type(term).__name__
            raise ValueError(
                f"extra_terms: expected WeightedTerm(name, weight, function), got {kind}"
            )
    return tuple(terms)


def _one_at_a_time(watch: Watch | None) -> Watch | None:
    """The same for several threads: one report after the other."""
    if watch is None:
        return None
    lock = threading.Lock()

    def tell(report: StageReport) -> None:
        with lock:
            watch(report)

    return tell


def _of_batch(watch: Watch, rows: slice) -> Watch:
    """The same for a piece of the batch, whose people are numbered from the piece's start."""

    def tell(report: StageReport) -> None:
        person: Tensor = report.person + rows.start
        watch(dataclasses.replace(report, person=person))

    return tell
