"""Draw a body: a small shaded renderer for the pictures of docs/body.md."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components
from scipy.spatial.transform import Rotation

from .model import Model
from .tables import INNER_LIPS
from .topology import vertex_normals

SKIN, EYE, PUPIL, MOUTH = (
    (0.86, 0.72, 0.63),
    (0.97, 0.97, 0.97),
    (0.15, 0.12, 0.1),
    (0.5, 0.22, 0.2),
)
BACKGROUND, SAMPLES, DISTANCE = 1.0, 2, 6.0
LIGHTS = (((0.4, 0.6, 0.7), 0.75), ((-0.8, 0.2, 0.4), 0.25), ((0.0, 0.3, -1.0), 0.1))


@dataclass(frozen=True)
class View:
    """Orbit angles in degrees, the point looked at and the height of the picture in metres."""

    yaw: float
    centre: tuple[float, float, float]
    height: float
    pitch: float = 0.0


def colours(model: Model) -> np.ndarray:
    """Vertex colours [V, 3]: skin, white eyeballs with dark pupils."""
    base = model.arrays["base_ids"]
    out = np.tile(SKIN, (len(base), 1))
    out[base >= 14598] = EYE
    rest = model.arrays["v_template"]
    for pupil in model.arrays["pupils"]:
        near = np.linalg.norm(rest - rest[pupil], axis=1) < 0.0058
        out[near & (base >= 14598)] = PUPIL
    out[mouth_inside(model)] = MOUTH
    return out


def mouth_inside(model: Model) -> np.ndarray:
    """Mask [V] of the skin behind the line where the lips meet, for colouring."""
    base, mirror = model.arrays["base_ids"], model.arrays["vert_sym_idxs"]
    edges = np.concatenate([model.faces[:, [0, 1]], model.faces[:, [1, 2]], model.faces[:, [2, 0]]])
    lips = np.flatnonzero(np.isin(base, INNER_LIPS))
    lips = np.union1d(lips, mirror[lips])
    edges = edges[~np.isin(edges, lips).any(1)]
    graph = sp.csr_array((np.ones(len(edges)), tuple(edges.T)), (len(base),) * 2)
    _, part = connected_components(graph, directed=False)
    rest = model.arrays["v_template"]
    behind = rest[lips].mean(0) - [0, 0, 0.03]
    distance = np.linalg.norm(rest - behind, axis=1) + (base >= 14598)
    return part == part[distance.argmin()]


def picture(vertices: np.ndarray, faces: np.ndarray, colour: np.ndarray, view: View, size: tuple[int, int]
            ) -> np.ndarray:  # fmt: skip
    """Shaded 8-bit BGR picture of (width, height) pixels on white."""
    width, height = size[0] * SAMPLES, size[1] * SAMPLES
    turn = Rotation.from_euler("xy", [view.pitch, view.yaw], degrees=True).as_matrix()
    points = (vertices - view.centre) @ turn.T
    normal = vertex_normals(points, faces)
    light = 0.3 + sum(
        power * np.clip(normal @ (np.array(d) / np.linalg.norm(d)), 0, 1) for d, power in LIGHTS
    )
    shaded = np.clip(colour * light[:, None], 0, 1)
    image = np.full((height, width, 3), BACKGROUND, np.float32)
    depth = np.full((height, width), 100.0, np.float32)
    settings = cv2.TriangleRasterizeSettings()
    settings.setCullingMode(cv2.RASTERIZE_CULLING_NONE)
    settings.setShadingType(cv2.RASTERIZE_SHADING_SHADED)
    points = points - [0, 0, DISTANCE]
    fov = 2 * np.arctan(view.height / 2 / DISTANCE)
    cv2.triangleRasterize(np.ascontiguousarray(points, np.float32), np.ascontiguousarray(faces, np.int32),
                          np.ascontiguousarray(shaded, np.float32), image, depth, np.eye(4, dtype=np.float32), fov,
                          1.0, 100.0, settings)  # fmt: skip
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return (255 * small[..., ::-1]).round().astype(np.uint8)


def label(image: np.ndarray, text: str) -> np.ndarray:
    """The picture with a caption under it."""
    strip = np.full((26, image.shape[1], 3), 255, np.uint8)
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.45
    (width, _), _ = cv2.getTextSize(text, font, scale, 1)
    cv2.putText(
        strip, text, ((image.shape[1] - width) // 2, 17), font, scale, (60, 60, 60), 1, cv2.LINE_AA
    )
    return np.concatenate([image, strip])


def grid(tiles: list[np.ndarray], columns: int) -> np.ndarray:
    """Tiles of one size side by side."""
    blank = np.full_like(tiles[0], 255)
    padded = tiles + [blank] * (-len(tiles) % columns)
    return np.concatenate(
        [np.concatenate(padded[i : i + columns], 1) for i in range(0, len(padded), columns)]
    )
