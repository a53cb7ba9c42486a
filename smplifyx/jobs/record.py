"""The configuration of a job as it is kept with its results."""

from __future__ import annotations

from pathlib import Path

from ..body.loading.files import BodyFileError, find_body
from ..body.loading.kid import kid_templates
from ..config import FitConfig, HandPrior
from ..core import assets
from ..core.choices import BODY_GENDERS, LABELLED, BodyGender, Gender, body_gender
from ..core.files import sha256_of
from ..depth_prior.network import depth_file
from ..fitting.result import program_versions
from ..pose_priors import prior_file
from .job import FREE_TO_CHANGE, JobConfig
from .store import MADE_BY

PATHS = (*("keypoints", "images", "model", "cameras", "views", "kid_template", "genders", "start"),)


def record_of(job: JobConfig, config: FitConfig) -> dict[str, object]:
    """Versions and free options under `smplifyx`, then all that decides the results: job, preset,
    the bytes of body models and priors.

    Raises BodyFileError where the job's body model is missing, OSError where a file cannot be read.
    """
    settings = job.model_dump(mode="json")
    for name in PATHS:  # the same folder from another working directory is the same job
        if settings[name]:
            settings[name] = str(Path(settings[name]).resolve())
    free = {name: settings.pop(name) for name in FREE_TO_CHANGE}
    return {
        MADE_BY: {"versions": program_versions(), **free},
        "job": settings,
        "preset": config.model_dump(mode="json"),
        "models": {name: sha256_of(path) for name, path in _models(job).items()},
        "priors": {name: sha256_of(path) for name, path in _priors(job, config).items()},
    }


def genders_of(job: JobConfig) -> tuple[BodyGender, ...]:
    """The genders a job may need."""
    return BODY_GENDERS if job.gender in LABELLED else (body_gender(job.gender),)


def _models(job: JobConfig) -> dict[str, Path]:
    """The files of the bodies that the job may need, by gender, and "kid", the template of
    children; where there are several, for different meshes, "kid 2" and so on.
    """
    found: dict[str, Path] = {}
    for gender in genders_of(job):
        try:
            found[gender.value] = find_body(job.model, gender)
        except BodyFileError:
            # else the people of that gender get the neutral body
            if job.gender not in LABELLED:
                raise
    if job.kid_template:
        kids = [job.kid_template]
    else:
        # each once: the bodies of all genders have the same beside them
        kids = list(dict.fromkeys(kid for path in found.values() for kid in kid_templates(path)))
    for number, kid in enumerate(kids, 1):
        found["kid" if number == 1 else f"kid {number}"] = kid
    return found


def _priors(job: JobConfig, config: FitConfig) -> dict[str, Path]:
    """The files that say what bodies are plausible."""
    shipped = assets.folder("priors")
    found = {
        "pose": prior_file(config.pose_prior),
        "pose limits": shipped / "pose" / "limits.yaml",
        "hand limits": shipped / "hands" / "limits.yaml",
        "joint uncertainty": shipped / "uncertainty" / "joints.yaml",
    }
    if any(stage.weights.bone_depth for stage in config.stages):
        found["depth"] = depth_file(config.depth_prior)
    if job.gender is Gender.AUTO:
        found["gender evidence"] = shipped / "gender" / "evidence.yaml"
    if config.hand_prior is HandPrior.RECORDED:
        found["hands"] = shipped / "hands" / "hands.npz"
    return found
