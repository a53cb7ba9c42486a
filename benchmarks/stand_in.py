"""A second body model to convert to and from, since none may be shipped: the embedded body made
another.

Another mesh (short edges collapsed), another rest pose (arms down, fingers and back bent), another
shape space (axes turned among one another, another mean, stretched), other joints and hand means. Poses and
shapes of the two models do not mean the same, and neither can copy the other exactly.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from scipy.sparse import csr_array
from torch import Tensor

from smplifyx.body import skinning
from smplifyx.body.joints import JOINT_INDEX, JOINT_NAMES
from smplifyx.body.loading.files import find_body, load_body
from smplifyx.body.model import BodyModel
from smplifyx.body.params import BodyParams
from smplifyx.core.choices import Gender
from smplifyx.core.npz import write

CLUSTERS = "clusters.npz"
VERTICES = 9200
SHAPES = 10  # columns of shapedirs before those of expressions
OWN_JOINTS = 0.3  # how far joints go from the embedded body's to where the skin of two bones meets
HAND_MEAN = 0.6
# the rest pose, axis-angles in radians
REST = {
    "left_shoulder": (0.0, 0.0, -0.35),
    "right_shoulder": (0.0, 0.0, 0.35),
    "left_elbow": (0.0, -0.15, 0.0),
    "right_elbow": (0.0, 0.15, 0.0),
    "left_hip": (0.0, 0.0, 0.08),
    "right_hip": (0.0, 0.0, -0.08),
    "spine2": (0.05, 0.0, 0.0),
    "head": (-0.08, 0.0, 0.0),
}
STRETCH = (
    1.01,
    0.98,
    1.04,
)  # of the mean body along x, y and z, which no shape of the other undoes
FINGER = 0.15  # radians: each finger joint bends so far at rest, towards the palm


def write_stand_in(path: Path, seed: int = 0, vertices: int = VERTICES) -> Path:
    """Writes the stand-in as a body model file; the same seed makes the same file.

    vertices: of its mesh.
    """
    with np.load(find_body(None, Gender.NEUTRAL)) as stored:
        arrays = {key: stored[key] for key in stored.files}
    another, cluster = _another(arrays, load_body(None), np.random.default_rng(seed), vertices)
    write(path, another)
    write(path.with_name(CLUSTERS), {"cluster": cluster})
    return path


def stand_in(folder: Path, seed: int = 0) -> BodyModel:
    """The stand-in, loaded as any body model from a file in `folder`."""
    path = folder / f"stand_in_{seed}.npz"
    return load_body(path if path.exists() else write_stand_in(path, seed))


def replaced_vertices(folder: Path) -> Int[Tensor, " v"]:
    """For each vertex of the embedded body, that of the stand-in in `folder` that replaces it,
    which is the mean of all that it replaces: what no conversion may know.
    """
    with np.load(folder / CLUSTERS) as stored:
        return torch.from_numpy(stored["cluster"])


def _another(
    arrays: dict[str, np.ndarray], body: BodyModel, draws: np.random.Generator, count: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The arrays of the other model, and which of its vertices replaces each."""
    places, turns = _rest_pose(body)
    shapedirs = np.einsum("vij,vjn->vin", turns, arrays["shapedirs"].astype(float))
    posedirs = np.einsum("vij,vjn->vin", turns, arrays["posedirs"].astype(float))
    betas, expressions = shapedirs[..., :SHAPES], shapedirs[..., SHAPES:]
    places = places * np.array(STRETCH) + betas @ draws.normal(0, 0.4, SHAPES)
    betas = betas @ _random_turn(SHAPES, draws)
    expressions = expressions @ _random_turn(expressions.shape[-1], draws)

    protected = _named_vertices(arrays)
    cluster = _collapsed(places, arrays["f"].astype(int), count, protected)
    # a new vertex is the mean of those that it replaces
    shares = 1 / np.bincount(cluster)[cluster]
    to_new = csr_array((shares, (cluster, np.arange(len(cluster)))))
    faces = cluster[arrays["f"].astype(int)]
    whole = (
        (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    )
    faces = faces[whole]
    weights = to_new @ arrays["weights"]
    directions = np.concatenate([betas, expressions], -1)

    def averaged(values: np.ndarray) -> np.ndarray:
        flat = to_new @ values.reshape(len(values), -1)
        return flat.reshape(-1, *values.shape[1:]).astype(np.float32)

    another = {
        "model_name": np.array("smplifyx-stand-in"),
        "v_template": averaged(places),
        "f": faces.astype(np.uint32),
        "shapedirs": averaged(directions),
        "posedirs": averaged(posedirs),
        "weights": weights.astype(np.float32),
        "J_regressor": _regressor(arrays["J_regressor"], cluster, weights, body.parents),
        "kintree_table": arrays["kintree_table"],
        **{f"hands_components{s}": arrays[f"hands_components{s}"] for s in "lr"},
        **{f"hands_mean{s}": HAND_MEAN * arrays[f"hands_mean{s}"] for s in "lr"},
        **{f"hands_coeffs{s}": arrays[f"hands_coeffs{s}"] for s in "lr"},
        **_landmarks(arrays, cluster, faces),
        "extra_points": cluster[arrays["extra_points"]],
        "pupils": cluster[arrays["pupils"]],
    }
    return another, cluster


def _rest_pose(body: BodyModel) -> tuple[np.ndarray, np.ndarray]:
    """The mean body in the other rest pose [v, 3], and how each vertex is turned there [v, 3, 3]."""
    pose = torch.zeros(55, 3)
    for name, angles in REST.items():
        pose[JOINT_INDEX[name]] = torch.tensor(angles)
    for joint, name in enumerate(JOINT_NAMES):
        if name[-1].isdigit() and "spine" not in name and "thumb" not in name:
            pose[joint, 2] = -FINGER if name.startswith("left") else FINGER
    at_rest = BodyParams.zeros((), SHAPES, SHAPES, like=pose)
    params = at_rest.replace(
        body_pose=pose[1:22], left_hand_pose=pose[25:40], right_hand_pose=pose[40:55]
    )
    orient, _, _ = skinning.bones(body, params)
    turns = torch.einsum("vj,jab->vab", body.weights, orient)
    return skinning.vertices(body, params).double().numpy(), turns.double().numpy()


def _random_turn(size: int, draws: np.random.Generator) -> np.ndarray:
    return np.linalg.qr(draws.normal(size=(size, size)))[0]


def _named_vertices(arrays: dict[str, np.ndarray]) -> set[int]:
    """Vertices that are points of the body: they stay apart."""
    return {*arrays["extra_points"].tolist(), *arrays["pupils"].tolist()}


def _collapsed(
    places: np.ndarray, faces: np.ndarray, count: int, protected: set[int]
) -> np.ndarray:
    """The new vertex of each old one: the shortest edges are collapsed until `count` are left.

    Only edges whose ends have exactly two neighbours in common are: the surface stays one.
    """
    places = places.copy()
    neighbours: list[set[int]] = [set() for _ in places]
    for a, b, c in faces.tolist():
        neighbours[a] |= {b, c}
        neighbours[b] |= {a, c}
        neighbours[c] |= {a, b}

    def length(a: int, b: int) -> float:
        return float(np.linalg.norm(places[a] - places[b]))

    edges = [(length(a, b), a, b) for a in range(len(places)) for b in neighbours[a] if a < b]
    heapq.heapify(edges)
    owner = np.arange(len(places))
    left = len(places)
    while left > count and edges:
        was, a, b = heapq.heappop(edges)
        is_edge = b in neighbours[a] and owner[a] == a and owner[b] == b
        if not is_edge or {a, b} & protected or len(neighbours[a] & neighbours[b]) != 2:
            continue
        if length(a, b) > was * 1.001:  # an end has moved since: it comes again by its new length
            heapq.heappush(edges, (length(a, b), a, b))
            continue
        owner[b] = a
        places[a] = (places[a] + places[b]) / 2
        for other in neighbours[b] - {a}:
            neighbours[other] = (neighbours[other] - {b}) | {a}
            neighbours[a].add(other)
            heapq.heappush(edges, (length(a, other), min(a, other), max(a, other)))
        neighbours[a] -= {a, b}
        left -= 1
    for vertex in range(len(owner)):
        root = vertex
        while owner[root] != root:
            root = owner[root]
        owner[vertex] = root
    return np.unique(owner, return_inverse=True)[1]


def _regressor(
    old: np.ndarray, cluster: np.ndarray, weights: np.ndarray, parents: Sequence[int]
) -> np.ndarray:
    """Joints on the new mesh: the old ones, moved towards the ring where two bones share skin."""
    carried = np.zeros((len(old), len(weights)))
    np.add.at(carried.T, cluster, old.T)
    ring = np.array(
        [
            weights[:, joint] * (weights[:, parent] if parent >= 0 else 0)
            for joint, parent in enumerate(parents)
        ]
    )
    total = ring.sum(1, keepdims=True)
    has_ring = total > 1
    ring = np.where(has_ring, ring / np.where(has_ring, total, 1), carried)
    return ((1 - OWN_JOINTS) * carried + OWN_JOINTS * ring).astype(np.float32)


def _landmarks(
    arrays: dict[str, np.ndarray], cluster: np.ndarray, faces: np.ndarray
) -> dict[str, np.ndarray]:
    """Landmarks at the new vertex of the corner that counts most."""
    face_at = np.zeros(cluster.max() + 1, dtype=np.int64)
    corner_at = np.zeros_like(face_at)
    for corner in range(3):
        face_at[faces[:, corner]] = np.arange(len(faces))
        corner_at[faces[:, corner]] = corner
    found = {}
    for prefix in ("lmk", "dynamic_lmk"):
        shares = arrays[f"{prefix}_bary_coords"]
        corners = arrays["f"].astype(int)[arrays[f"{prefix}_faces_idx"]]
        most = np.take_along_axis(corners, shares.argmax(-1)[..., None], -1)[..., 0]
        at = cluster[most]
        found[f"{prefix}_faces_idx"] = face_at[at]
        found[f"{prefix}_bary_coords"] = np.eye(3, dtype=np.float32)[corner_at[at]]
    return found
