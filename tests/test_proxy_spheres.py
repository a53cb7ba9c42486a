"""Spheres: inside the body, near its surface, following shape and pose; apart at rest and in
natural poses.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from body_layouts import as_kind
from cases import embedded_body
from make_bodies import body_arrays, write
from mocap_data import clips, needs_mocap, rest_joints
from test_collision_parts import mirrored

from smplifyx.body import skinning
from smplifyx.body.joints import JOINT_INDEX, BodyKind, joint_names
from smplifyx.body.loading.files import load_body
from smplifyx.body.model import Age, BodyModel, Gender
from smplifyx.body.params import BodyParams
from smplifyx.collision.parts import parts_of
from smplifyx.collision.proxies.spheres import place, spheres_of
from smplifyx.collision.proxies.surface import outside, sampled_points, search_tree
from smplifyx.data.mocap import by_subject, plausible
from smplifyx.pose_priors.hands import recorded_hands

DOUBLE = torch.float64
MOST = 450
MM = 1e-3


@lru_cache(maxsize=8)
def body_named(name: str) -> BodyModel:
    if name == "child":
        return load_body(None, age=Age.CHILD, dtype=DOUBLE)
    if name in ("female", "male"):
        return load_body(None, gender=Gender(name), dtype=DOUBLE)
    return embedded_body() if name == "neutral" else as_kind(embedded_body(), BodyKind(name))


BODIES = ("neutral", "male", "child", "smplh", "smpl")


def params_of(body: BodyModel, count: int = 1, **fields: torch.Tensor) -> BodyParams:
    sizes = (body.shapedirs.shape[-1], body.expressiondirs.shape[-1])
    return BodyParams.zeros((count,), *sizes, body.v_template).replace(**fields)


def overlaps(body: BodyModel, params: BodyParams) -> torch.Tensor:
    """How deep the spheres of pairs that are held apart overlap, [b, s, s], 0 where they do not."""
    spheres = spheres_of(body)
    centers, radii = place(spheres, body, params)
    depth = radii[:, :, None] + radii[:, None] - torch.cdist(centers, centers)
    return torch.where(spheres.apart, depth.clamp_min(0.0), 0.0)


@lru_cache(maxsize=8)
def outside_of(body: BodyModel) -> np.ndarray:
    return outside(body.v_template.numpy(), body.faces.numpy())


def surface_gaps(body: BodyModel, params: BodyParams) -> tuple[np.ndarray, np.ndarray]:
    """From each outside vertex to the union of the spheres; how far each sphere stands out of the
    surface; metres.
    """
    vertices, kept = skinning.vertices(body, params)[0], outside_of(body)
    centers, radii = (value[0] for value in place(spheres_of(body), body, params))
    tree = search_tree(sampled_points(vertices.numpy(), body.faces.numpy(), 3e-3, kept))
    out = radii.numpy() - tree.query(centers.numpy())[0]
    return (torch.cdist(vertices[kept], centers) - radii).amin(1).numpy(), out


@lru_cache(maxsize=8)
def rest_gaps(body: BodyModel) -> tuple[np.ndarray, np.ndarray]:
    """Those of the mean shape in the T-pose."""
    return surface_gaps(body, params_of(body))


def winding(points: torch.Tensor, vertices: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
    """How often the mesh goes round each point (van Oosterom and Strackee 1983)."""
    a, b, c = (vertices[faces][:, None] - points[None, :, None]).unbind(2)
    la, lb, lc = a.norm(dim=-1), b.norm(dim=-1), c.norm(dim=-1)
    below = la * lb * lc + (a * b).sum(-1) * lc + (b * c).sum(-1) * la + (c * a).sum(-1) * lb
    return torch.atan2((a * torch.linalg.cross(b, c)).sum(-1), below).sum(0) / (2 * torch.pi)


# ---- inside and near

# betas -> how far spheres stand out at most, mm; a child's spheres are made half way between adult
# and child
AGES = {
    Age.ADULT: [(torch.zeros(1, 10, dtype=DOUBLE), 1.3)],
    Age.CHILD: [
        (torch.eye(11, dtype=DOUBLE)[10:] * age, most)
        for age, most in ((0.0, 7), (0.5, 1.3), (1.0, 20))
    ],
}


@pytest.mark.parametrize("name", BODIES)
def test_spheres_are_inside_and_few(name: str) -> None:
    body = body_named(name)
    spheres = spheres_of(body)
    assert 300 < len(spheres.joint) <= MOST
    assert spheres.radius.min() > 2.5 * MM
    for betas, most in AGES[body.age]:
        _, out = surface_gaps(body, params_of(body, betas=betas))
        assert out.max() < most * MM and out.mean() < 3 * MM


def test_centres_are_inside() -> None:
    body = embedded_body()
    kept = outside_of(body)
    faces = body.faces[torch.as_tensor(kept)[body.faces].all(1)]
    centers = place(spheres_of(body), body, params_of(body))[0][0]
    number = torch.cat([winding(some, body.v_template, faces) for some in centers.split(4)])
    in_head = torch.tensor(
        [joint_names(body.kind)[j] in ("head", "jaw") for j in spheres_of(body).joint.tolist()]
    )
    assert ((number[~in_head] - 1).abs() < 0.1).all()
    # its mesh is open here: mouth and sockets of the eyes are taken away
    assert (number[in_head] > 0.6).all()


# parts at or below a joint -> mean and 95th percentile of the distance from the surface to the
# spheres in mm
COVERAGE = {
    "left_wrist": (1.2, 3.2), "right_wrist": (1.2, 3.2), "left_shoulder": (1.9, 4.8), "right_knee": (2.4, 6.5),
    "left_hip": (2.4, 6.0), "spine1": (None, None), "head": (10.0, 20.0), "left_ankle": (6.0, 15.0),
}  # fmt: skip


@pytest.mark.parametrize("joint", [name for name, (mean, _) in COVERAGE.items() if mean])
def test_the_union_is_near_the_surface(joint: str) -> None:
    body = embedded_body()
    near, _ = rest_gaps(body)
    part = parts_of(body).of_vertex.numpy()[outside_of(body)]
    mine = np.isin(part, below(body, joint)) & ~np.isin(
        part, [j for n in coarser(joint) for j in below(body, n)]
    )
    mean, most = COVERAGE[joint]
    assert near[mine].mean() < mean * MM and np.percentile(near[mine], 95) < most * MM


def below(body: BodyModel, joint: str) -> list[int]:
    found = [joint_names(body.kind).index(joint)]
    for child, parent in enumerate(body.parents):
        if parent in found:
            found.append(child)
    return found


def coarser(joint: str) -> list[str]:
    return {
        "left_hip": ["left_ankle"],
        "right_knee": ["right_ankle"],
        "left_shoulder": ["left_wrist"],
    }.get(joint, [])


def test_trunk_and_limbs_as_a_whole() -> None:
    body = embedded_body()
    near, _ = rest_gaps(body)
    part = parts_of(body).of_vertex.numpy()[outside_of(body)]
    fine = ("left_ankle", "right_ankle", "left_wrist", "right_wrist", "head")
    limbs = ~np.isin(part, [joint for name in fine for joint in below(body, name)])
    assert near[limbs].mean() < 2 * MM and np.percentile(near[limbs], 95) < 5 * MM


def test_eyes_and_mouth_are_found_by_measurement() -> None:
    body = embedded_body()
    part, names = parts_of(body).of_vertex.numpy(), joint_names(body.kind)
    kept = outside_of(body)
    hidden = {names[joint] for joint in np.unique(part[~kept])}
    assert {"head", "left_eye_smplhf", "right_eye_smplhf"} <= hidden
    assert hidden <= {"head", "jaw", "left_eye_smplhf", "right_eye_smplhf"}
    assert 300 < (~kept).sum() < 1000
    eye = part == names.index("left_eye_smplhf")
    front = body.v_template.numpy()[eye][:, 2].argmax()
    assert kept[eye][front] and not kept[eye].all()
    assert not {names[joint] for joint in spheres_of(body).joint.tolist()} & {
        "left_eye_smplhf",
        "right_eye_smplhf",
    }


def test_building_is_deterministic() -> None:
    first, again = spheres_of(embedded_body()), spheres_of(load_body(None).to(dtype=DOUBLE))
    for name in ("joint", "center", "center_dirs", "radius", "radius_dirs", "apart"):
        assert torch.equal(getattr(first, name), getattr(again, name)), name


def test_dtype_and_cache() -> None:
    body = embedded_body(torch.float32)
    spheres = spheres_of(body)
    assert (
        spheres.center.dtype == spheres.radius_dirs.dtype == torch.float32
        and spheres_of(body) is spheres
    )


@pytest.mark.parametrize("kind", [BodyKind.SMPLX, BodyKind.SMPL])
def test_any_file_that_loads_has_spheres(kind: BodyKind, tmp_path: Path) -> None:
    """Random triangles are no body; still nothing breaks, and nothing overlaps at rest."""
    body = load_body(write(tmp_path / "body.npz", body_arrays(kind)), dtype=DOUBLE)
    body = dataclasses.replace(body, faces=body.faces[::4])
    assert spheres_of(body).center.isfinite().all() and (spheres_of(body).radius > 0).all()
    assert not overlaps(body, params_of(body)).any()


# ---- shape and pose


def shapes(body: BodyModel, count: int, seed: int, corners: bool = False) -> BodyParams:
    """Random shapes within 2 standard deviations, or corners of that box; a child's last beta
    within 0..1.
    """
    generator = torch.Generator().manual_seed(seed)
    sizes = (body.shapedirs.shape[-1], body.expressiondirs.shape[-1])
    betas, expression = (
        4 * torch.rand(count, size, generator=generator, dtype=DOUBLE) - 2 for size in sizes
    )
    if corners:
        betas, expression = 2 * betas.sign(), 2 * expression.sign()
    if body.age is Age.CHILD:
        betas[:, -1] = torch.linspace(0, 1, count, dtype=DOUBLE)
    return params_of(body, count, betas=betas, expression=expression)


def test_spheres_follow_the_shape() -> None:
    body, generator = embedded_body(), torch.Generator().manual_seed(0)
    outs, nears = [], []
    for _ in range(3):
        betas = torch.randn(1, 10, generator=generator, dtype=DOUBLE)
        near, out = surface_gaps(body, params_of(body, betas=betas))
        outs.append(out)
        nears.append(near)
    out = np.concatenate(outs)
    assert out.mean() < 2 * MM and np.percentile(out, 99) < 8 * MM
    frozen = rest_gaps(body)[0]
    assert np.concatenate(nears).mean() < 1.15 * frozen.mean()


def test_linear_places_are_rigid_with_the_bones() -> None:
    """Spheres and vertices of one bone only keep their distances in any pose; global pose and
    transl move all alike.
    """
    body, generator = body_named("smplh"), torch.Generator().manual_seed(1)
    pose = 0.4 * torch.randn(3, 21, 3, generator=generator, dtype=DOUBLE)
    turn, step = (torch.randn(3, 3, generator=generator, dtype=DOUBLE) for _ in range(2))
    posed = params_of(body, 3, body_pose=pose, global_orient=turn, transl=step)
    vertices = skinning.vertices(body, posed)
    at_rest = skinning.vertices(body, params_of(body))[0]
    centers, radii = place(spheres_of(body), body, posed)
    rest = place(spheres_of(body), body, params_of(body))[0][0]
    for name in ("left_foot", "head", "left_index3", "right_elbow"):
        joint = joint_names(body.kind).index(name)
        whole = body.weights[:, joint] > 0.9999
        mine = spheres_of(body).joint == joint
        assert whole.any() and mine.any()
        torch.testing.assert_close(
            torch.cdist(centers[:, mine], vertices[:, whole]),
            torch.cdist(rest[mine], at_rest[whole]).expand(3, -1, -1), atol=2e-5, rtol=0,
        )  # fmt: skip
    assert torch.equal(radii, spheres_of(body).radius.expand(3, -1))


@pytest.mark.parametrize("corners", [False, True], ids=["random", "corners"])
@pytest.mark.parametrize("name", BODIES)
def test_nothing_overlaps_in_the_t_pose(name: str, corners: bool) -> None:
    body = body_named(name)
    assert not overlaps(body, shapes(body, 24, 5, corners)).any()
    assert not overlaps(body, params_of(body)).any()


# ---- pairs


@pytest.mark.parametrize("name", BODIES)
def test_pairs_are_those_of_parts_and_symmetric(name: str) -> None:
    body = body_named(name)
    spheres = spheres_of(body)
    assert spheres.apart.equal(spheres.apart.mT) and not spheres.apart.diagonal().any()
    parts = parts_of(body).held_apart[spheres.joint[:, None], spheres.joint]
    assert not (spheres.apart & ~parts).any()
    assert spheres.apart.sum() > 0.9 * parts.sum()  # most of them


def test_left_and_right_are_alike() -> None:
    body = embedded_body()
    spheres, names = spheres_of(body), joint_names(body.kind)
    count = torch.bincount(spheres.joint, minlength=len(names))
    for joint, name in enumerate(names):
        assert abs(int(count[joint] - count[names.index(mirrored(name))])) <= 3, name
    share = pair_shares(body)
    swap = [names.index(mirrored(name)) for name in names]
    both = share.isfinite() & share[swap][:, swap].isfinite()
    assert both.float().mean() > 0.5
    assert (share - share[swap][:, swap])[both].abs().mean() < 0.01


def pair_shares(body: BodyModel) -> torch.Tensor:
    """Of each two parts' pairs of spheres, the share that is held apart; NaN where a part has no
    spheres.
    """
    spheres = spheres_of(body)
    member = torch.nn.functional.one_hot(spheres.joint, len(body.parents)).to(DOUBLE)
    return (member.T @ spheres.apart.to(DOUBLE) @ member) / (member.sum(0)[:, None] * member.sum(0))


# pairs of parts -> at least so large a share of their spheres is held apart
COVERED = {
    ("left_hip", "right_hip"): 0.8, ("left_hip", "spine1"): 0.5, ("left_knee", "pelvis"): 0.9,
    ("left_wrist", "pelvis"): 1.0, ("left_wrist", "head"): 1.0, ("left_elbow", "spine2"): 1.0,
    ("left_elbow", "right_elbow"): 1.0, ("left_index3", "left_wrist"): 0.9, ("left_ring3", "left_wrist"): 0.9,
    ("left_middle2", "left_wrist"): 0.7, ("left_thumb3", "left_index2"): 1.0, ("left_wrist", "left_shoulder"): 0.9,
    ("left_index2", "left_middle2"): 0.4, ("left_knee", "right_knee"): 1.0, ("left_shoulder", "spine1"): 0.8,
}  # fmt: skip


@pytest.mark.parametrize("pair", COVERED, ids="-".join)
def test_what_can_collide_is_covered(pair: tuple[str, str]) -> None:
    share = pair_shares(embedded_body())
    assert share[JOINT_INDEX[pair[0]], JOINT_INDEX[pair[1]]] >= COVERED[pair]


# joint -> axis-angle in radians of the left joint, the right mirrors it (of the spine: as it is)
NATURAL = {
    "arms down": {"shoulder": (0.0, 0.0, -1.15)},
    "arms forward": {"shoulder": (0.0, -1.3, 0.0)},
    "arms up": {"shoulder": (0.0, 0.0, 0.9)},
    "elbows bent": {"elbow": (0.0, -1.9, 0.0), "shoulder": (0.0, 0.0, -0.5)},
    "sitting": {"hip": (-1.4, 0.0, 0.0), "knee": (1.4, 0.0, 0.0)},
    "stride": {"hip": (-0.5, 0.0, 0.0), "knee": (0.7, 0.0, 0.0), "ankle": (0.2, 0.0, 0.0)},
    "wrists": {"wrist": (0.0, 0.0, 0.8)},
    "nod": {"neck": (0.3, 0.0, 0.0), "head": (0.3, 0.0, 0.0)},
    "look aside": {"neck": (0.0, 0.5, 0.0), "head": (0.0, 0.5, 0.0)},
    "bend": {"spine1": (0.4, 0.0, 0.0), "spine2": (0.3, 0.0, 0.0), "spine3": (0.2, 0.0, 0.0)},
    "lean": {"spine1": (0.0, 0.0, 0.3), "spine2": (0.0, 0.0, 0.2), "neck": (0.0, 0.0, 0.3)},
}  # fmt: skip


@pytest.mark.parametrize("name", NATURAL)
def test_natural_poses_push_nothing(name: str) -> None:
    body = embedded_body()
    pose = torch.zeros(1, 21, 3, dtype=DOUBLE)
    for joint, angle in NATURAL[name].items():
        turn = torch.tensor(angle, dtype=DOUBLE)
        if joint in JOINT_INDEX:
            pose[0, JOINT_INDEX[joint] - 1] = turn
        else:
            pose[0, JOINT_INDEX[f"left_{joint}"] - 1] = turn
            pose[0, JOINT_INDEX[f"right_{joint}"] - 1] = turn * torch.tensor(
                [1.0, -1.0, -1.0], dtype=DOUBLE
            )
    left, right = (space.mean.reshape(1, 15, 3) for space in recorded_hands(body.v_template))
    params = params_of(body, body_pose=pose, left_hand_pose=left, right_hand_pose=right)
    assert overlaps(body, params).max() < 3 * MM


def test_crossed_parts_do_overlap() -> None:
    """The other way round: arms through the trunk, crossed legs and a clenched fist are seen."""
    body = embedded_body()
    through = torch.zeros(1, 21, 3, dtype=DOUBLE)
    through[0, JOINT_INDEX["left_shoulder"] - 1] = torch.tensor([0.0, 0.0, -1.3])
    through[0, JOINT_INDEX["left_elbow"] - 1] = torch.tensor([0.0, 0.0, -1.0])
    assert overlaps(body, params_of(body, body_pose=through)).max() > 20 * MM
    crossed = torch.zeros(1, 21, 3, dtype=DOUBLE)
    crossed[0, JOINT_INDEX["left_hip"] - 1, 2] = -0.35
    assert overlaps(body, params_of(body, body_pose=crossed)).max() > 10 * MM
    fist = torch.zeros(1, 15, 3, dtype=DOUBLE)
    fist[0, :12, 2] = -1.6
    assert overlaps(body, params_of(body, left_hand_pose=fist)).max() > 2 * MM


@needs_mocap
def test_walking_pushes_no_neighbours() -> None:
    """Mocap: pairs of parts at most three joints from each other, hands relaxed."""
    body = embedded_body()
    poses = next(
        iter(by_subject([clip for clip in clips() if clip.subject == "02"], rest_joints()).values())
    )
    some = torch.as_tensor(poses.body_pose[plausible(poses)][::40][:60])
    left, right = (
        space.mean.reshape(1, 15, 3).expand(len(some), -1, -1)
        for space in recorded_hands(body.v_template)
    )
    params = params_of(body, len(some), body_pose=some, left_hand_pose=left, right_hand_pose=right)
    joint, steps = spheres_of(body).joint, skeleton_steps(body)
    near = steps[joint[:, None], joint] <= 3
    worst = torch.cat(
        [overlaps(body, some).where(near, 0.0).amax((1, 2)) for some in (params[:30], params[30:])]
    )
    assert worst.max() < 2 * MM


def skeleton_steps(body: BodyModel) -> torch.Tensor:
    """The number of bones between each two joints."""
    count = len(body.parents)
    steps = torch.full((count, count), 99)
    for joint, parent in enumerate(body.parents):
        steps[joint, joint] = 0
        if parent >= 0:
            steps[joint, :joint] = steps[parent, :joint] + 1
            steps[:joint, joint] = steps[joint, :joint]
    return steps
