"""Which joints and vertices of a model are the canonical 137 points, by name."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import torch

from ...keypoints import names
from ..joints import BodyKind, joint_names
from ..model import PointTable
from .raw import RawBody

CONTOUR_YAWS = 79  # rows of the contour's look-up table
LANDMARKS = 51  # brows, nose, eyes, lips: OpenPose face points 17..67

_TIPS = tuple(f"{side}_{finger}_4" for side in ("left", "right") for finger in names.FINGERS)
EXTRA_POINT_NAMES: tuple[str, ...] = (
    "nose", "right_eye", "left_eye", "right_ear", "left_ear", "left_big_toe", "left_small_toe", "left_heel",
    "right_big_toe", "right_small_toe", "right_heel", *_TIPS,
)  # fmt: skip
_SMPL_VERTICES = (
    332, 6260, 2800, 4071, 583, 3216, 3226, 3387, 6617, 6624, 6787,
    2746, 2319, 2445, 2556, 2673, 6191, 5782, 5905, 6016, 6133,
)  # fmt: skip
_SMPLX_VERTICES = (
    9120, 9929, 9448, 616, 6, 5770, 5780, 8846, 8463, 8474, 8635,
    5361, 4933, 5058, 5169, 5286, 8079, 7669, 7794, 7905, 8022,
)  # fmt: skip
# Vertex ids of EXTRA_POINT_NAMES in the published topologies, for files that do not name theirs in
# `extra_points`.
DEFAULT_VERTICES = MappingProxyType(
    {BodyKind.SMPLX: _SMPLX_VERTICES, BodyKind.SMPLH: _SMPL_VERTICES, BodyKind.SMPL: _SMPL_VERTICES}
)

# Detectors define these by other points: their "neck" is the middle of the shoulders, not a
# vertebra.
JOINT_RULES = MappingProxyType(
    {"neck": ("left_shoulder", "right_shoulder"), "mid_hip": ("left_hip", "right_hip")}
    | {f"{side}_hand_wrist": (f"{side}_wrist",) for side in ("left", "right")}
    | {
        f"{side}_{finger}_{i}": (f"{side}_{finger}{i}",)
        for side in ("left", "right") for finger in names.FINGERS for i in (1, 2, 3)
    }
)  # fmt: skip
PUPILS = ("right_pupil", "left_pupil")


def point_table(raw: RawBody, kind: BodyKind, faces: np.ndarray, dtype: torch.dtype) -> PointTable:
    """The canonical points of a model whose triangles are `faces` [F, 3].

    Vertices come from the file's `extra_points` (21 ids in the order of EXTRA_POINT_NAMES) and
    `pupils` (right, left), else from DEFAULT_VERTICES. Raises BodyFileError where an id or a
    landmark lies outside the model.
    """
    joints = len(joint_names(kind))
    rows = _joint_rows(kind) | _vertex_rows(raw, kind, joints)
    if kind is BodyKind.SMPLX:
        rows |= _landmark_rows(raw, faces, joints)
    contour_sources, contour_coefficients = _contour(raw, kind, faces, joints)
    if len(contour_sources):
        at = names.POINT_NAMES[names.CONTOUR]
        rows |= {
            name: (contour_sources[0, i], contour_coefficients[0, i]) for i, name in enumerate(at)
        }
    table = [rows.get(name, (_ROOT, _WHOLE)) for name in names.POINT_NAMES]
    return PointTable(
        sources=torch.as_tensor(np.array([sources for sources, _ in table]), dtype=torch.int64),
        coefficients=torch.as_tensor(
            np.array([coefficients for _, coefficients in table]), dtype=dtype
        ),
        known=torch.tensor([name in rows for name in names.POINT_NAMES]),
        contour_sources=torch.as_tensor(contour_sources, dtype=torch.int64),
        contour_coefficients=torch.as_tensor(contour_coefficients, dtype=dtype),
    )


_Row = tuple[np.ndarray, np.ndarray]  # three sources and their coefficients
_ROOT, _WHOLE = np.zeros(3, dtype=np.int64), np.array([1.0, 0.0, 0.0])


def _joint_rows(kind: BodyKind) -> dict[str, _Row]:
    """Points that are a joint of the same name, or the mean of the joints that their rule names."""
    skeleton = {name: i for i, name in enumerate(joint_names(kind))}
    rows = {}
    for name in names.POINT_NAMES:
        parts = [skeleton[part] for part in JOINT_RULES.get(name, (name,)) if part in skeleton]
        if parts and _shows(kind, name):
            share = [1 / len(parts)] * len(parts) + [0.0] * (3 - len(parts))
            rows[name] = (np.array(parts + parts[:1] * (3 - len(parts))), np.array(share))
    return rows


def _shows(kind: BodyKind, name: str) -> bool:
    """SMPL has no hands: its wrist is a body point, but not the root of a hand that could be seen."""
    return kind is not BodyKind.SMPL or name in names.BODY_NAMES


def _vertex_rows(raw: RawBody, kind: BodyKind, joints: int) -> dict[str, _Row]:
    """Points that are vertices: nose, eyes, ears, feet, fingertips, and the pupils of a model with
    a face.
    """
    count = len(raw.array("v_template", (None, 3)))
    if raw.has("extra_points"):
        ids = raw.indices("extra_points", (len(EXTRA_POINT_NAMES),), count)
    else:
        ids = np.array(DEFAULT_VERTICES[kind])
        if ids.max() >= count:
            raise raw.fault(
                "v_template",
                f"{count} vertices",
                f"more than {ids.max()}, or `extra_points` with 21 ids",
            )
    vertices = dict(zip(EXTRA_POINT_NAMES, ids, strict=True))
    if kind is BodyKind.SMPLX:
        eyes = vertices["right_eye"], vertices["left_eye"]
        pupils = raw.indices("pupils", (2,), count) if raw.has("pupils") else eyes
        vertices |= dict(zip(PUPILS, pupils, strict=True))
    return {
        name: (np.full(3, joints + v), _WHOLE) for name, v in vertices.items() if _shows(kind, name)
    }


def _landmark_rows(raw: RawBody, faces: np.ndarray, joints: int) -> dict[str, _Row]:
    if not raw.has("lmk_faces_idx"):
        return {}
    triangles = raw.indices("lmk_faces_idx", (LANDMARKS,), len(faces))
    coefficients = _barycentric(raw, "lmk_bary_coords", (LANDMARKS, 3))
    at = names.POINT_NAMES[names.CONTOUR.stop : names.CONTOUR.stop + LANDMARKS]
    return dict(zip(at, zip(faces[triangles] + joints, coefficients, strict=True), strict=True))


def _contour(raw: RawBody, kind: BodyKind, faces: np.ndarray, joints: int) -> _Row:
    """Sources and coefficients [79, 17, 3] of the face contour; [0, 17, 3] where the file has none."""
    count = names.CONTOUR.stop - names.CONTOUR.start
    if kind is not BodyKind.SMPLX or not raw.has("dynamic_lmk_faces_idx"):
        return np.zeros((0, count, 3), dtype=np.int64), np.zeros((0, count, 3))
    triangles = raw.indices("dynamic_lmk_faces_idx", (CONTOUR_YAWS, count), len(faces))
    coefficients = _barycentric(raw, "dynamic_lmk_bary_coords", (CONTOUR_YAWS, count, 3))
    return faces[triangles] + joints, coefficients


def _barycentric(raw: RawBody, key: str, shape: tuple[int, ...]) -> np.ndarray:
    value = raw.array(key, shape).astype(np.float64)
    total = value.sum(-1)
    if np.abs(total - 1).max() > 1e-2:
        raise raw.fault(
            key,
            f"rows that sum to {total.min():.3g}..{total.max():.3g}",
            "barycentric rows (sum 1)",
        )
    return value
