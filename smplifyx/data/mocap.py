"""The CMU mocap as SMPL-X poses: who trains, who is held out, which frames are sound, and how
standing is thinned.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ..body.joints import sideless
from ..core.files import boundary
from .bvh import Clip, RecordingError, iter_clips
from .retarget import BODY_JOINTS, PARENTS, Poses, concatenate, pose_joints, retarget

ARCHIVE = "cmu_bvh_30fps.tar.xz"
SUBJECTS = tuple(f"{i:02d}" for i in range(1, 15))
HELD_OUT = frozenset({"13", "14"})  # the test set everywhere: never train on them

# Largest rotation in radians that the joint can truly reach; beyond it the retargeting of the
# source has wrapped.
LARGEST = {
    "hip": 2.4,
    "ankle": 1.3,
    "shoulder": 2.4,
    "spine1": 0.8,
    "spine2": 0.8,
    "spine3": 0.8,
    "neck": 0.8,
    "head": 0.8,
}
# Ranges in radians: knees flex about x, elbows about y, and wrists twist about x.
KNEE_FLEXION = (-0.2, 2.7)
ELBOW_FLEXION = (-0.15, 2.7)
WRIST_TWIST = (-1.3, 2.2)
OFF_HINGE = 0.6  # knee and elbow about other axes
KNEE_REST = 0.03  # radians
STRAIGHTEST = 2  # percentile of a subject's knee flexion that counts as straight


def subject_poses(
    mocap: Path, rest_joints: Float[NDArray, "joints 3"], subjects: Collection[str] = SUBJECTS
) -> dict[str, Poses]:
    """All frames of each subject on the skeleton `rest_joints` [55, 3] (metres).

    mocap: the folder with the archive. Raises FileNotFoundError where that is absent.
    """
    return by_subject(iter_clips(mocap / ARCHIVE, subjects), rest_joints)


def by_subject(clips: Iterable[Clip], rest_joints: Float[NDArray, "joints 3"]) -> dict[str, Poses]:
    """The poses of each subject on the skeleton `rest_joints` [55, 3], their knees calibrated.

    Raises RecordingError for a clip whose joints are others, or make no skeleton.
    """
    parts: dict[str, list[Poses]] = {}
    for clip in clips:
        with boundary(clip.source or clip.name, "a recording of CMU's skeleton", RecordingError):
            parts.setdefault(clip.subject, []).append(retarget(clip, rest_joints))
    return {subject: calibrated(concatenate(poses)) for subject, poses in sorted(parts.items())}


def calibrated(poses: Poses) -> Poses:
    """One subject's poses with the zero of each knee where it is straightest.

    People straighten their knees now and then, but the solver of this mocap placed each subject's
    joints by hand: some subjects' knees never come within 25 degrees of straight, even when they
    walk or stand. The least flexion seen (2nd percentile), but for `KNEE_REST`, is taken out of the
    knee and half of it put back into hip and ankle, so that trunk and foot keep their orientation.
    """
    sound = plausible(poses)
    body_pose = poses.body_pose.copy()
    for side in ("left", "right"):
        hip = _body_joint(f"{side}_hip")
        knee = _body_joint(f"{side}_knee")
        ankle = _body_joint(f"{side}_ankle")
        flexion = body_pose[sound, knee, 0] if sound.any() else body_pose[:, knee, 0]
        straightest = float(np.percentile(flexion, STRAIGHTEST))
        surplus = max(straightest - KNEE_REST, 0.0)
        half = Rotation.from_rotvec([surplus / 2, 0.0, 0.0])

        hip_turn = Rotation.from_rotvec(body_pose[:, hip])
        knee_turn = Rotation.from_rotvec(body_pose[:, knee])
        ankle_turn = Rotation.from_rotvec(body_pose[:, ankle])
        body_pose[:, hip] = (hip_turn * half).as_rotvec()
        body_pose[:, knee] = (half.inv() * knee_turn * half.inv()).as_rotvec()
        body_pose[:, ankle] = (half * ankle_turn).as_rotvec()
    return Poses(poses.global_orient, body_pose)


def heldout_poses(mocap: Path, rest_joints: Float[NDArray, "joints 3"]) -> Poses:
    """The sound frames of the held-out subjects 13 and 14, in order of clip and time.

    As measured: collars and toes are zero in this mocap, and `global_orient` has y up.
    """
    poses = concatenate(list(subject_poses(mocap, rest_joints, HELD_OUT).values()))
    return poses[plausible(poses)]


def plausible(poses: Poses) -> Bool[NDArray, " frames"]:
    """Which frames have no wrapped angle: elbows and knees bend their way, no joint beyond its
    largest rotation.

    In 8 % of subject 13's frames, and a third of 01's, an elbow bends backwards with the upper arm
    twisted half a turn.
    """
    angle = np.linalg.norm(poses.body_pose, axis=-1)  # [frames, joints]
    sound = np.ones(len(angle), dtype=bool)
    for joint, name in enumerate(BODY_JOINTS[1:]):
        rotvec = poses.body_pose[:, joint]
        kind = sideless(name)
        sound &= angle[:, joint] < LARGEST.get(kind, np.inf)
        if kind == "knee":
            sound &= _is_inside(rotvec[:, 0], KNEE_FLEXION)
            sound &= np.abs(rotvec[:, [1, 2]]).max(1) < OFF_HINGE
        elif kind == "elbow":
            flexion = -rotvec[:, 1] if name.startswith("left") else rotvec[:, 1]
            sound &= _is_inside(flexion, ELBOW_FLEXION)
            sound &= np.abs(rotvec[:, [0, 2]]).max(1) < OFF_HINGE
        elif kind == "wrist":
            sound &= _is_inside(rotvec[:, 0], WRIST_TWIST)
    return sound


def thin(poses: Poses, rest_joints: Float[NDArray, "joints 3"], radius: float) -> Poses:
    """A cover of the poses: each kept one is `radius` metres or more (rms over the joints) from the
    others.

    Frames are taken in order; what is near a kept one is dropped, so that long standing counts
    once.
    """
    upright = Poses(np.zeros_like(poses.global_orient), poses.body_pose)
    joints = pose_joints(upright, rest_joints)[:, 1:]  # without the pelvis, which never moves
    # so scaled, the distance between two frames is the rms of their joints' distances
    places = joints.reshape(len(joints), -1) / np.sqrt(len(PARENTS) - 1)
    kept_places = np.empty_like(places)
    kept: list[int] = []
    for index, place in enumerate(places):
        squared_distances = ((kept_places[: len(kept)] - place) ** 2).sum(1)
        if not kept or squared_distances.min() > radius**2:
            kept_places[len(kept)] = place
            kept.append(index)
    return poses[np.array(kept)]


def _body_joint(name: str) -> int:
    """Index of a joint in `body_pose`, which has no pelvis."""
    return BODY_JOINTS.index(name) - 1


def _is_inside(
    values: Float[NDArray, " frames"], bounds: tuple[float, float]
) -> Bool[NDArray, " frames"]:
    return (values > bounds[0]) & (values < bounds[1])
