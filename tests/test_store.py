"""The output folder guards itself: whose results it holds, what of it may be removed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from job_tools import (
    end_state,
    person,
    run_quick,
    table,
    write_folder,
    write_frame,
)

from smplifyx.core import assets
from smplifyx.jobs.pictures.recorded_job import recorded_job
from smplifyx.jobs.store import FILES, FOLDERS, Store, StoreError


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


def outside(tmp_path: Path) -> Path:
    """A folder with one file of somebody's own."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "mine.txt").write_text("mine")
    return victim


def test_links_in_the_place_of_ours_are_refused(tmp_path: Path) -> None:
    keypoints = write_folder(tmp_path / "in", frames=1)
    store = run_quick(keypoints, tmp_path / "out").store
    victim = outside(tmp_path)
    for name in (*FOLDERS, *FILES):
        place, aside = tmp_path / "out" / name, tmp_path / "aside"
        if place.exists():
            place.rename(aside)
        place.symlink_to(victim / "mine.txt" if name in FILES else victim)
        with pytest.raises(StoreError, match=name) as caught, store.writing():
            pass
        assert "\n" not in str(caught.value)
        place.unlink()
        if aside.exists():
            aside.rename(place)
    (tmp_path / "out" / "overlays").symlink_to(victim)
    with pytest.raises(StoreError, match="leads out"):
        run_quick(keypoints, tmp_path / "out")
    assert [path.read_text() for path in victim.iterdir()] == ["mine"]


@pytest.mark.parametrize("kind", ["link", "file", "folder"])
def test_what_stands_in_the_place_of_a_result_costs_one_person(tmp_path: Path, kind: str) -> None:
    write_frame(tmp_path / "in", "a", [person(1), person(2)])
    write_frame(tmp_path / "in", "b", [person(3)])
    run_quick(tmp_path / "in", tmp_path / "out")
    results = tmp_path / "out" / "results"
    if kind == "folder":
        (results / "a" / "000.npz").unlink()
        (results / "a" / "000.npz" / "x").mkdir(parents=True)
    else:
        shutil.rmtree(results / "a")
        if kind == "file":
            (results / "a").write_text("in the way")
        else:
            (results / "a").symlink_to(outside(tmp_path))
    outcome = run_quick(tmp_path / "in", tmp_path / "out")
    rows = {(row["stem"], row["person"]): row for row in table(tmp_path / "out")}
    assert rows["a", "0"]["status"] == "failed" and "cannot be written" in rows["a", "0"]["reason"]
    assert rows["b", "0"]["status"] == "ok" and len(rows) == 3
    assert outcome.fitted == (2 if kind == "folder" else 1)
    if kind == "link":
        assert [path.name for path in (tmp_path / "victim").iterdir()] == ["mine.txt"]


def test_only_our_own_leftovers_go(tmp_path: Path) -> None:
    keypoints = write_folder(tmp_path / "in", frames=1)
    run_quick(keypoints, tmp_path / "out")
    ours = [
        ".summary.csv.123.tmp",
        ".config.yaml.1.tmp",
        ".index.html.7.tmp",
        "results/frame_000/.000.npz.99.tmp",
        "overlays/.frame_000.jpg.99.tmp",
        "pictures/frame_000/.turned.jpg.99.tmp",
        "meshes/frame_000/.000.obj.99.tmp",
        "pages/.0002.html.99.tmp",
    ]
    theirs = [
        ".precious.tmp",
        ".summary.csv.tmp",
        ".summary.csv.old.tmp",
        "notes.tmp",
        "mine/.000.npz.99.tmp",
        "results/frame_000/.draft.tmp",
        "results/frame_000/.notes.npz.99.tmp",
        "pictures/frame_000/.own.jpg.99.tmp",
    ]
    for name in (*ours, *theirs):
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_text("half")
    (tmp_path / "out" / ".index.html.8.tmp").symlink_to(tmp_path / "out" / "notes.tmp")
    run_quick(keypoints, tmp_path / "out")
    left = [name for name in (*ours, *theirs) if (tmp_path / "out" / name).exists()]
    assert left == theirs and (tmp_path / "out" / ".index.html.8.tmp").is_symlink()


def test_nothing_is_removed_from_a_folder_that_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".precious.tmp").write_text("mine")
    run_quick(write_folder(tmp_path / "in", frames=1), tmp_path / "out")
    assert (tmp_path / "out" / ".precious.tmp").read_text() == "mine"


@pytest.mark.parametrize(
    "stem", ["../x", "/etc/x", "a/../../x", "a//b", "", ".", "a\nb", "a\0b", "a/"]
)
def test_no_path_leads_out(tmp_path: Path, stem: str) -> None:
    with pytest.raises(StoreError) as caught:
        Store(tmp_path).result(stem, 0)
    assert "\n" not in str(caught.value)


HOSTILE_RECORDS = {
    "no job": "smplifyx: {}\n",
    "job a list": "smplifyx: {}\njob: [1]\npreset: {}\nmodels: {}\n",
    "model a number": "smplifyx: {}\njob: {preset: a, model: 3}\npreset: {}\nmodels: {}\n",
    "models a list": "smplifyx: {}\njob: {preset: a}\npreset: {}\nmodels: [1]\n",
    "recursive": "smplifyx: {}\njob: &j\n  x: *j\n",
    "laughs": "smplifyx: {}\n" + "\n".join(
        [
            "a0: &a0 [x]",
            *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)),
        ]
    ),
    "deep": "smplifyx: " + "[" * 3000,
    "large": "smplifyx: {}\n" + "a: b\n" * 100_000,
    "no text": "\udcff",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_RECORDS)
def test_a_hostile_record_is_one_line(tmp_path: Path, name: str) -> None:
    keypoints = write_folder(tmp_path / "in", frames=1)
    (tmp_path / "out").mkdir()
    content = HOSTILE_RECORDS[name].encode("utf-8", "surrogateescape")
    (tmp_path / "out" / "config.yaml").write_bytes(content)
    for use in (
        lambda: run_quick(keypoints, tmp_path / "out"),
        lambda: recorded_job(Store(tmp_path / "out")),
    ):
        with pytest.raises(StoreError, match=r"config\.yaml") as caught:
            use()
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 1000
    assert (tmp_path / "out" / "config.yaml").read_bytes() == content


def test_other_bytes_of_a_prior_are_another_configuration(tmp_path: Path) -> None:
    keypoints = write_folder(tmp_path / "in", frames=1)
    prior = tmp_path / "prior.npz"
    with np.load(assets.folder("priors") / "pose" / "gaussian.npz") as archive:
        arrays = dict(archive)
    np.savez(prior, **arrays)
    run_quick(keypoints, tmp_path / "out", prior=str(prior))
    run_quick(keypoints, tmp_path / "out", prior=str(prior))
    np.savez(prior, **(arrays | {"mean": arrays["mean"] + 0.01}))
    with pytest.raises(StoreError, match=r"priors\.pose"):
        run_quick(keypoints, tmp_path / "out", prior=str(prior))
