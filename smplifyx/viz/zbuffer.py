"""Two ways to fill a depth buffer with triangles: OpenCV 5's own, and vectorised numpy where OpenCV
is older.

Both take corners already projected (u, v in pixels, depth in metres), sample at pixel centres
(pixel i spans [i, i+1)) and interpolate colours perspectively, so they give the same image up to
rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
from jaxtyping import Float, Integer

Corners = Float[np.ndarray, "v 3"]
Fill = Callable[
    [Corners, Integer[np.ndarray, "f 3"], Float[np.ndarray, "v 3"], tuple[int, int]],
    tuple[Float[np.ndarray, "h w"], Float[np.ndarray, "h w 3"]],
]
CHUNK = 1 << 20  # spans or pixels handled at once by the numpy fill: about 100 MB of temporaries


def best_fill() -> Fill:
    """The fastest fill that the installed OpenCV allows."""
    return fill_opencv if hasattr(cv2, "triangleRasterize") else fill_numpy


def fill_opencv(
    corners: Corners,
    faces: Integer[np.ndarray, "f 3"],
    colours: Float[np.ndarray, "v 3"],
    size: tuple[int, int],
) -> tuple[Float[np.ndarray, "h w"], Float[np.ndarray, "h w 3"]]:
    """Depth (inf = empty) and colour of (width, height) pixels by cv2.triangleRasterize (OpenCV 5
    or later).

    All corners must have a positive depth; colours must be in 0..1.
    """
    width, height = size
    used = corners[faces, 2]
    near, far = 0.5 * used.min(), 2.0 * used.max()
    focal = height / 2  # of OpenCV's camera for a field of view of 90 degrees
    depth = np.full((height, width), far, np.float32)
    image = np.zeros((height, width, 3), np.float32)
    u, v, z = corners.T
    points = np.stack([(u - width / 2) * z / focal, (height / 2 - v) * z / focal, -z], 1)
    settings = cv2.TriangleRasterizeSettings()
    settings.setCullingMode(cv2.RASTERIZE_CULLING_NONE)
    settings.setShadingType(cv2.RASTERIZE_SHADING_SHADED)
    cv2.triangleRasterize(
        np.ascontiguousarray(points, np.float32),
        np.ascontiguousarray(faces, np.int32),
        np.ascontiguousarray(colours, np.float32),
        image,
        depth,
        np.eye(4, dtype=np.float32),
        np.pi / 2,
        near,
        far,
        settings,
    )
    depth[depth > 0.75 * far] = np.inf
    return depth, image


def fill_numpy(
    corners: Corners,
    faces: Integer[np.ndarray, "f 3"],
    colours: Float[np.ndarray, "v 3"],
    size: tuple[int, int],
) -> tuple[Float[np.ndarray, "h w"], Float[np.ndarray, "h w 3"]]:
    """Depth (inf = empty) and colour of (width, height) pixels by scan lines in numpy.

    All corners must have a positive depth. Memory is bounded whatever the size of the triangles.
    """
    width, height = size
    nearness = np.zeros(width * height)  # 1/depth, affine in the image; 0 = empty
    owner = np.zeros(width * height, np.int64)
    triangles = corners[faces]
    slopes = _slopes(triangles)
    for face, pixel in _covered(triangles[..., :2], width, height):
        near = _nearness(triangles, slopes, face, pixel, width)
        np.maximum.at(nearness, pixel, near)
        won = near >= nearness[pixel]
        owner[pixel[won]] = face[won]
    drawn = np.flatnonzero(nearness)
    depth = np.full(width * height, np.inf, np.float32)
    depth[drawn] = 1 / nearness[drawn]
    image = np.zeros((width * height, 3), np.float32)
    for part in np.array_split(drawn, len(drawn) // CHUNK + 1):
        weights = _weights(triangles, slopes, owner[part], part, width)
        for corner in range(3):
            image[part] += weights[:, corner : corner + 1] * colours[faces[owner[part], corner]]
    return depth.reshape(height, width), image.reshape(height, width, 3)


def _slopes(triangles: np.ndarray) -> np.ndarray:
    """Per face the change of its second and third corner's weight per pixel, [f, 2 corners, 2
    axes].
    """
    edges = triangles[:, 1:, :2] - triangles[:, :1, :2]
    area = edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0]
    area = np.where(np.abs(area) < 1e-12, np.inf, area)[:, None]
    second = np.stack([edges[:, 1, 1], -edges[:, 1, 0]], 1) / area
    third = np.stack([-edges[:, 0, 1], edges[:, 0, 0]], 1) / area
    return np.stack([second, third], 1)


def _screen_weights(
    triangles: np.ndarray, slopes: np.ndarray, face: np.ndarray, pixel: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the second and third corner at pixel centres, kept within the triangle against
    rounding.
    """
    du = pixel % width + 0.5 - triangles[face, 0, 0]
    dv = pixel // width + 0.5 - triangles[face, 0, 1]
    second = np.clip(slopes[face, 0, 0] * du + slopes[face, 0, 1] * dv, 0, 1)
    third = np.clip(slopes[face, 1, 0] * du + slopes[face, 1, 1] * dv, 0, 1 - second)
    return second, third


def _nearness(
    triangles: np.ndarray, slopes: np.ndarray, face: np.ndarray, pixel: np.ndarray, width: int
) -> np.ndarray:
    second, third = _screen_weights(triangles, slopes, face, pixel, width)
    inverse = 1 / triangles[..., 2]
    first, rise = inverse[:, 0], inverse[:, 1:] - inverse[:, :1]
    return first[face] + second * rise[face, 0] + third * rise[face, 1]


def _weights(
    triangles: np.ndarray, slopes: np.ndarray, face: np.ndarray, pixel: np.ndarray, width: int
) -> np.ndarray:
    """Perspective weights of the three corners, [p, 3]."""
    second, third = _screen_weights(triangles, slopes, face, pixel, width)
    weights = np.stack([1 - second - third, second, third], 1) / triangles[face, :, 2]
    return (weights / (weights[:, :1] + weights[:, 1:2] + weights[:, 2:])).astype(np.float32)


def _covered(
    triangles: np.ndarray, width: int, height: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(face, pixel index) of every covered pixel centre, in chunks; triangles [f, 3, 2] in pixels."""
    v = triangles[..., 1]
    top, bottom = _centres(v.min(1), v.max(1), height)
    for face, row in _expanded(np.arange(len(triangles)), top, bottom):
        left, right = _span(triangles[face], row + 0.5)
        left, right = _centres(left, right, width)
        for span, column in _expanded(np.arange(len(face)), left, right):
            yield face[span], row[span] * width + column


def _centres(low: np.ndarray, high: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The half-open range of pixels whose centres lie in [low, high)."""
    first = np.ceil(np.clip(low, 0, count) - 0.5).astype(np.int64)
    return first, np.ceil(np.clip(high, 0, count) - 0.5).astype(np.int64)


def _expanded(
    item: np.ndarray, first: np.ndarray, last: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every (item, value) with first <= value < last, about CHUNK at a time."""
    kept = last > first
    item, first, length = item[kept], first[kept], (last - first)[kept]
    ends = np.cumsum(length)
    begin = 0
    while begin < len(item):
        done = ends[begin] - length[begin]
        end = max(begin + 1, int(np.searchsorted(ends, done + CHUNK, side="right")))
        n = length[begin:end]
        offset = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        yield np.repeat(item[begin:end], n), np.repeat(first[begin:end], n) + offset
        begin = end


def _span(triangles: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the horizontal line y crosses each triangle, [left, right) in pixels."""
    crossings = []
    for a, b in ((0, 1), (1, 2), (2, 0)):
        # both faces of an edge compute the very same number: no gaps
        swap = triangles[:, a, 1] > triangles[:, b, 1]
        low = np.where(swap[:, None], triangles[:, b], triangles[:, a])
        high = np.where(swap[:, None], triangles[:, a], triangles[:, b])
        crosses = (low[:, 1] <= y) & (y < high[:, 1])
        rise = np.where(crosses, high[:, 1] - low[:, 1], 1.0)
        x = low[:, 0] + (y - low[:, 1]) * ((high[:, 0] - low[:, 0]) / rise)
        crossings.append(np.where(crosses, x, np.nan))
    first, second, third = crossings
    return np.fmin(np.fmin(first, second), third), np.fmax(np.fmax(first, second), third)
