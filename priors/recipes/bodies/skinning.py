"""Posing: kinematic chain, linear blend skinning, and the full rig with dual quaternions (the
correctives' model).
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch

import numpy as np
import scipy.sparse as sp
from scipy.spatial.transform import Rotation

from .source import Rig
from .tables import BONES, JOINT, JOINTS, PARENTS, Bone, Drive

TWIST_END = {"hip": "knee", "shoulder": "elbow", "elbow": "wrist"}


@dataclass(frozen=True)
class Skin:
    """Weights of the rig's bone groups [V, bones] and of the 55 joints [V, 55]."""

    bones: sp.csr_array
    joints: np.ndarray


def bind(rig: Rig, base_ids: np.ndarray, eyeballs: dict[str, np.ndarray]) -> Skin:
    """Sum MakeHuman's weights into bone groups and joints; eyeballs (name -> mesh ids) are made
    rigid.
    """
    groups = np.zeros((len(rig.names), len(BONES)))
    for column, bone in enumerate(BONES):
        groups[[any(fnmatch(name, m) for m in bone.members) for name in rig.names], column] = 1
    if not (groups.sum(1) == 1).all():
        raise ValueError(
            f"bones in no or several groups: {np.array(rig.names)[groups.sum(1) != 1]}"
        )
    weights = (rig.weights[base_ids] @ groups).astype(float)
    for joint, ids in eyeballs.items():
        weights[ids] = [bone.joint == joint for bone in BONES]
    weights /= weights.sum(1, keepdims=True)
    return Skin(sp.csr_array(weights), joint_weights(weights))


def joint_weights(bones: np.ndarray) -> np.ndarray:
    """Weights of the 55 joints [V, 55] from those of the bone groups [V, bones]."""
    shares = np.zeros((len(BONES), len(JOINTS)))
    for row, bone in enumerate(BONES):
        shares[row, JOINT[bone.joint]] = bone.share
        if bone.share < 1:
            shares[row, PARENTS[JOINT[bone.joint]]] += 1 - bone.share
    return bones @ shares


def chain(local: np.ndarray, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """World rotations [S, 55, 3, 3], positions [S, 55, 3] of local rotations [S, 55, 3, 3], rest
    joints [S, 55, 3].
    """
    rotation, position = np.empty_like(local), np.broadcast_to(joints, local.shape[:-1]).copy()
    rotation[:, 0] = local[:, 0]
    for j in range(1, len(PARENTS)):
        p = PARENTS[j]
        rotation[:, j] = rotation[:, p] @ local[:, j]
        offset = (joints[..., j, :] - joints[..., p, :])[..., None]
        position[:, j] = position[:, p] + (rotation[:, p] @ offset)[..., 0]
    return rotation, position


def linear_blend(vertices: np.ndarray, weights: np.ndarray, world: tuple[np.ndarray, np.ndarray], joints: np.ndarray
                 ) -> np.ndarray:  # fmt: skip
    """Linear blend skinning of [V, 3] by world transforms of S poses: [S, V, 3]."""
    rotation, position = world
    shift = position - (rotation @ joints[..., None])[..., 0]
    matrix = np.concatenate([rotation, shift[..., None]], -1).reshape(
        len(rotation), len(PARENTS), 12
    )
    blended = np.einsum("vj,sjk->svk", weights, matrix, optimize=True).reshape(
        len(rotation), -1, 3, 4
    )
    return np.einsum("svab,vb->sva", blended[..., :3], vertices) + blended[..., 3]


def twist_fraction(rotation: np.ndarray, axis: np.ndarray, fraction: float) -> np.ndarray:
    """Rotations [S, 3, 3] = swing * twist about axis [S, 3]; return swing * twist^fraction."""
    quaternion = Rotation.from_matrix(rotation).as_quat()
    angle = 2 * np.arctan2((quaternion[:, :3] * axis).sum(1), quaternion[:, 3])
    angle = (angle + np.pi) % (2 * np.pi) - np.pi
    return rotation @ Rotation.from_rotvec(axis * (-(1 - fraction) * angle)[:, None]).as_matrix()


def rig_transforms(local: np.ndarray, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotation [S, bones, 3, 3] and shift [S, bones, 3] of every bone group (x -> R x + t) in the
    pose `local`.
    """
    joints = np.broadcast_to(joints, local.shape[:-1])
    rotation, position = chain(local, joints)
    out_r, out_t = [], []
    for bone in BONES:
        turned, pivot_rest, pivot = _bone_pose(bone, local, joints, (rotation, position))
        out_r.append(turned)
        out_t.append(pivot - (turned @ pivot_rest[..., None])[..., 0])
    return np.stack(out_r, 1), np.stack(out_t, 1)


def _bone_pose(bone: Bone, local: np.ndarray, joints: np.ndarray, world: tuple[np.ndarray, np.ndarray]
               ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    rotation, position = world
    j = JOINT[bone.joint]
    parent = rotation[:, PARENTS[j]] if PARENTS[j] >= 0 else np.eye(3)
    if bone.drive is Drive.HALF:
        half = Rotation.from_rotvec(0.5 * Rotation.from_matrix(local[:, j]).as_rotvec()).as_matrix()
        return parent @ half, joints[:, j], position[:, j]
    if bone.drive is Drive.FULL:
        return rotation[:, j], joints[:, j], position[:, j]
    side, name = bone.joint.split("_")
    end = JOINT[f"{side}_{TWIST_END[name]}"]
    axis = joints[:, end] - joints[:, j]
    axis = axis / np.linalg.norm(axis, axis=1, keepdims=True)
    if bone.drive is Drive.HALF_TWIST:
        return parent @ twist_fraction(local[:, j], axis, 0.5), joints[:, j], position[:, j]
    swing_free = twist_fraction(local[:, end], axis, 0.0)
    twist = np.swapaxes(swing_free, -1, -2) @ local[:, end]
    half = Rotation.from_rotvec(0.5 * Rotation.from_matrix(twist).as_rotvec()).as_matrix()
    return rotation[:, j] @ half, joints[:, j], position[:, j]


def dual_quaternion_blend(vertices: np.ndarray, bones: sp.csr_array, transforms: tuple[np.ndarray, np.ndarray]
                          ) -> np.ndarray:  # fmt: skip
    """Dual quaternion skinning of [V, 3] or [S, V, 3] by S rig poses: [S, V, 3]."""
    rotation, shift = transforms
    count, groups = rotation.shape[:2]
    q = Rotation.from_matrix(rotation.reshape(-1, 3, 3)).as_quat().reshape(count, groups, 4)
    reference = q[:, [0]]
    q = q * np.where((q * reference).sum(-1, keepdims=True) < 0, -1, 1)
    dual = 0.5 * _product(np.concatenate([shift, np.zeros((count, groups, 1))], -1), q)
    stacked = np.concatenate([q, dual], -1).transpose(1, 0, 2).reshape(groups, -1)
    blended = (bones @ stacked).reshape(-1, count, 8).transpose(1, 0, 2)
    real, dual = np.split(blended / np.linalg.norm(blended[..., :4], axis=-1, keepdims=True), 2, -1)
    vector, scalar = real[..., :3], real[..., 3:]
    turned = vertices + 2 * np.cross(vector, np.cross(vector, vertices) + scalar * vertices)
    return turned + 2 * (
        scalar * dual[..., :3] - dual[..., 3:] * vector + np.cross(vector, dual[..., :3])
    )


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Hamilton product of quaternions stored (x, y, z, w)."""
    vector = a[..., 3:] * b[..., :3] + b[..., 3:] * a[..., :3] + np.cross(a[..., :3], b[..., :3])
    scalar = a[..., 3:] * b[..., 3:] - (a[..., :3] * b[..., :3]).sum(-1, keepdims=True)
    return np.concatenate([vector, scalar], -1)
