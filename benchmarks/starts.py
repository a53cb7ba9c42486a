"""What a network's prediction is worth as a start, and whether it does harm.

    python -m benchmarks.starts [--count 256] [--preset smplx]

Generated people of the protocol `real` in poses of held-out persons, fitted with the guessed focal
length, without a prediction and with one that is off by a known amount: every joint turned at
random, so that joints are off by so many cm in the mean and errors run along the limbs; one limb in
ten is another person's; one person in twenty is somebody else. Predictions have the mean body's
shape, as networks have another than the person's.

start: the prediction itself. fit, alone: with and without it. PA-MPJPE in mm over the 18 points of
`benchmarks.real`, of people whose prediction is of them. strangers: predictions of somebody else
that are told to be so; refused: those of the right person that are refused as too far off. limbs:
people with a limb that is wrong, fitted with the prediction and without. kept: predictions that
were nearer to keypoints held out than the fit. time: processor seconds with the prediction, its
reading included, by those without.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from smplifyx.body import skinning
from smplifyx.body.joints import BODY_POSE_JOINTS
from smplifyx.body.loading.files import load_body
from smplifyx.body.model import BodyModel
from smplifyx.body.params import BodyParams
from smplifyx.config import FitConfig, load_preset
from smplifyx.core import rotations
from smplifyx.data.mocap import heldout_poses
from smplifyx.data.synthetic import REAL, GeneratedPeople, generate_people
from smplifyx.evaluation.metrics import BODY_JOINTS, pa_mpjpe
from smplifyx.fitting.fit import fit
from smplifyx.predictions.prediction import Prediction

from .quality import guessed, table
from .real import TRUE_POINTS

MOCAP = Path("../shared/data/mocap")
CENTIMETRES = (3.0, 6.0, 12.0, 20.0)
WRONG_LIMBS, WRONG_PEOPLE = 0.1, 0.05
SEED = 11  # of people and noise: nothing was chosen on these
LIMBS = tuple(
    tuple(BODY_POSE_JOINTS.index(f"{side}_{joint}") for joint in limb)
    for limb in (("shoulder", "elbow"), ("hip", "knee"))
    for side in ("left", "right")
)
HALVINGS = 25  # of the interval in which the right noise lies


@dataclass(frozen=True)
class Predicted:
    """Predictions, and what is wrong with them on purpose."""

    bodies: BodyParams
    wrong_limb: Bool[Tensor, " people"]
    stranger: Bool[Tensor, " people"]

    @property
    def predictions(self) -> list[Prediction]:
        """As a reader gives them."""
        turned = rotations.exp(self.bodies.full_pose()).numpy().astype(np.float32)
        return [Prediction("benchmark", one, np.ones(55, bool)) for one in turned]


def predicted(body: BodyModel, truth: BodyParams, centimetres: float) -> Predicted:
    """The truth with noise; see the module."""
    generator = torch.Generator().manual_seed(SEED)
    count = len(truth.transl)
    of_body = torch.randn(count, len(BODY_POSE_JOINTS), 3, generator=generator)
    of_root = torch.randn(count, 3, generator=generator)
    right = _joints(body, truth)

    def noisy(size: float) -> BodyParams:
        turned = rotations.exp(truth.body_pose) @ rotations.exp(size * of_body)
        root = rotations.exp(size * of_root) @ rotations.exp(truth.global_orient)
        return truth.replace(body_pose=rotations.log(turned), global_orient=rotations.log(root))

    least, most = 0.0, 3.0  # radians
    for _ in range(HALVINGS):
        size = (least + most) / 2
        off = 100 * (_joints(body, noisy(size)) - right).norm(dim=-1).mean()
        least, most = (least, size) if off > centimetres else (size, most)
    bodies = noisy(least)

    other = torch.randperm(count, generator=generator)
    pose, root = bodies.body_pose.clone(), bodies.global_orient.clone()
    wrong = torch.rand(count, len(LIMBS), generator=generator) < WRONG_LIMBS
    for limb, joints in enumerate(LIMBS):
        for joint in joints:
            pose[wrong[:, limb], joint] = truth.body_pose[other][wrong[:, limb], joint]
    stranger = torch.rand(count, generator=generator) < WRONG_PEOPLE
    pose[stranger] = truth.body_pose[other][stranger]
    root[stranger] = truth.global_orient[other][stranger]
    return Predicted(
        bodies.replace(body_pose=pose, global_orient=root), wrong.any(1) & ~stranger, stranger
    )


def row(
    body: BodyModel, people: GeneratedPeople, config: FitConfig, centimetres: float
) -> dict[str, float]:
    """One line of the table."""
    camera = guessed(people.camera)
    said = predicted(body, people.truth, centimetres)
    began = time.process_time()
    alone = fit(people.keypoints, camera, body, config)
    between = time.process_time()
    begun = fit(people.keypoints, camera, body, config, start=said.predictions)
    ended = time.process_time()

    own = ~said.stranger
    limbs = said.wrong_limb
    error_alone, error = (_errors(result.points3d, people) for result in (alone, begun))
    start = _errors(_points(body, said.bodies), people)
    assert begun.start is not None
    refused = begun.start.start_error.isnan()
    return {
        "start": float(start[own].mean()),
        "fit": float(error[own].mean()),
        "alone": float(error_alone[own].mean()),
        "strangers": float(refused[said.stranger].float().mean()),
        "refused": float(refused[own].float().mean()),
        "limbs": float(error[limbs].mean()),
        "limbs alone": float(error_alone[limbs].mean()),
        "strangers fit": float(error[said.stranger].mean()),
        "strangers alone": float(error_alone[said.stranger].mean()),
        "kept": float(begun.start.kept.float().mean()),
        "steps": float(begun.steps.float().mean()),
        "steps alone": float(alone.steps.float().mean()),
        "time": (ended - between) / (between - began),
    }


def _errors(points: Float[Tensor, "n 137 3"], people: GeneratedPeople) -> Float[Tensor, " n"]:
    return pa_mpjpe(points[:, TRUE_POINTS], people.points[:, TRUE_POINTS])


@torch.no_grad()
def _points(body: BodyModel, bodies: BodyParams) -> Float[Tensor, "n 137 3"]:
    return skinning.points(body, bodies.replace(betas=torch.zeros_like(bodies.betas)))


@torch.no_grad()
def _joints(body: BodyModel, bodies: BodyParams) -> Float[Tensor, "n 21 3"]:
    """Of the mean shape, from the pelvis."""
    joints = skinning.joints(body, bodies.replace(betas=torch.zeros_like(bodies.betas)))
    return (joints - joints[:, :1])[:, 1:BODY_JOINTS]


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=256)
    parser.add_argument("--preset", default="smplx")
    parser.add_argument("--mocap", type=Path, default=MOCAP)
    asked = parser.parse_args(arguments)

    torch.set_num_threads(1)
    body = load_body(None)
    poses = heldout_poses(asked.mocap, body.joint_template.double().numpy())
    people = generate_people(body, poses, asked.count, SEED, REAL)
    config = load_preset(asked.preset)
    fit(people.keypoints[:4], guessed(people.camera[:4]), body, config)  # what is worked out once
    rows: dict[str, dict[str, float]] = {}
    for centimetres in CENTIMETRES:
        rows[f"{centimetres:g} cm off"] = row(body, people, config, centimetres)
    machine = f"{platform.machine()}, torch {torch.__version__}, one thread"
    print(table(f"{asked.count} people, preset {asked.preset}; {machine}", rows))


if __name__ == "__main__":
    main()
