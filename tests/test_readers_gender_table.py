"""Labels of gender: what keypoint files and a classifier's table say, and whom one believes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from smplifyx.core.choices import Gender, GenderSource
from smplifyx.readers.frames import Frame, GenderLabel, KeypointError, Person
from smplifyx.readers.gender_table import read_genders
from smplifyx.readers.people import read_person_gender

FEMALE, MALE, NEUTRAL = Gender.FEMALE, Gender.MALE, Gender.NEUTRAL
GT, PD, CSV = GenderSource.GT, GenderSource.PD, GenderSource.CSV

# what an entry of a keypoint file says -> the label, how many notes
ENTRIES = {
    "nothing": ({}, None, 0),
    "annotated": ({"gender_gt": "female"}, GenderLabel(FEMALE, GT), 0),
    "neutral": ({"gender_gt": "neutral"}, GenderLabel(NEUTRAL, GT), 0),
    "predicted": ({"gender_pd": "M"}, GenderLabel(MALE, PD), 0),
    "predicted, sure": ({"gender_pd": "male", "gender_prob": 0.9}, GenderLabel(MALE, PD, 0.9), 0),
    "predicted, unsure": ({"gender_pd": "male", "gender_prob": 0.89}, None, 1),
    "Homogenus left it open": ({"gender_pd": "neutral"}, None, 0),
    "both": ({"gender_pd": "male", "gender_gt": "female"}, GenderLabel(FEMALE, GT), 0),
    "unsure, and annotated": (
        {"gender_pd": "male", "gender_probability": "0.6", "gender": "f"}, GenderLabel(FEMALE, GT), 1
    ),
    "odd probability": ({"gender_pd": "male", "gender_prob": [1]}, GenderLabel(MALE, PD), 0),
    "odd": ({"gender_gt": "robot"}, None, 1),
}  # fmt: skip


@pytest.mark.parametrize("case", ENTRIES)
def test_what_a_keypoint_file_says(case: str) -> None:
    entry, label, notes = ENTRIES[case]
    found, told = read_person_gender(entry)
    assert (found, len(told)) == (label, notes)


def frame(stem: str, people: int, photo: str = "") -> Frame:
    nothing = np.zeros((137, 3), np.float32)
    everybody = tuple(Person(index, nothing) for index in range(people))
    return Frame(stem, Path(f"{stem}_keypoints.json"), everybody, photo=photo)


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "genders.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_tells_people_by_photo_and_place(tmp_path: Path) -> None:
    text = (
        "\ufeffPerson,Photo,extra,Gender,Probability\n"
        "0,a.jpg,x,F,0.95\n1,a.jpg,x,male,0.6\n2,a,x,neutral,1\n3,a,x,,\n0,c_keypoints,x,male,\n"
    )
    genders = read_genders(table(tmp_path, text))
    told = genders.told(frame("a", 5))
    expected = [GenderLabel(FEMALE, CSV, 0.95), None, None, None, None]
    assert [person.label for person in told.people] == expected
    assert [len(person.notes) for person in told.people] == [0, 1, 0, 0, 0]
    assert "male at 0.6, below 0.9" in str(told.people[1].notes[0])
    assert [person.label for person in genders.told(frame("b", 2)).people] == [None, None]
    assert "1 of 4" in str(genders.leftovers()[0])
    (person,) = genders.told(frame("x", 1, photo="c.png")).people
    assert person.label == GenderLabel(MALE, CSV)
    assert genders.leftovers() == ()


def test_a_label_of_the_file_goes_before_the_table(tmp_path: Path) -> None:
    genders = read_genders(table(tmp_path, "photo,person,gender\na,0,female\n"))
    (person,) = frame("a", 1).people
    labelled = replace(person, label=GenderLabel(MALE, PD, 0.97))
    (told,) = genders.told(replace(frame("a", 1), people=(labelled,))).people
    assert told.label == GenderLabel(MALE, PD, 0.97)


HEAD = "photo,person,gender,probability\n"
WRONG = {
    "no file": (None, "no such file"),
    "empty": ("", "no column photo, person, gender; expected photo,person,gender,probability"),
    "another table": ("photo,gender\na,female\n", "no column person;"),
    "no place": (HEAD + "a,anna,female,1\n", "line 2: person should be the place in the file"),
    "no gender": (HEAD + "a,0,robot,1\n", "line 2: gender should be neutral, female or male"),
    "percent": (HEAD + "a,0,male,97\n", "line 2: probability should be 0 to 1, got '97'"),
    "no number": (HEAD + "a,0,male,high\n", "line 2: probability should be 0 to 1"),
    "twice": (HEAD + "a,0,male,1\na.jpg,0,female,1\n", "line 3: a.jpg, person 0 is there twice"),
    "a short line": (HEAD + "a\nb,0\n,,male\n", "line 4: person should be"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_line(tmp_path: Path, case: str) -> None:
    text, reason = WRONG[case]
    path = tmp_path / "none.csv" if text is None else table(tmp_path, text)
    with pytest.raises(KeypointError, match=re.escape(reason)) as found:
        read_genders(path)
    assert str(found.value).startswith(str(path)) and "\n" not in str(found.value)
