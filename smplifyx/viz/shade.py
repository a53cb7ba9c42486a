"""Light and colour: what makes a grey body on a photo readable."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float, Integer

from .raster import Layer

Colour = tuple[float, float, float]

# The hues of Okabe and Ito (2008, "Color Universal Design"), softened; they also differ in
# lightness.
PALETTE: tuple[Colour, ...] = (
    (0.66, 0.76, 0.88),
    (0.95, 0.76, 0.53),
    (0.58, 0.80, 0.71),
    (0.88, 0.69, 0.81),
    (0.94, 0.89, 0.62),
    (0.47, 0.61, 0.81),
    (0.88, 0.58, 0.49),
    (0.80, 0.80, 0.80),
)


@dataclass(frozen=True)
class Lights:
    """A key light, light from the sky and the ground, a rim at grazing angles and a highlight.

    key: direction to the key light, of any length, in the camera's frame (y down).
    The others are brightnesses, where 1 shows the body's own colour.
    """

    key: tuple[float, float, float] = (-0.50, -0.70, -0.62)
    key_power: float = 0.50
    sky: float = 0.64
    ground: float = 0.36
    rim: float = 0.16
    gloss: float = 0.08


@dataclass(frozen=True)
class DepthCue:
    """How surfaces darken just behind others.

    strength: the share 0..1 of the light that goes at most.
    spread: metres around an edge within which its back darkens.
    full_at: metres behind at which the darkening is full.
    """

    strength: float = 0.42
    spread: float = 0.05
    full_at: float = 0.22


def person_colour(index: int) -> Colour:
    """The default colour of the index-th person of a photo."""
    return PALETTE[index % len(PALETTE)]


def vertex_normals(
    vertices: Float[np.ndarray, "v 3"], faces: Integer[np.ndarray, "f 3"]
) -> Float[np.ndarray, "v 3"]:
    """Unit normals, averaged over the faces around each vertex by area.

    Zero where a vertex has no face.
    """
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    # the length of the cross product is twice the area: summing it weighs by area
    face_normals = np.cross(b - a, c - a)
    corner_normals = np.repeat(face_normals, 3, axis=0)  # [3 F, 3], in the order of faces.ravel()
    sums = [np.bincount(faces.ravel(), corner_normals[:, axis], len(vertices)) for axis in range(3)]
    return _unit(np.stack(sums, 1), smallest=1e-20)


def shade(
    vertices: Float[np.ndarray, "v 3"],
    faces: Integer[np.ndarray, "f 3"],
    colour: Colour | Float[np.ndarray, "v 3"],
    lights: Lights = Lights(),
) -> Float[np.ndarray, "v 3"]:
    """Lit colours 0..1 of the vertices of a body, as seen from the origin.

    Args:
        vertices: metres in the camera's frame; the camera is at the origin, y points down.
        faces: indices of vertices.
        colour: RGB 0..1, one for all vertices or one for each.
        lights: where the light comes from and how strong it is.
    """
    normals = vertex_normals(vertices, faces)
    to_camera = _unit(-vertices, smallest=1e-9)
    to_key = np.array(lights.key) / np.linalg.norm(lights.key)
    halfway = _unit(to_key + to_camera, smallest=1e-9)

    upwards = 0.5 - 0.5 * normals[:, 1]  # 1: faces the sky, 0: faces the ground
    from_key = np.clip(normals @ to_key, 0, None)
    light = lights.ground + (lights.sky - lights.ground) * upwards + lights.key_power * from_key

    facing = np.clip((normals * to_camera).sum(1), 0, 1)
    rim = lights.rim * (1 - facing) ** 3 * upwards
    highlight = lights.gloss * np.clip((normals * halfway).sum(1), 0, None) ** 24
    shine = rim + highlight
    lit = np.array(colour) * light[:, None] + shine[:, None]
    return np.clip(lit, 0, 1).astype(np.float32)


def add_depth_cue(layer: Layer, focal: float, cue: DepthCue = DepthCue()) -> Layer:
    """Darkens what lies just behind something nearer, so that crossing limbs and people come apart.

    The depth is compared with its own blur (Luft, Colditz and Deussen 2006, "Image enhancement by
    unsharp masking the depth buffer"). `focal` in pixels turns the cue's spread from metres into
    pixels.
    """
    drawn = np.isfinite(layer.depth)
    if not drawn.any():
        return layer
    depth = np.where(drawn, layer.depth, 0).astype(np.float32)
    spread_px = focal * cue.spread / np.median(layer.depth[drawn])
    sigma = float(np.clip(spread_px, 1.0, 0.1 * max(depth.shape) + 1))
    # the mean over the drawn pixels alone: the blurred depth by the blurred share that is drawn
    drawn_share = np.maximum(_blur(drawn.astype(np.float32), sigma), 1e-3)
    around = _blur(depth, sigma) / drawn_share
    behind = np.clip((depth - around) / cue.full_at, 0, 1)
    behind = cv2.GaussianBlur(behind, (3, 3), 0.7)  # depth has no anti-aliasing of its own
    kept_light = 1 - cue.strength * behind
    return replace(layer, colour=layer.colour * kept_light[..., None])


def _unit(vectors: Float[np.ndarray, "v 3"], smallest: float) -> Float[np.ndarray, "v 3"]:
    """Vectors at length one; those shorter than `smallest` stay short."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), smallest)


def _blur(image: Float[np.ndarray, "h w"], sigma: float) -> Float[np.ndarray, "h w"]:
    """Gaussian blur of `sigma` pixels, at a lower resolution where it is wide."""
    height, width = image.shape
    step = max(1, min(int(sigma / 2), height, width))  # pixels that become one
    small_width = max(1, width // step)
    small_height = max(1, height // step)
    small = cv2.resize(image, (small_width, small_height), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (0, 0), sigma / step)
    return cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR)
