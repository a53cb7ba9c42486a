"""Scenes to draw, of spheres and rectangles, and the renderers that may be there."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
import trimesh

from smplifyx.camera import Camera
from smplifyx.viz import Renderer, person_colour, pyrender_backend, zbuffer
from smplifyx.viz.mesh import Mesh, join
from smplifyx.viz.raster import Layer
from smplifyx.viz.shade import shade

RED, GREEN, BLUE, BLACK = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, 0.0)
SIZE = (160, 120)
K = np.array([[130.0, 0, 83], [0, 140.0, 57], [0, 0, 1]])
CAMERA = Camera(K=torch.tensor(K), image_size=torch.tensor(SIZE, dtype=torch.float64))
PHOTO = np.full((SIZE[1], SIZE[0], 3), 200, np.uint8)
GL_PROBLEM = pyrender_backend.problem()
needs_gl = pytest.mark.skipif(GL_PROBLEM is not None, reason=str(GL_PROBLEM))
needs_opencv5 = pytest.mark.skipif(
    not hasattr(cv2, "triangleRasterize"), reason="OpenCV 4 has no triangleRasterize"
)
FILLS = [
    pytest.param(zbuffer.fill_numpy, id="numpy"),
    pytest.param(zbuffer.fill_opencv, id="opencv", marks=needs_opencv5),
]
RENDERERS = [Renderer.SOFTWARE, pytest.param(Renderer.PYRENDER, marks=needs_gl)]


def sphere(
    centre: tuple[float, float, float], radius: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    sphere = trimesh.creation.icosphere(subdivisions=3, radius=radius)
    return sphere.vertices + np.array(centre), np.asarray(sphere.faces)


def lit(vertices: np.ndarray, faces: np.ndarray, person: int = 0) -> Mesh:
    return Mesh(vertices, faces, shade(vertices, faces, person_colour(person)))


def scenes() -> dict[str, Mesh]:
    rod = trimesh.creation.capsule(height=1.0, radius=0.12)
    rod.apply_transform(trimesh.transformations.rotation_matrix(1.0, [1, 1, 0.3]))
    near, far = sphere((0.1, 0, 2.0)), sphere((0.5, 0.1, 2.6), 0.7)
    return {
        "sphere": lit(*sphere((0.2, -0.1, 2.0))),
        "rod": lit(np.asarray(rod.vertices) + (0, 0, 2.5), np.asarray(rod.faces)),
        "two spheres": join([lit(*near), lit(*far, person=1)]),
        "half outside": lit(*sphere((1.2, 0.9, 2.0))),
        "around the camera": lit(*sphere((0, 0, 0.45))),
    }


def filled(layer: Layer) -> np.ndarray:
    """The layer's coverage on the whole image."""
    alpha = np.zeros((SIZE[1], SIZE[0]), np.float32)
    alpha[layer.window] = layer.alpha
    return alpha


def quad(left: float, top: float, right: float, bottom: float, depth: float = 2.0) -> Mesh:
    """A white rectangle at one depth that covers these pixels."""
    corners = np.array([[left, top, 1], [right, top, 1], [right, bottom, 1], [left, bottom, 1.0]])
    return Mesh(
        corners @ np.linalg.inv(K).T * depth,
        np.array([[0, 1, 2], [0, 2, 3]]),
        np.ones((4, 3), np.float32),
    )
