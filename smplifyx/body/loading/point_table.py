"""Which joints and vertices of a model are the canonical 137 points, by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch

from ...core.choices import Detector, by_word
from ...keypoints import names
from ..joints import BodyKind, joint_names
from ..model import PointTable
from .raw import RawBody

_VERTEX = re.compile("0|[1-9][0-9]{0,8}")  # the number of one, as a part of a mixture
CONTOUR_YAWS = 79  # lines of the contour's look-up table
LANDMARKS = 51  # brows, nose, eyes, lips: OpenPose face points 17..67

_TIPS = tuple(f"{side}_{finger}_4" for side in ("left", "right") for finger in names.FINGERS)
EXTRA_POINT_NAMES: tuple[str, ...] = (
    "nose", "right_eye", "left_eye", "right_ear", "left_ear",
    "left_big_toe", "left_small_toe", "left_heel",
    "right_big_toe", "right_small_toe", "right_heel",
    *_TIPS,
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
PUPILS = ("right_pupil", "left_pupil")


def _joint_rules() -> dict[str, tuple[str, ...]]:
    rules: dict[str, tuple[str, ...]] = {
        "neck": ("left_shoulder", "right_shoulder"),
        "mid_hip": ("left_hip", "right_hip"),
    }
    for side in ("left", "right"):
        rules[f"{side}_hand_wrist"] = (f"{side}_wrist",)
        for finger in names.FINGERS:
            for number in (1, 2, 3):
                rules[f"{side}_{finger}_{number}"] = (f"{side}_{finger}{number}",)
    return rules


# Points that are the mean of joints of other names. Detectors define their "neck" by other points:
# it is the middle of the shoulders, not a vertebra.
JOINT_RULES = MappingProxyType(_joint_rules())


class _PointSources(NamedTuple):
    """One point as the weighted sum of three joints or vertices, or many of them."""

    sources: np.ndarray  # int64 [..., 3], joints followed by vertices
    coefficients: np.ndarray  # float64 [..., 3]


_WHOLE = np.array([1.0, 0.0, 0.0])
_UNKNOWN = _PointSources(np.zeros(3, dtype=np.int64), _WHOLE)  # the root, of no meaning


def point_table(
    raw: RawBody, kind: BodyKind, faces: np.ndarray, dtype: torch.dtype, detector: Detector | None
) -> PointTable:
    """The canonical points of a model whose triangles are `faces` [F, 3], where a detector looks;
    None: where the model's format has them, as every program that reads its files does.

    Vertices come from the file's `extra_points` (21 ids in the order of EXTRA_POINT_NAMES) and
    `pupils` (right, left), else from DEFAULT_VERTICES. Where a detector looks elsewhere, the file
    may say so: `point_names` [n] are mixtures of `point_parts` [n, 3] with `point_shares` [n, 3],
    which sum to 1; a part is a usual point, a joint, or the number of a vertex. `point_detectors`
    [n] says whose they are; "", or none in the file: everybody's, but for those who have their own.
    Raises BodyFileError where an id or a landmark lies outside the model, or a mixture is of no
    points of it.
    """
    joints = len(joint_names(kind))
    found = _joint_points(kind) | _vertex_points(raw, kind, joints)
    if kind is BodyKind.SMPLX:
        found |= _landmark_points(raw, faces, joints)
    contour = _contour(raw, kind, faces, joints)
    if len(contour.sources):
        front = zip(contour.sources[0], contour.coefficients[0], strict=True)
        contour_names = names.POINT_NAMES[names.CONTOUR]
        for name, (sources, coefficients) in zip(contour_names, front, strict=True):
            found[name] = _PointSources(sources, coefficients)

    if detector is not None:
        found |= _mixed_points(raw, found, kind, detector)

    lines = [found.get(name, _UNKNOWN) for name in names.POINT_NAMES]
    sources = np.array([line.sources for line in lines])
    coefficients = np.array([line.coefficients for line in lines])
    return PointTable(
        sources=torch.as_tensor(sources, dtype=torch.int64),
        coefficients=torch.as_tensor(coefficients, dtype=dtype),
        known=torch.tensor([name in found for name in names.POINT_NAMES]),
        contour_sources=torch.as_tensor(contour.sources, dtype=torch.int64),
        contour_coefficients=torch.as_tensor(contour.coefficients, dtype=dtype),
    )


def _joint_points(kind: BodyKind) -> dict[str, _PointSources]:
    """Points that are a joint of the same name, or the mean of the joints that their rule names."""
    skeleton = {name: i for i, name in enumerate(joint_names(kind))}
    found: dict[str, _PointSources] = {}
    for name in names.POINT_NAMES:
        rule = JOINT_RULES.get(name, (name,))
        parts = [skeleton[part] for part in rule if part in skeleton]
        if not parts or not _shows(kind, name):
            continue
        unused = 3 - len(parts)
        sources = parts + parts[:1] * unused
        coefficients = [1 / len(parts)] * len(parts) + [0.0] * unused
        found[name] = _PointSources(np.array(sources), np.array(coefficients))
    return found


def _shows(kind: BodyKind, name: str) -> bool:
    """Whether a model has a point of this name.

    SMPL has no hands: its wrist is a body point, but not the root of a hand that could be seen.
    """
    return kind is not BodyKind.SMPL or name in names.BODY_NAMES


def _vertex_points(raw: RawBody, kind: BodyKind, joints: int) -> dict[str, _PointSources]:
    """Points that are vertices: nose, eyes, ears, feet, fingertips, and the pupils of a model with
    a face.
    """
    count = len(raw.array("v_template", (None, 3)))
    if raw.has("extra_points"):
        ids = raw.indices("extra_points", (len(EXTRA_POINT_NAMES),), count)
    else:
        ids = np.array(DEFAULT_VERTICES[kind])
        if ids.max() >= count:
            expected = f"more than {ids.max()}, or `extra_points` with 21 ids"
            raise raw.fault("v_template", f"{count} vertices", expected)
    vertices = dict(zip(EXTRA_POINT_NAMES, ids.tolist(), strict=True))
    if kind is BodyKind.SMPLX:
        pupils = [vertices["right_eye"], vertices["left_eye"]]
        if raw.has("pupils"):
            pupils = raw.indices("pupils", (2,), count).tolist()
        vertices |= dict(zip(PUPILS, pupils, strict=True))

    found: dict[str, _PointSources] = {}
    for name, vertex in vertices.items():
        if _shows(kind, name):
            found[name] = _PointSources(np.full(3, joints + vertex), _WHOLE)
    return found


def _landmark_points(raw: RawBody, faces: np.ndarray, joints: int) -> dict[str, _PointSources]:
    """Points on triangles: brows, nose, eyes and lips; none where the file has none."""
    if not raw.has("lmk_faces_idx"):
        return {}
    triangles = raw.indices("lmk_faces_idx", (LANDMARKS,), len(faces))
    sources = faces[triangles] + joints
    coefficients = _barycentric(raw, "lmk_bary_coords", (LANDMARKS, 3))
    first = names.CONTOUR.stop  # the landmarks come right behind the contour
    landmarks = names.POINT_NAMES[first : first + LANDMARKS]
    return {name: _PointSources(sources[i], coefficients[i]) for i, name in enumerate(landmarks)}


def _mixed_points(
    raw: RawBody, usual: Mapping[str, _PointSources], kind: BodyKind, detector: Detector
) -> dict[str, _PointSources]:
    """The points that the file defines as mixtures for the detector; none where it defines none."""
    if not raw.has("point_names"):
        return {}
    wanted = raw.strings("point_names", (None,))
    parts = raw.strings("point_parts", (len(wanted), 3))
    shares = _barycentric(raw, "point_shares", (len(wanted), 3))
    count = len(raw.array("v_template", (None, 3)))
    skeleton = {name: joint for joint, name in enumerate(joint_names(kind))}
    # a mean of several has no room in a mixture of three: "neck" is the joint
    single = {
        name: int(point.sources[0])
        for name, point in usual.items()
        if np.array_equal(point.coefficients, _WHOLE)
    }
    source_of = skeleton | single

    def source(part: str) -> int:
        if part in source_of:
            return source_of[part]
        if _VERTEX.fullmatch(part) and int(part) < count:
            return len(skeleton) + int(part)
        expected = "points that are a joint or a vertex, joints, or numbers of vertices"
        raise raw.fault("point_parts", repr(part), expected)

    everybodys: dict[str, _PointSources] = {}
    own: dict[str, _PointSources] = {}
    owners = _owners(raw, len(wanted))
    for name, parts_of_it, its_shares, owner in zip(wanted, parts, shares, owners, strict=True):
        if name not in names.POINT_INDEX:
            raise raw.fault("point_names", repr(str(name)), "names of keypoints")
        mixture = _PointSources(np.array([source(str(part)) for part in parts_of_it]), its_shares)
        if owner is None:
            everybodys[str(name)] = mixture
        elif owner is detector:
            own[str(name)] = mixture
    return everybodys | own


def _owners(raw: RawBody, count: int) -> list[Detector | None]:
    """The detector of each mixture, None for everybody's."""
    if not raw.has("point_detectors"):
        return [None] * count
    words = [str(word) for word in raw.strings("point_detectors", (count,))]
    try:
        return [by_word("detector", word, Detector) if word else None for word in words]
    except ValueError as error:
        raise raw.fault("point_detectors", str(error), "names of detectors, or none") from error


def _contour(raw: RawBody, kind: BodyKind, faces: np.ndarray, joints: int) -> _PointSources:
    """The face contour at each yaw, [79, 17, 3]; [0, 17, 3] where the file has none."""
    count = names.CONTOUR.stop - names.CONTOUR.start
    if kind is not BodyKind.SMPLX or not raw.has("dynamic_lmk_faces_idx"):
        return _PointSources(np.zeros((0, count, 3), dtype=np.int64), np.zeros((0, count, 3)))
    triangles = raw.indices("dynamic_lmk_faces_idx", (CONTOUR_YAWS, count), len(faces))
    coefficients = _barycentric(raw, "dynamic_lmk_bary_coords", (CONTOUR_YAWS, count, 3))
    return _PointSources(faces[triangles] + joints, coefficients)


def _barycentric(raw: RawBody, key: str, shape: tuple[int, ...]) -> np.ndarray:
    value = raw.array(key, shape).astype(np.float64)
    total = value.sum(-1)
    if np.abs(total - 1).max() > 1e-2:
        found = f"rows that sum to {total.min():.3g}..{total.max():.3g}"
        raise raw.fault(key, found, "barycentric rows (sum 1)")
    return value
