"""`--prior`: every prior that ships fits people, under the preset's own weight for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from cases import embedded_body, preset
from job_tools import run_quick
from test_fit import FLOAT, people

from smplifyx.config import with_prior, with_prior_weight
from smplifyx.core import assets, rotations
from smplifyx.evaluation.metrics import person_errors
from smplifyx.fitting.fit import fit
from smplifyx.jobs.job import JobConfig, preset_of
from smplifyx.pose_priors import load_prior

SHIPPED = assets.folder("priors") / "pose"
PRIORS = ("gaussian", "gmm", "vposer", "flow", "none")


@pytest.mark.parametrize("name", PRIORS)
def test_every_prior_fits_people_and_keeps_its_latent(name: str) -> None:
    result = fit(
        people().keypoints, people().camera, embedded_body(FLOAT), with_prior(preset("fast"), name)
    )
    prior = load_prior(name)
    assert result.provenance.pose_prior == name and result.latent.shape == (8, prior.latent_dim)
    error = person_errors(embedded_body(FLOAT), result.params, people().truth).pa_mpjpe
    assert error.median() < (120 if name == "none" else 60)
    decoded = prior.decode(result.latent)
    assert (decoded - rotations.exp(result.params.body_pose)).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("gmm", 1.0),
        ("vposer", 2.0),
        (str(SHIPPED / "vposer"), 2.0),
        (str(SHIPPED / "flow.npz"), 1.0),
    ],
)
def test_the_preset_says_what_a_prior_weighs(tmp_path: Path, name: str, factor: float) -> None:
    before = preset_of(JobConfig(keypoints=tmp_path, out=tmp_path))
    after = preset_of(JobConfig(keypoints=tmp_path, out=tmp_path, prior=name))
    assert after.pose_prior == name and before.pose_prior == "gmm"
    weights = [[stage.weights.pose_prior for stage in config.stages] for config in (before, after)]
    assert weights[1] == [factor * weight for weight in weights[0]] and max(weights[1]) > 0


def test_only_the_weight_of_the_prior_is_scaled() -> None:
    before, after = preset(), with_prior_weight(preset(), 3.0)
    assert (
        with_prior_weight(after, 1 / 3).stages[1].weights.limits == before.stages[1].weights.limits
    )
    assert after.stages[1].weights.shape == before.stages[1].weights.shape
    assert after.stages[1].weights.pose_prior == 3 * before.stages[1].weights.pose_prior


@pytest.mark.parametrize(
    ("prior", "message"),
    [("nonsense", "no pose prior 'nonsense'"), (__file__, "test_prior_choice")],
)
def test_a_prior_that_does_not_load_is_told_before_anybody_is_fitted(
    tmp_path: Path, prior: str, message: str
) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(ValueError, match=message):
        run_quick(tmp_path / "in", tmp_path / "out", prior=prior)
    assert not (tmp_path / "out" / "summary.csv").exists()
