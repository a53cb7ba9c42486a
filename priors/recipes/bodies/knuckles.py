"""Fingers that bend at the knuckle.

MakeHuman's fingers begin at the web, 10 to 20 mm beyond the knuckle: the index finger's bones are
111 | 27 | 24 | 28 mm where people have some 95 | 41 | 24 | 24. A hand that is fitted to detections
then has to curl to look as long as it is. Here the first joint of each finger goes back along its
metacarpal bone until the proximal phalanx has its length, the thumb's first joint goes to its
saddle joint, and the skin of the palm follows the finger from there on.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import scipy.sparse as sp

from .skinning import Skin, joint_weights
from .source import Rig
from .tables import BONES, JOINT, other_side
from .topology import Topology

# Proximal phalanges in metres, means of radiographs of 66 adults' hands (Buryanov and Kotiuk,
# Proportions of hand segments, Int. J. Morphol. 28(3), 2010), and how much larger than theirs the
# hand of the reference body is.
PROXIMAL = MappingProxyType({"index": 0.0398, "middle": 0.0446, "ring": 0.0414, "pinky": 0.0327})
LARGER = 1.05
# MakeHuman's bones of a finger, and the metacarpal bone that leads to it.
_NUMBER = MappingProxyType({"index": 2, "middle": 3, "ring": 4, "pinky": 5})
# Metres that the little finger's knuckle goes away from the middle finger's: MakeHuman's metacarpal
# leads it so near to the ring finger's (17 mm) that the knuckles are 59 mm wide; pictures show 62.
OUTWARDS = 0.003
# The thumb's first joint goes so far of the way to the wrist: its metacarpal is then 43 mm long
# (46 in the same study), and 34 mm lie between it and the wrist.
SADDLE = 0.28
SOFT = 0.012  # metres before and behind the knuckle over which the skin begins to follow the finger
APART = 0.010  # metres across the palm in which a finger's share of the skin falls off


def knuckles(reference: np.ndarray, rig: Rig) -> dict[str, np.ndarray]:
    """Where the first joints of the left hand's fingers are, [3] each, in a whole base mesh
    [19158, 3].
    """

    def head(bone: str) -> np.ndarray:
        return reference[rig.cubes[bone]].mean(0)

    found = {}
    for finger, number in _NUMBER.items():
        along = _unit(head(f"metacarpal{number - 1}.L") - head(f"finger{number}-1.L"))
        web = head(f"finger{number}-1.L")
        if finger == "pinky":
            web = web + OUTWARDS * _unit(web - head("finger3-1.L"))
        bone = head(f"finger{number}-2.L") - web
        # |bone - back * along| is the length that the phalanx should have
        part = bone @ along
        length = PROXIMAL[finger] * LARGER
        back = part + np.sqrt(part**2 - bone @ bone + length**2)
        found[f"left_{finger}1"] = web + back * along
    thumb = head("finger1-1.L")
    found["left_thumb1"] = thumb + SADDLE * (head("wrist.L") - thumb)
    return found


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def bend_at_knuckles(skin: Skin, mesh: np.ndarray, joints: np.ndarray, topology: Topology) -> Skin:
    """The skin with the palm's weight given to the fingers from their knuckles on.

    mesh: A-pose vertices [V, 3]; joints [55, 3]: those of its left side, at the knuckles.
    """
    weights = skin.bones.toarray()
    column = {bone.members[0]: i for i, bone in enumerate(BONES)}
    palm = column["wrist.L"]
    shares = _shares(mesh, joints)
    given = weights[:, [palm]] * shares
    for i, number in enumerate(_NUMBER.values()):
        weights[:, column[f"finger{number}-1.L"]] += given[:, i]
    # not below zero by a rounding error
    weights[:, palm] = np.maximum(weights[:, palm] - given.sum(1), 0)
    for i, bone in enumerate(BONES):
        if bone.joint.startswith("left_"):
            weights[:, column[other_side(bone.members[0])]] = weights[topology.mirror, i]
    weights /= weights.sum(1, keepdims=True)
    return Skin(sp.csr_array(weights), joint_weights(weights))


def _shares(mesh: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """How much of the palm's weight each finger takes, [V, 4]."""
    across = joints[JOINT["left_index1"]] - joints[JOINT["left_pinky1"]]
    forward = joints[JOINT["left_middle2"]] - joints[JOINT["left_middle1"]]
    normal = _unit(np.cross(across, forward))

    follows, distance = [], []
    for finger in _NUMBER:
        knuckle = joints[JOINT[f"left_{finger}1"]]
        along = _unit(joints[JOINT[f"left_{finger}2"]] - knuckle)
        offset = mesh - knuckle
        progress = np.clip((offset @ along + SOFT) / (2 * SOFT), 0, 1)
        follows.append(progress**2 * (3 - 2 * progress))
        distance.append(np.abs(offset @ _unit(np.cross(normal, along))))
    nearness = -((np.stack(distance, 1) / APART) ** 2)
    nearness = np.exp(nearness - nearness.max(1, keepdims=True))
    return np.stack(follows, 1) * nearness / nearness.sum(1, keepdims=True)
