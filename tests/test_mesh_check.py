"""The mesh check against all pairs of faces, against angles about every vertex, and on bodies
pushed in so far.
"""

from __future__ import annotations

import dataclasses
import math
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from cases import embedded_body
from make_bodies import body_arrays, write
from mocap_data import clips, needs_mocap, rest_joints

from smplifyx.body import skinning
from smplifyx.body.joints import JOINT_INDEX, BodyKind, joint_names, parents
from smplifyx.body.loading.files import load_body
from smplifyx.body.model import BodyModel
from smplifyx.body.params import BodyParams
from smplifyx.collision.mesh.capped_parts import CappedSurface, capped
from smplifyx.collision.mesh.check import MeshPenetration, penetration_between, self_penetration
from smplifyx.collision.mesh.posed import posed as boxed
from smplifyx.collision.mesh.solid import Solid, solid_of
from smplifyx.collision.mesh.triangles import intersect
from smplifyx.collision.parts import parts_of
from smplifyx.core.rotations import log
from smplifyx.data.retarget import concatenate, retarget
from smplifyx.pose_priors.loading import load_prior

LEFT_MIDDLE_TIP, NAVEL = 5058, 10803
INTO_BELLY = {  # the tip of the left middle finger 39 mm under the skin beside the navel
    "left_shoulder": (0.237, -1.33, -0.018),
    "left_elbow": (0.224, -1.234, -1.235),
    "left_wrist": (0.016, -0.387, -0.375),
}
FREE_POSES = {
    "T-pose": {},
    "arms hanging": {"left_shoulder": (0, 0, -1.2), "right_shoulder": (0, 0, 1.2)},
    "sitting": {"left_hip": (-1.57, 0, 0), "right_hip": (-1.57, 0, 0),
                "left_knee": (1.57, 0, 0), "right_knee": (1.57, 0, 0)},
    "elbow bent": {"left_elbow": (0, -2.2, 0)},
    "mouth open, eyes turned": {"head": (0.2, 0.3, 0)},
}  # fmt: skip


def posed(body: BodyModel, *poses: dict[str, tuple[float, float, float]]) -> torch.Tensor:
    """The vertices of one body per pose."""
    params = BodyParams.zeros((len(poses),), 10, 10, body.v_template)
    for row, pose in enumerate(poses):
        for joint, angles in pose.items():
            params.body_pose[row, JOINT_INDEX[joint] - 1] = torch.tensor(
                angles, dtype=params.body_pose.dtype
            )
    return skinning.vertices(body, params)


def prior_samples(body: BodyModel, count: int, seed: int = 0) -> torch.Tensor:
    prior = load_prior("gaussian")
    latent = prior.sample(count, torch.Generator().manual_seed(seed))
    pose = log(prior.decode(latent)).to(body.v_template)
    return skinning.vertices(
        body, BodyParams.zeros((count,), 10, 10, body.v_template).replace(body_pose=pose)
    )


def mocap_frames(body: BodyModel, count: int) -> torch.Tensor:
    poses = concatenate([retarget(clip, rest_joints()) for clip in clips()])
    poses = poses[np.linspace(0, len(poses.body_pose) - 1, count).astype(int)]
    pose = torch.as_tensor(poses.body_pose).to(body.v_template)
    return skinning.vertices(
        body, BodyParams.zeros((count,), 10, 10, body.v_template).replace(body_pose=pose)
    )


def swept(first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """All pairs of triangles [n, 3, 3], [m, 3, 3] whose intervals along each axis overlap, slice by
    slice in height.
    """
    found, low, high = [], second.amin(1), second.amax(1)
    for some in first.amin(1)[:, 1].argsort().split(128):
        ours_low, ours_high = first[some].amin(1), first[some].amax(1)
        near = (
            (low[:, 1] <= ours_high[:, 1].max()) & (high[:, 1] >= ours_low[:, 1].min())
        ).nonzero()[:, 0]
        both = torch.ones(len(some), len(near), dtype=torch.bool)
        for axis in range(3):
            both &= (ours_low[:, None, axis] <= high[near, axis]) & (
                ours_high[:, None, axis] >= low[near, axis]
            )
        one, two = both.nonzero().unbind(1)
        found.append(torch.stack([some[one], near[two]]))
    return tuple(torch.cat(found, 1))


def meeting(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Whether triangles [n, 3, 3], corners in rows, have a point in common."""
    return intersect(*(corners.permute(2, 1, 0) for corners in (first, second)))


def brute_cut(vertices: torch.Tensor, body: BodyModel) -> torch.Tensor:
    """The faces [f] that cut a face held apart from them, out of all pairs."""
    parts, corners = parts_of(body), vertices[body.faces].double()
    a, b = swept(corners, corners)
    strange = ~(body.faces[a][:, :, None] == body.faces[b][:, None]).flatten(1).any(1)
    keep = parts.held_apart[parts.of_face[a], parts.of_face[b]] & strange
    a, b = a[keep], b[keep]
    cut = torch.zeros(len(body.faces), dtype=torch.bool)
    cut[a[meeting(corners[a], corners[b])]] = True
    return cut


def angle_sum(point: np.ndarray, triangles: np.ndarray) -> float:
    """Whole turns about a point, by Girard's theorem: a solid angle is the excess of its spherical
    triangle.
    """
    ray = triangles - point
    ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
    normal = np.cross(ray, np.roll(ray, -1, 1))
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-300)
    between = (normal * np.roll(normal, 1, 1)).sum(-1)
    excess = (math.pi - np.arccos(np.clip(between, -1, 1))).sum(1) - math.pi
    return float(
        (excess * np.sign((ray[:, 0] * np.cross(ray[:, 1], ray[:, 2])).sum(-1))).sum()
        / (4 * math.pi)
    )


def as_smpl(body: BodyModel) -> BodyModel:
    """The body with the joints of SMPL: whole hands, and no joints in the head."""
    old, new = joint_names(BodyKind.SMPLX), list(joint_names(BodyKind.SMPL))
    place = [new.index(name) if name in new else new.index("head") for name in old]
    for row, name in enumerate(old):
        if any(finger in name for finger in ("thumb", "index", "middle", "ring", "pinky")):
            place[row] = new.index(name.split("_")[0] + "_hand")
    weights = torch.zeros(len(body.weights), len(new)).index_add(
        1, torch.tensor(place), body.weights
    )
    fields = {
        "J_regressor": body.J_regressor[: len(new)],
        "posedirs": body.posedirs[..., : 9 * (len(new) - 1)],
    }
    return dataclasses.replace(
        body, kind=BodyKind.SMPL, weights=weights, parents=parents(BodyKind.SMPL), **fields
    )


def with_holes(body: BodyModel) -> BodyModel:
    """The body with the eyeballs and some of the face and of a thigh left out."""
    centre, of_face = body.v_template[body.faces].mean(1), parts_of(body).of_face
    gone = (of_face == JOINT_INDEX["left_eye_smplhf"]) | (
        of_face == JOINT_INDEX["right_eye_smplhf"]
    )
    for joint in ("jaw", "left_knee"):
        gone |= (centre - body.joint_template[JOINT_INDEX[joint]]).norm(dim=1) < 0.09
    return dataclasses.replace(body, faces=body.faces[~gone])


def assert_same(contact: MeshPenetration, expected: MeshPenetration) -> None:
    for name in ("triangles", "depth", "cut", "inside"):
        assert torch.equal(getattr(contact, name), getattr(expected, name)), name


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return embedded_body(torch.float32)


@pytest.fixture(scope="module")
def samples(body: BodyModel) -> torch.Tensor:
    return prior_samples(body, 12)


@pytest.fixture(scope="module")
def contact(body: BodyModel, samples: torch.Tensor) -> MeshPenetration:
    return self_penetration(samples, body)


def test_no_cut_is_missed_on_samples(
    body: BodyModel, samples: torch.Tensor, contact: MeshPenetration
) -> None:
    assert (contact.triangles > 0).sum() >= 4
    for vertices, cut in zip(samples[:8], contact.cut, strict=False):
        assert torch.equal(cut, brute_cut(vertices, body))


@needs_mocap
def test_no_cut_is_missed_on_mocap(body: BodyModel) -> None:
    frames = mocap_frames(body, 60)
    contact = self_penetration(frames, body)
    for row in (
        contact.triangles.topk(4).indices.tolist()
        + contact.triangles.topk(4, largest=False).indices.tolist()
    ):
        assert torch.equal(contact.cut[row], brute_cut(frames[row], body))


def test_no_cut_is_missed_between_people(body: BodyModel, samples: torch.Tensor) -> None:
    first, second = samples[:2], samples[2:4] + torch.tensor([0.25, 0.1, 0.1])
    contacts = penetration_between(first, second, (body, body))
    for row in range(2):
        p, q = (vertices[row][body.faces].double() for vertices in (first, second))
        pair = torch.stack(swept(p, q))
        pair = pair[:, meeting(p[pair[0]], q[pair[1]])]
        for contact, cut in zip(contacts, pair, strict=True):
            assert contact.cut[row].nonzero()[:, 0].tolist() == cut.unique().tolist()
            assert contact.triangles[row] > 100


@pytest.mark.parametrize("change", ["SMPL", "holes"])
def test_no_cut_is_missed_on_other_bodies(
    change: str, body: BodyModel, samples: torch.Tensor, contact: MeshPenetration
) -> None:
    other = as_smpl(body) if change == "SMPL" else with_holes(body)
    found, row = self_penetration(samples, other), int(contact.triangles.argmax())
    assert found.triangles[row] > 0
    assert torch.equal(found.cut[row], brute_cut(samples[row], other))
    assert (found.depth[contact.depth > 0.02] > 0.01).all() and found.inside.isfinite().all()


def test_inside_and_depth_against_every_triangle(
    body: BodyModel, samples: torch.Tensor, contact: MeshPenetration
) -> None:
    """Vertices that are inside, and as many at random."""
    rng, solid = np.random.default_rng(0), solid_of(body)
    for row in contact.depth.topk(3).indices.tolist():
        points = points_of(solid, samples[row])
        deep = contact.inside[row].nonzero()[:, 0].numpy()
        for vertex in np.concatenate(
            [rng.permutation(deep)[:12], rng.choice(len(solid.of_vertex), 12)]
        ):
            expected = brute_depth(
                points[vertex], points, solid.held_apart[solid.of_vertex[vertex]], body
            )
            assert contact.inside[row, vertex].item() == pytest.approx(expected, abs=1e-6)


def test_depth_between_people_against_every_triangle(body: BodyModel) -> None:
    """The second, thin and lying on the side, has its arms along the first one's trunk: through
    part after part.
    """
    rng, solid, first = np.random.default_rng(0), solid_of(body), body.v_template[None]
    second = (first * torch.tensor([1.0, 0.1, 0.1]))[..., [1, 0, 2]] + torch.tensor(
        [0.03, 0.2, -0.02]
    )
    contacts = penetration_between(first, second, (body, body))
    held = torch.arange(2 * solid.parts) < solid.parts
    for contact, ours, theirs in zip(contacts, (first, second), (second, first), strict=True):
        points, deep = points_of(solid, theirs[0]), contact.inside[0].nonzero()[:, 0].numpy()
        for vertex in rng.permutation(deep)[:40]:
            expected = brute_depth(ours[0, vertex].double().numpy(), points, held, body)
            assert contact.inside[0, vertex].item() == pytest.approx(expected, abs=1e-6)


def points_of(solid: Solid, vertices: torch.Tensor) -> np.ndarray:
    return boxed(solid, vertices[None]).points[..., 0].T.double().numpy()


@lru_cache(maxsize=2)
def surface_of(body: BodyModel) -> CappedSurface:
    parts = parts_of(body)
    return capped(body.faces.numpy(), parts.of_face.numpy(), parts.of_vertex.numpy(), body.parents)


def closed_part(surface: CappedSurface, part: int, parents: tuple[int, ...]) -> np.ndarray:
    """The triangles of the closed surface of a part, anticlockwise from outside."""
    joints = len(parents)
    children = [joints + joint for joint, parent in enumerate(parents) if parent == part]
    own = surface.triangles[np.isin(surface.group, [part, joints + part])]
    caps_of_children = surface.triangles[np.isin(surface.group, children)][:, ::-1]
    return np.concatenate([own, caps_of_children])


def brute_depth(
    place: np.ndarray, points: np.ndarray, held: torch.Tensor, body: BodyModel
) -> float:
    """With all triangles of all parts held apart: no boxes, no regions."""
    solid, surface = solid_of(body), surface_of(body)
    turns = {part: angle_sum(place, points[closed_part(surface, part, body.parents)])
             for part in held[: solid.parts].nonzero()[:, 0].tolist()}  # fmt: skip
    depth = [0.0]
    for part in [part for part, turn in turns.items() if turn > 0.5 and sum(turns.values()) > 0.5]:
        triangles = points[surface.triangles[(held & solid.meets[part]).numpy()[surface.group]]]
        closest = trimesh.triangles.closest_point(
            triangles, np.repeat(place[None], len(triangles), 0)
        )
        depth.append(float(np.linalg.norm(closest - place, axis=1).min()))
    return max(depth)


@pytest.mark.parametrize("pose", FREE_POSES)
def test_natural_poses_touch_nothing(pose: str, body: BodyModel) -> None:
    contact = self_penetration(posed(body, FREE_POSES[pose]), body)
    assert contact.triangles.item() == 0 and contact.depth.item() == 0 and not contact.cut.any()


def test_a_hand_in_the_belly_is_as_deep_as_it_is(body: BodyModel) -> None:
    vertices = posed(body, INTO_BELLY)
    contact, of_face = self_penetration(vertices, body), parts_of(body).of_face
    trunk = [
        JOINT_INDEX[name]
        for name in ("pelvis", "left_hip", "right_hip", "spine1", "spine2", "spine3")
    ]
    skin = trimesh.Trimesh(
        vertices[0].numpy(), body.faces[torch.isin(of_face, torch.tensor(trunk))].numpy()
    )
    _, expected, _ = trimesh.proximity.closest_point_naive(
        skin, vertices[0, [LEFT_MIDDLE_TIP]].numpy()
    )
    assert expected[0] == pytest.approx(0.035, abs=1e-3)
    assert contact.inside[0, LEFT_MIDDLE_TIP].item() == pytest.approx(expected[0], abs=1e-5)
    assert 0.035 < contact.depth.item() < 0.055  # the index finger is somewhat deeper
    assert contact.triangles.item() > 50
    hand = (parts_of(body).of_vertex[contact.inside[0] > 0]).tolist()
    assert {JOINT_INDEX["left_middle3"], JOINT_INDEX["pelvis"]} & set(hand)


@pytest.mark.parametrize("push", [0.002, 0.01, 0.04])
def test_a_finger_pushed_into_another_person(push: float, body: BodyModel) -> None:
    """The first person's fingertip goes straight in beside the second's navel."""
    rest = body.v_template[None]
    turn = torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])  # x, along the left arm, becomes -z
    turned = rest @ turn.T
    turned = turned - turned[0, LEFT_MIDDLE_TIP] + rest[0, NAVEL] - torch.tensor([0.0, 0.0, push])
    finger, other = penetration_between(turned, rest, (body, body))
    skin = trimesh.Trimesh(rest[0].numpy(), body.faces.numpy())
    _, expected, _ = trimesh.proximity.closest_point_naive(
        skin, turned[0, [LEFT_MIDDLE_TIP]].numpy()
    )
    assert finger.inside[0, LEFT_MIDDLE_TIP].item() == pytest.approx(expected[0], abs=1e-6)
    assert finger.depth.item() == pytest.approx(push, rel=0.05)
    assert finger.triangles > 0 and other.triangles > 0 and other.depth.item() < 0.02


def test_people_apart_do_not_touch(body: BodyModel, samples: torch.Tensor) -> None:
    for contact in penetration_between(
        samples[:3], samples[3:6] + torch.tensor([2.5, 0, 0]), (body, body)
    ):
        assert contact.triangles.sum() == 0 and contact.depth.sum() == 0


def test_a_person_swallowed_whole_is_inside(body: BodyModel) -> None:
    """No triangle of the small one cuts any of the large one's."""
    belly = body.v_template[(body.v_template[:, 1] + 0.15).abs() < 0.02].mean(0)
    small = 0.02 * (body.v_template - body.v_template.mean(0)) + belly
    inner, outer = penetration_between(small[None], body.v_template[None], (body, body))
    assert inner.triangles.item() == outer.triangles.item() == 0
    assert (inner.inside > 0.02).all() and outer.depth.item() == 0


def test_rows_do_not_depend_on_their_batch(
    body: BodyModel, samples: torch.Tensor, contact: MeshPenetration
) -> None:
    for row in range(0, len(samples), 3):
        assert_same(self_penetration(samples[row : row + 1], body), contact[row : row + 1])
    # more than are looked at together
    assert_same(self_penetration(samples.repeat(6, 1, 1), body)[60:], contact)


def test_what_is_not_finite_touches_nothing(
    body: BodyModel, samples: torch.Tensor, contact: MeshPenetration
) -> None:
    broken = samples.clone()
    broken[1], broken[2, 5] = torch.nan, torch.inf
    found = self_penetration(broken, body)
    assert found.triangles[1] == 0 and found.depth[1] == 0
    assert_same(found[3:], contact[3:])


def test_no_body_has_no_contact(body: BodyModel) -> None:
    contact = self_penetration(body.v_template[None][:0], body)
    assert contact.cut.shape == (0, len(body.faces)) and contact.depth.shape == (0,)


def test_contact_goes_with_the_body(
    body: BodyModel, samples: torch.Tensor, contact: MeshPenetration
) -> None:
    turn = torch.linalg.qr(
        torch.randn(3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    )[0]
    turn = turn * turn.det()
    moved = self_penetration(samples.double() @ turn.T + torch.tensor([0.3, -0.2, 4.0]), body)
    assert torch.allclose(moved.depth.float(), contact.depth, atol=1e-6)
    assert (moved.triangles - contact.triangles).abs().max() <= 2  # triangles that just touch


@pytest.mark.parametrize("kind", BodyKind)
def test_parts_are_closed_and_add_up(kind: BodyKind, tmp_path: Path) -> None:
    """Also where the mesh has holes; parts that meet share their cap."""
    body = load_body(write(tmp_path / "body.npz", body_arrays(kind)))
    surface, point = surface_of(body), np.array([0.1, 0.2, 0.3])
    rest = body.v_template.double().numpy()
    points = np.concatenate([rest, *(rest[loop].mean(0)[None] for loop in surface.loops)])
    turns = [
        angle_sum(point, points[closed_part(surface, part, body.parents)])
        for part in range(len(body.parents))
    ]
    assert np.allclose(turns, np.round(turns), atol=1e-6)
    whole = surface.triangles[surface.group < len(body.parents)]
    assert sum(turns) == pytest.approx(angle_sum(point, points[whole]), abs=1e-6)
