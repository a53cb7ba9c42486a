"""Pose correctives: what linear skinning misses of a better deformation, as a linear function of
each joint's R - I.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.spatial.transform import Rotation

from .skeleton import Straight
from .skinning import Skin, chain, dual_quaternion_blend, rig_transforms
from .tables import JOINT, JOINTS, MIRROR_JOINT, PARENTS, other_side
from .topology import Topology, vertex_normals

# Range of each left or middle joint in degrees: (x, y, z), low and high, as intrinsic x-y-z Euler
# angles.
RANGES: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "hip": ((-125, -45, -30), (45, 45, 55)), "knee": ((-5, -12, -8), (150, 12, 8)),
    "ankle": ((-40, -25, -25), (50, 25, 25)), "foot": ((-50, -8, -8), (40, 8, 8)),
    "spine": ((-30, -30, -25), (45, 30, 25)), "neck": ((-40, -45, -30), (40, 45, 30)),
    "head": ((-40, -45, -30), (40, 45, 30)), "collar": ((-15, -25, -15), (15, 25, 35)),
    "shoulder": ((-90, -120, -90), (90, 60, 100)), "elbow": ((-80, -150, -8), (80, 5, 8)),
    "wrist": ((-70, -35, -80), (70, 35, 80)), "jaw": ((-3, -12, -4), (35, 12, 4)),
    "thumb": ((-30, -45, -45), (50, 45, 45)), "finger1": ((-12, -22, -95), (12, 22, 25)),
    "finger": ((-4, -4, -105), (4, 4, 15)),
}  # fmt: skip
FITTED = tuple(
    name for name in JOINTS[1:] if not name.startswith("right_") and not name.endswith("eye")
)
ALONG_X = ("shoulder", "elbow", "wrist", "thumb", "finger1", "finger")
_DOWN = ((15, -5, -55), (35, 30, 25))
USUAL = {  # means and spreads in degrees
    "left_shoulder": (_DOWN, ((10, -70, 0), (35, 30, 35)), _DOWN, ((0, -15, 60), (35, 30, 25))),
    "left_hip": (((-25, 0, 5), (40, 15, 12)), ((-80, 0, 10), (35, 20, 18))),
}
# sine of the elevation where the A-pose mesh starts to lead, and where it leads alone
LOWERED = (0.1, -0.35)
SAMPLES, RIDGE, SMALLEST = 56, 2e-3, 5e-5
MUSH = {
    "spine": 12,
    "collar": 25,
    "shoulder": 30,
    "hip": 25,
    "neck": 12,
    "head": 12,
    "elbow": 6,
    "knee": 6,
}


@dataclass(frozen=True)
class Correctives:
    """posedirs [V, 3, 486] and, per fitted joint, rms distance to the target before and after in
    millimetres.
    """

    posedirs: np.ndarray
    before: dict[str, float]
    after: dict[str, float]


def _kind(joint: str) -> str:
    name = joint.removeprefix("left_").rstrip("0123456789")
    if name in ("index", "middle", "ring", "pinky"):
        return "finger1" if joint.endswith("1") else "finger"
    return name


def random_rotations(joint: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """Rotations [count, 3, 3] around what people usually do, or over the joint's whole range."""
    low, high = (np.array(bound, float) for bound in RANGES[_kind(joint)])
    if joint in USUAL:
        clusters = np.array(USUAL[joint], float)[np.arange(count) % len(USUAL[joint])]
        angles = np.clip(rng.normal(clusters[:, 0], clusters[:, 1]), low, high)
    else:
        share = rng.random((count, 3))
        share[: count // 4] = np.round(share[: count // 4])
        angles = low + share * (high - low)
    # limbs along x twist first and swing last; the others swing about x last
    return Rotation.from_euler(
        "xyz" if _kind(joint) in ALONG_X else "XYZ", angles, degrees=True
    ).as_matrix()


def smoothing(topology: Topology) -> sp.csr_array:
    """One step of umbrella smoothing: the mean of a vertex and the mean of its neighbours, [V, V]."""
    graph = topology.adjacency()
    walk = sp.diags_array(1 / graph.sum(1)) @ graph
    return sp.csr_array(0.5 * (sp.eye_array(graph.shape[0]) + walk))


class DeltaMush:
    """Smooth a posed mesh and give it back the detail that smoothing takes from the rest mesh, in
    local frames.
    """

    def __init__(self, rest: np.ndarray, topology: Topology, steps: int) -> None:
        self._step, self._steps, self._faces = smoothing(topology), steps, topology.faces
        graph = topology.adjacency()
        self._neighbour = graph.indices[graph.indptr[:-1]]
        smooth = self._smooth(rest[None])
        frame = self._frames(smooth[0])
        self._detail = np.einsum("vca,vc->va", frame, rest - smooth[0])

    def _smooth(self, posed: np.ndarray) -> np.ndarray:
        flat = posed.transpose(1, 0, 2).reshape(posed.shape[1], -1)
        for _ in range(self._steps):
            flat = self._step @ flat
        return flat.reshape(posed.shape[1], -1, 3).transpose(1, 0, 2)

    def _frames(self, points: np.ndarray) -> np.ndarray:
        normal = vertex_normals(points, self._faces)
        along = points[self._neighbour] - points
        along = along - (along * normal).sum(1, keepdims=True) * normal
        along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
        return np.stack([along, np.cross(normal, along), normal], -1)

    def __call__(self, posed: np.ndarray) -> np.ndarray:
        """[S, V, 3] -> [S, V, 3]."""
        smooth = self._smooth(posed)
        return np.stack(
            [s + np.einsum("vca,va->vc", self._frames(s), self._detail) for s in smooth]
        )


def moving_skin(joint: str, weights: np.ndarray, topology: Topology, rings: int) -> np.ndarray:
    """Ids of vertices that the joint bends: partly carried by it or its descendants, and some rings
    around.
    """
    j = JOINT[joint]
    below = np.zeros(len(JOINTS), bool)
    for k in range(len(JOINTS)):
        below[k] = k == j or (PARENTS[k] >= 0 and below[PARENTS[k]])
    share = weights[:, below].sum(1)
    mixed = ((share > 1e-4) & (share < 1 - 1e-4)).astype(float)
    graph = topology.adjacency()
    for _ in range(rings):
        mixed = mixed + graph @ mixed
    twisting = weights[:, j] > 0.01
    return np.flatnonzero((mixed > 0) | twisting)


def fit_joint(rest: np.ndarray, joints: np.ndarray, weights: np.ndarray, local: np.ndarray, target: np.ndarray,
              joint_ids: list[int], chosen: np.ndarray) -> tuple[np.ndarray, float, float]:  # fmt: skip
    """Least squares in posed space: directions [chosen, 3, 9 * joints], rms before and after in
    metres.
    """
    rotation, position = chain(local, joints)
    shift = position - (rotation @ joints[..., None])[..., 0]
    matrix = np.einsum("vj,sjab->svab", weights[chosen], rotation, optimize=True)
    moved = np.einsum("svab,vb->sva", matrix, rest[chosen]) + np.einsum(
        "vj,sja->sva", weights[chosen], shift
    )
    missing = target - moved
    feature = (local[:, joint_ids] - np.eye(3)).reshape(len(local), -1)
    # rows: M_s P f_s = missing_s; normal equations of the 3 x 9k unknowns of each vertex
    pulled = np.einsum("svab,sva->svb", matrix, missing, optimize=True)
    right = np.einsum("svb,sf->vbf", pulled, feature, optimize=True).reshape(len(chosen), -1)
    square = np.einsum("svab,svac->svbc", matrix, matrix, optimize=True)
    outer = np.einsum("sf,sg->sfg", feature, feature).reshape(len(local), -1)
    gram = np.tensordot(square.transpose(1, 2, 3, 0).reshape(-1, len(local)), outer, 1)
    size = feature.shape[1]
    gram = (
        gram.reshape(len(chosen), 3, 3, size, size)
        .transpose(0, 1, 3, 2, 4)
        .reshape(len(chosen), 3 * size, -1)
    )
    gram += RIDGE * len(local) * np.eye(3 * size)
    found = np.linalg.solve(gram, right[..., None])[..., 0].reshape(len(chosen), 3, size)
    left = missing - np.einsum("svab,svb->sva", matrix, np.einsum("vbf,sf->svb", found, feature))
    rms = lambda x: float(np.sqrt((x**2).sum(-1).mean()))  # noqa: E731
    return found, rms(missing), rms(left)


@dataclass(frozen=True)
class Subject:
    """The body on which correctives are fitted: A-pose skin, and the same person straightened."""

    a_pose: np.ndarray  # [V, 3]
    straight: Straight  # of one person
    skin: Skin
    topology: Topology

    def target(self, joint: str, local: np.ndarray) -> np.ndarray:
        """Where the skin should be [S, V, 3] in poses [S, 55, 3, 3]: full rig, dual quaternions,
        smooth trunk.
        """
        rest, joints = self.straight.vertices[0], self.straight.joints[0]
        pose = rig_transforms(local, joints)
        target = dual_quaternion_blend(rest, self.skin.bones, pose)
        steps = MUSH.get(_kind(joint), 0)
        target = DeltaMush(rest, self.topology, steps)(target) if steps else target
        return self._lowered(local, pose, target) if joint == "left_shoulder" else target

    def _lowered(
        self, local: np.ndarray, pose: tuple[np.ndarray, np.ndarray], target: np.ndarray
    ) -> np.ndarray:
        """Hanging arms: bend the A-pose mesh as it was modelled instead of the straightened one."""
        (r1, t1), (r0, t0) = pose, self.straight.transforms
        composed = r1 @ r0, (r1 @ t0[..., None])[..., 0] + t1
        modelled = dual_quaternion_blend(self.a_pose, self.skin.bones, composed)
        rise = local[:, JOINT["left_shoulder"], 1, 0]
        share = np.clip((LOWERED[0] - rise) / (LOWERED[0] - LOWERED[1]), 0, 1)[:, None, None]
        return share * modelled + (1 - share) * target


def fit_correctives(
    subject: Subject, rng: np.random.Generator, fitted: tuple[str, ...] = FITTED
) -> Correctives:
    """Fit posedirs so that linear skinning by 55 joints follows the subject's target, joint by
    joint.
    """
    rest, joints, weights = (
        subject.straight.vertices[0],
        subject.straight.joints[0],
        subject.skin.joints,
    )
    posedirs, before, after = np.zeros((len(rest), 3, 54, 9)), {}, {}
    for joint in fitted:
        count = SAMPLES * (4 if joint in USUAL else 1)
        local = np.tile(np.eye(3), (count, len(JOINTS), 1, 1))
        local[:, JOINT[joint]] = random_rotations(joint, count, rng)
        chosen = moving_skin(joint, weights, subject.topology, min(MUSH.get(_kind(joint), 0), 8))
        target = subject.target(joint, local)[:, chosen]
        fit = fit_joint(rest, joints, weights, local, target, [JOINT[joint]], chosen)
        found, before[joint], after[joint] = fit
        posedirs[chosen, :, JOINT[joint] - 1] += found
    before, after = ({k: 1000 * v for k, v in x.items()} for x in (before, after))
    return Correctives(_both_sides(posedirs, subject.topology.mirror), before, after)


def _both_sides(posedirs: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Mirror left joints to the right, make the middle ones symmetric, drop what is too small to
    see: [V, 3, 486].
    """
    flip = np.array([-1.0, 1.0, 1.0])
    sign = flip[:, None, None] * np.outer(flip, flip).ravel()
    reflected = posedirs[mirror] * sign
    out = posedirs.copy()
    for j, name in enumerate(JOINTS[1:]):
        if name == other_side(name):
            out[:, :, j] = 0.5 * (posedirs[:, :, j] + reflected[:, :, j])
        elif name.startswith("right_"):
            out[:, :, j] = reflected[:, :, MIRROR_JOINT[j + 1] - 1]
    out[np.abs(out) < SMALLEST] = 0
    return out.reshape(len(out), 3, -1)
