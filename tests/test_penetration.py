"""How far fitted people pass through themselves: measured on their meshes, once a job, at nobody's
expense.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from cases import embedded_body
from job_tools import Counting, end_state, quick_fit, table, write_folder
from test_mesh_check import FREE_POSES, INTO_BELLY
from test_result import people

from smplifyx import contact_of, load_body
from smplifyx.body.joints import JOINT_INDEX
from smplifyx.body.model import Age
from smplifyx.body.params import BodyParams
from smplifyx.collision.mesh.check import self_penetration
from smplifyx.fitting.result import FitResult, FitStatus, Provenance
from smplifyx.jobs import fit_and_check
from smplifyx.jobs.fit_and_check import with_penetration
from smplifyx.jobs.job import JobConfig
from smplifyx.jobs.runner import run_job
from smplifyx.jobs.store import Store

FLOAT = torch.float32
POSES = (*FREE_POSES.values(), INTO_BELLY)


def posed_people(repeats: int = 1) -> FitResult:
    """People in the poses of the table, the last with a hand in the belly, three metres before the
    camera.
    """
    count = repeats * len(POSES)
    params = BodyParams.zeros((count,), 10, 10, embedded_body(FLOAT).v_template)
    for row in range(count):
        for joint, angles in POSES[row % len(POSES)].items():
            params.body_pose[row, JOINT_INDEX[joint] - 1] = torch.tensor(angles)
    params.transl[:] = torch.tensor([0.1, 0.2, 3.0])
    params.betas[:] = torch.linspace(-1, 1, count)[:, None]
    return people(count).replace(params=params, status=torch.zeros(count, dtype=torch.long))


def checked_fit(*inputs: object) -> list[FitResult]:
    """The quick fit, with the check."""
    return with_penetration(quick_fit(*inputs), inputs[2])


def test_only_the_hand_in_the_belly_is_found() -> None:
    contact = contact_of(posed_people(), embedded_body(FLOAT))
    assert (
        (contact.triangles > 0).tolist()
        == (contact.depth > 0).tolist()
        == [False] * len(FREE_POSES) + [True]
    )
    assert 0.02 < contact.depth[-1] < 0.09
    assert contact.cut.sum(-1).tolist() == contact.triangles.tolist() and contact.inside.amax(
        -1
    ).equal(contact.depth)


def test_the_contact_has_the_axes_of_the_result() -> None:
    flat, body = posed_people(2), embedded_body(FLOAT)
    folded = flat.map(lambda tensor: tensor.unflatten(0, (2, -1)))
    whole = contact_of(flat, body)
    assert contact_of(folded, body).inside.flatten(0, 1).equal(whole.inside)
    alone = contact_of(flat[len(POSES) - 1], body)
    assert alone.depth.shape == () and alone.inside.equal(whole.inside[len(POSES) - 1])


@pytest.mark.parametrize("size", [1, 3, 5, 8, 11])
def test_the_company_changes_no_bit(size: int) -> None:
    body, everybody = embedded_body(FLOAT), posed_people(2)
    together = contact_of(everybody, body)
    for rows in torch.arange(len(everybody.energy)).split(size):
        some = contact_of(everybody[rows], body)
        assert some.inside.equal(together.inside[rows]) and some.cut.equal(together.cut[rows])


def test_the_contact_is_that_of_the_mesh() -> None:
    result, body = posed_people(), embedded_body(FLOAT)
    found, expected = contact_of(result, body), self_penetration(result.vertices(body), body)
    assert torch.allclose(found.inside, expected.inside, atol=1e-6)


def test_everybody_with_a_body_is_measured() -> None:
    everybody = posed_people()
    failed = everybody[0].replace(status=torch.tensor(int(FitStatus.FAILED)))
    answers = with_penetration(
        [everybody[len(POSES) - 1], failed, everybody[1]], (embedded_body(FLOAT),)
    )
    assert [answer.penetration is None for answer in answers] == [False, True, False]
    assert 20 < answers[0].penetration.depth_mm < 90 and answers[2].penetration.depth_mm == 0
    assert answers[0].penetration.triangles > 0 == answers[2].penetration.triangles


def test_children_are_measured_with_their_own_body() -> None:
    child = load_body(None, age=Age.CHILD)
    adults = posed_people()
    kids = adults.replace(provenance=Provenance.of(child, "fast", "gmm"))
    answers = with_penetration([adults[-1], kids[-1], adults[0]], (embedded_body(FLOAT), child))
    assert [answer.provenance.age for answer in answers] == ["adult", "child", "adult"]
    expected = [contact_of(r, b) for r, b in ((adults, embedded_body(FLOAT)), (kids, child))]
    assert [int(answer.penetration.triangles) for answer in answers] == [
        *(int(c.triangles[-1]) for c in expected),
        0,
    ]


@pytest.mark.parametrize("fault", ["penetration_of", "solid_of"])
def test_a_check_that_fails_costs_only_its_number(
    monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    everybody = posed_people(2)
    everybody = everybody.replace(chosen=torch.arange(len(everybody.energy)))
    measure = getattr(fit_and_check, fault)

    def failing(measured: object, *more: object) -> object:
        if fault == "solid_of" or (measured.chosen == 3).any():
            raise RuntimeError("odd body")
        return measure(measured, *more)

    monkeypatch.setattr(fit_and_check, fault, failing)
    alone = [everybody[row] for row in range(len(everybody.energy))]
    answers = with_penetration(alone, (embedded_body(FLOAT),))
    assert all(answer.points3d is one.points3d for answer, one in zip(answers, alone, strict=True))
    lost = [row for row, answer in enumerate(answers) if answer.penetration is None]
    assert lost == ([3] if fault == "penetration_of" else list(range(len(alone))))


def test_a_job_tells_it_of_everybody_fitted_and_goes_on_to_the_same(tmp_path: Path) -> None:
    keypoints, counting = write_folder(tmp_path / "in", frames=2), Counting()
    for out, size in (("a", 2), ("b", 64)):
        run_job(
            JobConfig(keypoints=keypoints, out=tmp_path / out, batch_size=size),
            counting,
            checked_fit,
        )
    assert end_state(tmp_path / "a") == end_state(tmp_path / "b")
    for row in table(tmp_path / "a"):
        fitted = row["status"] in ("ok", "low_evidence", "poor")
        assert bool(row["penetration_mm"]) == bool(row["intersecting_triangles"]) == fitted
        if fitted:
            saved = FitResult.load(
                Store(tmp_path / "a").result(row["stem"], int(row["person"]))
            ).penetration
            assert row["penetration_mm"] == f"{float(saved.depth_mm):.6g}"
            assert int(row["intersecting_triangles"]) == int(saved.triangles)
    before = end_state(tmp_path / "a")
    Store(tmp_path / "a").result("frame_001", 1).unlink()
    run_job(JobConfig(keypoints=keypoints, out=tmp_path / "a", batch_size=2), counting, checked_fit)
    assert end_state(tmp_path / "a") == before
