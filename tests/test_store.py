"""The output folder guards itself: whose results it holds, what of it may be removed."""

from __future__ import annotations

from pathlib import Path

import pytest
from job_tools import (
    end_state,
    person,
    run_quick,
    write_folder,
    write_frame,
)

from smplifyx.jobs.store import Store, StoreError


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"preset": "fast"}, "preset"),
        ({"focal": 700.0}, "focal"),
        ({"gender": "female"}, "gender"),
        ({"largest": 1}, "largest"),
        ({"collision": False}, "collision"),
        ({}, None),
        ({"overlay": False, "device": "cpu", "processes": 2}, None),
    ],
)
def test_a_changed_configuration_is_refused(
    tmp_path: Path, change: dict[str, object], refused: str | None
) -> None:
    keypoints = write_folder(tmp_path / "in", frames=1)
    run_quick(keypoints, tmp_path / "out")
    before = end_state(tmp_path / "out")
    if refused is None:
        run_quick(keypoints, tmp_path / "out", **change)
    else:
        with pytest.raises(StoreError, match=refused) as caught:
            run_quick(keypoints, tmp_path / "out", **change)
        assert "\n" not in str(caught.value)
    assert end_state(tmp_path / "out") == before


def test_overwrite_removes_only_what_a_job_made(tmp_path: Path) -> None:
    keypoints = write_folder(tmp_path / "in", frames=2)
    run_quick(keypoints, tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    write_frame(tmp_path / "other", "z", [person(5)])
    run_quick(tmp_path / "other", tmp_path / "out", overwrite=True)
    assert (
        Store(tmp_path / "out").stems() == ["z"]
        and (tmp_path / "out" / "notes.txt").read_text() == "mine"
    )


def test_overwrite_never_removes_an_input(tmp_path: Path) -> None:
    run_quick(write_folder(tmp_path / "in", frames=1), tmp_path / "out")
    write_frame(tmp_path / "out" / "results", "mine", [person(5)])
    with pytest.raises(StoreError, match="would remove the input"):
        run_quick(tmp_path / "out" / "results", tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "results" / "mine_keypoints.json").exists()


@pytest.mark.parametrize("name", ["config.yaml", "summary.csv", "results/x.txt"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_foreign_folder_is_refused(tmp_path: Path, name: str, overwrite: bool) -> None:
    foreign = tmp_path / "out" / name
    foreign.parent.mkdir(parents=True)
    foreign.write_text("name: somebody else's")
    with pytest.raises(StoreError):
        run_quick(write_folder(tmp_path / "in", frames=1), tmp_path / "out", overwrite=overwrite)
    assert foreign.read_text() == "name: somebody else's"
