"""The forward pass over the whole mesh: linear blend skinning as SMPL defines it.

Source: Loper et al. 2015, "SMPL: a skinned multi-person linear model", eq. 2-10; Pavlakos et al.
2019 for the face and hands. Every function takes any leading batch axes and is differentiable
everywhere.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..core import rotations
from ..keypoints import names
from .joints import JOINT_INDEX, levels, pose_index
from .model import Age, BodyModel, PointTable
from .params import BodyParams

_LAST_YAW = 39  # degrees; the contour's table ends there
_UNTURNED = 55  # the row of zeros behind the 55 rotations of the parameters


class ContourView(Enum):
    """How the look-up row of the face contour is chosen.

    CAMERA: by the azimuth, about the head's own axis, at which a camera at the origin sees the
    head: right for bodies in the camera's frame. SMPLX: by an Euler angle of the neck's world
    rotation, as the `smplx` package does it: right for upright bodies seen from +z only, and
    mirrored for bodies turned into a camera frame whose y points down.
    """

    CAMERA = "camera"
    SMPLX = "smplx"


@dataclass(frozen=True)
class _Posed:
    """The skeleton in its pose, `transl` not yet added."""

    rotation: Tensor  # [*b, J, 3, 3] relative to the parent
    orient: Tensor  # [*b, J, 3, 3] bone to world
    rest: Tensor  # [*b, J, 3] joints before the pose
    place: Tensor  # [*b, J, 3]


def vertices(model: BodyModel, params: BodyParams) -> Float[Tensor, "*batch v 3"]:
    """The mesh in metres, in the frame of `global_orient` and `transl`.

    Raises ValueError for more betas or expressions than the model has.
    """
    return _skin(_surface(model, slice(None)), model, params, _posed(model, params))


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
    return posed.orient, posed.place + params.transl[..., None, :], _shape(model, params)


def points(
    model: BodyModel, params: BodyParams, view: ContourView = ContourView.CAMERA
) -> Float[Tensor, "*batch 137 3"]:
    """The canonical 137 points in metres, NaN where the model has no such point.

    Raises ValueError as `vertices` does.
    """
    posed, (surface, table) = _posed(model, params), _needed(model)
    places = torch.cat(
        [posed.place + params.transl[..., None, :], _skin(surface, model, params, posed)], -2
    )
    values = (places[..., table.sources, :] * table.coefficients[..., None]).sum(-2)
    if len(table.contour_sources):
        contour = _contour(table, places, _row(posed, params.transl, view))
        values = torch.cat(
            [values[..., : names.CONTOUR.start, :], contour, values[..., names.CONTOUR.stop :, :]],
            -2,
        )
    return torch.where(table.known[:, None], values, torch.full_like(values, torch.nan))


def contour_row(
    model: BodyModel, params: BodyParams, view: ContourView = ContourView.CAMERA
) -> Int[Tensor, "*batch"]:
    """The row 0..78 of the face contour's table that each body shows; 0 for a pose that is not
    finite.

    Piecewise constant: no gradient passes. Raises ValueError as `vertices` does.
    """
    return _row(_posed(model, params), params.transl, view)


@dataclass(frozen=True, eq=False)
class _Surface:
    """Some vertices of a model."""

    template: Tensor  # [v, 3]
    directions: Tensor  # [v, 3, n]
    posedirs: Tensor  # [v, 3, 9 (J - 1)]
    weights: Tensor  # [v, J]


def _surface(model: BodyModel, at: slice | Tensor) -> _Surface:
    directions = torch.cat([model.shapedirs[at], model.expressiondirs[at]], -1)
    return _Surface(model.v_template[at], directions, model.posedirs[at], model.weights[at])


@lru_cache(maxsize=16)
def _needed(model: BodyModel) -> tuple[_Surface, PointTable]:
    """The vertices that make the canonical points, and the table of the points by their numbers
    among these.
    """
    count, table = len(model.parents), model.points
    used = torch.cat([table.sources.flatten(), table.contour_sources.flatten()]).unique()
    vertex = used[used >= count] - count
    number = torch.arange(count + len(model.v_template), device=used.device)
    number[vertex + count] = torch.arange(count, count + len(vertex), device=used.device)
    sources, contour = number[table.sources], number[table.contour_sources]
    return _surface(model, vertex), replace(table, sources=sources, contour_sources=contour)


def _skin(surface: _Surface, model: BodyModel, params: BodyParams, posed: _Posed) -> Tensor:
    shaped = surface.template + _blend(surface.directions, _shape(model, params))
    if model.has_posedirs:
        feature = posed.rotation[..., 1:, :, :] - torch.eye(
            3, dtype=shaped.dtype, device=shaped.device
        )
        shaped = shaped + _blend(surface.posedirs, feature.flatten(-3))
    offset = posed.place - (posed.orient @ posed.rest[..., None])[..., 0]
    bones = torch.cat([posed.orient, offset[..., None]], -1).flatten(-2).mT  # [*b, 12, J]
    # vertices last: one product, and quick sums
    moved = (bones @ surface.weights.mT).unflatten(-2, (3, 4))
    skinned = (moved[..., :3, :] * shaped.mT.contiguous()[..., None, :, :]).sum(-2) + moved[
        ..., 3, :
    ]
    return skinned.mT.contiguous() + params.transl[..., None, :]


def _posed(model: BodyModel, params: BodyParams) -> _Posed:
    rotation = rotations.exp(_local_pose(model, params))
    rest = model.joint_template + _blend(model.joint_directions, _shape(model, params))
    orient, place = _chain(model.parents, rotation, rest)
    return _Posed(rotation=rotation, orient=orient, rest=rest, place=place)


def _local_pose(model: BodyModel, params: BodyParams) -> Float[Tensor, "*batch j 3"]:
    """The axis-angle of each of the model's joints, zero for those that never turn."""
    full = params.full_pose()
    full = torch.cat([full, torch.zeros_like(full[..., :1, :])], -2)
    return full[..., [_UNTURNED if row < 0 else row for row in pose_index(model.kind)], :]


def _shape(model: BodyModel, params: BodyParams) -> Float[Tensor, "*batch n"]:
    """Betas and expression, padded with zeros to the model's components; a model without a face
    ignores expressions.

    The last beta is that of the model's last direction where the model is a child's: the zeros come
    before it.
    """
    expression = params.expression if model.expressiondirs.shape[-1] else params.expression[..., :0]
    parts = []
    for name, values, directions in (
        ("betas", params.betas, model.shapedirs),
        ("expressions", expression, model.expressiondirs),
    ):
        found, most = values.shape[-1], directions.shape[-1]
        if found > most:
            raise ValueError(f"{found} {name} for the body {model.name!r}, which has {most}")
        last = found - int(name == "betas" and found > 0 and model.age is Age.CHILD)
        parts += [
            torch.nn.functional.pad(values[..., :last], (0, most - found)),
            values[..., last:],
        ]
    return torch.cat(parts, -1)


def _blend(directions: Tensor, weights: Tensor) -> Tensor:
    """directions [m, 3, n] times weights [*b, n] -> [*b, m, 3]."""
    return (weights @ directions.flatten(0, 1).T).unflatten(-1, (-1, 3))


def _chain(parents: tuple[int, ...], rotation: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
    """World orientation and place of every joint, one matrix product per depth of the tree."""
    order = levels(parents)
    orients, places = [rotation[..., order[0], :, :]], [rest[..., order[0], :]]
    for above, level in itertools.pairwise(order):
        at = [above.index(parents[joint]) for joint in level]
        parent = orients[-1][..., at, :, :]
        bone = rest[..., level, :] - rest[..., [parents[joint] for joint in level], :]
        orients.append(parent @ rotation[..., level, :, :])
        places.append((parent @ bone[..., None])[..., 0] + places[-1][..., at, :])
    walked = [joint for level in order for joint in level]
    back = sorted(range(len(walked)), key=walked.__getitem__)
    return torch.cat(orients, -3)[..., back, :, :], torch.cat(places, -2)[..., back, :]


def _row(posed: _Posed, transl: Tensor, view: ContourView) -> Tensor:
    """Rows 0..39 are 0..39 degrees, rows 40..78 are -1..-39."""
    azimuth = _camera_azimuth(posed, transl) if view is ContourView.CAMERA else _neck_angle(posed)
    degrees = (
        torch.rad2deg(azimuth.detach()).nan_to_num(0.0).clamp(-_LAST_YAW, _LAST_YAW).round().long()
    )
    return torch.where(degrees < 0, _LAST_YAW - degrees, degrees)


def _camera_azimuth(posed: _Posed, transl: Tensor) -> Tensor:
    """Where, about the head's up axis, the camera stands: 0 before the face, positive on the
    subject's left.
    """
    head = JOINT_INDEX["head"]
    to_camera = -(posed.place[..., head, :] + transl)
    seen = (posed.orient[..., head, :, :].mT @ to_camera[..., None])[..., 0]
    return torch.atan2(seen[..., 0], seen[..., 2])


def _neck_angle(posed: _Posed) -> Tensor:
    """Minus the y Euler angle of the neck's world rotation."""
    neck = posed.orient[..., JOINT_INDEX["neck"], :, :]
    return -torch.atan2(-neck[..., 2, 0], torch.hypot(neck[..., 0, 0], neck[..., 1, 0]))


def _contour(table: PointTable, places: Tensor, row: Tensor) -> Float[Tensor, "*batch 17 3"]:
    sources, coefficients = table.contour_sources[row], table.contour_coefficients[row]
    picked = torch.gather(
        places, -2, sources.flatten(-2)[..., None].expand(*sources.shape[:-2], -1, 3)
    )
    return (picked.unflatten(-2, sources.shape[-2:]) * coefficients[..., None]).sum(-2)
