"""SMPL's points as SPIN, 4D-Humans and CameraHMR compute them, in numbers: numpy, none of our code.

The embedded mesh on SMPL's joints stands for the published body, made-up weights for
`J_regressor_extra.npy`.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import torch
from export_people import body_of, reader_of
from golden_body import GoldenBody

from smplifyx.body.joints import BodyKind
from smplifyx.body.model import Age
from smplifyx.core.choices import Gender
from smplifyx.writers.dataset_format import DatasetFormat
from smplifyx.writers.dataset_rows import DatasetPerson
from smplifyx.writers.joint_regressor import JointRegressor
from smplifyx.writers.reader_body import ReaderBody

# columns of the 24 joints, 21 vertices and 9 sums of vertices
OPENPOSE_25 = [24, 12, 17, 19, 21, 16, 18, 20, 0, 2, 5, 8, 1, 4, 7, *range(25, 35)]
SPIN_24 = [8, 5, 45, 46, 4, 7, 21, 19, 17, 16, 18, 20, 47, 48, 49, 50, 51, 52, 53, 24, 26, 25, 28, 27]  # fmt: skip  # noqa: E501
NINE = [index for index, column in enumerate(SPIN_24) if 45 <= column < 54]


@functools.cache
def golden(child: bool = False) -> GoldenBody:
    """The body that readers load; or what a child really is, which none of them does."""
    body = body_of(BodyKind.SMPL, Gender.NEUTRAL, Age.CHILD if child else Age.ADULT)
    return GoldenBody.of(body, GoldenBody.embedded())


@functools.cache
def regressor() -> np.ndarray:
    """Nine joints, each a mean of some hundred vertices."""
    random = np.random.default_rng(5)
    weights = np.zeros((9, len(golden().template)), np.float32)
    for line in weights:
        line[random.choice(len(line), 100, replace=False)] = random.random(100)
    return weights / weights.sum(1, keepdims=True)


def reader(format: DatasetFormat, with_regressor: bool = True) -> ReaderBody:
    """A reader that loads the body, with the nine joints or without."""
    joints = JointRegressor(torch.from_numpy(regressor()), "made up") if with_regressor else None
    return dataclasses.replace(reader_of(format, BodyKind.SMPL), joint_regressor=joints)


def points49(
    pose: np.ndarray, betas: np.ndarray, body: GoldenBody | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [v, 3] and the 49 points, metres about the body's own origin. pose: [72]."""
    body = body or golden()
    vertices, joints, _ = body.forward(pose.astype(float).reshape(24, 3), betas)
    nine = regressor().astype(float) @ vertices
    columns = np.concatenate([joints, vertices[body.vertices21], nine])
    return vertices, columns[OPENPOSE_25 + SPIN_24]


def placed(
    points: np.ndarray, pixels: np.ndarray, weight: np.ndarray, K: np.ndarray
) -> tuple[np.ndarray, float]:
    """The translation that explains the pixels best, and the largest error that is left in pixels.

    Linear least squares: f (x + t_x) = (u - c) (z + t_z).
    """
    rays = (pixels - K[:2, 2]) / np.diag(K)[:2]
    rows, sides = [], []
    for point, ray, w in zip(points, rays, weight, strict=True):
        for axis in range(2):
            row = np.zeros(3)
            row[axis], row[2] = w, -w * ray[axis]
            rows.append(row)
            sides.append(w * (ray[axis] * point[2] - point[axis]))
    t = np.linalg.lstsq(np.array(rows), np.array(sides), rcond=None)[0]
    moved = points + t
    found = moved[:, :2] / moved[:, 2:] * np.diag(K)[:2] + K[:2, 2]
    return t, float((np.linalg.norm(found - pixels, axis=-1) * (weight > 0)).max())


def intrinsics(person: DatasetPerson) -> np.ndarray:
    """The camera of somebody."""
    return person.result.camera.K.double().numpy()


def truth(person: DatasetPerson) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and 49 points in the camera's frame of the body that was fitted."""
    params = person.result.params
    pose = np.concatenate([params.global_orient, params.body_pose.flatten(), np.zeros(6)])
    body = golden(child=person.body.age is Age.CHILD)
    vertices, points = points49(pose, params.betas.double().numpy(), body)
    transl = params.transl.double().numpy()
    return vertices + transl, points + transl
