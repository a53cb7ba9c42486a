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
    (0.66, 0.76, 0.88), (0.95, 0.76, 0.53), (0.58, 0.80, 0.71), (0.88, 0.69, 0.81),
    (0.94, 0.89, 0.62), (0.47, 0.61, 0.81), (0.88, 0.58, 0.49), (0.80, 0.80, 0.80),
)  # fmt: skip


@dataclass(frozen=True)
class Lights:
    """A key light, light from the sky and the ground, and a rim at grazing angles; directions point
    to the light.
    """

    key: tuple[float, float, float] = (-0.50, -0.70, -0.62)
    key_power: float = 0.50
    sky: float = 0.64
    ground: float = 0.36
    rim: float = 0.16
    gloss: float = 0.08


@dataclass(frozen=True)
class DepthCue:
    """How strongly a surface darkens just behind another one, and over which distances (metres)."""

    strength: float = 0.42
    spread: float = 0.05
    full_at: float = 0.22


def person_colour(index: int) -> Colour:
    """The default colour of the index-th person of a photo."""
    return PALETTE[index % len(PALETTE)]


def vertex_normals(
    vertices: Float[np.ndarray, "v 3"], faces: Integer[np.ndarray, "f 3"]
) -> Float[np.ndarray, "v 3"]:
    """Unit normals averaged over the faces around each vertex by area; zero where a vertex has no
    face.
    """
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    around = np.repeat(np.cross(b - a, c - a), 3, axis=0)
    corner = faces.ravel()
    summed = np.stack([np.bincount(corner, around[:, i], len(vertices)) for i in range(3)], 1)
    return summed / np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-20)


def shade(
    vertices: Float[np.ndarray, "v 3"],
    faces: Integer[np.ndarray, "f 3"],
    colour: Colour | Float[np.ndarray, "v 3"],
    lights: Lights = Lights(),
) -> Float[np.ndarray, "v 3"]:
    """Lit colours 0..1 of the vertices of a body, as seen from the origin (the camera, y down).

    colour: one for all vertices, or one for each.
    """
    normals = vertex_normals(vertices, faces)
    view = -vertices / np.maximum(np.linalg.norm(vertices, axis=1, keepdims=True), 1e-9)
    key = np.array(lights.key) / np.linalg.norm(lights.key)
    half = key + view
    half /= np.maximum(np.linalg.norm(half, axis=1, keepdims=True), 1e-9)
    up = 0.5 - 0.5 * normals[:, 1]
    light = (
        lights.ground
        + (lights.sky - lights.ground) * up
        + lights.key_power * np.clip(normals @ key, 0, None)
    )
    facing = np.clip((normals * view).sum(1), 0, 1)
    shine = (
        lights.rim * (1 - facing) ** 3 * up
        + lights.gloss * np.clip((normals * half).sum(1), 0, None) ** 24
    )
    return np.clip(np.array(colour) * light[:, None] + shine[:, None], 0, 1).astype(np.float32)


def add_depth_cue(layer: Layer, focal: float, cue: DepthCue = DepthCue()) -> Layer:
    """Darkens what lies just behind something nearer, so that crossing limbs and people come apart.

    The depth is compared with its own blur (Luft, Colditz and Deussen 2006, "Image enhancement by
    unsharp masking the depth buffer"); `focal` in pixels turns the cue's width from metres into
    pixels.
    """
    drawn = np.isfinite(layer.depth)
    if not drawn.any():
        return layer
    depth = np.where(drawn, layer.depth, 0).astype(np.float32)
    sigma = float(
        np.clip(focal * cue.spread / np.median(layer.depth[drawn]), 1.0, 0.1 * max(depth.shape) + 1)
    )
    around = _blur(depth, sigma) / np.maximum(_blur(drawn.astype(np.float32), sigma), 1e-3)
    behind = np.clip((depth - around) / cue.full_at, 0, 1)
    behind = cv2.GaussianBlur(behind, (3, 3), 0.7)  # depth has no anti-aliasing of its own
    return replace(layer, colour=layer.colour * (1 - cue.strength * behind)[..., None])


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur, at a lower resolution where it is wide."""
    height, width = image.shape
    step = max(1, min(int(sigma / 2), height, width))
    small = cv2.resize(
        image, (max(1, width // step), max(1, height // step)), interpolation=cv2.INTER_AREA
    )
    return cv2.resize(
        cv2.GaussianBlur(small, (0, 0), sigma / step),
        (width, height),
        interpolation=cv2.INTER_LINEAR,
    )
