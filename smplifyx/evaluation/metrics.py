"""Errors of fitted bodies against known truth, in millimetres and degrees. All functions take any
leading batch axes.

Protocols. PA: the prediction is moved by the similarity (rotation, translation, scale) that brings
it nearest to the truth (Procrustes; Umeyama 1991), each part by its own. MPJPE: mean distance of
the joints after moving the pelvis onto the true one. Body: the 22 SMPL-X body joints, pelvis
included. Hands: wrist and 20 finger points of each hand, aligned hand by hand, mean of both. Face:
the landmarks that are fixed to the surface (no contour), aligned on their own. V2V: all vertices.
Pixel errors are in `smplifyx/measure.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..body import skinning
from ..body.joints import JOINT_INDEX
from ..body.model import BodyModel
from ..body.params import BodyParams
from ..core.bundle import Bundle
from ..keypoints import names

BODY_JOINTS = 22
MILLIMETRES = 1000.0
CHUNK = 32  # people whose meshes are in memory at once


@dataclass(frozen=True)
class PersonErrors(Bundle):
    """Errors of each person: millimetres, and `facing` in degrees between the directions the chests
    face.
    """

    pa_mpjpe: Float[Tensor, "*batch"]
    mpjpe: Float[Tensor, "*batch"]
    pa_v2v: Float[Tensor, "*batch"]
    hands: Float[Tensor, "*batch"]
    face: Float[Tensor, "*batch"]
    facing: Float[Tensor, "*batch"]


def person_errors(
    body: BodyModel, predicted: BodyParams, truth: BodyParams, truth_body: BodyModel | None = None
) -> PersonErrors:
    """All errors of predicted bodies (one batch axis), by the protocols of this module.

    `truth_body` is the model of the truth where it is another one; the two need the same vertices
    and kinds of points.
    """
    parts = []
    for start in range(0, len(predicted.transl), CHUNK):
        rows = slice(start, start + CHUNK)
        with torch.no_grad():
            parts.append(_errors(body, predicted[rows], truth_body or body, truth[rows]))
    return PersonErrors.cat(parts)


def pa_mpjpe(
    predicted: Float[Tensor, "*batch n 3"], truth: Float[Tensor, "*batch n 3"]
) -> Float[Tensor, "*batch"]:
    """Mean distance in mm (points in metres) after similarity alignment; also the protocol of
    PA-V2V.
    """
    return _mean_distance(similarity_align(predicted, truth), truth)


def root_aligned_mpjpe(
    predicted: Float[Tensor, "*batch n 3"], truth: Float[Tensor, "*batch n 3"], root: int = 0
) -> Float[Tensor, "*batch"]:
    """Mean distance in mm (points in metres) after moving point `root` onto the true one."""
    return _mean_distance(
        predicted - predicted[..., root : root + 1, :], truth - truth[..., root : root + 1, :]
    )


def similarity_align(
    source: Float[Tensor, "*batch n 3"],
    target: Float[Tensor, "*batch n 3"],
    use: Bool[Tensor, "*batch n"] | None = None,
) -> Float[Tensor, "*batch n 3"]:
    """The source moved by the similarity that brings its points `use` (None: all) nearest to the
    target.

    Least squares, never a reflection; needs three points that are not on one line. Source: Umeyama
    1991, eq. 40-43.
    """
    weight = torch.ones_like(source[..., :1]) if use is None else use[..., None].to(source.dtype)
    total = weight.sum(-2, keepdim=True).clamp(min=1)
    mean_source, mean_target = (
        (p * weight).sum(-2, keepdim=True) / total for p in (source, target)
    )
    a, b = (source - mean_source) * weight, (target - mean_target) * weight
    u, s, vt = torch.linalg.svd(b.transpose(-1, -2) @ a)
    sign = torch.ones_like(s)
    sign[..., 2] = torch.linalg.det(u) * torch.linalg.det(vt)
    rotation = (u * sign[..., None, :]) @ vt
    scale = (s * sign).sum(-1) / (a * a).sum((-1, -2)).clamp(min=1e-12)
    return (
        scale[..., None, None] * (source - mean_source) @ rotation.transpose(-1, -2) + mean_target
    )


def facing_error(
    predicted: Float[Tensor, "*batch 22 3"], truth: Float[Tensor, "*batch 22 3"]
) -> Float[Tensor, "*batch"]:
    """Angle in degrees (0..180) between the chest normals of two sets of body joints; above 90 a
    body faces wrongly.
    """
    cosine = (chest_normal(predicted) * chest_normal(truth)).sum(-1)
    return torch.rad2deg(torch.acos(cosine.clamp(-1, 1)))


def chest_normal(joints: Float[Tensor, "*batch 22 3"]) -> Float[Tensor, "*batch 3"]:
    """The unit vector out of the chest, from shoulders and hips."""
    left_shoulder, right_shoulder, left_hip, right_hip = (
        joints[..., JOINT_INDEX[name], :]
        for name in ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
    )
    up = left_shoulder + right_shoulder - left_hip - right_hip
    across = left_shoulder - right_shoulder + left_hip - right_hip
    return torch.nn.functional.normalize(torch.linalg.cross(across, up), dim=-1)


def _errors(
    body: BodyModel, predicted: BodyParams, truth_body: BodyModel, truth: BodyParams
) -> PersonErrors:
    ours, true = (
        skinning.joints(m, p)[..., :BODY_JOINTS, :]
        for m, p in ((body, predicted), (truth_body, truth))
    )
    our_points, true_points = skinning.points(body, predicted), skinning.points(truth_body, truth)
    hands = [
        _part(our_points[..., hand, :], true_points[..., hand, :])
        for hand in (names.LEFT_HAND, names.RIGHT_HAND)
    ]
    fixed = slice(names.CONTOUR.stop, names.FACE.stop)
    return PersonErrors(
        pa_mpjpe=pa_mpjpe(ours, true),
        mpjpe=root_aligned_mpjpe(ours, true),
        pa_v2v=pa_mpjpe(skinning.vertices(body, predicted), skinning.vertices(truth_body, truth)),
        hands=(hands[0] + hands[1]) / 2,
        face=_part(our_points[..., fixed, :], true_points[..., fixed, :]),
        facing=facing_error(ours, true),
    )


def _part(predicted: Tensor, truth: Tensor) -> Tensor:
    """PA error over the points that both models have; NaN where there are none."""
    known = (predicted.isfinite() & truth.isfinite()).all(-1)
    distance = (similarity_align(predicted.nan_to_num(), truth.nan_to_num(), known) - truth).norm(
        dim=-1
    )
    return MILLIMETRES * torch.where(known, distance, torch.nan).nanmean(-1)


def _mean_distance(a: Tensor, b: Tensor) -> Tensor:
    return MILLIMETRES * (a - b).norm(dim=-1).mean(-1)
