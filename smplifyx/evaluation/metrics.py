"""Errors of fitted bodies against known truth, in millimetres and degrees. All functions take any
leading batch axes.

Protocols. PA: the prediction is moved by the similarity (rotation, translation, scale) that brings
it nearest to the truth (Procrustes; Umeyama 1991), each part by its own. MPJPE: mean distance of
the joints after moving the pelvis onto the true one. Body: the 22 SMPL-X body joints, pelvis
included. Hands: wrist and 20 finger points of each hand, aligned hand by hand, mean of both. Face:
the landmarks that are fixed to the surface (no contour), aligned on their own. V2V: all vertices.
Pixel errors are in `fitting/quality.py`.
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
    """Errors of each person, by the protocols of this module.

    pa_mpjpe, mpjpe: of the body's joints, in millimetres.
    pa_v2v: of all vertices, in millimetres.
    hands, face: of their points, in millimetres; NaN where the two models share none.
    facing: degrees between the directions that the chests face.
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
    """All errors of predicted bodies.

    Args:
        body: the model of the prediction.
        predicted: [people].
        truth: [people].
        truth_body: the model of the truth where it is another one; the two need the same vertices
            and kinds of points.
    """
    if truth_body is None:
        truth_body = body
    chunks = []
    for start in range(0, len(predicted.transl), CHUNK):
        people = slice(start, start + CHUNK)
        with torch.no_grad():
            chunks.append(_errors(body, predicted[people], truth_body, truth[people]))
    return PersonErrors.cat(chunks)


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
    predicted_root = predicted[..., root : root + 1, :]
    true_root = truth[..., root : root + 1, :]
    return _mean_distance(predicted - predicted_root, truth - true_root)


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
    source_mean = (source * weight).sum(-2, keepdim=True) / total
    target_mean = (target * weight).sum(-2, keepdim=True) / total
    centred_source = (source - source_mean) * weight
    centred_target = (target - target_mean) * weight

    u, singular, vt = torch.linalg.svd(centred_target.transpose(-1, -2) @ centred_source)
    # eq. 43: where u @ vt would be a reflection, the weakest axis is turned round
    sign = torch.ones_like(singular)
    sign[..., 2] = torch.linalg.det(u) * torch.linalg.det(vt)
    rotation = (u * sign[..., None, :]) @ vt
    spread = (centred_source * centred_source).sum((-1, -2)).clamp(min=1e-12)
    scale = (singular * sign).sum(-1) / spread
    turned = scale[..., None, None] * (source - source_mean) @ rotation.transpose(-1, -2)
    return turned + target_mean


def facing_error(
    predicted: Float[Tensor, "*batch 22 3"], truth: Float[Tensor, "*batch 22 3"]
) -> Float[Tensor, "*batch"]:
    """Angle in degrees (0..180) between the chest normals of two sets of body joints.

    Above 90 a body faces the wrong way.
    """
    cosine = (chest_normal(predicted) * chest_normal(truth)).sum(-1)
    return torch.rad2deg(torch.acos(cosine.clamp(-1, 1)))


def chest_normal(joints: Float[Tensor, "*batch 22 3"]) -> Float[Tensor, "*batch 3"]:
    """The unit vector out of the chest, from shoulders and hips."""
    left_shoulder = joints[..., JOINT_INDEX["left_shoulder"], :]
    right_shoulder = joints[..., JOINT_INDEX["right_shoulder"], :]
    left_hip = joints[..., JOINT_INDEX["left_hip"], :]
    right_hip = joints[..., JOINT_INDEX["right_hip"], :]
    up = left_shoulder + right_shoulder - left_hip - right_hip
    across = left_shoulder - right_shoulder + left_hip - right_hip
    return torch.nn.functional.normalize(torch.linalg.cross(across, up), dim=-1)


def _errors(
    body: BodyModel, predicted: BodyParams, truth_body: BodyModel, truth: BodyParams
) -> PersonErrors:
    """The errors of a few people, whose meshes fit into memory."""
    joints = skinning.joints(body, predicted)[..., :BODY_JOINTS, :]
    true_joints = skinning.joints(truth_body, truth)[..., :BODY_JOINTS, :]
    vertices = skinning.vertices(body, predicted)
    true_vertices = skinning.vertices(truth_body, truth)
    points = skinning.points(body, predicted)
    true_points = skinning.points(truth_body, truth)

    left_hand = _part_error(points, true_points, names.LEFT_HAND)
    right_hand = _part_error(points, true_points, names.RIGHT_HAND)
    face_on_surface = slice(names.CONTOUR.stop, names.FACE.stop)
    return PersonErrors(
        pa_mpjpe=pa_mpjpe(joints, true_joints),
        mpjpe=root_aligned_mpjpe(joints, true_joints),
        pa_v2v=pa_mpjpe(vertices, true_vertices),
        hands=(left_hand + right_hand) / 2,
        face=_part_error(points, true_points, face_on_surface),
        facing=facing_error(joints, true_joints),
    )


def _part_error(
    predicted: Float[Tensor, "*batch n 3"], truth: Float[Tensor, "*batch n 3"], part: slice
) -> Float[Tensor, "*batch"]:
    """PA error in mm over the points of a part that both models have; NaN where there are none."""
    predicted = predicted[..., part, :]
    truth = truth[..., part, :]
    known = (predicted.isfinite() & truth.isfinite()).all(-1)
    aligned = similarity_align(predicted.nan_to_num(), truth.nan_to_num(), use=known)
    distance = (aligned - truth).norm(dim=-1)
    return MILLIMETRES * torch.where(known, distance, torch.nan).nanmean(-1)


def _mean_distance(
    points: Float[Tensor, "*batch n 3"], truth: Float[Tensor, "*batch n 3"]
) -> Float[Tensor, "*batch"]:
    """In mm, of points in metres."""
    return MILLIMETRES * (points - truth).norm(dim=-1).mean(-1)
