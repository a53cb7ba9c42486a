"""Turns the checked arrays of a file into a BodyModel, telling SMPL-X, SMPL-H and SMPL apart by
their joints.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from ...core.choices import BodyGender, Detector
from ..joints import BodyKind, joint_names, parents
from ..model import BodyModel
from .hand_space import hand_space
from .point_table import point_table
from .raw import RawBody

# how many shape and expression components to keep; None: all
Limits = tuple[int | None, int | None]

_KINDS = MappingProxyType({len(joint_names(kind)): kind for kind in BodyKind})
_STRANGERS = MappingProxyType(
    {16: "a MANO hand", 5: "a FLAME head", 35: "a SMAL animal", 33: "a SMAL animal"}
)
# SMPL-X keeps shape and expression side by side in one array: columns -> (shape, expression).
_SMPLX_COLUMNS = MappingProxyType({20: (10, 10), 400: (300, 100)})
_STAR_COLUMNS = 93  # of its posedirs; SMPL has 207
_HEIGHTS = (0.3, 3.0)  # metres, of anything that is a person


def assemble(
    raw: RawBody, gender: BodyGender, limits: Limits, dtype: torch.dtype, detector: Detector
) -> BodyModel:
    """The body model in a file, with the points where that detector looks.

    Raises BodyFileError for the first array that is missing, misshapen or impossible.
    """
    kind = _kind(raw)
    _refuse_star(raw, kind)
    joints = len(joint_names(kind))
    has_fingers = kind is not BodyKind.SMPL
    template = _template(raw)
    count = len(template)
    faces = raw.indices("f", (None, 3), count)
    directions = raw.array("shapedirs", (count, 3, None))
    shape_columns, expression_columns = _columns(raw, kind, directions.shape[2], limits)
    return BodyModel(
        name=_name(raw),
        sha256=raw.sha256,
        kind=kind,
        gender=gender,
        v_template=_tensor(template, dtype),
        shapedirs=_tensor(directions[..., shape_columns], dtype),
        expressiondirs=_tensor(directions[..., expression_columns], dtype),
        posedirs=_tensor(raw.array("posedirs", (count, 3, 9 * (joints - 1))), dtype),
        J_regressor=_tensor(_sums_to_one(raw, "J_regressor", (joints, count)), dtype),
        weights=_tensor(_sums_to_one(raw, "weights", (count, joints)), dtype),
        parents=_parents(raw, kind),
        faces=torch.as_tensor(faces),
        left_hand=hand_space(raw, "l", dtype) if has_fingers else None,
        right_hand=hand_space(raw, "r", dtype) if has_fingers else None,
        points=point_table(raw, kind, faces, dtype, detector),
        model_points=point_table(raw, kind, faces, dtype, None),
        detector=detector,
    )


def _kind(raw: RawBody) -> BodyKind:
    joints = raw.array("weights", (None, None)).shape[1]
    if joints in _KINDS:
        return _KINDS[joints]
    stranger = _STRANGERS.get(joints, "no known body")
    most_joints_first = sorted(_KINDS.items(), reverse=True)
    expected = ", ".join(f"{count} ({kind.name})" for count, kind in most_joints_first)
    raise raw.fault("weights", f"{joints} joints ({stranger})", expected)


def _refuse_star(raw: RawBody, kind: BodyKind) -> None:
    """Raises BodyFileError for STAR, which has SMPL's joints and is posed by their quaternions."""
    columns = raw.array("posedirs", (None, None, None)).shape[2] if raw.has("posedirs") else 0
    if kind is BodyKind.SMPL and columns == _STAR_COLUMNS:
        expected = "a SMPL-X, SMPL-H or SMPL model"
        raise raw.fault("posedirs", f"{columns} columns (a STAR body)", expected)


def _template(raw: RawBody) -> np.ndarray:
    template = raw.array("v_template", (None, 3))
    width, height, depth = np.ptp(template, axis=0).tolist() if len(template) else (0.0,) * 3
    least, most = _HEIGHTS
    if not least <= height <= most:
        found = f"a body {height:.3g} high along y"
        raise raw.fault("v_template", found, f"metres, y up: {least} to {most}")
    if max(width, depth) > most:
        found = f"a body {width:.3g} wide and {depth:.3g} deep"
        raise raw.fault("v_template", found, f"metres, at most {most}")
    return template


def _columns(raw: RawBody, kind: BodyKind, columns: int, limits: Limits) -> tuple[slice, slice]:
    """The columns of shapedirs that are shape and those that are expression."""
    if kind is not BodyKind.SMPLX or columns <= 10:
        shapes, expressions = columns, 0
    elif columns in _SMPLX_COLUMNS:
        shapes, expressions = _SMPLX_COLUMNS[columns]
    else:
        raise raw.fault(
            "shapedirs", f"{columns} columns", "20 (10 shape + 10 expression) or 400 (300 + 100)"
        )
    most_shapes, most_expressions = limits
    kept_shapes = shapes if most_shapes is None else min(shapes, most_shapes)
    kept_expressions = (
        expressions if most_expressions is None else min(expressions, most_expressions)
    )
    return slice(0, kept_shapes), slice(shapes, shapes + kept_expressions)


def _parents(raw: RawBody, kind: BodyKind) -> tuple[int, ...]:
    """The skeleton, which must be the published one: joints are found by their place in it."""
    expected = parents(kind)
    table = raw.array("kintree_table", (2, len(expected))).astype(np.int64)
    # the root's parent is -1, or what is left of it in an unsigned integer
    found = np.where((table[0] >= 0) & (table[0] < len(expected)), table[0], -1)
    wrong = np.flatnonzero(found[1:] != expected[1:]) + 1
    if len(wrong):
        joint = wrong[0]
        name = joint_names(kind)[joint]
        fault = f"parent {found[joint]} for joint {joint} ({name})"
        raise raw.fault("kintree_table", fault, str(expected[joint]))
    return expected


def _sums_to_one(raw: RawBody, key: str, shape: tuple[int, int]) -> np.ndarray:
    value = raw.array(key, shape)
    total = value.sum(axis=1, dtype=np.float64)
    if np.abs(total - 1).max() > 1e-2:
        found = f"rows that sum to {total.min():.3g}..{total.max():.3g}"
        raise raw.fault(key, found, "rows that sum to 1")
    return value


def _name(raw: RawBody) -> str:
    """What the file calls itself, else its name; AMASS calls every file model.npz, its folders tell
    them apart.
    """
    if raw.has("model_name"):
        return str(raw.arrays["model_name"])
    stem = raw.path.stem
    return f"{raw.path.parent.name}/{stem}" if stem == "model" else stem


def _tensor(array: np.ndarray, dtype: torch.dtype) -> Tensor:
    """A copy in native byte order, which torch insists on."""
    # float64 only where it is wanted: files are large
    numpy_dtype = np.float64 if dtype == torch.float64 else np.float32
    return torch.tensor(np.ascontiguousarray(array, dtype=numpy_dtype), dtype=dtype)
