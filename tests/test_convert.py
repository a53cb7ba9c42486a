"""From one body model to another and back: people, files of correspondences, meshes, the command."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from cases import embedded_body
from job_tools import run_quick, write_folder
from mocap_data import random_poses
from test_cli import call
from torch import Tensor

from benchmarks.convert import distances_mm
from benchmarks.stand_in import stand_in
from smplifyx.body import skinning
from smplifyx.body.model import BodyModel
from smplifyx.body.params import BodyParams
from smplifyx.conversion import cache
from smplifyx.conversion.cache import cache_folder, correspondence_of
from smplifyx.conversion.converter import Converter
from smplifyx.conversion.correspondence import (
    Correspondence,
    CorrespondenceError,
    load_correspondence,
)
from smplifyx.conversion.meshes import MeshFileError, read_meshes
from smplifyx.conversion.points_fit import fit_points, point_errors
from smplifyx.conversion.posing import posed_like
from smplifyx.data.synthetic import generate_people
from smplifyx.fitting.result import FitResult, FitStatus
from smplifyx.jobs.store import Store
from smplifyx.keypoints import names

COUNT = 4


@dataclass(frozen=True)
class Pair:
    """The embedded body and the stand-in, with people of the first, and converters both ways."""

    body: BodyModel
    other: BodyModel
    model: Path
    cache: Path
    truth: BodyParams
    there: Converter
    back: Converter

    @property
    def vertices(self) -> Tensor:
        return skinning.vertices(self.body, self.truth)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("cache")
    body, other = embedded_body(torch.float32), stand_in(folder)
    kept = folder / "smplifyx" / "correspondences"
    there = Converter.of(other, correspondence_of(body, other, kept))
    back = Converter.of(body, correspondence_of(other, body, kept))
    truth = generate_people(body, random_poses(40, seed=3), COUNT, 5).truth
    return Pair(body, other, folder / "stand_in_0.npz", folder, truth, there, back)


# ---- people


def test_people_come_back_from_another_body(pair: Pair) -> None:
    first, there_mm = pair.there.meshes(pair.vertices)
    others = skinning.vertices(pair.there.target, first.params)
    second, back_mm = pair.back.meshes(others)
    off = distances_mm(skinning.vertices(pair.back.target, second.params), pair.vertices)
    assert off.mean(1).max() < 2.5  # the issue asks for 5 of the mean of all
    assert off[:, pair.back.hands].mean() < 2 and off[:, pair.back.face].mean() < 4
    assert (off.mean() > 0.05) and (there_mm[:, 0] > 0.5).all()  # no identity
    assert (back_mm[:, 0] < 6).all() and (back_mm[:, 1] >= back_mm[:, 0]).all()
    # fingers, jaw and expression came along, and did not stay at rest
    for name, at_most in (("left_hand_pose", 0.1), ("jaw_pose", 0.05), ("leye_pose", 0.05)):
        moved = getattr(second.params, name) - getattr(pair.truth, name)
        assert moved.abs().mean() < at_most, name
    assert (second.params.betas - pair.truth.betas).abs().mean() < 0.3


def test_a_person_is_the_same_alone_and_a_broken_mesh_costs_only_itself(pair: Pair) -> None:
    vertices = pair.vertices.clone()
    vertices[1] = torch.nan
    together, errors = pair.there.meshes(vertices)
    alone, _ = pair.there.meshes(vertices[2:3])
    assert int(together.status[1]) == FitStatus.FAILED and errors[1].isnan().all()
    torch.testing.assert_close(
        together.params.body_pose[2:3], alone.params.body_pose, atol=1e-3, rtol=0
    )
    assert errors[[0, 2, 3]].isfinite().all()


def test_the_first_pose_is_near_whatever_the_pose_is(pair: Pair) -> None:
    everything = torch.ones(len(pair.body.v_template), dtype=torch.bool)
    turned = pair.truth.replace(betas=torch.zeros(COUNT, 10), body_pose=2 * pair.truth.body_pose)
    vertices = skinning.vertices(pair.body, turned)
    start = skinning.vertices(pair.body, posed_like(pair.body, vertices, everything))
    assert distances_mm(start, vertices).mean() < 60  # the expressions and joints are not its own
    at_rest = pair.truth.map(torch.zeros_like).replace(transl=pair.truth.transl)
    assert distances_mm(skinning.vertices(pair.body, at_rest), vertices).mean() > 300


def test_points_in_space_alone_make_a_body(pair: Pair) -> None:
    points = skinning.points(pair.body, pair.truth)[:2]
    points[:, names.FACE] = torch.nan
    near = points - points[:, :1]  # about the origin, behind what any camera sees
    found = fit_points(pair.body, near, "fast")
    body = pair.truth[:2].replace(transl=pair.truth.transl[:2] - points[:, 0])
    assert (
        distances_mm(*(skinning.vertices(pair.body, p) for p in (found.params, body))).mean() < 25
    )
    errors = point_errors(found, near)
    assert (errors[:, 0] < 8).all() and errors[:, 3].isnan().all() and (errors[:, 2] < 6).all()


# ---- correspondences


def test_correspondences_are_kept_with_a_card_and_made_anew_where_broken(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def quick(first: BodyModel, second: BodyModel) -> tuple[Correspondence, Correspondence]:
        made.append(first.name)
        return pair.there.correspondence, pair.back.correspondence

    monkeypatch.setattr(cache, "register", quick)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = correspondence_of(pair.body, pair.other)
    torch.testing.assert_close(found.shares, pair.there.correspondence.shares)
    files = sorted(path.name for path in cache_folder().iterdir())
    assert cache_folder().is_relative_to(tmp_path) and len(files) == 4
    assert sum(name.endswith(".card.yaml") for name in files) == 2

    again = correspondence_of(pair.body, pair.other)
    correspondence_of(pair.other, pair.body)
    assert len(made) == 1 and torch.equal(again.corners, pair.there.correspondence.corners)
    for path in cache_folder().glob("*.npz"):
        path.write_bytes(path.read_bytes()[:1000])
    correspondence_of(pair.body, pair.other)
    assert len(made) == 2
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (tmp_path / "file").write_text("")  # no folder can be made here
    assert correspondence_of(pair.body, pair.other) is not None and len(made) == 3


def test_bodies_of_one_mesh_have_the_same_vertices(pair: Pair) -> None:
    found = correspondence_of(pair.body, pair.body)
    torch.testing.assert_close(found.transferred(pair.vertices), pair.vertices)


FACES = np.array([[0, 1, 2], [2, 1, 3]])
GOOD = {"corners": np.array([[0, 1, 2], [3, 3, 3]]), "shares": np.array([[0.5, 0.5, 0], [1, 0, 0]])}
TRIANGLES = {"triangle_ids": np.array([0, 1]), "baryc_coords": np.array([[0, 0, 1], [0, 0, 1.0]])}
FAULTS = {
    "of another body": (
        {"corners": np.zeros((3, 3), int), "shares": np.eye(3)},
        "for a body of 3 vertices"),
    "shares": (GOOD | {"shares": np.ones((2, 3))}, "do not sum to 1"),
    "corners": (GOOD | {"source_vertices": np.array(3)}, r"corners outside 0\.\.2"),
    "sd": (GOOD | {"sd": np.zeros(2)}, "sd that is not above 0"),
    "triangles": (TRIANGLES | {"triangle_ids": np.array([0, 2])}, "triangle_ids up to 2"),
    "something else": ({"a": np.zeros(1)}, "expected corners and shares, or triangle_ids; found a"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
def test_a_file_that_is_no_correspondence_is_one_line(case: str, tmp_path: Path) -> None:
    arrays, message = FAULTS[case]
    path = tmp_path / "c.npz"
    np.savez(path, **arrays)
    with pytest.raises(CorrespondenceError, match=f"c.npz: .*{message}"):
        load_correspondence(path, targets=2, faces=FACES)


def test_both_layouts_of_correspondences_are_read(tmp_path: Path) -> None:
    mesh = torch.tensor([[0.0, 0, 0], [2, 0, 0], [0, 2, 0], [5, 5, 5]])
    for arrays in (GOOD, TRIANGLES):
        np.savez(tmp_path / "c.npz", **arrays)
        found = load_correspondence(tmp_path / "c.npz", targets=2, faces=FACES)
        first = [1.0, 0, 0] if arrays is GOOD else [0.0, 2, 0]
        assert found.transferred(mesh).tolist() == [first, [5.0, 5, 5]]
        with pytest.raises(CorrespondenceError, match="a mesh of 3 vertices"):
            found.transferred(mesh[:3])


# ---- meshes


def test_meshes_of_any_format_keep_the_order_of_their_vertices(tmp_path: Path) -> None:
    vertices = np.array([[0.0, 0, 1], [1, 0, 1], [0, 1.7, 2], [1, 1, 1]])
    mesh = trimesh.Trimesh(vertices, FACES, process=False)
    mesh.export(tmp_path / "a.ply")
    lines = [f"v {100 * x} {-100 * y} {-100 * z}" for x, y, z in vertices]
    (tmp_path / "a.obj").write_text("\n".join([*lines, "f 1/1 2/2 3/3", "f -2//1 -3//1 -1//1"]))
    np.savez(tmp_path / "a.npz", vertices=vertices[None].repeat(2, 0))
    for suffix in ("ply", "obj", "npz"):
        found = read_meshes(tmp_path / f"a.{suffix}", y_up=suffix == "obj")
        np.testing.assert_allclose(found.vertices[-1], vertices, atol=1e-6)
        assert found.centimetres == (suffix == "obj") and len(found.vertices) == 1 + (
            suffix == "npz"
        )
        assert found.faces is None if suffix == "npz" else found.faces.tolist() == FACES.tolist()


@pytest.mark.parametrize("content", [b"", b"v 1 2", b"v a b c\n", b"v nan 0 0\n"])
def test_a_file_that_is_no_mesh_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.obj").write_bytes(content)
    with pytest.raises(MeshFileError, match=r"a\.obj: not a mesh"):
        read_meshes(tmp_path / "a.obj", y_up=False)


# ---- the command


def rows_of(path: Path) -> dict[tuple[str, str], dict[str, str]]:
    with open(path, newline="") as stream:
        return {(row["stem"], row["person"]): row for row in csv.DictReader(stream)}


def test_a_folder_is_converted_once_and_stays_readable(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(pair.cache))
    run_quick(write_folder(tmp_path / "keypoints", frames=2), tmp_path / "out")
    broken = tmp_path / "out" / "results" / "frame_000" / "000.npz"
    broken.write_bytes(b"nothing")
    words = ("convert", tmp_path / "out", "--model", pair.model, "--to", tmp_path / "to", "--quiet")
    assert call(*words) == 0
    rows = rows_of(tmp_path / "to" / "conversion.csv")
    assert rows["frame_000", "0"]["status"] == "failed" and rows["j_cut", ""]["mean_mm"] == ""
    assert 0 < float(rows["frame_001", "1"]["mean_mm"]) < float(rows["frame_001", "1"]["max_mm"])
    assert rows_of(tmp_path / "to" / "summary.csv").keys() == rows.keys()

    path = Store(tmp_path / "to").result("frame_001", 1)
    person, before = (
        FitResult.load(path),
        FitResult.load(tmp_path / "out/results/frame_001/001.npz"),
    )
    assert person.provenance.model_sha256 == pair.other.sha256
    assert person.origin.converted_from == pair.body.name and len(person.origin.conversion_mm) == 4
    assert torch.equal(person.keypoints.xy, before.keypoints.xy)
    assert torch.equal(person.camera.K, before.camera.K)
    old = pair.there.correspondence.transferred(before.vertices(pair.body))
    known = pair.there.fit.known
    moved = distances_mm(person.vertices(pair.other), old)[known]
    assert float(moved.mean()) == pytest.approx(person.origin.conversion_mm[0], abs=0.01)

    written = path.stat().st_mtime_ns
    assert call(*words) == 0 and path.stat().st_mtime_ns == written
    assert rows_of(tmp_path / "to" / "conversion.csv") == rows
    assert call("render", tmp_path / "to", "--quiet") == 0
    assert (tmp_path / "to" / "pages").is_dir() or (tmp_path / "to" / "index.html").is_file()
    capsys.readouterr()
    assert call(*words, "--gender", "female") == 2
    assert "made with another configuration" in capsys.readouterr().err


def test_meshes_become_people_by_a_table_of_triangles(pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "meshes").mkdir()
    flipped = pair.vertices[0].double().numpy() * 100 * (1, -1, -1)
    mesh = trimesh.Trimesh(flipped, pair.body.faces.numpy(), process=False)
    mesh.export(tmp_path / "meshes" / "a.ply")
    (tmp_path / "meshes" / "b.obj").write_text("v 0 0 0\n")
    found = pair.there.correspondence
    faces = {tuple(face): number for number, face in enumerate(pair.body.faces.tolist())}
    ids = [faces.get(tuple(corners), 0) for corners in found.corners.tolist()]
    table = tmp_path / "table.npz"
    np.savez(table, triangle_ids=np.array(ids), baryc_coords=found.shares.numpy())
    words = ("convert", tmp_path / "meshes", "--model", pair.model, "--to", tmp_path / "to")
    assert call(*words, "--quiet") == 2  # nothing says which points are which
    assert call(*words, "--correspondences", table, "--y-up", "--quiet") == 0
    rows = rows_of(tmp_path / "to" / "conversion.csv")
    assert rows["a", "0"]["status"] == "ok" and float(rows["a", "0"]["mean_mm"]) < 10
    assert rows["b", "0"]["status"] == "failed"
    person = FitResult.load(tmp_path / "to" / "results" / "a" / "000.npz")
    assert person.origin.notes == "centimetres, read as such"
    direct, _ = pair.there.meshes(pair.vertices[:1])
    joints = [
        skinning.joints(pair.other, p)[..., :22, :] for p in (person.params, direct.params[0])
    ]
    assert distances_mm(*joints).mean() < 10
