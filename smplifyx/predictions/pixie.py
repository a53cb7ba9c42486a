"""PIXIE: `NAME_param.pkl`, one person of one image.

The demo decodes before it saves: `body_pose` is relative then. Without it the body is put together
as PIXIE does, from parts of which head and wrists are told against the camera, not their parents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import Float

from ..body.joints import BodyKind, parents
from .people import People, boxes, vectors_under
from .poses import BODY, ROOT, GivenPoses, matrices, rows_of
from .prediction import Axes, Prediction
from .reader import PredictionFile
from .values import has, numbers

_PARTS = 17  # joints of the body but for neck, head and wrists
_NECK, _HEAD, _LEFT_WRIST, _RIGHT_WRIST = 12, 15, 20, 21
_PARENTS = parents(BodyKind.SMPLX)


class PixieReader:
    """One person, decoded or not."""

    system = "pixie"
    content = "PIXIE parameters (_param.pkl)"

    def recognises(self, file: PredictionFile) -> bool:
        """Whether there are PIXIE's own names for root and body."""
        return has(file.content, "global_pose") and (
            has(file.content, "partbody_pose") or has(file.content, "abs_head_pose")
        )

    def read(self, file: PredictionFile) -> Iterator[Prediction]:
        """The one person, or the rows of a batch."""
        content = file.content
        assert isinstance(content, Mapping)  # as recognised
        if numbers(content["global_pose"]).shape[-2:] != (3, 3):
            raise ValueError("codes of PIXIE before they are decoded: save them after decode()")
        rows = numbers(content["global_pose"]).size // 9
        poses = GivenPoses.nothing(rows)
        root = matrices(content["global_pose"], 1, rows)
        poses.put(ROOT, root)
        if has(content, "body_pose"):
            poses.put_parts(content, "body_pose")
        else:
            poses.put(BODY, _relative(root, _body(content, rows)))
        poses.put_parts(content, "jaw_pose", "left_hand_pose", "right_hand_pose")
        people = People(
            self.system,
            poses,
            Axes.CROP,
            "smplx",
            betas=vectors_under(content, rows, "shape"),
            expressions=vectors_under(content, rows, "exp"),
            boxes=boxes(content.get("bbox"), rows),
            photos=[file.base_name.removesuffix("_param")],
        )
        yield from people.predictions(file)


def _body(content: Mapping[str, object], rows: int) -> Float[np.ndarray, "rows 21 3 3"]:
    """The 21 joints in SMPL-X's order, head and wrists still told against the camera."""
    if rows_of(content["partbody_pose"], _PARTS) != rows:
        raise ValueError("partbody_pose is not of as many people as global_pose")
    part = matrices(content["partbody_pose"], _PARTS, rows)
    single = {
        name: matrices(content[name], 1, rows)
        for name in ("neck_pose", "head_pose", "left_wrist_pose", "right_wrist_pose")
    }
    return np.concatenate(
        [
            part[:, :11],
            single["neck_pose"],
            part[:, 11:13],
            single["head_pose"],
            part[:, 13:],
            single["left_wrist_pose"],
            single["right_wrist_pose"],
        ],
        axis=1,
    )


def _relative(
    root: Float[np.ndarray, "rows 1 3 3"], body: Float[np.ndarray, "rows 21 3 3"]
) -> Float[np.ndarray, "rows 21 3 3"]:
    """The body with head and wrists told against their parents, too."""
    local = np.concatenate([root, body], axis=1)
    made = body.copy()
    for joint in (_HEAD, _LEFT_WRIST, _RIGHT_WRIST):
        above = np.tile(np.eye(3), (len(body), 1, 1))
        parent = _PARENTS[joint]
        while parent >= 0:
            above = local[:, parent] @ above
            parent = _PARENTS[parent]
        made[:, joint - 1] = np.swapaxes(above, -1, -2) @ local[:, joint]
    return made
