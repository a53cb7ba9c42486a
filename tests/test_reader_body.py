"""Whose betas a dataset's readers understand."""

from __future__ import annotations

import pytest
from export_people import body_of

from smplifyx.body.joints import BodyKind
from smplifyx.body.model import Age
from smplifyx.core.choices import Gender
from smplifyx.writers.reader_body import NEUTRAL_ONLY, ReaderBody


def test_the_very_body_is_understood() -> None:
    reader = ReaderBody(BodyKind.SMPLX, NEUTRAL_ONLY, body_of())
    assert reader.understands(body_of())
    assert reader.why_not(body_of()) == ""


@pytest.mark.parametrize(
    ("kind", "gender", "age", "word"),
    [
        (BodyKind.SMPL, Gender.NEUTRAL, Age.ADULT, "smpl"),
        (BodyKind.SMPLX, Gender.FEMALE, Age.ADULT, "female"),
        (BodyKind.SMPLX, Gender.NEUTRAL, Age.CHILD, "child"),  # the same file, one beta more
    ],
)
def test_others_are_not(kind: BodyKind, gender: Gender, age: Age, word: str) -> None:
    reader = ReaderBody(BodyKind.SMPLX, NEUTRAL_ONLY, body_of())
    body = body_of(kind, gender, age)
    assert not reader.understands(body)
    assert word in reader.why_not(body)


def test_who_can_make_children_understands_them() -> None:
    reader = ReaderBody(BodyKind.SMPLX, NEUTRAL_ONLY, body_of(), children=True)
    assert reader.understands(body_of(age=Age.CHILD))
