"""Joint centres tied to the skin, and MakeHuman's A-pose turned into the T-pose of SMPL-X."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls
from scipy.spatial.transform import Rotation

from .skinning import Skin, chain, dual_quaternion_blend, rig_transforms
from .source import Rig
from .tables import CENTRES, FINGER_ENDS, JOINT, JOINTS, PARENTS, other_side
from .topology import Topology

PELVIS = np.array([0.0, -0.35, 0.0])
SECTORS, PER_SECTOR = 40, 5
FLIP = np.array([-1.0, 1.0, 1.0])
SPLAY = {"index": 6.0, "middle": 0.0, "ring": -6.0, "pinky": -13.0}  # degrees towards the thumb
THIGH, SHANK = np.array([0.06, -1.0, 0.0]), np.array([0.0, -1.0, -0.05])


@dataclass(frozen=True)
class Skeleton:
    """Non-negative weights over the A-pose skin that give each joint centre and the ends of the
    fingers.
    """

    centres: np.ndarray  # [55, V]
    tips: dict[str, np.ndarray]  # left finger -> [V]
    mirror: np.ndarray

    def joints(self, vertices: np.ndarray) -> np.ndarray:
        """Joint centres [S, 55, 3] of A-pose vertices [S, V, 3]."""
        return np.einsum("jv,svc->sjc", self.centres, vertices, optimize=True)


def ring_weights(vertices: np.ndarray, allowed: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Smooth non-negative weights [V], sum 1, of skin all around a point that reproduce it."""
    offset = vertices - point
    distance = np.linalg.norm(offset, axis=1)
    sector = (offset @ _directions(SECTORS).T).argmax(1)
    order = np.flatnonzero(allowed)[np.argsort(distance[allowed], kind="stable")]
    chosen = np.concatenate([order[sector[order] == k][:PER_SECTOR] for k in range(SECTORS)])
    scale = np.median(distance[chosen])
    damp = 0.03 * np.diag(distance[chosen] / scale)
    system = np.concatenate(
        [offset[chosen].T / scale * 100, np.full((1, len(chosen)), 100.0), damp]
    )
    solution = nnls(system, np.concatenate([np.zeros(3), [100.0], np.zeros(len(chosen))]))[0]
    out = np.zeros(len(vertices))
    out[chosen] = solution / solution.sum()
    return out


def _directions(count: int) -> np.ndarray:
    """Evenly spread unit vectors (Fibonacci sphere)."""
    k = np.arange(count) + 0.5
    z, angle = 1 - 2 * k / count, np.pi * (1 + 5**0.5) * k
    return np.stack([np.sqrt(1 - z**2) * np.cos(angle), np.sqrt(1 - z**2) * np.sin(angle), z], 1)


def rig_joints(reference: np.ndarray, rig: Rig) -> np.ndarray:
    """The left and middle joints [55, 3] where MakeHuman's rig has them in a base mesh [19158, 3];
    NaN for the others.
    """
    joints = np.full((len(JOINTS), 3), np.nan)
    for joint, bones in CENTRES.items():
        joints[JOINT[joint]] = np.mean([reference[rig.cubes[bone]].mean(0) for bone in bones], 0)
    return joints


def build_skeleton(
    reference: np.ndarray, places: np.ndarray, rig: Rig, topology: Topology, skin: Skin
) -> Skeleton:
    """Tie every joint to the skin of one reference shape `reference` [19158, 3] (joint cubes drift
    between shapes). `places` [55, 3]: where its left and middle joints are.
    """
    mesh = reference[topology.base_ids]
    centres = np.zeros((len(JOINTS), len(mesh)))
    for joint in CENTRES:
        point = places[JOINT[joint]]
        weights = ring_weights(mesh, _near(joint, skin), point)
        if not joint.startswith("left_"):
            weights = 0.5 * (weights + weights[topology.mirror])
        centres[JOINT[joint]] = weights
        centres[JOINT[other_side(joint)]] = (
            weights if joint == other_side(joint) else weights[topology.mirror]
        )
    for eye in ("left_eye", "right_eye"):
        sphere = skin.joints[:, JOINT[eye]] == 1
        centres[JOINT[eye]] = sphere / sphere.sum()
    tips = {finger: ring_weights(mesh, _near(f"left_{finger}3", skin), reference[rig.tails[bone]].mean(0))
            for finger, bone in FINGER_ENDS.items()}  # fmt: skip
    return Skeleton(centres, tips, topology.mirror)


def _near(joint: str, skin: Skin) -> np.ndarray:
    """Skin that moves with a joint, its parent or its children; breasts and insides of the head
    stay out.
    """
    j = JOINT[joint]
    family = [j, *([PARENTS[j]] if j else []), *np.flatnonzero(PARENTS == j)]
    return skin.joints[:, family].sum(1) > 0.3


def _towards(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Smallest rotations [S, 3, 3] that turn directions [S, 3] to the target direction(s)."""
    a = source / np.linalg.norm(source, axis=1, keepdims=True)
    b = np.broadcast_to(target / np.linalg.norm(target, axis=-1, keepdims=True), a.shape)
    axis = np.cross(a, b)
    sine = np.linalg.norm(axis, axis=1, keepdims=True)
    angle = np.arctan2(sine, (a * b).sum(1, keepdims=True))
    return Rotation.from_rotvec(axis / np.maximum(sine, 1e-12) * angle).as_matrix()


def _frame(along: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Frames [S, 3, 3] with columns: along, normal made perpendicular, their cross product."""
    x = along / np.linalg.norm(along, axis=-1, keepdims=True)
    y = normal - (normal * x).sum(-1, keepdims=True) * x
    y = y / np.linalg.norm(y, axis=-1, keepdims=True)
    return np.stack([x, y, np.cross(x, y)], -1)


def _straight_pose(joints: np.ndarray, tips: dict[str, np.ndarray]) -> np.ndarray:
    """World rotations [S, 55, 3, 3] that put the left side of an A-pose skeleton into the T-pose."""
    at = lambda name: joints[:, JOINT[name]]  # noqa: E731
    world = np.tile(np.eye(3), (len(joints), len(JOINTS), 1, 1))
    upper, fore = at("left_elbow") - at("left_shoulder"), at("left_wrist") - at("left_elbow")
    hinge, aim = np.cross(upper, fore), _frame(np.array([1.0, 0, 0]), np.array([0, -1.0, 0]))
    world[:, JOINT["left_shoulder"]] = aim @ _frame(upper, hinge).swapaxes(1, 2)
    world[:, JOINT["left_elbow"]] = aim @ _frame(fore, hinge).swapaxes(1, 2)
    back = np.cross(at("left_pinky1") - at("left_wrist"), at("left_index1") - at("left_wrist"))
    hand = _frame(np.array([1.0, 0, 0]), np.array([0, 1.0, 0])) @ _frame(at("left_middle1") - at("left_wrist"), -back
                                                                       ).swapaxes(1, 2)  # fmt: skip
    world[:, JOINT["left_wrist"]] = hand
    for finger in tips:
        points = [at(f"left_{finger}{i}") for i in (1, 2, 3)] + [tips[finger]]
        for i, (start, end) in enumerate(zip(points[:-1], points[1:], strict=True)):
            world[:, JOINT[f"left_{finger}{i + 1}"]] = _finger(finger, hand, end - start)
    world[:, JOINT["left_hip"]] = _towards(at("left_knee") - at("left_hip"), THIGH)
    world[:, JOINT["left_knee"]] = _towards(at("left_ankle") - at("left_knee"), SHANK)
    return world


def _finger(finger: str, hand: np.ndarray, bone: np.ndarray) -> np.ndarray:
    if finger == "thumb":
        return hand
    angle = np.radians(SPLAY[finger])
    aim = np.array([np.cos(angle), 0.0, np.sin(angle)])
    return _towards((hand @ bone[..., None])[..., 0], aim) @ hand


@dataclass(frozen=True)
class Straight:
    """People in the T-pose, pelvis at (0, -.35, 0), and the rig transforms (R [S, bones, 3, 3], t)
    that led there.
    """

    vertices: np.ndarray
    joints: np.ndarray
    transforms: tuple[np.ndarray, np.ndarray]


def to_t_pose(vertices: np.ndarray, skeleton: Skeleton, skin: Skin) -> Straight:
    """Straighten A-pose vertices [S, V, 3] by dual quaternion skinning of the full rig."""
    joints = skeleton.joints(vertices)
    tips = {
        finger: np.einsum("v,svc->sc", weights, vertices)
        for finger, weights in skeleton.tips.items()
    }
    world = _straight_pose(joints, tips)
    flip = np.diag(FLIP)
    for name, j in JOINT.items():
        if name.startswith("right_"):
            world[:, j] = flip @ world[:, JOINT[other_side(name)]] @ flip
    local = world.copy()
    local[:, 1:] = world[:, PARENTS[1:]].swapaxes(-1, -2) @ world[:, 1:]
    placed = chain(local, joints)[1]
    move = PELVIS - placed[:, :1]
    rotation, shift = rig_transforms(local, joints)
    shift = shift + move
    posed = np.empty_like(vertices)
    for s in range(len(vertices)):
        posed[s] = dual_quaternion_blend(
            vertices[s], skin.bones, (rotation[s : s + 1], shift[s : s + 1])
        )[0]
    return Straight(posed, placed + move, (rotation, shift))
