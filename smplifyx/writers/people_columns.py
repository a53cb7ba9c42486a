"""What our own tables keep of a person: the fields of a result file, under their names there.

Each is told by where it is in a `FitResult`; what the file derives or has once for all people is
left to the table.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..evidence.evidence import SavedEvidence
from ..fitting.result import FitResult, FitStatus, Origin, Provenance
from ..keypoints import names


@dataclass(frozen=True)
class FixedField:
    """An array that has the same shape for everybody."""

    path: str
    shape: tuple[int, ...]


_POINTS = names.COUNT
FIXED = MappingProxyType({
    "global_orient": FixedField("params.global_orient", (3,)),
    "body_pose": FixedField("params.body_pose", (21, 3)),
    "left_hand_pose": FixedField("params.left_hand_pose", (15, 3)),
    "right_hand_pose": FixedField("params.right_hand_pose", (15, 3)),
    "jaw_pose": FixedField("params.jaw_pose", (3,)),
    "leye_pose": FixedField("params.leye_pose", (3,)),
    "reye_pose": FixedField("params.reye_pose", (3,)),
    "transl": FixedField("params.transl", (3,)),
    "K": FixedField("camera.K", (3, 3)),
    "image_size": FixedField("camera.image_size", (2,)),
    "keypoint_trust": FixedField("keypoints.trust", (_POINTS,)),
    "points3d": FixedField("points3d", (_POINTS, 3)),
    "points2d": FixedField("points2d", (_POINTS, 2)),
})  # fmt: skip
KEYPOINTS = ("keypoints", (_POINTS, 3))  # x, y, confidence
# Of the same shape for everybody who has it.
OPTIONAL = MappingProxyType({
    "K_guess": FixedField("origin.K_guess", (9,)),
    "conversion_mm": FixedField("origin.conversion_mm", (4,)),
    "held_out_px": FixedField("held_out", (25,)),
})  # fmt: skip
COVARIANCE = ("joint_covariance", (67, 6))  # xx, xy, xz, yy, yz, zz
UPPER = torch.triu_indices(3, 3)
# As long as the model, the prior or the preset has it.
LISTS = MappingProxyType({
    "betas": "params.betas",
    "expression": "params.expression",
    "latent": "latent",
    "hypothesis_energies": "hypothesis_energies",
})  # fmt: skip
NUMBERS = MappingProxyType({
    "energy": "energy",
    "energy_gap": "gap",
    "stature_m": "shape.stature",
    "stature_sd_m": "shape.stature_sd",
    "shape_determined": "shape.determined",
    "penetration_mm": "penetration.depth_mm",
    "start_error_percent": "start.start_error",
    "end_error_percent": "start.end_error",
    "moved_mm": "start.moved_mm",
    "seconds": "origin.seconds",
    "gender_probability": "origin.gender_probability",
    "gender_log_odds": "origin.gender_log_odds",
})  # fmt: skip
COUNTS = MappingProxyType({
    "person": "origin.person",
    "chosen_hypothesis": "chosen",
    "steps": "steps",
    "tries": "tries",
    "intersecting_triangles": "penetration.triangles",
    "track": "origin.track",
})  # fmt: skip
FLAGS = MappingProxyType({"kept_start": "start.kept"})
_NO_TEXTS = {
    "versions", "person", "seconds", "gender_probability", "gender_log_odds", "image",
    "track", *OPTIONAL,
}  # fmt: skip
TEXTS = MappingProxyType({
    field.name: f"{where}.{field.name}"
    for where, kind in (("provenance", Provenance), ("origin", Origin))
    for field in dataclasses.fields(kind)
    if field.name not in _NO_TEXTS
})  # fmt: skip


def found(result: FitResult, path: str) -> object:
    """What is at a path of fields; None where a field on the way is None."""
    value: object = result
    for name in _names(path):
        value = getattr(value, name)
        if value is None:
            break
    return value


@functools.cache
def _names(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


def tensor(result: FitResult, path: str) -> Tensor:
    """What is at a path where every result has an array."""
    value = found(result, path)
    assert isinstance(value, Tensor)
    return value


def status_of(result: FitResult) -> str:
    """As a result file says it."""
    return FitStatus(int(result.status)).name.lower()


def versions_of(result: FitResult) -> list[str]:
    """`name=version` of each program."""
    return [f"{name}={version}" for name, version in result.provenance.versions.items()]


def evidence_arrays(result: FitResult) -> dict[str, np.ndarray]:
    """What decided the result besides the keypoints, by its names in a result file."""
    arrays: dict[str, np.ndarray] = {}
    for evidence in result.evidence.values():
        if isinstance(evidence, SavedEvidence):
            arrays |= evidence.to_arrays()
    return arrays


def upper_triangles(matrices: Float[Tensor, "*n 3 3"]) -> Float[Tensor, "*n 6"]:
    """Of symmetric matrices: xx, xy, xz, yy, yz, zz."""
    return matrices[..., UPPER[0], UPPER[1]]


def symmetric(triangles: np.ndarray) -> np.ndarray:
    """The matrices [..., 3, 3] of upper triangles [..., 6]."""
    order = [[0, 1, 2], [1, 3, 4], [2, 4, 5]]
    return triangles[..., order]
