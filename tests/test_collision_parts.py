"""Parts: who owns which vertex and face, and which pairs may pass through each other, for every
layout.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from body_layouts import as_kind
from cases import embedded_body
from make_bodies import body_arrays, write

from smplifyx.body.joints import BodyKind, joint_names
from smplifyx.body.loading.files import load_body
from smplifyx.body.model import BodyModel
from smplifyx.collision.parts import TOUCH, LeftOut, PartPairReason, left_out, parts_of


def body_of(layout: str, folder: Path) -> BodyModel:
    kind = BodyKind(layout.split()[-1])
    if layout.startswith("random"):
        return load_body(write(folder / "body.npz", body_arrays(kind)), dtype=torch.float64)
    return embedded_body() if kind is BodyKind.SMPLX else as_kind(embedded_body(), kind)


LAYOUTS = [f"{mesh} {kind.value}" for mesh in ("real", "random") for kind in BodyKind]

# of the embedded body, left sides: the pairs that are left out though no joint lies between
BESIDE_JOINTS = {
    ("spine2", "left_collar"), ("spine2", "left_shoulder"), ("spine3", "left_shoulder"), ("neck", "left_collar"),
    ("neck", "jaw"), ("left_wrist", "left_thumb2"), ("left_index1", "left_middle1"), ("left_middle1", "left_ring1"),
    ("left_pinky1", "left_ring1"),
}  # fmt: skip
# pairs that must be held apart
WATCHED = [
    ("left_hip", "right_hip"), ("left_hip", "spine1"), ("left_wrist", "pelvis"), ("left_wrist", "left_hip"),
    ("left_index3", "head"), ("left_index3", "left_wrist"), ("left_elbow", "spine2"), ("left_elbow", "right_elbow"),
    ("left_index2", "left_middle2"), ("left_knee", "pelvis"), ("left_wrist", "left_shoulder"), ("jaw", "spine3"),
    ("left_ankle", "right_ankle"), ("left_thumb3", "right_pinky2"), ("left_wrist", "left_eye_smplhf"),
]  # fmt: skip


def mirrored(name: str) -> str:
    swap = {"left": "right", "right": "left"}
    side, _, rest = name.partition("_")
    return f"{swap[side]}_{rest}" if side in swap else name


def mean_gap(body: BodyModel, first: str, second: str) -> float:
    part, names = parts_of(body).of_vertex, joint_names(body.kind)
    a, b = (body.v_template[part == names.index(name)] for name in (first, second))
    return float(torch.cdist(a, b).min())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_has_parts(layout: str, tmp_path: Path) -> None:
    body = body_of(layout, tmp_path)
    parts, joints = parts_of(body), len(body.parents)
    assert parts.of_vertex.equal(torch.as_tensor(body.weights.numpy().argmax(1)))
    assert parts.held_apart.shape == (joints, joints) and parts.held_apart.equal(
        parts.held_apart.mT
    )
    assert not parts.held_apart.diagonal().any()
    corners = parts.of_vertex[body.faces]
    votes = (corners == parts.of_face[:, None]).sum(1)
    all_differ = (
        (corners[:, 0] != corners[:, 1])
        & (corners[:, 1] != corners[:, 2])
        & (corners[:, 0] != corners[:, 2])
    )
    assert (votes >= torch.where(all_differ, 1, 2)).all()
    assert parts.of_face[all_differ].equal(corners[all_differ, 0])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_neighbours_may_meet(layout: str, tmp_path: Path) -> None:
    body = body_of(layout, tmp_path)
    parts = parts_of(body)
    for joint, parent in enumerate(body.parents):
        assert parent < 0 or not parts.held_apart[joint, parent]
    a, b = parts.of_vertex[body.faces], parts.of_vertex[body.faces.roll(1, 1)]
    assert not parts.held_apart[a, b].any()


def test_what_is_left_out_is_listed() -> None:
    listed = left_out(embedded_body())
    beside = {
        (pair.first, pair.second) for pair in listed if pair.reason is PartPairReason.NEIGHBOURS
    }
    both = BESIDE_JOINTS | {(mirrored(a), mirrored(b)) for a, b in BESIDE_JOINTS}
    assert beside == both
    joints = {
        (pair.first, pair.second) for pair in listed if pair.reason is PartPairReason.PARENT_CHILD
    }
    names, parents = joint_names(BodyKind.SMPLX), embedded_body().parents
    assert joints == {(names[p], name) for name, p in zip(names, parents, strict=True) if p >= 0}
    assert LeftOut("head", "left_eye_smplhf", PartPairReason.PARENT_CHILD) in listed
    assert len(listed) == len(beside) + len(joints)
    apart = parts_of(embedded_body()).held_apart
    assert int(apart.sum()) == 55 * 54 - 2 * len(listed)


@pytest.mark.parametrize("pair", WATCHED, ids="-".join)
def test_what_must_be_watched(pair: tuple[str, str]) -> None:
    names, apart = joint_names(BodyKind.SMPLX), parts_of(embedded_body()).held_apart
    assert apart[names.index(pair[0]), names.index(pair[1])]
    assert apart[names.index(mirrored(pair[0])), names.index(mirrored(pair[1]))]


def test_parts_that_touch_at_rest_may_touch() -> None:
    """Measured: the feet are put side by side, so close that they touch, or not quite."""
    body, pair = embedded_body(), ("left_foot", "right_foot")
    rows = [joint_names(body.kind).index(name) for name in pair]
    gap, part = mean_gap(body, *pair), parts_of(body).of_vertex
    for space, apart in ((0.5 * TOUCH, False), (1.5 * TOUCH, True)):
        moved = body.v_template.clone()
        moved[part == rows[0], 0] -= gap_along_x(body, rows) - space
        near = dataclasses.replace(body, v_template=moved)
        assert bool(parts_of(near).held_apart[rows[0], rows[1]]) is apart
        assert (LeftOut(*pair, PartPairReason.TOUCHING) in left_out(near)) is not apart
    assert gap > 10 * TOUCH


def gap_along_x(body: BodyModel, rows: list[int]) -> float:
    """How far the first part can move along -x before it meets the second, its mirror image."""
    part = parts_of(body).of_vertex
    left, right = (body.v_template[part == row].numpy() for row in rows)
    return float(np.min(left[:, 0]) - np.max(right[:, 0]))
