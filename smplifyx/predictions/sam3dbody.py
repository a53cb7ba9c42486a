"""SAM 3D Body: what its estimator gives back for each person, pickled, as an npz or as JSON.

The body is MHR's, which has no counterpart joint by joint in SMPL-X: points alone are read, the 70
of MHR's keypoints. The estimator's are in metres about the body's own origin, x right, y down, z
forward, and `pred_cam_t` carries them into the camera's frame. MHR's own tools count centimetres
and have y up: such points are told by their size and by which end of the body is up.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from ..keypoints import names
from ..keypoints.layouts import LAYOUTS, LayoutName
from .people import Found, People, boxes, find_people, holds_people, photo_of, vectors_under
from .poses import GivenPoses
from .prediction import Axes, Prediction
from .reader import PredictionFile
from .values import entry, has, numbers, texts

_LAYOUT = LAYOUTS[LayoutName.MHR_70]
_BESIDE = ("mhr_model_params", "pred_cam_t", "shape_params", "pred_joint_coords")
_LARGEST_METRES = 10.0  # from one end of a body to the other
_PER_METRE = 100.0
_TOP = tuple(names.POINT_INDEX[name] for name in ("nose", "neck"))
_BOTTOM = tuple(names.POINT_INDEX[name] for name in ("left_ankle", "right_ankle"))


def _is_person(value: object) -> bool:
    is_hmr2 = has(value, "pred_smpl_params")
    return has(value, "pred_keypoints_3d") and not is_hmr2 and entry(value, *_BESIDE) is not None


class Sam3dBodyReader:
    """People of one image or of many."""

    system = "sam3dbody"
    content = "SAM 3D Body outputs (.pkl, .npz, .json)"

    def recognises(self, file: PredictionFile) -> bool:
        """Whether there are keypoints beside MHR's parameters or the camera."""
        return holds_people(file.content, _is_person)

    def read(self, file: PredictionFile) -> Iterator[Prediction]:
        """Person after person; a list of lists is one of frames, an image has its file's name."""
        for found in find_people(file.content, _is_person):
            read: list[Prediction] = []
            with file.about(str(found)):
                read = list(_people(found, file).predictions(file))
            yield from read


def _people(found: Found, file: PredictionFile) -> People:
    value = found.value
    keypoints = numbers(value["pred_keypoints_3d"])
    if keypoints.ndim < 2 or keypoints.shape[-1] != 3 or keypoints.shape[-2] < _LAYOUT.points:
        shape = list(keypoints.shape)[:8]
        raise ValueError(f"pred_keypoints_3d of shape {shape}, expected (70, 3)")
    keypoints = keypoints.reshape(-1, keypoints.shape[-2], 3)[:, : _LAYOUT.points]
    rows = len(keypoints)
    points = _to_metres(_canonical(keypoints), file, str(found))
    shift = vectors_under(value, rows, "pred_cam_t")
    if shift is not None and shift.shape[1] == 3 and np.isfinite(shift).all():
        points = points + shift[:, None]
    photo = photo_of(entry(value, "image_path", "img_path", "file_name", "image")) or found.photo
    photo = photo or ("" if found.frame is not None else file.base_name)
    return People(
        Sam3dBodyReader.system,
        GivenPoses.nothing(rows),
        Axes.CAMERA,
        "mhr",
        betas=vectors_under(value, rows, "shape_params"),
        boxes=boxes(entry(value, "bbox"), rows),
        points=points,
        photos=[photo],
        frames=[found.frame],
        ids=texts(entry(value, "person_id", "track_id")) or [found.person_id],
    )


def _canonical(given: Float[np.ndarray, "rows 70 3"]) -> Float[np.ndarray, "rows 137 3"]:
    """The canonical points, NaN where MHR has none; the middle hip is the mean of the hips."""
    points = np.where(_LAYOUT.is_absent, np.nan, given[:, _LAYOUT.picked])
    for midpoint in _LAYOUT.midpoints:
        points[:, midpoint.target] = (points[:, midpoint.first] + points[:, midpoint.second]) / 2
    return points


def _to_metres(
    points: Float[np.ndarray, "rows 137 3"], file: PredictionFile, whom: str
) -> Float[np.ndarray, "rows 137 3"]:
    """Points in metres with y down, from centimetres perhaps with y up."""
    whole = points[np.isfinite(points).all(-1)]
    if not len(whole) or np.ptp(whole, axis=0).max() <= _LARGEST_METRES:
        return points
    points = points / _PER_METRE
    has_y_up = _mean_y(points, _TOP) > _mean_y(points, _BOTTOM)
    file.note(f"{whom}: centimetres{' with y up' if has_y_up else ''}, read as such")
    return points * np.array([1.0, -1.0, -1.0]) if has_y_up else points


def _mean_y(points: Float[np.ndarray, "rows 137 3"], places: tuple[int, ...]) -> float:
    """Of some points, as far as they are told."""
    given = points[:, places, 1]
    given = given[np.isfinite(given)]
    return float(given.mean()) if len(given) else 0.0
