"""MediaPipe's face mesh (468 points, 478 with irises) as the 70 face points of OpenPose."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

# The 68 iBUG points in the mesh: each is the mean of two mesh points, often the same one twice.
# Derived from the chains of mediapipe/python/solutions/face_mesh_connections.py (Apache-2.0) and
# checked on photos.
_FACE_68 = (
    # jaw, the subject's right ear to the left: FACE_OVAL cut at equal arc lengths between 127 (eye
    # level) and the chin
    (127, 127), (234, 234), (93, 93), (132, 58), (58, 172), (136, 136), (149, 149), (176, 148),
    (152, 152), (377, 400), (378, 378), (365, 365), (397, 288), (288, 361), (323, 323), (454, 454),
    (356, 356),
    # brows, right outer to left outer: the middle between the upper and the lower row, whose edges
    # it has
    (70, 46), (63, 53), (105, 52), (66, 65), (107, 55),
    (336, 285), (296, 295), (334, 282), (293, 283), (300, 276),
    # nose: bridge from eye level down to the tip, then the base from the right nostril to the left
    (6, 6), (197, 195), (5, 5), (4, 4), (98, 98), (97, 97), (2, 2), (326, 326), (327, 327),
    # right eye: outer corner, upper lid, inner corner, lower lid; left eye: inner corner, upper,
    # outer corner, lower
    (33, 33), (160, 160), (158, 158), (133, 133), (153, 153), (144, 144),
    (362, 362), (385, 385), (387, 387), (263, 263), (373, 373), (380, 380),
    # outer lip: right corner, upper, left corner, lower; then the inner lip likewise
    (61, 61), (40, 40), (37, 37), (0, 0), (267, 267), (270, 270),
    (291, 291), (321, 321), (314, 314), (17, 17), (84, 84), (91, 91),
    (78, 78), (81, 81), (13, 13), (311, 311), (308, 308), (402, 402), (14, 14), (178, 178),
)  # fmt: skip
_PUPILS = (468, 473)  # iris centres, right then left, of the mesh with irises
MESH_COUNTS = (468, 478)


def face_of_mesh(mesh: Float[np.ndarray, "mesh 2"]) -> Float[np.ndarray, "70 2"]:
    """The face points (x, y) of a mesh of one of MESH_COUNTS; pupils are NaN where it has none."""
    pairs = np.array(_FACE_68)  # [68, 2]
    face = np.full((70, 2), np.nan)
    face[:68] = mesh[pairs].mean(1)
    if len(mesh) > max(_PUPILS):
        face[68:] = mesh[list(_PUPILS)]
    return face
