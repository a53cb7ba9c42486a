"""The shipped bodies: layout, mesh, symmetry, named points, weights, shape, signs, cards."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import trimesh
import yaml

BODIES = Path(__file__).resolve().parents[1] / "priors" / "bodies"
GENDERS = ("neutral", "female", "male")
FLIP = np.array([-1.0, 1.0, 1.0])
PARENTS = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 15, 15, 15, 20, 25, 26, 20, 28, 29,
           20, 31, 32, 20, 34, 35, 20, 37, 38, 21, 40, 41, 21, 43, 44, 21, 46, 47, 21, 49, 50, 21, 52, 53]  # fmt: skip
V = 13524
SHAPES = {
    "v_template": (V, 3), "f": (27036, 3), "shapedirs": (V, 3, 20), "posedirs": (V, 3, 486), "weights": (V, 55),
    "J_regressor": (55, V), "kintree_table": (2, 55), "hands_componentsl": (45, 45), "hands_componentsr": (45, 45),
    "hands_meanl": (45,), "hands_meanr": (45,), "hands_coeffsl": (512, 45), "hands_coeffsr": (512, 45),
    "lmk_faces_idx": (51,), "lmk_bary_coords": (51, 3), "dynamic_lmk_faces_idx": (79, 17),
    "dynamic_lmk_bary_coords": (79, 17, 3), "extra_points": (21,), "pupils": (2,), "vert_sym_idxs": (V,),
}  # fmt: skip
# Ids under which SMPL-X readers look for nose, eyes, ears, feet and finger tips.
READER_IDS = [9120, 9929, 9448, 616, 6, 5770, 5780, 8846, 8463, 8474, 8635,
              5361, 4933, 5058, 5169, 5286, 8079, 7669, 7794, 7905, 8022]  # fmt: skip
# height per unit of the first beta
TALLER_MM = {"neutral": (80, 130), "female": (65, 105), "male": (60, 105)}
HEIGHT_M = {"neutral": (1.66, 1.74), "female": (1.59, 1.69), "male": (1.70, 1.82)}
EXTRA = ("nose", "reye", "leye", "rear", "lear", "LBigToe", "LSmallToe", "LHeel", "RBigToe", "RSmallToe", "RHeel",
         "lthumb", "lindex", "lmiddle", "lring", "lpinky", "rthumb", "rindex", "rmiddle", "rring",
         "rpinky")  # fmt: skip
# joint, turn in radians about its axis, named point that must move, axis and sign of its movement
TURNS = [
    (4, (0.5, 0, 0), "LHeel", 2, -1), (5, (0.5, 0, 0), "RHeel", 2, -1),  # knees bend backwards
    # hips lift the legs forward
    (1, (-0.5, 0, 0), "LHeel", 2, 1), (2, (-0.5, 0, 0), "RHeel", 2, 1),
    (18, (0, -0.5, 0), "lmiddle", 2, 1), (19, (0, 0.5, 0), "rmiddle", 2, 1),  # elbows bend forward
    (16, (0, 0, 0.5), "lmiddle", 1, 1), (17, (0, 0, -0.5), "rmiddle", 1, 1),  # arms rise
    # fingers close downwards
    (25, (0, 0, -0.5), "lindex", 1, -1), (40, (0, 0, 0.5), "rindex", 1, -1),
    (15, (0.3, 0, 0), "nose", 1, -1), (12, (0, 0.3, 0), "nose", 0, 1),  # nod, look to the left
]  # fmt: skip


@cache
def body(gender: str) -> dict[str, np.ndarray]:
    with np.load(BODIES / f"{gender}.npz", allow_pickle=False) as data:
        return {name: data[name] for name in data.files}


def rotation(vector: tuple[float, float, float]) -> np.ndarray:
    return trimesh.transformations.rotation_matrix(np.linalg.norm(vector), vector)[:3, :3]


def posed(
    arrays: dict[str, np.ndarray], joint: int, vector: tuple[float, float, float]
) -> np.ndarray:
    """Linear blend skinning with one turned joint, written out from the definition."""
    local = np.tile(np.eye(3), (55, 1, 1))
    local[joint] = rotation(vector)
    rest = arrays["v_template"] + arrays["posedirs"].astype(float) @ (local[1:] - np.eye(3)).ravel()
    joints = arrays["J_regressor"] @ arrays["v_template"]
    world, place = local.copy(), joints.astype(float).copy()
    for j in range(1, 55):
        world[j] = world[PARENTS[j]] @ local[j]
        place[j] = place[PARENTS[j]] + world[PARENTS[j]] @ (joints[j] - joints[PARENTS[j]])
    matrix = np.einsum("vj,jab->vab", arrays["weights"], world)
    shift = arrays["weights"] @ (place - np.einsum("jab,jb->ja", world, joints))
    return np.einsum("vab,vb->va", matrix, rest) + shift


@pytest.fixture(params=GENDERS)
def arrays(request: pytest.FixtureRequest) -> dict[str, np.ndarray]:
    return body(request.param)


@pytest.mark.parametrize(("key", "shape"), SHAPES.items())
def test_keys_shapes_and_finite_numbers(
    arrays: dict[str, np.ndarray], key: str, shape: tuple[int, ...]
) -> None:
    assert arrays[key].shape == shape
    assert np.isfinite(arrays[key].astype(np.float64)).all()
    whole = key in (
        "f",
        "kintree_table",
        "extra_points",
        "pupils",
        "vert_sym_idxs",
    ) or key.endswith("faces_idx")
    assert arrays[key].dtype.kind in ("iu" if whole else "f")


@pytest.mark.parametrize("gender", GENDERS)
def test_names_itself(gender: str) -> None:
    assert str(body(gender)["model_name"]) == f"smplifyx-cc0-v1-{gender}"
    assert str(body(gender)["licence"]) == "CC0-1.0"


@pytest.mark.parametrize("gender", GENDERS)
def test_card_matches_the_file(gender: str) -> None:
    card = yaml.safe_load((BODIES / f"{gender}.card.yaml").read_text())
    assert card["file"] == f"{gender}.npz"
    assert card["sha256"] == hashlib.sha256((BODIES / card["file"]).read_bytes()).hexdigest()
    assert card["licence"] == "CC0-1.0" and card["source"] and card["credits"] and card["command"]
    assert card["figures"]["joint_regression_mean_mm"] <= 0.05
    assert card["figures"]["held_out_vertex_mean_mm"] <= 4.0


def test_parents_are_those_of_smplx(arrays: dict[str, np.ndarray]) -> None:
    assert arrays["kintree_table"][0].tolist() == PARENTS
    assert arrays["kintree_table"][1].tolist() == list(range(55))


def test_mesh_is_closed_and_faces_outwards(arrays: dict[str, np.ndarray]) -> None:
    mesh = trimesh.Trimesh(arrays["v_template"], arrays["f"].astype(np.int64), process=False)
    assert mesh.is_watertight and mesh.is_winding_consistent
    assert mesh.body_count == 3  # skin and two eyeballs
    assert 0.04 < mesh.volume < 0.11  # cubic metres; negative if inside out


@pytest.mark.parametrize("key", ["v_template", "shape", "weights", "J_regressor", "faces"])
def test_left_mirrors_right(arrays: dict[str, np.ndarray], key: str) -> None:
    mirror = arrays["vert_sym_idxs"]
    assert (mirror[mirror] == np.arange(V)).all()
    names = [str(name) for name in arrays["joint_names"]]
    swap = {"left": "right", "right": "left"}
    twins = [
        names.index(swap[n.split("_")[0]] + n[n.find("_") :]) if "_" in n else i
        for i, n in enumerate(names)
    ]
    if key == "faces":
        faces = {frozenset(face) for face in arrays["f"].tolist()}
        assert {frozenset(mirror[list(face)].tolist()) for face in faces} == faces
        return
    value, other = {
        "v_template": lambda: (arrays["v_template"], arrays["v_template"][mirror] * FLIP),
        "shape": lambda: (arrays["shapedirs"][..., :10], arrays["shapedirs"][mirror][..., :10] * FLIP[:, None]),
        "weights": lambda: (arrays["weights"], arrays["weights"][mirror][:, twins]),
        "J_regressor": lambda: (arrays["J_regressor"], arrays["J_regressor"][twins][:, mirror]),
    }[key]()  # fmt: skip
    assert np.abs(value - other).max() < 1e-6


@pytest.mark.parametrize("key", ["weights", "J_regressor"])
def test_rows_are_averages(arrays: dict[str, np.ndarray], key: str) -> None:
    assert arrays[key].min() >= 0
    assert np.abs(arrays[key].sum(1) - 1).max() < 1e-5


def test_joints_lie_inside_the_body(arrays: dict[str, np.ndarray]) -> None:
    joints = arrays["J_regressor"] @ arrays["v_template"]
    mesh = trimesh.Trimesh(arrays["v_template"], arrays["f"].astype(np.int64), process=False)
    nearest = np.linalg.norm(mesh.vertices[None] - joints[:, None], axis=-1).min(1)
    low, high = mesh.bounds
    assert ((joints > low) & (joints < high)).all() and nearest.max() < 0.15
    assert np.abs(joints[0] - [0, -0.35, 0]).max() < 1e-3


def test_expression_moves_no_joint(arrays: dict[str, np.ndarray]) -> None:
    moved = np.einsum("jv,vce->jce", arrays["J_regressor"], arrays["shapedirs"][..., 10:])
    assert np.linalg.norm(moved, axis=1).max() < 1e-4
    assert np.abs(arrays["shapedirs"][..., 10:]).max() > 1e-3


@pytest.mark.parametrize("gender", GENDERS)
def test_first_beta_is_stature(gender: str) -> None:
    arrays = body(gender)
    height = np.ptp(arrays["v_template"][:, 1])
    taller = np.ptp((arrays["v_template"] + arrays["shapedirs"][..., 0])[:, 1])
    low, high = TALLER_MM[gender]
    assert low < 1000 * (taller - height) < high
    assert HEIGHT_M[gender][0] < height < HEIGHT_M[gender][1]


def test_named_vertices_sit_where_readers_look(arrays: dict[str, np.ndarray]) -> None:
    assert [str(name) for name in arrays["extra_point_names"]] == list(EXTRA)
    assert arrays["extra_points"].tolist() == READER_IDS
    assert arrays["pupils"].tolist() == [9929, 9448]


@pytest.mark.parametrize("side", ["l", "r"])
@pytest.mark.parametrize("finger", ["thumb", "index", "middle", "ring", "pinky"])
def test_finger_tips_end_their_fingers(
    arrays: dict[str, np.ndarray], side: str, finger: str
) -> None:
    names = [str(name) for name in arrays["joint_names"]]
    last = names.index(f"{'left' if side == 'l' else 'right'}_{finger}3")
    joints = arrays["J_regressor"] @ arrays["v_template"]
    along = joints[last] - joints[last - 1]
    segment = arrays["v_template"][arrays["weights"].argmax(1) == last] @ (
        along / np.linalg.norm(along)
    )
    tip = arrays["v_template"][READER_IDS[EXTRA.index(side + finger)]] @ (
        along / np.linalg.norm(along)
    )
    assert segment.max() - tip < 0.004


@pytest.mark.parametrize(
    ("name", "axis", "sign", "joint", "within"),
    [("nose", 2, 1, 15, 0.004), ("leye", 2, 1, 23, 0.001), ("reye", 2, 1, 24, 0.001), ("LHeel", 2, -1, 7, 0.012),
     ("RHeel", 2, -1, 8, 0.012), ("LBigToe", 2, 1, 10, 0.02), ("RBigToe", 2, 1, 11, 0.02)],
)  # fmt: skip
def test_points_are_the_extremes_of_their_part(
    arrays: dict[str, np.ndarray], name: str, axis: int, sign: int, joint: int, within: float
) -> None:
    part = sign * arrays["v_template"][arrays["weights"].argmax(1) == joint][:, axis]
    assert part.max() - sign * arrays["v_template"][READER_IDS[EXTRA.index(name)], axis] < within


@pytest.mark.parametrize("prefix", ["", "dynamic_"])
def test_landmarks_lie_on_triangles_of_the_face(arrays: dict[str, np.ndarray], prefix: str) -> None:
    faces, bary = arrays[f"{prefix}lmk_faces_idx"], arrays[f"{prefix}lmk_bary_coords"]
    assert faces.min() >= 0 and faces.max() < len(arrays["f"])
    assert bary.min() >= 0 and np.abs(bary.sum(-1) - 1).max() < 1e-5
    owners = arrays["weights"][arrays["f"][faces]].argmax(-1)
    # head, jaw (and a little neck at the jaw line)
    assert np.isin(owners, [12, 15, 22]).mean() > 0.98


def landmarks(arrays: dict[str, np.ndarray], prefix: str) -> np.ndarray:
    corners = arrays["v_template"][arrays["f"][arrays[f"{prefix}lmk_faces_idx"]]]
    return (arrays[f"{prefix}lmk_bary_coords"][..., None] * corners).sum(-2)


def test_landmarks_mirror(arrays: dict[str, np.ndarray]) -> None:
    pairs = [*range(9, -1, -1), 10, 11, 12, 13, 18, 17, 16, 15, 14, 28, 27, 26, 25, 30, 29, 22, 21, 20, 19,
             24, 23, 37, 36, 35, 34, 33, 32, 31, 42, 41, 40, 39, 38, 47, 46, 45, 44, 43, 50, 49, 48]  # fmt: skip
    static = landmarks(arrays, "")
    assert np.abs(static[pairs] - static * FLIP).max() < 2e-5
    # the subject's right comes first
    assert (static[:5, 0] < 0).all() and (static[36 - 17 : 42 - 17, 0] < 0).all()
    contour = landmarks(arrays, "dynamic_")
    mirrored = np.concatenate([contour[:1], contour[40:], contour[1:40]])[:, ::-1] * FLIP
    assert np.abs(mirrored - contour).max() < 2e-5
    assert (
        contour[0, 0, 0] < -0.05
        and abs(contour[0, 8, 0]) < 0.01
        and contour[0, 8, 1] == contour[0, :, 1].min()
    )


def test_outline_follows_the_yaw(arrays: dict[str, np.ndarray]) -> None:
    contour = landmarks(arrays, "dynamic_")
    forward = contour[:, :5, 2].mean(1)  # the subject's right cheek
    # turned to its right, the far cheek is the silhouette
    assert forward[20] > forward[0] + 0.015 > forward[59] + 0.01


@pytest.mark.parametrize("side", ["left", "right"])
def test_each_side_carries_its_own_skin(arrays: dict[str, np.ndarray], side: str) -> None:
    centre = arrays["weights"].T @ arrays["v_template"][:, 0] / arrays["weights"].sum(0)
    owned = [str(name).startswith(side) for name in arrays["joint_names"]]
    assert sum(owned) == 24
    assert (centre[owned] * (1 if side == "left" else -1) > 0.01).all()


@pytest.mark.parametrize(("joint", "vector", "point", "axis", "sign"), TURNS)
def test_signs_of_rotations(joint: int, vector: tuple, point: str, axis: int, sign: int) -> None:
    arrays = body("neutral")
    index = READER_IDS[EXTRA.index(point)]
    moved = posed(arrays, joint, vector)[index] - arrays["v_template"][index]
    assert sign * moved[axis] > 0.005


def test_jaw_opens_with_positive_x() -> None:
    arrays = body("neutral")
    lips = landmarks(arrays, "")[[62 - 17, 66 - 17]]
    after = landmarks(arrays | {"v_template": posed(arrays, 22, (0.35, 0, 0))}, "")[
        [62 - 17, 66 - 17]
    ]
    assert (after[0, 1] - after[1, 1]) - (lips[0, 1] - lips[1, 1]) > 0.02


def test_correctives_are_fitted_and_vanish_at_rest(arrays: dict[str, np.ndarray]) -> None:
    used = np.abs(arrays["posedirs"].astype(np.float32)).reshape(V, 3, 54, 9).max((0, 1, 3))
    eyes = [22, 23]  # joints 23 and 24 are rigid eyeballs
    assert (np.delete(used, eyes) > 1e-4).all() and (used[eyes] == 0).all()


def test_hand_components(arrays: dict[str, np.ndarray]) -> None:
    left, right = arrays["hands_componentsl"], arrays["hands_componentsr"]
    sign = np.tile([1.0, -1.0, -1.0], 15)
    assert np.abs(left @ left.T - np.eye(45)).max() < 1e-5
    assert np.abs(left * sign - right).max() < 1e-6
    assert np.abs(arrays["hands_meanl"] * sign - arrays["hands_meanr"]).max() < 1e-6
    assert (np.diff(arrays["hands_coeffsl"].std(0)[:12]) < 0.02).all()  # strongest first
    # the mean left hand is slightly closed
    assert (arrays["hands_meanl"].reshape(15, 3)[:12, 2] < 0).all()


def test_smplx_package_reads_the_file(arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    smplx, torch = pytest.importorskip("smplx"), pytest.importorskip("torch")
    gender = str(arrays["model_name"]).rsplit("-", 1)[1]
    model = smplx.SMPLX(model_path=str(BODIES / f"{gender}.npz"), ext="npz", num_betas=10, num_expression_coeffs=10,
                        use_face_contour=True, use_pca=False, flat_hand_mean=True)  # fmt: skip
    out = model(body_pose=torch.tensor([[0.0, 0, 0] * 3 + [0.5, 0, 0] + [0.0, 0, 0] * 17]))
    assert out.joints.shape == (1, 144, 3)
    assert np.abs(out.vertices[0].detach().numpy() - posed(arrays, 4, (0.5, 0, 0))).max() < 1e-5
