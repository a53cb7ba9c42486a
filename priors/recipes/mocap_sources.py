"""The packs of motion capture that the pose priors are made of: how each is read, whose it is, what
its owner allows, and who of it is held out.

Clips stay where they are (../shared/data/mocap and ../shared/data/mocap_more, with a README to
each): nothing of them is committed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # a recipe runs from a source checkout, installed or not

from smplifyx.body.joints import sideless  # noqa: E402
from smplifyx.data.bvh import Clip, forward_kinematics, parse_bvh  # noqa: E402
from smplifyx.data.mocap import by_subject, calibrated, plausible, subject_poses  # noqa: E402
from smplifyx.data.packed import packed_files  # noqa: E402
from smplifyx.data.retarget import BODY_JOINTS, Poses, concatenate  # noqa: E402
from smplifyx.data.retarget_joints import (  # noqa: E402
    JointMap,
    TurnBetween,
    WorldMotion,
    motion_of_clip,
    rested,
    retarget_joints,
)
from smplifyx.training.borrow import Hole  # noqa: E402
from smplifyx.training.poses import PersonPart  # noqa: E402

CMU_TERMS = "CMU: free for all uses, but not to be resold, even in converted form"


@dataclass(frozen=True)
class Recorded:
    """One clip as it is found: whose, its name, what its skeleton does, and which joint is which."""

    person: str
    clip: str
    motion: WorldMotion
    joint_map: JointMap


@dataclass(frozen=True)
class Source:
    """A pack, or the part of one that has a licence and a skeleton of its own.

    file: relative to the folder that holds the packs.
    ships: whether weights that ship may be trained on it.
    held_out: persons that nothing is trained on.
    lacks: what it does not record: joints that stand still in all of it.
    read: its clips; None for CMU's 43 joints, which `smplifyx.data.retarget` knows by their axes.
    """

    name: str
    file: str
    owner: str
    licence: str
    ships: bool
    held_out: frozenset[str]
    lacks: frozenset[Hole] = frozenset()
    read: Callable[[Path], Iterator[Recorded]] | None = None


# ---------------------------------------------------------------------------------------------
# Skeletons


def limbs(pattern: Mapping[str, str], sides: tuple[str, str]) -> dict[str, str]:
    """A limb table of both sides: `{}` in the names stands for the side."""
    table = {}
    for side, word in zip(("left", "right"), sides, strict=True):
        for joint, name in pattern.items():
            table[f"{side}_{joint}"] = name.format(word)
    return table


def trunk(hips: str, *spine: str, neck: str | None = None, head: str) -> dict[str, TurnBetween]:
    """The trunk of a source with one to three joints between hips and neck.

    Three are taken one by one; of two, spine1 goes half of the way to spine2; of one, spine1 and
    spine2 go a third and two thirds of the way. Where neck and head
    are one, or share out their bending as the solver pleased (CMU's three joints of the neck), the
    neck goes half of the way from chest to head.
    """
    table = {"pelvis": TurnBetween(hips, hips)}
    if len(spine) == 1:
        table["spine1"] = TurnBetween(hips, spine[0], 1 / 3)
        table["spine2"] = TurnBetween(hips, spine[0], 2 / 3)
    elif len(spine) == 2:
        table["spine1"] = TurnBetween(hips, spine[0], 0.5)
        table["spine2"] = TurnBetween(spine[0], spine[0])
    else:
        table["spine1"] = TurnBetween(spine[0], spine[0])
        table["spine2"] = TurnBetween(spine[1], spine[1])
    chest = spine[-1]
    table["spine3"] = TurnBetween(chest, chest)
    table["neck"] = TurnBetween(neck, neck) if neck else TurnBetween(chest, head, 0.5)
    table["head"] = TurnBetween(head, head)
    return table


CMU31 = JointMap(
    trunk("Hips", "LowerBack", "Spine", "Spine1", head="Head"),
    limbs(
        {
            "shoulder": "{}Arm",
            "elbow": "{}ForeArm",
            "wrist": "{}Hand",
            "hand_end": "{}HandIndex1",
            "hip": "{}UpLeg",
            "knee": "{}Leg",
            "ankle": "{}Foot",
            "foot": "{}ToeBase",
        },
        ("Left", "Right"),
    ),
    rolled_feet=True,
)
MOTION_BUILDER31 = JointMap(
    trunk("Hips", "lowerback", "Chest", "Chest2", head="Head"),
    limbs(
        {
            "shoulder": "{}Shoulder",
            "elbow": "{}Elbow",
            "wrist": "{}Wrist",
            "hip": "{}Hip",
            "knee": "{}Knee",
            "ankle": "{}Ankle",
            "foot": "{}Toe",
        },
        ("Left", "Right"),
    )
    | {"left_hand_end": "LFingers", "right_hand_end": "RFingers"},
    rolled_feet=True,
)
_ARM_LEG = {
    "shoulder": "{}Arm",
    "elbow": "{}ForeArm",
    "wrist": "{}Hand",
    "hip": "{}UpLeg",
    "knee": "{}Leg",
    "ankle": "{}Foot",
}
SNU22 = JointMap(
    trunk("Hips", "Spine", "Spine1", "Spine2", head="Head"),  # the neck never moves
    limbs(_ARM_LEG | {"hand_end": "{}Hand_end", "foot": "{}Toe"}, ("Left", "Right")),
)
# the same names on another rig, whose uppermost joint of the back never moves
FIGHTER22 = JointMap(trunk("Hips", "Spine", "Spine1", head="Head"), SNU22.limbs)
SNU20 = JointMap(
    trunk("Hips", "Spine", "Spine1", head="HEad"),
    limbs(_ARM_LEG | {"hand_end": "{}Hand_end", "foot": "{}Toes"}, ("Left", "Right")),
)
SNU26 = JointMap(trunk("Hips", "Spine", "Spine1", head="Head"), SNU20.limbs)
# the hands' end sites lie anywhere in these files
CHARACTER = JointMap(
    trunk("Character1_Hips", "Character1_Spine1", head="Character1_Head"),
    limbs(
        {joint: "Character1_" + name for joint, name in _ARM_LEG.items()}
        | {"foot": "Character1_{}ToeBase"},
        ("Left", "Right"),
    ),
)
CHARACTER3 = JointMap(
    trunk(
        "Character1_Hips",
        "Character1_Spine",
        "Character1_Spine1",
        "Character1_Spine2",
        head="Character1_Head",
    ),
    CHARACTER.limbs,
)
WAD23 = JointMap(
    trunk("Root", "LowerBack", "Thorax", neck="Neck", head="head"),
    limbs(
        {
            "shoulder": "{}_Humerus",
            "elbow": "{}_Elbow",
            "wrist": "{}_Wrist",
            "hand_end": "{}_Wrist_End",
            "hip": "{}_Femur",
            "knee": "{}_Tibia",
            "ankle": "{}_Foot",
            "foot": "{}_Toe",
        },
        ("L", "R"),
    ),
)
REACTIDLE = JointMap(
    trunk("pelvis", "spine", "spine.001", neck="neck", head="face"),
    limbs(
        {
            "shoulder": "upper_arm.{}",
            "elbow": "forearm.{}",
            "wrist": "forearm.{}_end",
            "hip": "thigh.{}",
            "knee": "shin.{}",
            "ankle": "foot.{}",
        },
        ("L", "R"),
    ),
    still=("wrist", "foot"),
)
FAIR27 = JointMap(
    # two joints low in the back bend as one of ours
    trunk("Hips", "Spine1", "Spine2", "Spine3", neck="Neck", head="Head"),
    limbs(_ARM_LEG | {"hand_end": "{}HandEnd", "foot": "{}ToeBase"}, ("Left", "Right")),
)
NEO22 = JointMap(
    trunk("Neo_Hips", "Neo_Spine", "Neo_Spine1", "Neo_Spine2", neck="Neo_Neck", head="Neo_Head"),
    limbs(
        {joint: "Neo_" + name for joint, name in _ARM_LEG.items()} | {"foot": "Neo_{}ToeBase"},
        ("Left", "Right"),
    ),
)
DAZ43 = JointMap(
    trunk("hip", "abdomen", "chest", head="head"),
    limbs(
        {
            "shoulder": "{}Shldr",
            "elbow": "{}ForeArm",
            "wrist": "{}Hand",
            "hand_end": "{}Mid1",
            "hip": "{}Thigh",
            "knee": "{}Shin",
            "ankle": "{}Foot",
        },
        ("l", "r"),
    ),
    still=("foot",),
)
_RIGIFY = {
    "shoulder": "DEF-upper_arm.{}",
    "elbow": "DEF-forearm.{}",
    "wrist": "DEF-hand.{}",
    "hip": "DEF-thigh.{}",
    "knee": "DEF-shin.{}",
    "ankle": "DEF-foot.{}",
    "foot": "DEF-toe.{}",
}
_RIGIFY_TRUNK = trunk(
    "DEF-hips", "DEF-spine.001", "DEF-spine.002", "DEF-spine.003", neck="DEF-neck", head="DEF-head"
)
M2M_BASE = JointMap(_RIGIFY_TRUNK, limbs(_RIGIFY | {"hand_end": "DEF-f_middle.01.{}"}, ("L", "R")))
M2M_TIRED = JointMap(_RIGIFY_TRUNK, limbs(_RIGIFY | {"hand_end": "DEF-f_middle_01.{}"}, ("L", "R")))
M2M_ADDON = JointMap(
    trunk("pelvis", "spine_01", "spine_02", "spine_03", neck="neck_01", head="head"),
    limbs(
        {
            "shoulder": "upperarm_{}",
            "elbow": "lowerarm_{}",
            "wrist": "hand_{}",
            "hand_end": "middle_01_{}",
            "hip": "thigh_{}",
            "knee": "calf_{}",
            "ankle": "foot_{}",
            "foot": "ball_{}",
        },
        ("l", "r"),
    ),
)
MAKEHUMAN163 = JointMap(
    # five joints of the back and three of the neck, of which ours take every other
    trunk("root", "spine04", "spine03", "spine01", neck="neck02", head="head"),
    limbs(
        {
            "shoulder": "upperarm01.{}",
            "elbow": "lowerarm01.{}",
            "wrist": "wrist.{}",
            "hand_end": "finger3-1.{}",
            "hip": "upperleg01.{}",
            "knee": "lowerleg01.{}",
            "ankle": "foot.{}",
            "foot": "toe1-1.{}",
        },
        ("L", "R"),
    ),
)
DEEPMIMIC = JointMap(
    trunk("root", "chest", head="neck"),
    limbs(
        {joint: "{}_" + joint for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")},
        ("left", "right"),
    ),
    still=("wrist", "foot"),
)
SKELETONS = (
    CMU31, MOTION_BUILDER31, SNU22, SNU20, SNU26, CHARACTER3, CHARACTER, WAD23, REACTIDLE, FAIR27,
    NEO22, DAZ43, M2M_BASE, M2M_TIRED, M2M_ADDON, MAKEHUMAN163,
)  # fmt: skip


def map_of(names: tuple[str, ...]) -> JointMap:
    """The map of the skeleton that has these joints. Raises ValueError for an unknown one."""
    for joint_map in SKELETONS:
        wanted = set(joint_map.limbs.values())
        wanted |= {between.second for between in joint_map.trunk.values()}
        if wanted <= set(names):
            return joint_map
    raise ValueError(f"no map for a skeleton of {len(names)} joints, {', '.join(names[:8])}...")


# ---------------------------------------------------------------------------------------------
# Readers


def clips_of(path: Path, part: str = "") -> Iterator[tuple[Path, Clip]]:
    """The BVH clips of a tar whose folder is `part`, by their paths in it."""
    for file, content in packed_files(path):
        if file.suffix == ".bvh" and (not part or part in file.parts):
            yield file, parse_bvh(content.read().decode(errors="replace"), file.stem, str(file))


def recordings(
    path: Path,
    part: str,
    person: Callable[[Path], str],
    *,
    up: str = "y",
    every: int = 1,
    reference: Callable[[Clip], NDArray | None] = lambda clip: None,
    skip: Callable[[str], bool] = lambda name: False,
) -> Iterator[Recorded]:
    """The clips of a part, relative to the rest pose of their files; `every`: keeps one frame of so
    many.
    """
    for file, clip in clips_of(path, part):
        if not skip(clip.name):
            motion = motion_of_clip(_thinned(clip, every), reference(clip), up=up)
            yield Recorded(person(file), clip.name, motion, map_of(motion.names))


def referred(
    path: Path, part: str, reference: str, joint_map: JointMap, person: Callable[[Path], str]
) -> Iterator[Recorded]:
    """The clips of a part whose bones rest along their own axes: relative to the T-pose that the
    file `reference` begins with.
    """
    poses = {clip.name: clip for _, clip in clips_of(path, "tpose")}
    standing = poses[reference].rotations[0]
    for file, clip in clips_of(path, part):
        motion = motion_of_clip(clip, standing)
        yield Recorded(person(file), clip.name, motion, joint_map)


def _thinned(clip: Clip, every: int) -> Clip:
    return Clip(
        clip.name,
        clip.skeleton,
        clip.rotations[::every],
        clip.translation[::every],
        clip.frame_time * every,
        clip.source,
    )


def _from_quaternions(
    arrays: Mapping[str, NDArray], head: str, quaternions: NDArray, up: str
) -> WorldMotion:
    """A glTF-like node tree: quaternions (x, y, z, w) relative to the parents.

    Translations of other nodes than the root's, which some clips animate, are left as at rest.
    """
    names = tuple(str(name) for name in arrays[f"{head}names"])
    parents = tuple(int(parent) for parent in arrays[f"{head}parents"])
    offsets = arrays[f"{head}rest_pos"].astype(float)
    rest = Rotation.from_quat(arrays[f"{head}rest_quat"]).as_matrix()
    local = Rotation.from_quat(quaternions.reshape(-1, 4)).as_matrix()
    local = local.reshape(*quaternions.shape[:2], 3, 3)
    rotations, positions = forward_kinematics(local, offsets, parents)
    turned, placed = forward_kinematics(rest[None], offsets, parents)
    axis = np.eye(3)["xyz".index(up)]
    return WorldMotion(
        names, rotations, positions, turned[0], placed[0], (float(axis[0]), float(axis[1]), float(axis[2]))
    )  # fmt: skip


def fbx_clips(path: Path, kind: str) -> Iterator[Recorded]:
    """The clips of `cmu_fbx` whose names begin with `kind`; their persons are CMU's subjects."""
    with np.load(path) as arrays:
        for key in arrays.files:
            clip, _, field = key.partition("/")
            if field == "quat" and clip.startswith(kind):
                up = _up_axis(arrays, f"{clip}/")
                motion = _from_quaternions(arrays, f"{clip}/", arrays[key], up)
                subject = clip.split("_")[1]
                yield Recorded(f"cmu {subject}", clip, motion, map_of(motion.names))


def mesh2motion_clips(path: Path) -> Iterator[Recorded]:
    """The clips of Mesh2Motion: a set is a rig of its own."""
    with np.load(path) as arrays:
        for key in arrays.files:
            rig, _, rest = key.partition("/")
            if rest.startswith("clip/") and rest.endswith("/quat"):
                name = rest.split("/")[1]
                up = _up_axis(arrays, f"{rig}/")
                motion = _from_quaternions(arrays, f"{rig}/", arrays[key], up)
                yield Recorded(f"mesh2motion {rig}", name, motion, map_of(motion.names))


def _up_axis(arrays: Mapping[str, NDArray], head: str) -> str:
    """The axis along which head and feet of a rest pose lie farthest apart."""
    names = [str(name) for name in arrays[f"{head}names"]]
    joint_map = map_of(tuple(names))
    parents = tuple(int(parent) for parent in arrays[f"{head}parents"])
    rest = Rotation.from_quat(arrays[f"{head}rest_quat"]).as_matrix()
    _, placed = forward_kinematics(rest[None], arrays[f"{head}rest_pos"].astype(float), parents)
    top = placed[0, names.index(joint_map.trunk["head"].second)]
    foot = placed[0, names.index(joint_map.limbs["left_ankle"])]
    return "xyz"[int(np.abs(top - foot).argmax())]


def expmap_clips(path: Path, actions: tuple[str, ...]) -> Iterator[Recorded]:
    """CMU's clips as exponential maps, in the joint order of the 31-joint BVH with its end sites.

    Their numbers are rotations only; the skeleton that they are put on is that of subject 16.
    """
    skeleton = next(clip for _, clip in clips_of(path.parents[1] / SNU_CMU, "cmu16")).skeleton
    with np.load(path) as arrays:
        for key in arrays.files:
            _, action, name = key.split("__")
            if action not in actions:
                continue
            maps = arrays[key][:, 3:].astype(float)
            local = Rotation.from_rotvec(maps.reshape(-1, 3)).as_matrix()
            local = local.reshape(len(maps), -1, 3, 3).swapaxes(-1, -2)  # theirs act on rows
            clip = Clip(key, skeleton, local, np.zeros((len(maps), 3)), 4 / 120)
            person = EXPMAP_PEOPLE.get(action, f"cmu expmap {action}")
            yield Recorded(person, key, motion_of_clip(clip), CMU31)


# joint, parent, offset in metres; x ahead, y up, z to the right, arms hanging at rest
_HUMANOID: tuple[tuple[str, int, tuple[float, float, float], int], ...] = (
    ("root", -1, (0, 0, 0), 4), ("chest", 0, (0, 0.236151, 0), 4), ("neck", 1, (0, 0.223894, 0), 4),
    ("right_hip", 0, (0, 0, 0.084887), 4), ("right_knee", 3, (0, -0.421546, 0), 1),
    ("right_ankle", 4, (0, -0.40987, 0), 4), ("right_shoulder", 1, (-0.02405, 0.2435, 0.18311), 4),
    ("right_elbow", 6, (0, -0.274788, 0), 1), ("left_hip", 0, (0, 0, -0.084887), 4),
    ("left_knee", 8, (0, -0.421546, 0), 1), ("left_ankle", 9, (0, -0.40987, 0), 4),
    ("left_shoulder", 1, (-0.02405, 0.2435, -0.18311), 4),
    ("left_elbow", 11, (0, -0.274788, 0), 1), ("right_wrist", 7, (0, -0.258947, 0), 0),
    ("left_wrist", 12, (0, -0.258947, 0), 0),
)  # fmt: skip


def deepmimic_clips(path: Path, part: str) -> Iterator[Recorded]:
    """Clips in DeepMimic's format: a quaternion (w first) for a ball joint, an angle about z for a
    hinge.
    """
    names = tuple(joint[0] for joint in _HUMANOID)
    parents = tuple(joint[1] for joint in _HUMANOID)
    offsets = np.array([joint[2] for joint in _HUMANOID], float)
    for file, content in packed_files(path):
        if part not in file.parts or file.suffix != ".txt" or file.stem == "humanoid3d":
            continue
        frames = np.array(json.loads(content.read())["Frames"], float)
        local = np.tile(np.eye(3), (len(frames), len(names), 1, 1))
        column = 4
        for joint, (_, _, _, width) in enumerate(_HUMANOID):
            values = frames[:, column : column + width]
            if width == 4:
                local[:, joint] = Rotation.from_quat(values[:, [1, 2, 3, 0]]).as_matrix()
            elif width == 1:
                bends = values[:, 0, None] * np.array([0.0, 0.0, 1.0])
                local[:, joint] = Rotation.from_rotvec(bends).as_matrix()
            column += width
        rotations, positions = forward_kinematics(local, offsets, parents)
        rest = np.tile(np.eye(3), (1, len(names), 1, 1))
        turned, placed = forward_kinematics(rest, offsets, parents)
        motion = WorldMotion(names, rotations, positions, turned[0], placed[0])
        person = f"deepmimic {file.parent.name}" if part == "jump" else "deepmimic"
        yield Recorded(person, file.stem, motion, DEEPMIMIC)


# ---------------------------------------------------------------------------------------------
# The packs

SNU_CMU = "cmu_via_snu/cmu_via_snu.tar.xz"
SNU_MISC = "snu_misc/snu_misc.tar.xz"
SMALL = "small_bvh/small_bvh.tar.xz"
_CMU_OWNER = (
    "CMU Graphics Lab Motion Capture Database, mocap.cs.cmu.edu, created with funding from NSF "
    "EIA-0196217"
)
_SNU = "Seoul National University, Movement Research Lab"
_STILL = frozenset({Hole.COLLAR, Hole.HAND_BEND, Hole.TOES})
_NO_HANDS = frozenset({Hole.COLLAR, Hole.HAND, Hole.TOES})
_NO_TOES = frozenset({Hole.TOES})
_NO_GIRDLE = frozenset({Hole.COLLAR, Hole.HAND_BEND})


# The actions that the poses of one subject of the 43-joint files match, frame by frame, to 35-45 mm
# (others: 60 and more). The rest may show the subjects that are held out: washing windows is 14's.
EXPMAP_PEOPLE = MappingProxyType({"basketball": "cmu 06", "running": "cmu 16", "soccer": "cmu 10"})
UNNAMED_ACTIONS = (
    "basketball_signal", "directing_traffic", "jumping", "walking", "walking_extra", "washwindow",
)  # fmt: skip


def _cmu_subject(file: Path) -> str:
    number = file.stem.split("_")[0]
    return f"cmu {number}" if number.isdecimal() else "cmu jumping jacks"


def _woody(file: Path) -> str:
    """The lab's names of its recordings: two actors, as far as they tell."""
    return "snu boxman" if file.stem.startswith("boxing") else "snu woody"


SOURCES: tuple[Source, ...] = (
    Source("cmu_bvh", "", _CMU_OWNER + "; BVH conversion by B. Hahne (no further restrictions)", CMU_TERMS,
           True, frozenset({"cmu 13", "cmu 14"}), _STILL),
    Source("cmu_bvh_extra/daz43", "cmu_bvh_extra/cmu_bvh_extra.tar.xz", _CMU_OWNER + "; BVH conversion by B. Hahne, "
           "from papagina/Auto_Conditioned_RNN_motion", CMU_TERMS, True, frozenset({"cmu 61", "cmu 135"}), _STILL),
    Source("cmu_bvh_extra/mb31", "cmu_bvh_extra/cmu_bvh_extra.tar.xz", _CMU_OWNER + "; from yuki-koyama/bvh11 and "
           "facebookresearch/AnimatedDrawings (MIT)", CMU_TERMS, True, frozenset({"cmu 131"}),
           lacks=frozenset({Hole.COLLAR}),
           read=lambda path: recordings(path, "mb31", _cmu_subject)),
    Source("cmu_via_snu", SNU_CMU, _CMU_OWNER + "; from snumrl/VSports and snumrl/InteractiveAnimation (Apache-2.0)",
           CMU_TERMS, True, frozenset({"cmu 69"}),
           lacks=frozenset({Hole.HAND_BEND}),
           read=lambda path: recordings(path, "", _cmu_subject)),
    Source("cmu_expmap", "cmu_expmap/cmu_expmap_quarter.npz", _CMU_OWNER + "; from chaneyddtt/Convolutional-Sequence-"
           "to-Sequence-Model-for-Human-Dynamics (MIT)", CMU_TERMS, True, frozenset(),
           lacks=_NO_GIRDLE,
           read=lambda path: expmap_clips(path, tuple(EXPMAP_PEOPLE))),
    # which of CMU's subjects these show is not said, and 13 and 14 did such things
    Source("cmu_expmap/unnamed", "cmu_expmap/cmu_expmap_quarter.npz", _CMU_OWNER, CMU_TERMS, False,
           frozenset(f"cmu expmap {action}" for action in UNNAMED_ACTIONS),
           lacks=_NO_GIRDLE,
           read=lambda path: expmap_clips(path, UNNAMED_ACTIONS)),
    Source("cmu_fbx/isaac", "cmu_fbx/cmu_fbx_30fps.npz", _CMU_OWNER + "; from NVIDIA-Omniverse/IsaacGymEnvs (BSD-3)",
           CMU_TERMS, True, frozenset(), lacks=_NO_GIRDLE,
           read=lambda path: fbx_clips(path, "isaac")),
    Source("cmu_fbx/mesh2motion", "cmu_fbx/cmu_fbx_30fps.npz", _CMU_OWNER + "; cleaned by rancidmilk, from Mesh2Motion",
           CMU_TERMS, False, frozenset({"cmu 91"}), _STILL, lambda path: fbx_clips(path, "m2m")),
    Source("cmu_fbx/keijiro", "cmu_fbx/cmu_fbx_30fps.npz", _CMU_OWNER + "; cleaned by keijiro (no licence file)",
           "none", False, frozenset({"cmu 85", "cmu 135"}), read=lambda path: fbx_clips(path, "keijiro")),
    Source("cmu_deepmimic/jump", "cmu_deepmimic/cmu_deepmimic.tar.xz", _CMU_OWNER + "; from arpspoof/Jump (MIT)",
           CMU_TERMS, False, frozenset(), _NO_HANDS, lambda path: deepmimic_clips(path, "jump")),
    Source("cmu_deepmimic/deepmimic", "cmu_deepmimic/cmu_deepmimic.tar.xz", "xbpeng/DeepMimic; who was recorded is not said",
           "MIT", False, frozenset({"deepmimic"}), _NO_HANDS,
           lambda path: deepmimic_clips(path, "deepmimic")),
    Source("mesh2motion_cc0", "mesh2motion_cc0/mesh2motion_30fps.npz", "Mesh2Motion (key-framed by artists, Quaternius)",
           "CC0-1.0", True, frozenset({"mesh2motion ymca", "mesh2motion tired"}), read=mesh2motion_clips),
    Source("reactidle", "reactidle/reactidle.tar.xz", "ReActIdle, github.com/Enekoassets/ReActIdle, arXiv 2509.05023",
           "MIT", True, frozenset({"reactidle 004", "reactidle 010", "reactidle 015"}), _NO_HANDS,
           lambda path: recordings(path, "", lambda file: f"reactidle {file.stem.split('_')[0]}",
                                        reference=_upright)),
    Source("small_bvh/makehuman", SMALL, "MakeHuman community assets", "CC0-1.0", True, frozenset(),
           read=lambda path: recordings(path, "poses", lambda file: "makehuman", up="z")),
    Source("small_bvh/mass", SMALL, _SNU + ", lsw9021/MASS", "Apache-2.0", True, frozenset(),
           read=lambda path: recordings(path, "mass_apache2", lambda file: "snu mass", every=4)),
    Source("small_bvh/animated_drawings", SMALL, "facebookresearch/AnimatedDrawings", "MIT", True,
           frozenset({"fair1"}),
           lacks=_NO_TOES,
           read=lambda path: recordings(path, "animated_drawings_mit", lambda file: "fair1", up="z",
                                        skip=lambda name: name.startswith("jesse"))),
    Source("snu_basketball", "snu_basketball/snu_basketball.tar.xz", _SNU + ", snumrl/VSports", "Apache-2.0", True,
           frozenset({f"snu basketball 008 player {i}" for i in range(1, 5)}),
           lacks=_NO_TOES,
           read=lambda path: referred(path, "basketball", "t_pose", SNU22, _player)),
    Source("snu_misc/tennis", SNU_MISC, _SNU + ", snumrl/InteractiveAnimation", "Apache-2.0", True, frozenset(),
           lacks=_NO_TOES,
           read=lambda path: recordings(path, "tennis", lambda file: "snu tennis")),
    Source("snu_misc/martial_arts", SNU_MISC, "NCSOFT and SNU R&D Foundation, snumrl/TimeCriticalResponse", "BSD-3-Clause",
           True, frozenset({f"snu martial arts 024 {i}" for i in range(1, 5)}),
           lacks=_NO_TOES,
           read=lambda path: referred(path, "martial_arts_pairs_bsd3", "t_pose_ue2", FIGHTER22, _fighter)),
    Source("snu_misc/woody", SNU_MISC, _SNU + ", snumrl/ys2010 (Jehee Lee)", "Apache-2.0", True,
           frozenset({"snu boxman"}),
           lacks=_NO_TOES,
           # one file rests in the middle of a step
           read=lambda path: recordings(path, "ys2010_woody", _woody, skip=lambda name: name.startswith("physics2"))),
    # woody's walks again; the left elbow is straight and the hand twisted by 100 degrees throughout
    Source("snu_misc/walking", SNU_MISC, _SNU + ", snumrl/ys2010 (Jehee Lee)", "Apache-2.0", False, frozenset(),
           lacks=_NO_TOES,
           read=lambda path: recordings(path, "ys2010_walking", lambda file: "snu woody walking")),
    Source("snu_misc/mss", SNU_MISC, _SNU + ", snumrl/MSS", "Apache-2.0", True, frozenset(),
           read=lambda path: recordings(path, "mss", lambda file: "snu mss")),
    Source("snu_misc/wad", SNU_MISC, _SNU + ", snumrl/WAD", "Apache-2.0", False, frozenset({"snu wad"}),
           read=lambda path: recordings(path, "wad", lambda file: "snu wad")),
)  # fmt: skip


def _upright(clip: Clip) -> NDArray:
    """ReActIdle's reference pose: at rest, with the chest tipped ahead as it is in every frame."""
    local = np.tile(np.eye(3), (len(clip.skeleton.names), 1, 1))
    chest = clip.skeleton.names.index("spine.001")
    tipped = np.median(Rotation.from_matrix(clip.rotations[:, chest]).as_rotvec()[:, 0])
    local[chest] = Rotation.from_rotvec([tipped, 0.0, 0.0]).as_matrix()
    return local


HELD_OUT = frozenset().union(*(source.held_out for source in SOURCES))


def _player(file: Path) -> str:
    _, session, _, player = file.stem.split("_")
    return f"snu basketball {session} player {player}"


def _fighter(file: Path) -> str:
    _, session, _, fighter = file.stem.split("_")
    return f"snu martial arts {session} {fighter}"


def poses_of(source: Source, mocap: Path, more: Path, rest: NDArray) -> dict[str, Poses]:
    """Every frame of each person of a source on the skeleton `rest` [>= 55, 3] (metres), knees
    calibrated.
    """
    if source.name == "cmu_bvh":
        found = subject_poses(mocap, rest)
        return {f"cmu {subject}": poses for subject, poses in found.items()}
    if source.read is None:
        clips = (clip for _, clip in clips_of(more / source.file, "daz43"))
        return {f"cmu {subject}": poses for subject, poses in by_subject(clips, rest).items()}
    parts: dict[str, list[Poses]] = {}
    for recorded in source.read(more / source.file):
        poses = retarget_joints(recorded.motion, recorded.joint_map, rest)
        parts.setdefault(recorded.person, []).append(poses)
    return {
        person: rested(calibrated(concatenate(poses))) for person, poses in sorted(parts.items())
    }


def parts_of(source: Source, mocap: Path, more: Path, rest: NDArray) -> list[PersonPart]:
    """The sound poses of each person of a source. Of a source that does not ship, everybody is held
    out: nobody has the name of someone who is trained on.
    """
    parts = []
    for person, poses in poses_of(source, mocap, more, rest).items():
        name = one_person(person)
        if not source.ships:
            name = f"{person} ({source.name})"
        parts.append(PersonPart(name, source.name, poses[is_sound(poses)], source.lacks))
    return [part for part in parts if len(part.poses.body_pose)]


def one_person(person: str) -> str:
    """Whose weight a person shares.

    A player of the basketball sessions, and a pair of fighters, are as many people as they were
    given numbers: which of one session are those of another is not said.
    """
    words = person.split()
    held_out = person in HELD_OUT
    if person.startswith("snu basketball") and not held_out:
        return " ".join([*words[:2], *words[3:]])
    if person.startswith("snu martial arts") and not held_out:
        return " ".join(words[:4])
    return person


def every_part(data: Path, rest: NDArray) -> tuple[tuple[PersonPart, ...], tuple[str, ...]]:
    """The parts of all sources in the folder `data`, and the people of them who are held out."""
    parts: list[PersonPart] = []
    held_out: list[str] = []
    for source in SOURCES:
        found = parts_of(source, data / "mocap", data / "mocap_more", rest)
        parts += found
        held_out += [part.person for part in found if not source.ships or part.person in HELD_OUT]
    return tuple(parts), tuple(dict.fromkeys(held_out))


def is_sound(poses: Poses) -> NDArray:
    """Which frames have no wrapped angles, and no collars, toes and hands that no one can turn so."""
    largest = {"collar": 0.9, "foot": 1.2}  # radians
    keep = plausible(poses)
    for joint, name in enumerate(BODY_JOINTS[1:]):
        angle = np.linalg.norm(poses.body_pose[:, joint], axis=-1)
        keep &= angle < largest.get(sideless(name), np.inf)
        if sideless(name) == "wrist":
            keep &= (np.abs(poses.body_pose[:, joint, 1:]) < (0.9, 1.5)).all(-1)
    return keep
