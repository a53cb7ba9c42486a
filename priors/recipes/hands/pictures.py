"""Contact sheets of left hands: every pose from the back of the hand, the palm and the thumb's
side.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from smplifyx.body import skinning
from smplifyx.body.joints import JOINT_INDEX
from smplifyx.body.model import BodyModel
from smplifyx.body.params import BodyParams
from smplifyx.core import rotations
from smplifyx.viz.images import write_image
from smplifyx.viz.render import Renderer
from smplifyx.viz.scene import Figure, composite, draw_people

TILE, FOCAL, DISTANCE = 150, 900.0, 1.15  # pixels, pixels, metres
SKIN = (0.85, 0.66, 0.55)
# fingers to the right: back of the hand, palm, from the thumb
VIEWS = (("x", 90.0), ("x", -90.0), ("x", 0.0))
CENTRE = (0.1, -0.02, 0.0)  # metres from the wrist


def contact_sheet(
    body: BodyModel, poses: np.ndarray, labels: list[str], path: Path, columns: int = 5
) -> None:
    """Draw left-hand poses [n, 45] (axis-angle, radians) with their labels into a PNG."""
    hand = (body.weights[:, JOINT_INDEX["left_wrist"]] + body.weights[:, _fingers()].sum(1)) > 0.5
    faces = body.faces[hand[body.faces].all(1)].numpy()
    tiles = [
        _tile(_vertices(body, pose), faces, label)
        for pose, label in zip(poses, labels, strict=True)
    ]
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    rows = [np.concatenate(tiles[i : i + columns], 1) for i in range(0, len(tiles), columns)]
    write_image(path, np.concatenate(rows, 0))


def _fingers() -> list[int]:
    return list(range(JOINT_INDEX["left_index1"], JOINT_INDEX["left_thumb3"] + 1))


def _vertices(body: BodyModel, pose: np.ndarray) -> np.ndarray:
    params = BodyParams.zeros((), 0, 0, like=body.v_template)
    params = params.replace(left_hand_pose=torch.as_tensor(pose).to(body.v_template).reshape(15, 3))
    return (
        (skinning.vertices(body, params) - body.joint_template[JOINT_INDEX["left_wrist"]])
        .double()
        .numpy()
    )


def _tile(vertices: np.ndarray, faces: np.ndarray, label: str) -> np.ndarray:
    K = np.array([[FOCAL, 0, TILE / 2], [0, FOCAL, TILE / 2], [0, 0, 1]])
    shots = []
    for axis, degrees in VIEWS:
        turn = rotations.about(
            axis, np.radians(degrees), torch.zeros(1, dtype=torch.float64)
        ).numpy()
        seen = (vertices - CENTRE) @ turn.T * (1, -1, -1) + (0, 0, DISTANCE)
        layer = draw_people([Figure(SKIN, seen)], faces, K, (TILE, TILE), Renderer.SOFTWARE)
        shots.append(composite(np.full((TILE, TILE, 3), 245, np.uint8), layer))
    tile = np.concatenate(shots, 1)
    cv2.putText(tile, label, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (20, 20, 20), 1, cv2.LINE_AA)
    tile[-1], tile[:, -1] = 200, 200
    return tile
