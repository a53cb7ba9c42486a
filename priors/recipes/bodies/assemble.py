"""One gender's model from samples: the arrays of a SMPL-X file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from . import tables
from .anatomy import carpus
from .detected_points import point_arrays
from .face import active_units, expression_model, orient_expression
from .hands import MIRROR, HandModel, flexion_axis, hand_model
from .knuckles import bend_at_knuckles, knuckles
from .landmarks import Landmarks, contour, static_landmarks
from .population import Gender, ShapeSpace, draw, reference
from .skeleton import Skeleton, Straight, build_skeleton, rig_joints, to_t_pose
from .skinning import Skin, bind
from .source import Rig, Source
from .statistics import Linear, joint_regressor, orient, principal
from .tables import JOINT
from .topology import (
    Topology,
    build_topology,
    smooth_fill,
    symmetrise,
    vertex_areas,
    vertex_normals,
)

MODEL_NAME = "smplifyx-cc0-v1"
SHAPES, EXPRESSIONS, HAND_SAMPLES = 10, 10, 512


@dataclass(frozen=True)
class Stock:
    """What all genders share: the mesh, the rig on it and the ways it can vary."""

    topology: Topology
    space: ShapeSpace
    rig: Rig
    skin: Skin
    skeleton: Skeleton
    fill: sp.csr_array  # [V, V], smooths the chest
    units: dict[str, np.ndarray]

    def sample(self, gender: Gender, count: int, rng: np.random.Generator) -> np.ndarray:
        """A-pose vertices [count, V, 3] of random people, exactly symmetric."""
        return self.skins(self.space.vertices(draw(gender, count, rng)))

    def skins(self, vertices: np.ndarray) -> np.ndarray:
        """What ships of whole base meshes [n, 19158, 3]: [n, V, 3], exactly symmetric."""
        kept = vertices[:, self.topology.base_ids].astype(float)
        return symmetrise(np.stack([self.fill @ v for v in kept]), self.topology.mirror)

    def straighten(self, vertices: np.ndarray) -> Straight:
        """The same people in the T-pose."""
        return to_t_pose(vertices, self.skeleton, self.skin)


def load_stock(source: Source) -> Stock:
    """Read the wheel and tie the skeleton to the skin."""
    base, quads = source.mesh()
    rig = source.rig()
    topology = build_topology(quads, source.mirror())
    space = ShapeSpace.read(source, base)
    eyes = {"left_eye": tables.LEFT_EYEBALL, "right_eye": tables.RIGHT_EYEBALL}
    skin = bind(rig, topology.base_ids, {joint: topology.index(ids) for joint, ids in eyes.items()})
    average = space.vertices(reference())[0]
    joints = rig_joints(average, rig)
    for joint, place in knuckles(average, rig).items():
        joints[JOINT[joint]] = place
    joints[JOINT["left_wrist"]] = carpus(joints)
    skin = bend_at_knuckles(skin, average[topology.base_ids], joints, topology)
    skeleton = build_skeleton(average, joints, rig, topology, skin)
    fill = smooth_fill(topology, tables.NIPPLES, average[topology.base_ids])
    units = {
        name: shape[topology.base_ids] for name, shape in active_units(source.face_units()).items()
    }
    return Stock(topology, space, rig, skin, skeleton, fill, units)


@dataclass(frozen=True)
class Shared:
    """Parts that are alike in all genders, made on the neutral template."""

    expression: Linear
    expression_held_out: float
    landmarks: Landmarks
    hands: HandModel


def shared_parts(
    stock: Stock, template: np.ndarray, joints: np.ndarray, rng: np.random.Generator
) -> Shared:
    """Expression, landmarks, hands and joint weights for a template [V, 3] with joints [55, 3]."""
    faces, bary = static_landmarks(stock.topology)
    points = np.einsum("lk,lkc->lc", bary, template[stock.topology.faces[faces]])
    areas = vertex_areas(template, stock.topology.faces)
    stacked = np.stack(list(stock.units.values()))
    model, share = expression_model(stacked, list(stock.units), template, areas, points, rng)
    outline = contour(template, stock.topology, stock.skin.joints)
    hands = hand_model(flexion_axis(joints), HAND_SAMPLES, rng)
    expression = orient_expression(model, stock.units)
    return Shared(expression, share, Landmarks(faces, bary, *outline), hands)


@dataclass(frozen=True)
class Body:
    """Shape space and joint regressor of one gender."""

    gender: Gender
    shape: Linear
    regressor: np.ndarray  # [55, V]


def shape_model(stock: Stock, gender: Gender, samples: Straight, expression: np.ndarray) -> Body:
    """Ten shape components (area-weighted, unit variance) and the joint regressor from T-pose
    samples.
    """
    vertices, joints = samples.vertices, samples.joints
    template = vertices.mean(0)
    areas = vertex_areas(template, stock.topology.faces)
    model = principal(vertices, areas, SHAPES)
    model = Linear(model.mean, 0.5 * (model.directions + model.directions[stock.topology.mirror]
                                      * np.array([-1.0, 1, 1])[:, None]), model.explained)  # fmt: skip
    outward = vertex_normals(template, stock.topology.faces) * areas[:, None]
    model = orient(model, int(template[:, 1].argmax()), int(template[:, 1].argmin()), outward)
    still = np.moveaxis(expression, -1, 0)
    few = slice(0, 250)
    regressor = joint_regressor(
        vertices[few], joints[few], stock.skeleton.centres, still, stock.topology.mirror
    )
    return Body(gender, model, regressor)


def file_arrays(
    stock: Stock, shared: Shared, body: Body, posedirs: np.ndarray
) -> dict[str, np.ndarray]:
    """The arrays of the npz, in the layout that readers of SMPL-X files expect."""
    topology, hands, marks = stock.topology, shared.hands, shared.landmarks
    parents = np.stack([tables.PARENTS, np.arange(len(tables.JOINTS))]).astype(np.int64)
    extra = np.array([topology.index(hm08) for hm08, _ in tables.EXTRA_POINTS.values()])
    names = list(tables.EXTRA_POINTS)
    f32 = lambda x: np.ascontiguousarray(x, np.float32)  # noqa: E731
    return {
        "model_name": np.array(f"{MODEL_NAME}-{body.gender.value}"), "licence": np.array("CC0-1.0"),
        "v_template": f32(body.shape.mean), "f": topology.faces.astype(np.uint32),
        "shapedirs": f32(np.concatenate([body.shape.directions, shared.expression.directions], -1)),
        "posedirs": posedirs.astype(np.float16), "weights": f32(stock.skin.joints), "J_regressor": f32(body.regressor),
        "kintree_table": parents,
        "hands_componentsl": f32(hands.components), "hands_componentsr": f32(hands.components * MIRROR),
        "hands_meanl": f32(hands.mean), "hands_meanr": f32(hands.mean * MIRROR),
        "hands_coeffsl": f32(hands.coefficients), "hands_coeffsr": f32(hands.coefficients),
        "lmk_faces_idx": marks.faces.astype(np.int64), "lmk_bary_coords": f32(marks.bary),
        "dynamic_lmk_faces_idx": marks.contour_faces.astype(np.int64),
        "dynamic_lmk_bary_coords": f32(marks.contour_bary),
        "joint_names": np.array(tables.JOINTS), "extra_points": extra.astype(np.int64),
        "extra_point_names": np.array(names),
        "pupils": extra[[names.index(name) for name in tables.PUPILS]].astype(np.int64),
        "vert_sym_idxs": topology.mirror.astype(np.int64), "base_ids": topology.base_ids.astype(np.int64),
        **point_arrays(),
    }  # fmt: skip
