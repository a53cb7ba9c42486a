"""`X.people.json`: what is said about single people next to their keypoints."""

from __future__ import annotations

from pathlib import Path

import pytest
from job_tools import person, write_frame

from smplifyx.readers import read_frames
from smplifyx.readers.frames import NamedStart

BAD_SIDECARS = {
    "not JSON": "{",
    "a number": "7",
    "unknown key": '[{"weight": 80}]',
    "age": '[{"age": "baby"}]',
    "height": '[{"height": 180}]',
    "a height beyond a float": '[{"height": 1%s}]' % ("0" * 400),
    "gender": '[{"gender": "x"}]',
    "a start that is nowhere": '[{"start": "pred/none.npz"}]',
    "a start that is a folder": '[{"start": "."}]',
    "a start that is no path": '[{"start": 7}]',
    "a start elsewhere": '[{"start": "/etc/hosts"}]',
    "a start with a zero byte": '[{"start": "a\\u0000.npz"}]',
    "a start without a file": '[{"start": {"person": 0}}]',
    "a start with another key": '[{"start": {"file": "a_keypoints.json", "frame": 0}}]',
    "a start's person": '[{"start": {"file": "a_keypoints.json", "person": -1}}]',
    "a start's person that is a truth": '[{"start": {"file": "a_keypoints.json", "person": true}}]',
    "no such person": '{"4": {"age": "child"}}',
    "no index": '{"anna": {"age": "child"}}',
}


@pytest.mark.parametrize("name", BAD_SIDECARS)
def test_a_sidecar_that_cannot_be_read_costs_its_frame(tmp_path: Path, name: str) -> None:
    write_frame(tmp_path, "a", [person(1)])
    write_frame(tmp_path, "b", [person(2)])
    (tmp_path / "a.people.json").write_text(BAD_SIDECARS[name])
    first, second = read_frames(tmp_path)
    assert "a.people.json" in first.problem and "\n" not in first.problem and not first.people
    if "start" in name:
        assert "person 0: start" in first.problem
    assert second.problem is None and len(second.people) == 1


def test_a_sidecar_tells_age_height_and_gender(tmp_path: Path) -> None:
    write_frame(tmp_path, "a", [person(1), person(2), person(3)])
    (tmp_path / "a.people.json").write_text(
        '[null, {"age": "child", "height": 1.1, "gender": "F"}, {"age": null}]'
    )
    (frame,) = read_frames(tmp_path)
    told = [(p.age, p.facts, p.gender) for p in frame.people]
    assert told == [(None, {}, None), ("child", {"height": 1.1}, "female"), (None, {}, None)]


def test_a_sidecar_names_starts(tmp_path: Path) -> None:
    write_frame(tmp_path, "a", [person(1), person(2), person(3)])
    (tmp_path / "pred").mkdir()
    file = tmp_path / "pred" / "a.npz"
    file.touch()
    (tmp_path / "a.people.json").write_text(
        '[{"start": "pred/a.npz"}, {"start": {"file": "pred/a.npz", "person": 2}}]'
    )
    (frame,) = read_frames(tmp_path)
    said_by = f"{tmp_path / 'a.people.json'}: person"
    assert [person.start for person in frame.people] == [
        NamedStart(file, None, f"{said_by} 0"),
        NamedStart(file, 2, f"{said_by} 1"),
        None,
    ]
