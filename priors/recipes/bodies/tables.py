"""Tables: the SMPL-X skeleton, MakeHuman bones behind each joint, named points and landmarks (hm08
vertex ids).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

_ARM = ("index", "middle", "pinky", "ring", "thumb")
JOINTS: tuple[str, ...] = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
    "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "jaw", "left_eye", "right_eye",
    *(f"{side}_{finger}{i}" for side in ("left", "right") for finger in _ARM for i in (1, 2, 3)),
)  # fmt: skip
PARENTS = np.array(
    [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 15, 15, 15, 20, 25, 26, 20, 28, 29, 20,
     31, 32, 20, 34, 35, 20, 37, 38, 21, 40, 41, 21, 43, 44, 21, 46, 47, 21, 49, 50, 21, 52, 53])  # fmt: skip
JOINT = {name: i for i, name in enumerate(JOINTS)}


def other_side(name: str) -> str:
    """The name on the other side: left_x <-> right_x, x.L <-> x.R; a name of the middle stays."""
    for a, b in (("left_", "right_"), ("right_", "left_")):
        if name.startswith(a):
            return b + name[len(a) :]
    return {".L": name[:-2] + ".R", ".R": name[:-2] + ".L"}.get(name[-2:], name)


MIRROR_JOINT = np.array([JOINT[other_side(name)] for name in JOINTS])


class Drive(Enum):
    """How a bone follows its joint when the full rig is posed by the 55 joints."""

    FULL = "turns with the joint"
    HALF = "turns half as far as the joint, about the same centre"
    HALF_TWIST = "swings with the joint but takes half of its twist along the limb"
    FORE_TWIST = "follows the elbow and takes half of the wrist's twist along the forearm"


@dataclass(frozen=True)
class Bone:
    """A group of MakeHuman bones that moves as one, and the joints that share its skinning weight."""

    members: tuple[str, ...]
    joint: str
    drive: Drive = Drive.FULL
    share: float = 1.0
    rest: str = ""  # joint that gets 1 - share of the weight


_FACE = ("levator", "special01", "special03", "special05", "special06", "orbicularis", "oculi", "temporalis",
         "risorius", "oris03", "oris04", "oris05")  # fmt: skip
_NUMBER = {"thumb": 1, "index": 2, "middle": 3, "ring": 4, "pinky": 5}
_LEFT = (
    Bone(("upperleg01.L",), "left_hip", Drive.HALF_TWIST),
    Bone(("upperleg02.L",), "left_hip"),
    Bone(("lowerleg01.L", "lowerleg02.L"), "left_knee"),
    Bone(("foot.L",), "left_ankle"),
    Bone(("toe*.L",), "left_foot"),
    Bone(("clavicle.L", "shoulder01.L"), "left_collar"),
    Bone(("upperarm01.L",), "left_shoulder", Drive.HALF_TWIST),
    Bone(("upperarm02.L",), "left_shoulder"),
    Bone(("lowerarm01.L",), "left_elbow"),
    Bone(("lowerarm02.L",), "left_elbow", Drive.FORE_TWIST),
    Bone(("wrist.L", "metacarpal*.L"), "left_wrist"),
    Bone(("eye.L",), "left_eye"),
    *(
        Bone((f"finger{n}-{i}.L",), f"left_{finger}{i}")
        for finger, n in _NUMBER.items()
        for i in (1, 2, 3)
    ),
)
_MIDDLE = (
    Bone(("root", "pelvis.*", "spine05"), "pelvis"),
    Bone(("spine04",), "spine1", Drive.HALF, 0.5, "pelvis"),
    Bone(("spine03",), "spine1"),
    Bone(("spine02",), "spine2"),
    Bone(("breast.*",), "spine3", Drive.HALF, 0.5, "spine2"),
    Bone(("spine01",), "spine3"),
    Bone(("neck01", "neck02"), "neck"),
    Bone(("neck03",), "head", Drive.HALF, 0.5, "neck"),
    Bone(("head", *(f"{name}*" for name in _FACE), "oris06"), "head"),
    Bone(("jaw", "special04", "oris01", "oris02", "oris06.*", "oris07.*", "tongue*"), "jaw"),
)
_RIGHT = tuple(
    Bone(tuple(other_side(m) for m in bone.members), other_side(bone.joint), bone.drive, bone.share)
    for bone in _LEFT
)
BONES: tuple[Bone, ...] = _MIDDLE + _LEFT + _RIGHT

# Joint centre = head of this bone; the feet are the mean of the five toe roots.
CENTRES: dict[str, tuple[str, ...]] = {
    "pelvis": ("spine05",), "spine1": ("spine03",), "spine2": ("spine02",), "spine3": ("spine01",),
    "neck": ("neck01",), "head": ("head",), "jaw": ("jaw",),
    "left_hip": ("upperleg01.L",), "left_knee": ("lowerleg01.L",), "left_ankle": ("foot.L",),
    "left_foot": tuple(f"toe{n}-1.L" for n in range(1, 6)),
    "left_collar": ("clavicle.L",), "left_shoulder": ("upperarm01.L",), "left_elbow": ("lowerarm01.L",),
    "left_wrist": ("wrist.L",),
    **{f"left_{finger}{i}": (f"finger{n}-{i}.L",) for finger, n in _NUMBER.items() for i in (1, 2, 3)},
}  # fmt: skip
FINGER_ENDS = {finger: f"finger{n}-3.L" for finger, n in _NUMBER.items()}

BODY_IDS = np.arange(0, 13380)
LEFT_EYEBALL = np.arange(14598, 14670)
RIGHT_EYEBALL = np.arange(14670, 14742)
NIPPLES = np.concatenate([np.arange(1762, 1794), np.arange(8434, 8466)])

# name: (hm08 vertex, the id under which readers of SMPL-X files look for this point)
EXTRA_POINTS: dict[str, tuple[int, int]] = {
    "nose": (5054, 9120), "reye": (14679, 9929), "leye": (14607, 9448), "rear": (5424, 616), "lear": (12023, 6),
    "LBigToe": (11551, 5770), "LSmallToe": (13280, 5780), "LHeel": (12453, 8846),
    "RBigToe": (4933, 8463), "RSmallToe": (6684, 8474), "RHeel": (5856, 8635),
    "lthumb": (9348, 5361), "lindex": (8595, 4933), "lmiddle": (8787, 5058), "lring": (8982, 5169),
    "lpinky": (9171, 5286), "rthumb": (2680, 8079), "rindex": (1927, 7669), "rmiddle": (2119, 7794),
    "rring": (2314, 7905), "rpinky": (2503, 8022),
}  # fmt: skip
PUPILS = ("reye", "leye")  # OpenPose face 68 is the subject's right pupil, 69 the left

# iBUG landmarks 17..67 as hm08 vertex:barycentric weight.
LANDMARKS = """
255:0.476 207:0.231 225:0.293; 206:0.012 204:0.012 224:0.976; 205:0.209 223:0.044 222:0.747;
208:0.297 223:0.355 205:0.348; 209:0.274 228:0.026 208:0.699; 6983:0.699 7001:0.026 6984:0.274;
6980:0.348 6997:0.355 6983:0.297; 6996:0.747 6997:0.044 6980:0.209; 6998:0.976 6979:0.012 6981:0.012;
6999:0.293 6982:0.231 7024:0.476; 132:1.000; 131:0.744 135:0.256; 201:0.584 164:0.416; 5054:1.000;
333:0.655 286:0.155 360:0.190; 359:0.196 5138:0.160 314:0.644; 343:1.000; 7077:0.644 11752:0.160 7120:0.196;
7121:0.190 7055:0.155 7095:0.655; 1089:1.000; 1083:0.317 1081:0.683; 1082:0.301 1099:0.699; 1104:1.000;
1096:0.878 1095:0.122; 1093:0.201 1094:0.799; 7796:1.000; 7791:0.699 7774:0.301; 7773:0.683 7775:0.317; 7781:1.000;
7786:0.799 7785:0.201; 7787:0.122 7788:0.878; 425:1.000; 410:0.193 5354:0.807; 456:0.235 450:0.765; 455:1.000;
7210:0.765 7215:0.235; 11956:0.807 7170:0.193; 7185:1.000; 7235:0.656 7166:0.344; 7235:0.110 7241:0.890; 492:1.000;
486:0.890 480:0.110; 406:0.344 480:0.656; 524:1.000; 532:0.320 531:0.680; 537:1.000; 7276:0.680 7277:0.320;
7269:1.000; 7280:0.566 7279:0.434; 540:1.000; 534:0.434 535:0.566
"""
SUBNASALE, GNATHION, EAR_FRONT, EAR_LOBE = 343, 5225, 11712, 12340
# Left half of the line where the lips meet; its mirror image closes the loop around the inside of
# the mouth.
INNER_LIPS = (
    537,
    7282,
    7283,
    7276,
    7277,
    11961,
    7278,
    7270,
    7269,
    540,
    7279,
    7280,
    7281,
    7196,
    10400,
    7191,
    7192,
    10375,
    7204,
    7206,
    7266,
)


def landmark_points() -> list[list[tuple[int, float]]]:
    """The 51 landmarks as lists of (hm08 vertex id, weight)."""
    entries = [entry.split() for entry in LANDMARKS.replace("\n", " ").split(";")]
    return [
        [(int(v), float(w)) for v, w in (item.split(":") for item in entry)] for entry in entries
    ]
