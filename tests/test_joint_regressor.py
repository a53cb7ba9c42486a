"""The file of SPIN's nine joints: read, found, refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from export_people import body_of, person, rows_of
from golden_smpl import points49, regressor

from smplifyx.body.joints import BodyKind
from smplifyx.config import FieldError
from smplifyx.jobs.exporting import reader_body
from smplifyx.writers import dataset_rows
from smplifyx.writers.bedlam import BEDLAM
from smplifyx.writers.joint_regressor import (
    NAME,
    JointRegressorError,
    find_joint_regressor,
    read_joint_regressor,
)
from smplifyx.writers.spin import SPIN


def test_read(tmp_path: Path) -> None:
    path = tmp_path / NAME
    np.save(path, regressor().astype(np.float64))
    read = read_joint_regressor(path)
    assert read.weights.dtype == torch.float32
    assert np.array_equal(read.weights.numpy(), regressor())
    assert len(read.sha256) == 64


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((19, 50)), r"\[19, 50\], expected floats \[9, vertices\]"),
        (np.zeros(9), r"\[9\], expected"),
        (np.zeros((9, 50), int), "int64"),
        (np.full((9, 50), np.nan), "NaN"),
        (np.array([{}], object), "array of objects"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, array: np.ndarray, words: str) -> None:
    path = tmp_path / NAME
    np.save(path, array)
    with pytest.raises(JointRegressorError, match=words) as caught:
        read_joint_regressor(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("place", ["models/smpl", "models", "."])
def test_found_with_the_model(tmp_path: Path, place: str) -> None:
    model = tmp_path / "models" / "smpl" / "SMPL_NEUTRAL.npz"
    model.parent.mkdir(parents=True)
    model.touch()
    folder = tmp_path / "models"
    file = tmp_path / place / NAME
    np.save(file, regressor())
    assert find_joint_regressor(folder) == file
    assert place == "." or find_joint_regressor(model) == file


def test_given_wins_over_found(tmp_path: Path) -> None:
    given, found = tmp_path / "given.npy", tmp_path / NAME
    np.save(given, regressor())
    np.save(found, regressor()[:, :50])
    with_file = reader_body(SPIN, None, given, tmp_path).joint_regressor
    assert with_file is not None and with_file.weights.shape[1] > 50
    without = reader_body(SPIN, None, None, tmp_path).joint_regressor
    assert without is not None and without.weights.shape[1] == 50
    elsewhere = tmp_path / "some" / "place" / "smpl.npz"
    assert reader_body(SPIN, None, None, elsewhere).joint_regressor is None
    assert with_file.sha256 != without.sha256


def test_a_format_without_such_joints_refuses_it(tmp_path: Path) -> None:
    with pytest.raises(FieldError, match="joint_regressor.*bedlam"):
        reader_body(BEDLAM, None, tmp_path / NAME, None)
    assert reader_body(BEDLAM, None, None, tmp_path).joint_regressor is None


def test_sums_of_vertices_however_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    people = [person(case, BodyKind.SMPL) for case in ("adult", "child", "wide")]
    weights = torch.from_numpy(regressor())
    rows = rows_of(people)
    at_once = rows.regressed(weights)
    monkeypatch.setattr(dataset_rows, "_MESHES", 1)
    torch.testing.assert_close(rows.regressed(weights), at_once)
    params = people[0].result.params
    pose = np.concatenate([params.global_orient, params.body_pose.flatten(), np.zeros(6)])
    expected = points49(pose, params.betas.double().numpy())[1][25 + 12] + params.transl.numpy()
    assert np.abs(at_once[0, 2].numpy() - expected).max() < 1e-4
    assert rows.regressed(weights[:, :-1]).isnan().all()  # of another mesh
    assert weights.shape[1] == len(body_of().v_template)
