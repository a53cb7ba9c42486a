"""The forward pass over the whole mesh: linear blend skinning as SMPL defines it.

Source: Loper et al. 2015, "SMPL: a skinned multi-person linear model", eq. 2-10; Pavlakos et al.
2019 for the face and hands. Every function takes any leading batch axes and is differentiable
everywhere.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from enum import Enum

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..core import rotations
from ..keypoints import names
from .joints import JOINT_INDEX, levels, pose_index
from .model import Age, BodyModel, PointTable
from .params import BodyParams

_LAST_YAW = 39  # degrees; the contour's table ends there
_UNTURNED = 55  # the place of the zeros behind the 55 rotations of the parameters


class ContourView(Enum):
    """How the line of the face contour's table is chosen.

    CAMERA: by the azimuth, about the head's own axis, at which a camera at the origin sees the
    head: right for bodies in the camera's frame. SMPLX: by an Euler angle of the neck's world
    rotation, as the `smplx` package does it: right for upright bodies seen from +z only, and
    mirrored for bodies turned into a camera frame whose y points down.
    """

    CAMERA = "camera"
    SMPLX = "smplx"


def vertices(model: BodyModel, params: BodyParams) -> Float[Tensor, "*batch v 3"]:
    """The mesh in metres, in the frame of `global_orient` and `transl`.

    Raises ValueError for more betas or expressions than the model has.
    """
    return _skin(_all_vertices(model), model, params, _posed(model, params))


def joints(model: BodyModel, params: BodyParams) -> Float[Tensor, "*batch j 3"]:
    """The model's own joints in metres; no mesh is computed.

    Raises ValueError as `vertices` does.
    """
    return _posed(model, params).place + params.transl[..., None, :]


def bones(
    model: BodyModel, params: BodyParams
) -> tuple[Float[Tensor, "*batch j 3 3"], Float[Tensor, "*batch j 3"], Float[Tensor, "*batch n"]]:
    """World orientation and place (metres) of every joint, and the shape: betas, then expression,
    as the model's.

    Raises ValueError as `vertices` does.
    """
    posed = _posed(model, params)
    place = posed.place + params.transl[..., None, :]
    return posed.orient, place, _shape(model, params)


def points(
    model: BodyModel, params: BodyParams, view: ContourView = ContourView.CAMERA
) -> Float[Tensor, "*batch 137 3"]:
    """The canonical 137 points in metres, NaN where the model has no such point.

    Raises ValueError as `vertices` does.
    """
    return _points(model.derived(_needed), model, params, view)


def model_points(
    model: BodyModel, params: BodyParams, view: ContourView = ContourView.CAMERA
) -> Float[Tensor, "*batch 137 3"]:
    """The same where the model's format has them, not where a detector looks: what other programs
    make of the parameters.

    Raises ValueError as `vertices` does.
    """
    return _points(model.derived(_needed_by_format), model, params, view)


def _points(
    needed: _NeededVertices, model: BodyModel, params: BodyParams, view: ContourView
) -> Float[Tensor, "*batch 137 3"]:
    posed = _posed(model, params)
    table = needed.table
    joint_places = posed.place + params.transl[..., None, :]
    vertex_places = _skin(needed.vertices, model, params, posed)
    places = torch.cat([joint_places, vertex_places], -2)  # what `table.sources` index
    values = (places[..., table.sources, :] * table.coefficients[..., None]).sum(-2)
    if len(table.contour_sources):
        contour = _contour(table, places, _contour_line(posed, params.transl, view))
        before = values[..., : names.CONTOUR.start, :]
        after = values[..., names.CONTOUR.stop :, :]
        values = torch.cat([before, contour, after], -2)
    return torch.where(table.known[:, None], values, torch.full_like(values, torch.nan))


def contour_row(
    model: BodyModel, params: BodyParams, view: ContourView = ContourView.CAMERA
) -> Int[Tensor, "*batch"]:
    """The line 0..78 of the face contour's table that each body shows; 0 for a pose that is not
    finite.

    Piecewise constant: no gradient passes. Raises ValueError as `vertices` does.
    """
    return _contour_line(_posed(model, params), params.transl, view)


# ---- the skeleton


@dataclass(frozen=True, eq=False)
class _PosedSkeleton:
    """The skeleton in its pose, `transl` not yet added."""

    rotation: Float[Tensor, "*batch j 3 3"]  # relative to the parent
    orient: Float[Tensor, "*batch j 3 3"]  # bone to world
    rest: Float[Tensor, "*batch j 3"]  # joints before the pose
    place: Float[Tensor, "*batch j 3"]  # joints in the pose


def _posed(model: BodyModel, params: BodyParams) -> _PosedSkeleton:
    rotation = rotations.exp(_local_pose(model, params))
    rest = model.joint_template + _blend(model.joint_directions, _shape(model, params))
    orient, place = _chain(model.parents, rotation, rest)
    return _PosedSkeleton(rotation=rotation, orient=orient, rest=rest, place=place)


def _local_pose(model: BodyModel, params: BodyParams) -> Float[Tensor, "*batch j 3"]:
    """The axis-angle of each of the model's joints, zero for those that never turn."""
    full = params.full_pose()
    unturned = torch.zeros_like(full[..., :1, :])
    full = torch.cat([full, unturned], -2)
    index = [_UNTURNED if place < 0 else place for place in pose_index(model.kind)]
    return full[..., index, :]


def _chain(
    parents: tuple[int, ...],
    rotation: Float[Tensor, "*batch j 3 3"],
    rest: Float[Tensor, "*batch j 3"],
) -> tuple[Float[Tensor, "*batch j 3 3"], Float[Tensor, "*batch j 3"]]:
    """World orientation and place of every joint, one matrix product per depth of the tree."""
    by_depth = levels(parents)
    roots = by_depth[0]
    orients = [rotation[..., roots, :, :]]
    places = [rest[..., roots, :]]
    for above, level in itertools.pairwise(by_depth):
        parent_joints = [parents[joint] for joint in level]
        in_above = [above.index(parent) for parent in parent_joints]
        parent_orient = orients[-1][..., in_above, :, :]
        bone = rest[..., level, :] - rest[..., parent_joints, :]
        orients.append(parent_orient @ rotation[..., level, :, :])
        places.append((parent_orient @ bone[..., None])[..., 0] + places[-1][..., in_above, :])

    # joined they are in the order of their depths: back to that of the model
    walked = [joint for level in by_depth for joint in level]
    back = sorted(range(len(walked)), key=walked.__getitem__)
    return torch.cat(orients, -3)[..., back, :, :], torch.cat(places, -2)[..., back, :]


# ---- shape and skin


@dataclass(frozen=True, eq=False)
class _VertexArrays:
    """The model's arrays for v of its vertices."""

    template: Float[Tensor, "v 3"]
    directions: Float[Tensor, "v 3 n"]  # betas, then expression
    posedirs: Float[Tensor, "v 3 features"]
    weights: Float[Tensor, "v j"]


@dataclass(frozen=True, eq=False)
class _NeededVertices:
    """The vertices that make the canonical points, and the table of the points by the joints
    followed by these vertices alone.
    """

    vertices: _VertexArrays
    table: PointTable


def _all_vertices(model: BodyModel) -> _VertexArrays:
    return _vertex_arrays(model, slice(None))


def _vertex_arrays(model: BodyModel, at: slice | Int[Tensor, " v"]) -> _VertexArrays:
    return _VertexArrays(
        template=model.v_template[at],
        directions=torch.cat([model.shapedirs[at], model.expressiondirs[at]], -1),
        posedirs=model.posedirs[at],
        weights=model.weights[at],
    )


def _needed(model: BodyModel) -> _NeededVertices:
    return _needed_of(model.points, model)


def _needed_by_format(model: BodyModel) -> _NeededVertices:
    return _needed_of(model.model_points, model)


def _needed_of(table: PointTable, model: BodyModel) -> _NeededVertices:
    joint_count = len(model.parents)
    used = torch.cat([table.sources.flatten(), table.contour_sources.flatten()]).unique()
    vertex = used[used >= joint_count] - joint_count
    # From a source of the model to one of the few: joints keep their numbers, vertices get those of
    # their place among the needed. What is not used keeps a number that nobody asks for.
    number = torch.arange(joint_count + len(model.v_template), device=used.device)
    number[vertex + joint_count] = torch.arange(
        joint_count, joint_count + len(vertex), device=used.device
    )
    return _NeededVertices(
        vertices=_vertex_arrays(model, vertex),
        table=replace(
            table,
            sources=number[table.sources],
            contour_sources=number[table.contour_sources],
        ),
    )


def _skin(
    arrays: _VertexArrays, model: BodyModel, params: BodyParams, posed: _PosedSkeleton
) -> Float[Tensor, "*batch v 3"]:
    """The posed vertices in metres, `transl` added."""
    shaped = arrays.template + _blend(arrays.directions, _shape(model, params))
    if model.has_posedirs:
        identity = torch.eye(3, dtype=shaped.dtype, device=shaped.device)
        feature = posed.rotation[..., 1:, :, :] - identity  # of every joint but the root
        shaped = shaped + _blend(arrays.posedirs, feature.flatten(-3))

    # x -> orient x + offset is the motion of what is rigid with a bone
    offset = posed.place - (posed.orient @ posed.rest[..., None])[..., 0]
    motions = torch.cat([posed.orient, offset[..., None]], -1).flatten(-2).mT  # [*batch, 12, j]
    # vertices last: one product, and quick sums
    blended = (motions @ arrays.weights.mT).unflatten(-2, (3, 4))  # [*batch, 3, 4, v]
    turn = blended[..., :3, :]
    shift = blended[..., 3, :]
    skinned = (turn * shaped.mT.contiguous()[..., None, :, :]).sum(-2) + shift  # [*batch, 3, v]
    return skinned.mT.contiguous() + params.transl[..., None, :]


def _shape(model: BodyModel, params: BodyParams) -> Float[Tensor, "*batch n"]:
    """Betas and expression, padded with zeros to the model's components; a model without a face
    ignores expressions.
    """
    all_betas = model.shapedirs.shape[-1]
    all_expressions = model.expressiondirs.shape[-1]
    betas = params.betas
    expression = params.expression if all_expressions else params.expression[..., :0]
    _check_count("betas", betas, all_betas, model)
    _check_count("expressions", expression, all_expressions, model)

    # The last beta of a child's body is that of its last direction, age: the zeros come before it.
    is_child = model.age is Age.CHILD and betas.shape[-1] > 0
    first_betas = betas.shape[-1] - int(is_child)
    pad = torch.nn.functional.pad
    parts = [
        pad(betas[..., :first_betas], (0, all_betas - betas.shape[-1])),
        betas[..., first_betas:],
        pad(expression, (0, all_expressions - expression.shape[-1])),
    ]
    return torch.cat(parts, -1)


def _check_count(name: str, values: Tensor, most: int, model: BodyModel) -> None:
    found = values.shape[-1]
    if found > most:
        raise ValueError(f"{found} {name} for the body {model.name!r}, which has {most}")


def _blend(
    directions: Float[Tensor, "m 3 n"], weights: Float[Tensor, "*batch n"]
) -> Float[Tensor, "*batch m 3"]:
    """The sum of directions, each times its weight."""
    return (weights @ directions.flatten(0, 1).T).unflatten(-1, (-1, 3))


# ---- the face contour


def _contour_line(
    posed: _PosedSkeleton, transl: Float[Tensor, "*batch 3"], view: ContourView
) -> Int[Tensor, "*batch"]:
    """Lines 0..39 are 0..39 degrees, lines 40..78 are -1..-39."""
    if view is ContourView.CAMERA:
        azimuth = _camera_azimuth(posed, transl)
    else:
        azimuth = _neck_angle(posed)
    degrees = torch.rad2deg(azimuth.detach()).nan_to_num(0.0)
    degrees = degrees.clamp(-_LAST_YAW, _LAST_YAW).round().long()
    return torch.where(degrees < 0, _LAST_YAW - degrees, degrees)


def _camera_azimuth(
    posed: _PosedSkeleton, transl: Float[Tensor, "*batch 3"]
) -> Float[Tensor, "*batch"]:
    """Where, about the head's up axis, the camera stands, in radians: 0 before the face, positive
    on the subject's left.
    """
    head = JOINT_INDEX["head"]
    to_camera = -(posed.place[..., head, :] + transl)  # the camera is at the origin
    seen = (posed.orient[..., head, :, :].mT @ to_camera[..., None])[..., 0]  # from the head
    return torch.atan2(seen[..., 0], seen[..., 2])


def _neck_angle(posed: _PosedSkeleton) -> Float[Tensor, "*batch"]:
    """Minus the y Euler angle of the neck's world rotation, in radians."""
    neck = posed.orient[..., JOINT_INDEX["neck"], :, :]
    return -torch.atan2(-neck[..., 2, 0], torch.hypot(neck[..., 0, 0], neck[..., 1, 0]))


def _contour(
    table: PointTable, places: Float[Tensor, "*batch s 3"], line: Int[Tensor, "*batch"]
) -> Float[Tensor, "*batch 17 3"]:
    """The points of the contour on these lines of the table."""
    sources = table.contour_sources[line]  # [*batch, 17, 3]
    coefficients = table.contour_coefficients[line]
    index = sources.flatten(-2)[..., None].expand(*sources.shape[:-2], -1, 3)
    picked = torch.gather(places, -2, index).unflatten(-2, sources.shape[-2:])
    return (picked * coefficients[..., None]).sum(-2)
