"""Whose body each person of a job gets, before anybody is fitted.

The job says it for everybody; or each person's own label does, then the evidence if it is asked,
then nobody: neutral. Nothing is taken over from one person to the next.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..body.loading.files import BodyFileError, find_body, gender_of
from ..core.choices import LABELLED, BodyGender, Gender, GenderSource, body_gender
from ..core.files import sha256_of
from ..fitting.gender_choice import load_gender_calibration
from ..readers.frames import Frame, GenderLabel, Note, Person
from ..readers.gender_table import GenderTable, read_genders
from .job import JobConfig

LOG = logging.getLogger(__name__)
NO_BODY = "no body of that gender"


@dataclass(frozen=True)
class GenderAsked:
    """Whose body one person gets, and what its owner should know of that.

    label: of the source EVIDENCE, neutral, where the fit is to decide.
    """

    label: GenderLabel
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class GenderOrder:
    """Who is asked for a gender, in a job.

    missing: why there is no body of a gender; people of that gender get the neutral one.
    no_evidence: why the evidence cannot decide; empty where it can.
    """

    gender: Gender
    table: GenderTable | None = None
    missing: Mapping[BodyGender, str] = field(default_factory=dict)
    no_evidence: str = ""

    def told(self, frame: Frame) -> Frame:
        """The frame, its people with what the table says of those without a label."""
        return frame if self.table is None else self.table.told(frame)

    def asked(self, person: Person) -> GenderAsked:
        """Whose body a person gets."""
        if self.gender not in LABELLED:
            return GenderAsked(GenderLabel(body_gender(self.gender), GenderSource.GIVEN))
        label = person.label
        if label is not None and label.gender in self.missing:
            note = Note(NO_BODY, f"{label.gender.value}, fitted with the neutral one")
            return GenderAsked(GenderLabel(Gender.NEUTRAL, GenderSource.DEFAULT), (note,))
        if label is not None:
            return GenderAsked(label)
        if self.gender is Gender.AUTO and not self.no_evidence:
            return GenderAsked(GenderLabel(Gender.NEUTRAL, GenderSource.EVIDENCE))
        return GenderAsked(GenderLabel(Gender.NEUTRAL, GenderSource.DEFAULT))

    @property
    def leftovers(self) -> Sequence[Note]:
        """What was given and not used, and what was asked and could not be."""
        unused = () if self.table is None else tuple(self.table.leftovers())
        if not self.no_evidence:
            return unused
        return (*unused, Note("proportions decide no gender", self.no_evidence))


def order_of(job: JobConfig) -> GenderOrder:
    """Who is asked in this job. Raises KeypointError for a table that cannot be read."""
    if job.gender not in LABELLED:
        return GenderOrder(job.gender)
    table = None if job.genders is None else read_genders(job.genders)
    found: dict[BodyGender, Path] = {}
    missing: dict[BodyGender, str] = {}
    for gender in (Gender.FEMALE, Gender.MALE):
        try:
            path = find_body(job.model, gender)
        except BodyFileError as error:
            missing[gender] = str(error)
            continue
        if gender_of(path, gender) is gender:
            found[gender] = path
        else:
            missing[gender] = f"{path} is of another gender"
    for gender, reason in missing.items():
        LOG.info("no %s body, the neutral one in its place: %s", gender.value, reason)
    return GenderOrder(job.gender, table, missing, _no_evidence(job, found))


def _no_evidence(job: JobConfig, bodies: Mapping[BodyGender, Path]) -> str:
    """Why proportions cannot decide; empty where they can, or are not asked."""
    if job.gender is not Gender.AUTO:
        return ""
    if len(set(bodies.values())) < 2:
        return "there are no two bodies, of a woman and of a man; neutral without a label"
    if job.model is not None:
        shas = {gender.value: sha256_of(path) for gender, path in bodies.items()}
        if shas != dict(load_gender_calibration().bodies):
            return "they were only measured with the built-in bodies; neutral without a label"
    return ""
