"""Any skeleton's motion as SMPL-X poses, by the directions of its bones.

A recording is taken as what its skeleton does in the world: where each joint is, and how far it is
turned from a reference pose in which the person stands upright and looks ahead (a T-pose, or
whatever rest pose the file has). Trunk, head and feet take that turn as it is, for their bones have
other lengths and slopes in every skeleton. A limb's bone takes the direction from joint to joint,
so that it does not matter how the source rests. What a direction leaves open, the twist of upper
arm and thigh, comes from the plane in which elbow and knee bend, and where they are straight from
the turn; the forearm's and the shin's own twist is left to wrist and ankle, as in `retarget.py`.
Collars follow the shoulder joint's way relative to the chest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ..body.joints import JOINT_INDEX
from .bvh import Clip, forward_kinematics
from .retarget import BODY_JOINTS, PARENTS, UP, Poses

SIDES = ("left", "right")
# Bend of elbow and knee from which its plane begins to count, and from which it alone counts.
PLANE_FROM = np.deg2rad(20.0)
PLANE_WHOLE = np.deg2rad(45.0)
# How many frames bent at a right angle it takes to outweigh the reference pose's twist.
TRUSTED_FRAMES = 5.0
HANGING = -np.cos(np.deg2rad(35.0))  # height of a hanging upper arm's end, of its length
UPRIGHT = 0.9  # height of the trunk's axis, of its length
STEEP = 0.95  # height of a standing leg's bones, of their length
FEWEST_FRAMES = 15  # of a person, to say where collars, hands, feet and toes rest


@dataclass(frozen=True)
class WorldMotion:
    """What a skeleton does, and its reference pose: upright, looking ahead, soles flat.

    names: of the joints.
    rotations: [T, J, 3, 3], world frame.
    positions: [T, J, 3], world frame, any unit.
    reference_rotations: [J, 3, 3].
    reference_positions: [J, 3].
    up: the axis that points up in the reference pose.
    """

    names: tuple[str, ...]
    rotations: Float[NDArray, "frames joints 3 3"]
    positions: Float[NDArray, "frames joints 3"]
    reference_rotations: Float[NDArray, "joints 3 3"]
    reference_positions: Float[NDArray, "joints 3"]
    up: tuple[float, float, float] = (0.0, 1.0, 0.0)


@dataclass(frozen=True)
class TurnBetween:
    """The orientation `share` of the way from the source's joint `first` to `second`."""

    first: str
    second: str
    share: float = 1.0


@dataclass(frozen=True)
class JointMap:
    """Which joints of a source are which of SMPL-X's.

    trunk: orientations of pelvis, spine1, spine2, spine3, neck and head.
    limbs: by SMPL-X's names with their sides: hip, knee, ankle, shoulder, elbow, wrist; where the
        source has them also foot (toes), and hand_end, a point along the hand. A wrist that takes
        no part in the motion is named among `still`.
    still: joints without their sides that the source does not turn (wrist, foot): they go along
        with their parents.
    rolled_feet: whether the reference pose, its legs apart, has the soles at right angles to the
        legs instead of flat.
    """

    trunk: Mapping[str, TurnBetween]
    limbs: Mapping[str, str]
    still: tuple[str, ...] = ()
    rolled_feet: bool = False


@dataclass(frozen=True)
class _Turned:
    """A motion in SMPL-X's axes: x left, y up, z forward in the reference pose.

    turns: [T, J, 3, 3] from the reference pose.
    positions: [T, J, 3].
    reference: [J, 3] positions.
    """

    names: tuple[str, ...]
    turns: Float[NDArray, "frames joints 3 3"]
    positions: Float[NDArray, "frames joints 3"]
    reference: Float[NDArray, "joints 3"]

    def turn(self, name: str) -> Float[NDArray, "frames 3 3"]:
        return self.turns[:, self._index(name)]

    def position(self, name: str) -> Float[NDArray, "frames 3"]:
        return self.positions[:, self._index(name)]

    def reference_position(self, name: str) -> Float[NDArray, " 3"]:
        return self.reference[self._index(name)]

    def _index(self, name: str) -> int:
        if name not in self.names:
            raise ValueError(f"no joint {name}")
        return self.names.index(name)


def motion_of_clip(
    clip: Clip, reference: Float[NDArray, "joints 3 3"] | None = None, up: str = "y"
) -> WorldMotion:
    """A BVH clip's motion; `reference`: rotations of its reference pose relative to the parents
    (None: the rest pose).
    """
    skeleton = clip.skeleton
    if reference is None:
        reference = np.tile(np.eye(3), (len(skeleton.names), 1, 1))
    rotations, positions = forward_kinematics(clip.rotations, skeleton.offsets, skeleton.parents)
    turned, placed = forward_kinematics(reference[None], skeleton.offsets, skeleton.parents)
    axis = np.eye(3)["xyz".index(up)]
    return WorldMotion(
        names=skeleton.names,
        rotations=rotations,
        positions=positions,
        reference_rotations=turned[0],
        reference_positions=placed[0],
        up=(float(axis[0]), float(axis[1]), float(axis[2])),
    )


def retarget_joints(
    motion: WorldMotion, joint_map: JointMap, rest_joints: Float[NDArray, "joints 3"]
) -> Poses:
    """The motion on a SMPL-X skeleton that rests at `rest_joints` [>= 55, 3] (metres), every frame.

    `global_orient` is relative to the reference pose's facing. Raises ValueError for a joint that
    the motion has not, and for numbers that are not finite.
    """
    source = _in_our_axes(motion, joint_map)
    world = _trunk(source, joint_map)
    for side in SIDES:
        world |= _arm(source, joint_map, rest_joints, side, world["spine3"])
        world |= _leg(source, joint_map, rest_joints, side)
    stacked = np.stack([world[name] for name in BODY_JOINTS], 1)  # [frames, joints, 3, 3]
    local = stacked.copy()
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            local[:, joint] = stacked[:, parent].swapaxes(-1, -2) @ stacked[:, joint]
    rotvec = Rotation.from_matrix(local.reshape(-1, 3, 3)).as_rotvec().reshape(*local.shape[:3])
    if not np.isfinite(rotvec).all():
        raise ValueError("rotations that are not finite, or bones without a direction")
    return Poses(global_orient=rotvec[:, 0], body_pose=rotvec[:, 1:])


def rested(poses: Poses) -> Poses:
    """One person's poses with the zero of collars, hands, feet and toes where the person lets them
    rest.

    How high a T-pose holds the shoulders, how far it bends the hands, how a rig's soles and toes
    lie, differs from source to source by more than people do. Collars and hands: the median of the
    frames with a hanging arm is taken out; the arm keeps its direction, the forearm its twist.
    Feet: where the person stands, soles are flat (y up). Toes: their median is taken out.
    """
    body_pose = poses.body_pose.copy()
    stands = _stands(poses)
    for side in SIDES:
        collar, shoulder, wrist, ankle, foot = (
            BODY_JOINTS.index(f"{side}_{joint}") - 1
            for joint in ("collar", "shoulder", "wrist", "ankle", "foot")
        )
        collar_turn = Rotation.from_rotvec(body_pose[:, collar])
        shoulder_turn = Rotation.from_rotvec(body_pose[:, shoulder])
        outward = np.array([1.0 if side == "left" else -1.0, 0.0, 0.0])
        hangs = (collar_turn * shoulder_turn).apply(outward)[:, 1] < HANGING
        if hangs.sum() >= FEWEST_FRAMES:
            resting = Rotation.from_rotvec(np.median(body_pose[hangs, collar], 0))
            body_pose[:, collar] = (collar_turn * resting.inv()).as_rotvec()
            body_pose[:, shoulder] = (resting * shoulder_turn).as_rotvec()
            bent = np.median(body_pose[hangs, wrist], 0) * (0.0, 1.0, 1.0)
            hand = Rotation.from_rotvec(body_pose[:, wrist]) * Rotation.from_rotvec(bent).inv()
            body_pose[:, wrist] = hand.as_rotvec()
        if stands.sum() >= FEWEST_FRAMES:
            sole = _world(poses, [f"{side}_{joint}" for joint in ("hip", "knee", "ankle")])
            upward = np.median(sole.inv().apply(UP)[stands], 0)
            flat = Rotation.from_matrix(_swing(UP, upward))
            body_pose[:, ankle] = (Rotation.from_rotvec(body_pose[:, ankle]) * flat).as_rotvec()
        if len(body_pose) >= FEWEST_FRAMES:
            flat = Rotation.from_rotvec(np.median(body_pose[:, foot], 0))
            turn = Rotation.from_rotvec(body_pose[:, foot])
            body_pose[:, foot] = (flat.inv() * turn).as_rotvec()
    return Poses(poses.global_orient, body_pose)


def _stands(poses: Poses) -> Bool[NDArray, " frames"]:
    """Where the trunk is upright and both thighs and shins are nearly vertical."""
    upright = Rotation.from_rotvec(poses.global_orient).apply(UP)[:, 1] > UPRIGHT
    for side in SIDES:
        for chain in (["hip"], ["hip", "knee"]):
            bone = _world(poses, [f"{side}_{joint}" for joint in chain])
            upright &= bone.apply(UP)[:, 1] > STEEP
    return upright


def _world(poses: Poses, chain: list[str]) -> Rotation:
    """The world orientation at the end of a chain of joints from the pelvis."""
    turn = Rotation.from_rotvec(poses.global_orient)
    for joint in chain:
        turn = turn * Rotation.from_rotvec(poses.body_pose[:, BODY_JOINTS.index(joint) - 1])
    return turn


def source_joints(
    motion: WorldMotion, joint_map: JointMap
) -> dict[str, Float[NDArray, "frames 3"]]:
    """Where the source has the joints that have a place in SMPL-X, from between its hips, in
    SMPL-X's axes and the source's unit.
    """
    source = _in_our_axes(motion, joint_map)
    limbs = joint_map.limbs
    middle = (source.position(limbs["left_hip"]) + source.position(limbs["right_hip"])) / 2
    places = {
        name: source.position(joint) - middle
        for name, joint in limbs.items()
        if not name.endswith("hand_end")
    }
    for name in ("neck", "head"):
        places[name] = source.position(joint_map.trunk[name].second) - middle
    return places


def source_skeleton(
    motion: WorldMotion, joint_map: JointMap, rest_joints: Float[NDArray, "joints 3"]
) -> Float[NDArray, "joints 3"]:
    """The SMPL-X skeleton with the source's bones, its limbs resting in SMPL-X's directions: on it,
    a right pose puts every joint where the source has it. The source's unit, from between the hips.
    """
    source = _in_our_axes(motion, joint_map)
    limbs = joint_map.limbs
    middle = (
        source.reference_position(limbs["left_hip"]) + source.reference_position(limbs["right_hip"])
    ) / 2
    rest = np.zeros_like(rest_joints)
    for name, between in joint_map.trunk.items():
        rest[JOINT_INDEX[name]] = source.reference_position(between.second) - middle
    rest[JOINT_INDEX["pelvis"]] = 0.0
    for side in SIDES:
        for name in ("hip", "shoulder"):
            joint = f"{side}_{name}"
            rest[JOINT_INDEX[joint]] = source.reference_position(limbs[joint]) - middle
        rest[JOINT_INDEX[f"{side}_collar"]] = rest[JOINT_INDEX["spine3"]]
        for parent, name in (
            ("hip", "knee"),
            ("knee", "ankle"),
            ("shoulder", "elbow"),
            ("elbow", "wrist"),
        ):
            start, end = JOINT_INDEX[f"{side}_{parent}"], JOINT_INDEX[f"{side}_{name}"]
            bone = source.reference_position(limbs[f"{side}_{name}"]) - source.reference_position(
                limbs[f"{side}_{parent}"]
            )
            rest[end] = rest[start] + np.linalg.norm(bone) * _unit(
                rest_joints[end] - rest_joints[start]
            )
        if f"{side}_foot" in limbs:
            ankle = JOINT_INDEX[f"{side}_ankle"]
            rest[JOINT_INDEX[f"{side}_foot"]] = (
                rest[ankle]
                + source.reference_position(limbs[f"{side}_foot"])
                - source.reference_position(limbs[f"{side}_ankle"])
            )
    return rest


def _in_our_axes(motion: WorldMotion, joint_map: JointMap) -> _Turned:
    """The motion with x to the left of the reference pose, y up and z ahead."""
    places = motion.reference_positions
    hips = [motion.names.index(joint_map.limbs[f"{side}_hip"]) for side in SIDES]
    up = np.asarray(motion.up)
    left = places[hips[0]] - places[hips[1]]
    left = _unit(left - (left @ up) * up)
    axes = np.stack([left, up, np.cross(left, up)])  # rows: ours in the source's world
    turned = motion.rotations @ motion.reference_rotations.swapaxes(-1, -2)
    return _Turned(
        names=motion.names,
        turns=axes @ turned @ axes.T,
        positions=motion.positions @ axes.T,
        reference=places @ axes.T,
    )


def _trunk(source: _Turned, joint_map: JointMap) -> dict[str, Float[NDArray, "frames 3 3"]]:
    """World orientations from the pelvis to the head."""
    world = {}
    for name, between in joint_map.trunk.items():
        first = source.turn(between.first)
        if between.share == 1.0:
            world[name] = source.turn(between.second)
            continue
        way = Rotation.from_matrix(first.swapaxes(-1, -2) @ source.turn(between.second))
        part = Rotation.from_rotvec(between.share * way.as_rotvec())
        world[name] = first @ part.as_matrix()
    return world


def _arm(
    source: _Turned,
    joint_map: JointMap,
    rest_joints: Float[NDArray, "joints 3"],
    side: str,
    chest: Float[NDArray, "frames 3 3"],
) -> dict[str, Float[NDArray, "frames 3 3"]]:
    """World orientations of collar, upper arm, forearm and hand."""
    # Seen from a T-pose, a bending left forearm comes forward, about minus y; the right, about y.
    hinge = np.array([0.0, -1.0 if side == "left" else 1.0, 0.0])
    upper, fore = _limb(source, joint_map, rest_joints, (side, "shoulder", "elbow", "wrist"), hinge)
    hand = fore
    if "wrist" not in joint_map.still:
        wrist = joint_map.limbs[f"{side}_wrist"]
        end = joint_map.limbs.get(f"{side}_hand_end", wrist)
        resting = (
            rest_joints[JOINT_INDEX[f"{side}_middle1"]] - rest_joints[JOINT_INDEX[f"{side}_wrist"]]
        )
        drawn = source.reference_position(end) - source.reference_position(wrist)
        if not drawn.any():  # no point along the hand: it rests along the forearm
            elbow = joint_map.limbs[f"{side}_elbow"]
            drawn = source.reference_position(wrist) - source.reference_position(elbow)
        hand = source.turn(wrist) @ _swing(resting, drawn)
    return {
        f"{side}_collar": _collar(source, joint_map, rest_joints, side, chest),
        f"{side}_shoulder": upper,
        f"{side}_elbow": fore,
        f"{side}_wrist": hand,
    }


def _leg(
    source: _Turned, joint_map: JointMap, rest_joints: Float[NDArray, "joints 3"], side: str
) -> dict[str, Float[NDArray, "frames 3 3"]]:
    """World orientations of thigh, shin, foot and toes."""
    hinge = np.array([1.0, 0.0, 0.0])  # a bending shin goes back, about x
    thigh, shin = _limb(source, joint_map, rest_joints, (side, "hip", "knee", "ankle"), hinge)
    flat = _roll(source, joint_map, side) if joint_map.rolled_feet else np.eye(3)
    foot = source.turn(joint_map.limbs[f"{side}_ankle"]) @ flat
    toes = foot
    if "foot" not in joint_map.still:
        toes = source.turn(joint_map.limbs[f"{side}_foot"]) @ flat
    return {
        f"{side}_hip": thigh,
        f"{side}_knee": shin,
        f"{side}_ankle": foot,
        f"{side}_foot": toes,
    }


def _roll(source: _Turned, joint_map: JointMap, side: str) -> Float[NDArray, "3 3"]:
    """The turn about z that brings a hanging leg to where the reference pose has it."""
    hip, ankle = (joint_map.limbs[f"{side}_{joint}"] for joint in ("hip", "ankle"))
    x, y, _ = source.reference_position(ankle) - source.reference_position(hip)
    return Rotation.from_rotvec([0.0, 0.0, np.arctan2(x, -y)]).as_matrix()


def _limb(
    source: _Turned,
    joint_map: JointMap,
    rest_joints: Float[NDArray, "joints 3"],
    joints: tuple[str, str, str, str],
    hinge: Float[NDArray, " 3"],
) -> tuple[Float[NDArray, "frames 3 3"], Float[NDArray, "frames 3 3"]]:
    """World orientations of a limb's two bones.

    joints: the side, then where the first bone begins, where it bends, and where the second ends.
    hinge: the axis about which the second bends, at rest.
    """
    names = [f"{joints[0]}_{joint}" for joint in joints[1:]]
    begin, bend, end = (joint_map.limbs[name] for name in names)
    rest = [rest_joints[JOINT_INDEX[name]] for name in names]
    first_rest = rest[1] - rest[0]
    second_rest = rest[2] - rest[1]
    drawn = source.reference_position(bend) - source.reference_position(begin)
    first = _unit(source.position(bend) - source.position(begin))
    second = _unit(source.position(end) - source.position(bend))

    upper = source.turn(begin) @ _swing(first_rest, drawn)
    upper = _swing(upper @ first_rest, first) @ upper
    upper = _twisted(upper, first, second, second_rest, hinge)
    lower = _swing(upper @ second_rest, second) @ upper
    return upper, lower


def _twisted(
    upper: Float[NDArray, "frames 3 3"],
    first: Float[NDArray, "frames 3"],
    second: Float[NDArray, "frames 3"],
    second_rest: Float[NDArray, " 3"],
    hinge: Float[NDArray, " 3"],
) -> Float[NDArray, "frames 3 3"]:
    """The first bone's orientation, twisted so that the second bends about the hinge."""
    straight = _unit(upper @ second_rest)
    normal = np.cross(straight, second)
    bend = np.arctan2(np.linalg.norm(normal, axis=-1), (straight * second).sum(-1))
    axis = upper @ hinge
    across = normal - (normal * first).sum(-1, keepdims=True) * first
    angle = np.arctan2((np.cross(axis, across) * first).sum(-1), (axis * across).sum(-1))

    share = np.clip((bend - PLANE_FROM) / (PLANE_WHOLE - PLANE_FROM), 0.0, 1.0)
    share = share * share * (3 - 2 * share)
    # What every bent frame of the recording agrees on is the reference pose's fault, and holds for
    # the straight ones too.
    weight = share * np.sin(bend) ** 2
    common = np.arctan2(
        (weight * np.sin(angle)).sum(), (weight * np.cos(angle)).sum() + TRUSTED_FRAMES
    )
    own = (angle - common + np.pi) % (2 * np.pi) - np.pi
    twist = common + share * own
    return Rotation.from_rotvec(twist[:, None] * first).as_matrix() @ upper


def _collar(
    source: _Turned,
    joint_map: JointMap,
    rest_joints: Float[NDArray, "joints 3"],
    side: str,
    chest: Float[NDArray, "frames 3 3"],
) -> Float[NDArray, "frames 3 3"]:
    """The collar turned as the shoulder joint has moved in the chest's frame, in units of the
    shoulders' width.
    """
    limbs = joint_map.limbs
    anchor = joint_map.trunk["spine3"].second
    shoulder = limbs[f"{side}_shoulder"]
    place = source.position(shoulder) - source.position(anchor)
    place = (chest.swapaxes(-1, -2) @ place[..., None])[..., 0]
    moved = place - (source.reference_position(shoulder) - source.reference_position(anchor))

    def width(places: list[NDArray]) -> float:
        return float(np.linalg.norm(places[0] - places[1]))

    ours = width([rest_joints[JOINT_INDEX[f"{each}_shoulder"]] for each in SIDES])
    theirs = width([source.reference_position(limbs[f"{each}_shoulder"]) for each in SIDES])
    resting = (
        rest_joints[JOINT_INDEX[f"{side}_shoulder"]] - rest_joints[JOINT_INDEX[f"{side}_collar"]]
    )
    return chest @ _swing(resting, resting + ours / theirs * moved)


def _unit(vectors: Float[NDArray, "*batch 3"]) -> Float[NDArray, "*batch 3"]:
    """Of length one."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _swing(
    start: Float[NDArray, "*#batch 3"], end: Float[NDArray, "*#batch 3"]
) -> Float[NDArray, "... 3 3"]:
    """The smallest rotation that turns one direction onto another."""
    start, end = np.broadcast_arrays(_unit(start), _unit(end))
    axis = np.cross(start, end)
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    angle = np.arctan2(sine, (start * end).sum(-1, keepdims=True))
    rotvec = axis * (angle / np.maximum(sine, 1e-12))
    return Rotation.from_rotvec(rotvec.reshape(-1, 3)).as_matrix().reshape(*rotvec.shape, 3)
