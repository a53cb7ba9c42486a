"""NLF: what `detect_smpl_batched` gives back, saved as it is: lists by image of arrays by person.

Joints of SMPL or SMPL-X in millimetres in the camera's frame (in metres where somebody has divided
them), told straight (`joints3d_nonparam`) or by a fitted body (`joints3d`), and the fitted body's
axis-angles. SMPL's joints stand in for those of the same names in SMPL-X. The hands of a fitted
SMPL-X body are left out: nothing says whether their mean is included.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from ..body.joints import BodyKind, pose_index
from .people import People, boxes_of_corner, find_people, holds_people, joints_of, vectors
from .poses import BODY, ROOT, GivenPoses, matrices, of_smpl
from .prediction import JOINTS, Axes, Prediction
from .reader import PredictionFile
from .values import entry, numbers, shape_of

_JOINTS = ("joints3d_nonparam", "joints3d")
_BESIDE = ("joint_uncertainties", "vertices3d", "vertices3d_nonparam", "joints3d_nonparam")
_SKELETONS: Mapping[int, tuple[int, ...]] = {
    24: pose_index(BodyKind.SMPL),
    52: pose_index(BodyKind.SMPLH),
    55: pose_index(BodyKind.SMPLX),
}
_LARGEST_METRES = 20.0  # from one end of a body to the other
_PER_METRE = 1000.0


def _is_output(value: object) -> bool:
    return entry(value, *_JOINTS) is not None and entry(value, *_BESIDE) is not None


class NlfReader:
    """People of one image or of many."""

    system = "nlf"
    content = "NLF outputs (.pkl, .npz)"

    def recognises(self, file: PredictionFile) -> bool:
        """Whether there are joints beside what only NLF gives back."""
        return holds_people(file.content, _is_output)

    def read(self, file: PredictionFile) -> Iterator[Prediction]:
        """Image after image; where there are several, their places are the frames."""
        for found in find_people(file.content, _is_output):
            given = found.value
            images = _images(entry(given, *_JOINTS))
            for number, joints in enumerate(images):
                read: list[Prediction] = []
                with file.about(f"image {number}" if len(images) > 1 else str(found)):
                    frame = number if len(images) > 1 else found.frame
                    photo = found.photo or (file.base_name if frame is None else "")
                    read = list(_people(given, number, joints, frame, photo).predictions(file))
                yield from read


def _images(value: object) -> Sequence[object]:
    """The arrays [people, joints, 3] of each image; one image where there is no list of them."""
    if isinstance(value, np.ndarray):
        return list(value) if value.ndim == 4 else [value]
    if not isinstance(value, list):
        return []
    # a list of arrays [joints, 3] is one of people; an empty one, of an image without people
    shapes = [shape_of(each) for each in value if each is not None]
    is_of_images = any(len(shape) > 2 or 0 in shape for shape in shapes)
    return value if is_of_images else [value]


def _people(
    given: Mapping[str, object], number: int, joints: object, frame: int | None, photo: str
) -> People:
    poses = GivenPoses.nothing(0)
    if isinstance(joints, list) and len(joints) == 1:
        joints = joints[0]
    array = numbers(joints if joints is not None else [])
    if not array.size:
        return People(NlfReader.system, poses, Axes.CAMERA, "")  # nobody in the image
    if array.ndim < 2 or array.shape[-1] != 3:
        raise ValueError(f"joints of shape {list(array.shape)[:8]}")
    array = array.reshape(-1, array.shape[-2], 3)
    rows = len(array)
    pose = _of_image(given, "pose", number)
    poses = GivenPoses.nothing(rows) if pose is None else _poses(pose, rows)
    return People(
        NlfReader.system,
        poses,
        Axes.CAMERA,
        "smpl" if pose is not None and numbers(pose).size == rows * 72 else "smplx",
        betas=vectors(_of_image(given, "betas", number), rows),
        boxes=boxes_of_corner(_of_image(given, "boxes", number), rows),
        joints=_joints(array),
        photos=[photo],
        frames=[frame],
        ids=[str(row) for row in range(rows)],
    )


def _of_image(given: Mapping[str, object], name: str, number: int) -> object:
    """An image's arrays under another name; None where there are none."""
    value = entry(given, name)
    if isinstance(value, list) and number < len(value):
        found = value[number]
        return found[0] if isinstance(found, list) and len(found) == 1 else found
    return value if isinstance(value, np.ndarray) and number == 0 else None


def _poses(pose: object, rows: int) -> GivenPoses:
    """SMPL's 24 joints, or root and body of SMPL-X's 55."""
    if numbers(pose).size == rows * 24 * 3:
        return of_smpl(numbers(pose).reshape(rows, 72))
    given = matrices(numbers(pose).reshape(-1, 3), JOINTS, rows)
    poses = GivenPoses.nothing(rows)
    poses.put(slice(ROOT.start, BODY.stop), given[:, : BODY.stop])
    return poses


def _joints(array: Float[np.ndarray, "rows joints 3"]) -> Float[np.ndarray, "rows 55 3"]:
    """In metres. Raises ValueError for a skeleton that is not known."""
    count = array.shape[1]
    if count not in _SKELETONS:
        known = ", ".join(str(number) for number in _SKELETONS)
        raise ValueError(f"a skeleton of {count} joints, known are those of {known}")
    in_metres = max(_extent(person) for person in array) <= _LARGEST_METRES
    return joints_of(array if in_metres else array / _PER_METRE, _SKELETONS[count])


def _extent(joints: Float[np.ndarray, "joints 3"]) -> float:
    """From one end of a body to the other, along any axis; 0 where no joint is whole."""
    whole = joints[np.isfinite(joints).all(-1)]
    return float(np.ptp(whole, axis=0).max()) if len(whole) else 0.0
