"""YAML of others: bounded in bytes, depth and what aliases unfold to; every fault is one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from smplifyx.config import ConfigError, load_preset
from smplifyx.core.yaml_files import DEEPEST, LARGEST, read_yaml
from smplifyx.jobs.job import load_job


def laughs(levels: int) -> str:
    """A few lines that unfold to 10 ** levels values."""
    lines = ["a0: &a0 [x]"]
    for level in range(1, levels):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]")
    return "\n".join(lines)


HOSTILE = {
    "laughs": laughs(10),
    "recursive": "job: &j\n  x: *j\n",
    "deep": "a: " + "[" * 3000,
    "deep keys": "? " * 3000,
    "large": "a: b\n" * (LARGEST // 5 + 1),
    "digits": "a: " + "9" * 5000,
    "sexagesimal": "a: 1" + ":1" * 5000,
    "object": "a: !!python/object/apply:os.system ['false']",
    "list as a key": "? [a, b]\n: c",
    "merge of a number": "<<: 3",
    "date": "a: 2001-99-99",
    "control": "a: \0",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_yaml_is_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(HOSTILE[name])
    for read in (
        lambda: read_yaml(path, ConfigError),
        lambda: load_preset(path),
        lambda: load_job(path),
    ):
        with pytest.raises(ConfigError, match=r"a\.yaml") as caught:
            read()
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 1000


def test_no_regular_file_is_one_line(tmp_path: Path) -> None:
    for path in (Path("/dev/zero"), tmp_path, tmp_path / "none.yaml"):
        with pytest.raises(ConfigError):
            read_yaml(path, ConfigError)


def test_anchors_and_depth_that_people_use_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "a: &x {c: 1}\nb: {<<: *x, d: 2}\ne: " + "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1)
    )
    content = read_yaml(path, ConfigError)
    assert isinstance(content, dict) and content["b"] == {"c": 1, "d": 2}


@pytest.mark.parametrize("fault", ["gap: .nan", "yaws: 1000000000", "yaws: .inf"])
def test_numbers_beyond_reason_are_refused(tmp_path: Path, fault: str) -> None:
    key, value = fault.split(": ")
    path = tmp_path / "a.yaml"
    solver = "{free: [transl], name: a" + (", weights: {depth: .nan}}" if key == "gap" else "}")
    start = f"{{yaws: {value}}}" if key == "yaws" else "{}"
    path.write_text(f"name: a\nsummary: b\nfirst_guess: {start}\nstages: [{solver}]\n")
    with pytest.raises(ConfigError, match=r"yaws|depth"):
        load_preset(path)
