"""The full-mesh forward pass: against the smplx package as a black box, and against what must hold
of any body.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from make_bodies import body_arrays, hand_arrays, write
from scipy.spatial import ConvexHull

from smplifyx.body import skinning
from smplifyx.body.joints import BodyKind, joint_names
from smplifyx.body.loading.files import load_body
from smplifyx.body.model import BodyModel
from smplifyx.body.params import BodyParams
from smplifyx.body.skinning import ContourView
from smplifyx.core import assets, rotations
from smplifyx.keypoints.names import CONTOUR, FACE, POINT_INDEX

TOLERANCE = 1e-5  # metres
_POSES = ("body_pose", "left_hand_pose", "right_hand_pose", "jaw_pose", "leye_pose", "reye_pose")
_SMPLX_INDEX = {
    "nose": 55,
    "left_heel": 62,
    "right_small_toe": 64,
    "left_thumb_4": 66,
    "right_pinky_4": 75,
}


def random_params(
    body: BodyModel, batch: tuple[int, ...], seed: int = 0, angle: float = 0.4
) -> BodyParams:
    """Random bodies: joint angles of `angle` radians (1 sd) and any orientation; 10 betas, 10
    expressions.
    """
    generator = torch.Generator().manual_seed(seed)
    zeros = BodyParams.zeros(batch, 10, 10, body.v_template)
    noise = zeros.map(lambda t: torch.randn(t.shape, generator=generator, dtype=t.dtype))
    return noise.replace(**{name: getattr(noise, name) * angle for name in _POSES})


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[BodyKind, BodyModel]:
    folder = tmp_path_factory.mktemp("small")
    files = {kind: write(folder / f"{kind.value}.npz", body_arrays(kind)) for kind in BodyKind}
    return {kind: load_body(path, dtype=torch.float64) for kind, path in files.items()}


def smplx_file(name: str, folder: Path) -> Path:
    if name == "generated":
        arrays = body_arrays(BodyKind.SMPLX, vertices=9930) | hand_arrays()
        return write(folder / "SMPLX_NEUTRAL.npz", arrays)
    return assets.folder("priors") / "bodies" / f"{name}.npz"


@pytest.mark.parametrize("name", ["neutral", "female", "male", "generated"])
def test_smplx_package_agrees(name: str, tmp_path: Path) -> None:
    smplx = pytest.importorskip("smplx")
    path = smplx_file(name, tmp_path)
    body = load_body(path)
    params = random_params(body, (6,))
    settings = {"use_pca": False, "flat_hand_mean": True, "use_face_contour": True, "num_betas": 10}
    oracle = smplx.SMPLX(str(path), ext="npz", num_expression_coeffs=10, batch_size=6, **settings)
    with torch.no_grad():
        output = oracle(**{k: v.flatten(1) for k, v in vars(params).items()})
        vertices, points = (
            skinning.vertices(body, params),
            skinning.points(body, params, ContourView.SMPLX),
        )
        joints = skinning.joints(body, params)
    assert body.has_posedirs
    assert (vertices - output.vertices).abs().max() <= TOLERANCE
    assert (joints - output.joints[:, :55]).abs().max() <= TOLERANCE
    assert (points[:, FACE][:, 17:68] - output.joints[:, 76:127]).abs().max() <= TOLERANCE
    assert (points[:, CONTOUR] - output.joints[:, 127:144]).abs().max() <= TOLERANCE
    # what the file defines for itself is not where the package looks
    own = set(np.load(path)["point_names"]) if name != "generated" else set()
    for point, index in _SMPLX_INDEX.items():
        if point in own:
            continue
        assert (points[:, POINT_INDEX[point]] - output.joints[:, index]).abs().max() <= TOLERANCE


@pytest.mark.parametrize("kind", [BodyKind.SMPLH, BodyKind.SMPL])
def test_smplx_package_agrees_on_older_models(kind: BodyKind, tmp_path: Path) -> None:
    smplx = pytest.importorskip("smplx")
    arrays = body_arrays(kind, vertices=6890) | (hand_arrays() if kind is BodyKind.SMPLH else {})
    body = load_body(write(tmp_path / "a.npz", arrays))
    params = random_params(body, (3,))
    data = SimpleNamespace(**arrays)
    pose = {"global_orient": params.global_orient, "betas": params.betas, "transl": params.transl}
    if kind is BodyKind.SMPLH:
        oracle = smplx.SMPLH("", data_struct=data, use_pca=False, flat_hand_mean=True, batch_size=3)
        hands = {
            side: getattr(params, side).flatten(1) for side in ("left_hand_pose", "right_hand_pose")
        }
        pose |= hands | {"body_pose": params.body_pose.flatten(1)}
    else:
        oracle = smplx.SMPL("", data_struct=data, batch_size=3)
        pose["body_pose"] = torch.nn.functional.pad(params.body_pose.flatten(1), (0, 6))
    with torch.no_grad():
        output = oracle(**pose)
        assert (skinning.vertices(body, params) - output.vertices).abs().max() <= TOLERANCE
        count = len(joint_names(kind))
        assert (skinning.joints(body, params) - output.joints[:, :count]).abs().max() <= TOLERANCE


@pytest.mark.parametrize("kind", list(BodyKind))
@pytest.mark.parametrize(
    "function", [skinning.vertices, skinning.joints, skinning.points, skinning.contour_row]
)
def test_batch_axes(small: dict[BodyKind, BodyModel], kind: BodyKind, function: object) -> None:
    body = small[kind]
    params = random_params(body, (2, 3))
    together = function(body, params)
    alone = torch.stack(
        [torch.stack([function(body, params[i, j]) for j in range(3)]) for i in range(2)]
    )
    assert torch.allclose(together, alone, atol=1e-12, equal_nan=True)


@pytest.mark.parametrize("kind", list(BodyKind))
def test_rest_pose_is_the_template(small: dict[BodyKind, BodyModel], kind: BodyKind) -> None:
    body = small[kind]
    zeros = BodyParams.zeros((), 10, 10, body.v_template)
    assert torch.allclose(skinning.vertices(body, zeros), body.v_template, atol=1e-12)
    assert torch.allclose(
        skinning.joints(body, zeros), body.J_regressor @ body.v_template, atol=1e-12
    )


def test_shape_moves_vertices_linearly(small: dict[BodyKind, BodyModel]) -> None:
    body = small[BodyKind.SMPLX]
    params = random_params(body, (4,), angle=0.0).replace(global_orient=torch.zeros(4, 3).double())
    expected = body.v_template + torch.einsum("vcn,bn->bvc", body.shapedirs, params.betas)
    expected = expected + torch.einsum("vcn,bn->bvc", body.expressiondirs, params.expression)
    assert torch.allclose(
        skinning.vertices(body, params), expected + params.transl[:, None], atol=1e-12
    )


def test_global_orient_turns_about_the_pelvis(small: dict[BodyKind, BodyModel]) -> None:
    body = small[BodyKind.SMPLX]
    params = random_params(body, (3,))
    still = params.replace(global_orient=torch.zeros_like(params.global_orient))
    pelvis = skinning.joints(body, still)[:, :1]
    turned = (skinning.vertices(body, still) - pelvis) @ rotations.exp(
        params.global_orient
    ).mT + pelvis
    assert torch.allclose(skinning.vertices(body, params), turned, atol=1e-10)


def test_posedirs_are_used_and_skipped_when_zero(small: dict[BodyKind, BodyModel]) -> None:
    body = small[BodyKind.SMPLX]
    params = random_params(body, (2,))
    flat = dataclasses.replace(body, posedirs=torch.zeros_like(body.posedirs))
    assert body.has_posedirs and not flat.has_posedirs
    assert (skinning.vertices(body, params) - skinning.vertices(flat, params)).abs().max() > 1e-3
    assert torch.equal(skinning.joints(body, params), skinning.joints(flat, params))


@pytest.mark.parametrize("kind", list(BodyKind))
# the rest pose is where a naive axis-angle has no derivative
@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_gradients(small: dict[BodyKind, BodyModel], kind: BodyKind, scale: float) -> None:
    body = small[kind]
    params = random_params(body, (1,), seed=3)
    leaves = [value.mul(scale).requires_grad_() for value in vars(params).values()]
    direction = torch.randn(
        len(body.v_template), 3, generator=torch.Generator().manual_seed(5)
    ).double()

    def along(*values: torch.Tensor) -> torch.Tensor:
        moved = BodyParams(**dict(zip(vars(params), values, strict=True)))
        return (skinning.vertices(body, moved) * direction).sum()

    assert torch.autograd.gradcheck(along, leaves, fast_mode=True, atol=1e-6)


def test_unknown_points_are_nan_with_clean_gradients(small: dict[BodyKind, BodyModel]) -> None:
    body = small[BodyKind.SMPL]
    params = random_params(body, (2,)).map(lambda t: t.requires_grad_())
    points = skinning.points(body, params)
    assert torch.equal(points.isnan().any(-1)[0], ~body.points.known)
    points[:, body.points.known].square().sum().backward()
    assert params.body_pose.grad.isfinite().all() and params.body_pose.grad.abs().max() > 0


def test_a_poisoned_row_leaves_the_others_alone(small: dict[BodyKind, BodyModel]) -> None:
    body = small[BodyKind.SMPLX]
    clean = random_params(body, (4,))
    bad = clean.replace(
        global_orient=clean.global_orient.clone().index_fill_(0, torch.tensor([1]), torch.nan)
    )
    others = [0, 2, 3]
    assert torch.equal(skinning.points(body, bad)[others], skinning.points(body, clean)[others])
    assert skinning.points(body, bad)[1].isnan().all() and skinning.contour_row(body, bad)[1] == 0


def test_named_rules(small: dict[BodyKind, BodyModel]) -> None:
    body = small[BodyKind.SMPLX]
    params = random_params(body, (2,))
    points, joints = skinning.points(body, params), skinning.joints(body, params)
    index = joint_names(BodyKind.SMPLX).index
    for point, sides in {
        "neck": ("left_shoulder", "right_shoulder"),
        "mid_hip": ("left_hip", "right_hip"),
    }.items():
        middle = (joints[:, index(sides[0])] + joints[:, index(sides[1])]) / 2
        assert torch.allclose(points[:, POINT_INDEX[point]], middle, atol=1e-12)
    assert torch.equal(
        points[:, POINT_INDEX["left_hand_wrist"]], points[:, POINT_INDEX["left_wrist"]]
    )


def test_components(small: dict[BodyKind, BodyModel]) -> None:
    body = small[BodyKind.SMPLX]
    params = random_params(body, ())
    fewer = params.replace(betas=params.betas[:3], expression=params.expression[:2])
    betas, expression = (
        params.betas * (torch.arange(10) < 3),
        params.expression * (torch.arange(10) < 2),
    )
    padded = params.replace(betas=betas, expression=expression)
    assert torch.allclose(
        skinning.vertices(body, fewer), skinning.vertices(body, padded), atol=1e-12
    )
    with pytest.raises(ValueError, match="11 betas for the body .* which has 10"):
        skinning.vertices(body, params.replace(betas=torch.zeros(11).double()))


def facing(body: BodyModel, yaw: float, lean: float = 0.0, side: float = 0.0) -> BodyParams:
    """A person in the camera's frame (y down) whose whole body is turned by yaw and rolled by lean,
    in degrees.
    """
    like = body.v_template
    turn = rotations.about("z", math.radians(lean), like) @ rotations.about("x", math.pi, like)
    turn = turn @ rotations.about("y", math.radians(yaw), like)
    zeros = BodyParams.zeros((), 10, 10, like)
    return zeros.replace(
        global_orient=rotations.log(turn), transl=torch.tensor([side, 0.3, 6.0], dtype=like.dtype)
    )


# degrees of yaw, roll and metres to the side -> row: rows 0..39 see the subject's left cheek,
# 40..78 the right
ROWS = [
    (0, 0, 0, 0), (-20, 0, 0, 20), (20, 0, 0, 59), (60, 0, 0, 78), (-60, 0, 0, 39), (170, 0, 0, 78), (20, 90, 0, 59),
    (20, 0, -6.0 * math.tan(math.radians(20)), 0), (0, 0, 6.0 * math.tan(math.radians(20)), 59),
]  # fmt: skip


@pytest.mark.parametrize("yaw, lean, side, row", ROWS)
def test_contour_row_of_the_camera(yaw: float, lean: float, side: float, row: int) -> None:
    body = load_body()
    found = int(skinning.contour_row(body, facing(body, yaw, lean, side)))
    found_degrees, degrees = (r if r < 40 else 39 - r for r in (found, row))
    assert abs(found_degrees - degrees) <= 1


@pytest.mark.parametrize("yaw", [-35, -15, 15, 35])
def test_contour_is_the_outline_that_the_camera_sees(yaw: float) -> None:
    """The right row spans more of the image than its mirror twin."""
    body, area = load_body(), {}
    params = facing(body, yaw)
    for view in ContourView:
        points = skinning.points(body, params, view)[CONTOUR]
        area[view] = hull_area((points[:, :2] / points[:, 2:]).numpy())
    assert area[ContourView.CAMERA] > 1.1 * area[ContourView.SMPLX]


def hull_area(points: np.ndarray) -> float:
    return float(ConvexHull(points).volume)
