"""The choices that files, commands and code share."""

from __future__ import annotations

import subprocess
import sys

import pytest

from smplifyx import viz
from smplifyx.body import model
from smplifyx.core.choices import (
    BODY_AGES,
    BODY_GENDERS,
    LABELLED,
    Age,
    Gender,
    MeshFormat,
    Renderer,
    body_age,
    body_gender,
)
from smplifyx.jobs.job import JobConfig


def test_what_a_job_may_say_and_a_body_may_not() -> None:
    assert set(Gender) - set(BODY_GENDERS) == set(LABELLED)
    assert set(Age) - set(BODY_AGES) == {Age.AUTO}


@pytest.mark.parametrize("gender", BODY_GENDERS)
def test_a_gender_by_its_word(gender: Gender) -> None:
    assert body_gender(gender.value) is gender


@pytest.mark.parametrize("age", BODY_AGES)
def test_an_age_by_its_word(age: Age) -> None:
    assert body_age(age.value) is age


@pytest.mark.parametrize("word", ["input", "auto", "", "Female"])
def test_other_words_are_one_clear_line(word: str) -> None:
    with pytest.raises(ValueError, match="gender: expected one of neutral, female, male, got"):
        body_gender(word)
    with pytest.raises(ValueError, match="age: expected one of adult, child, got"):
        body_age(word)


def test_there_is_one_definition_of_each() -> None:
    assert model.Gender is Gender and model.Age is Age and viz.Renderer is Renderer
    fields = {name: field.annotation for name, field in JobConfig.model_fields.items()}
    assert fields["gender"] is Gender and fields["age"] is Age and fields["renderer"] is Renderer
    assert fields["mesh"] == MeshFormat | None


def test_the_choices_need_no_torch() -> None:
    # the module alone, without the package around it
    code = "import runpy, sys; runpy.run_path(sys.argv[1]); sys.exit('torch' in sys.modules)"
    path = sys.modules["smplifyx.core.choices"].__file__
    assert subprocess.run([sys.executable, "-c", code, path], check=False).returncode == 0
