"""Two ways to fill a depth buffer with triangles: OpenCV 5's own, and vectorised numpy where OpenCV
is older.

Both take corners that are projected already (u, v in pixels, depth in metres), sample at pixel
centres (pixel i spans [i, i+1)) and interpolate colours perspectively, so they give the same image
up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Integer

Corners = Float[np.ndarray, "v 3"]
Faces = Integer[np.ndarray, "f 3"]
Colours = Float[np.ndarray, "v 3"]
Values = Float[np.ndarray, " p"]  # one for each (face, pixel) that is looked at
Indices = Integer[np.ndarray, " p"]
Buffers = tuple[Float[np.ndarray, "h w"], Float[np.ndarray, "h w 3"]]  # depth, colour
# corners, faces, colours and the (width, height) of the image to its depth and colour
Fill = Callable[[Corners, Faces, Colours, tuple[int, int]], Buffers]
CHUNK = 1 << 20  # spans or pixels handled at once by the numpy fill: about 100 MB of temporaries
SMALLEST_AREA = 1e-12  # square pixels; faces seen from their edge have no inside


def best_fill() -> Fill:
    """The fastest fill that the installed OpenCV allows."""
    return fill_opencv if hasattr(cv2, "triangleRasterize") else fill_numpy


def fill_opencv(corners: Corners, faces: Faces, colours: Colours, size: tuple[int, int]) -> Buffers:
    """Depth and colour of an image by `cv2.triangleRasterize` (OpenCV 5 or later).

    Args:
        corners: u and v in pixels, depth in metres, which must be positive.
        faces: indices of corners.
        colours: of the corners, 0..1.
        size: (width, height) in pixels.

    Returns: depth in metres (inf where nothing is) and colour (0 where nothing is), float32.
    """
    width, height = size
    used_depth = corners[faces, 2]
    near = 0.5 * used_depth.min()
    far = 2.0 * used_depth.max()

    # OpenCV projects by itself, with a field of view of 90 degrees and OpenGL's axes (y up, looking
    # along -z): the corners are put where that camera sees them at their pixels.
    focal = height / 2
    u, v, z = corners.T
    x = (u - width / 2) * z / focal
    y = (height / 2 - v) * z / focal
    points = np.stack([x, y, -z], 1)

    settings = cv2.TriangleRasterizeSettings()
    settings.setCullingMode(cv2.RASTERIZE_CULLING_NONE)
    settings.setShadingType(cv2.RASTERIZE_SHADING_SHADED)
    depth = np.full((height, width), far, np.float32)
    colour = np.zeros((height, width, 3), np.float32)
    cv2.triangleRasterize(
        np.ascontiguousarray(points, np.float32),
        np.ascontiguousarray(faces, np.int32),
        np.ascontiguousarray(colours, np.float32),
        colour,
        depth,
        np.eye(4, dtype=np.float32),  # from the world's frame to the camera's
        np.pi / 2,
        near,
        far,
        settings,
    )
    # empty pixels keep `far`, which rounds; the farthest corner has half of it
    depth[depth > 0.75 * far] = np.inf
    return depth, colour


def fill_numpy(corners: Corners, faces: Faces, colours: Colours, size: tuple[int, int]) -> Buffers:
    """Depth and colour of an image by scan lines in numpy.

    Arguments and results are those of `fill_opencv`. Memory is bounded whatever the size of the
    triangles.
    """
    width, height = size
    triangles = _Triangles.of(corners[faces], width)
    nearness = np.zeros(width * height)  # 1/depth, which is affine in the image; 0 = empty
    owner = np.zeros(width * height, np.int64)  # the face that each pixel shows
    for face, pixel in _covered(triangles.corners[..., :2], width, height):
        here = triangles.nearness(face, pixel)
        np.maximum.at(nearness, pixel, here)
        won = here >= nearness[pixel]
        owner[pixel[won]] = face[won]
    drawn = np.flatnonzero(nearness)
    depth = np.full(width * height, np.inf, np.float32)
    depth[drawn] = 1 / nearness[drawn]
    image = np.zeros((width * height, 3), np.float32)
    for pixels in np.array_split(drawn, len(drawn) // CHUNK + 1):
        shown = owner[pixels]
        weights = triangles.perspective_weights(shown, pixels)
        for corner in range(3):
            image[pixels] += weights[:, corner : corner + 1] * colours[faces[shown, corner]]
    return depth.reshape(height, width), image.reshape(height, width, 3)


@dataclass(frozen=True)
class _Triangles:
    """Projected triangles and how their corners' weights change over the image.

    corners: [F, 3, 3] u and v in pixels, depth in metres.
    slopes: [F, 2, 2] change per pixel of the second and the third corner's weight, along u and v.
    width: of the image in pixels; pixels are counted line by line.
    """

    corners: Float[np.ndarray, "f 3 3"]
    slopes: Float[np.ndarray, "f 2 2"]
    width: int

    @classmethod
    def of(cls, corners: Float[np.ndarray, "f 3 3"], width: int) -> _Triangles:
        """The triangles with these corners, on an image of that width."""
        first, second, third = (corners[:, corner, :2] for corner in range(3))
        second_u, second_v = (second - first).T
        third_u, third_v = (third - first).T
        double_area = second_u * third_v - second_v * third_u
        # an infinite area makes the slopes of flat triangles zero
        double_area[np.abs(double_area) < SMALLEST_AREA] = np.inf
        second_slope = np.stack([third_v, -third_u], 1) / double_area[:, None]
        third_slope = np.stack([-second_v, second_u], 1) / double_area[:, None]
        return cls(corners, np.stack([second_slope, third_slope], 1), width)

    def nearness(self, face: Indices, pixel: Indices) -> Values:
        """1/depth of faces at the centres of pixels."""
        second, third = self._image_weights(face, pixel)
        corner_nearness = 1 / self.corners[..., 2]  # [F, 3]
        first_nearness = corner_nearness[:, 0]
        rise = corner_nearness[:, 1:] - corner_nearness[:, :1]
        return first_nearness[face] + second * rise[face, 0] + third * rise[face, 1]

    def perspective_weights(self, face: Indices, pixel: Indices) -> Float[np.ndarray, "p 3"]:
        """Weights of the three corners that are affine in space, float32."""
        second, third = self._image_weights(face, pixel)
        image_weights = np.stack([1 - second - third, second, third], 1)
        weights = image_weights / self.corners[face, :, 2]
        total = weights[:, :1] + weights[:, 1:2] + weights[:, 2:]
        return (weights / total).astype(np.float32)

    def _image_weights(self, face: Indices, pixel: Indices) -> tuple[Values, Values]:
        """Weights of the second and the third corner that are affine in the image.

        They are kept within the triangle against rounding: a pixel centre on an edge must not get a
        depth beyond the corners'.
        """
        du = pixel % self.width + 0.5 - self.corners[face, 0, 0]
        dv = pixel // self.width + 0.5 - self.corners[face, 0, 1]
        # one number of each face at a time: numpy gathers pairs more slowly
        second = self.slopes[face, 0, 0] * du + self.slopes[face, 0, 1] * dv
        second = np.clip(second, 0, 1)
        third = self.slopes[face, 1, 0] * du + self.slopes[face, 1, 1] * dv
        third = np.clip(third, 0, 1 - second)
        return second, third


def _covered(
    triangles: Float[np.ndarray, "f 3 2"], width: int, height: int
) -> Iterator[tuple[Indices, Indices]]:
    """(face, pixel) of every pixel centre that a face covers, in chunks.

    Triangles in pixels. A span is where one line of pixels crosses one face.
    """
    v = triangles[..., 1]
    top, bottom = _centres_between(v.min(1), v.max(1), height)
    for face, line in _expanded(top, bottom):
        left, right = _crossing(triangles[face], line + 0.5)
        first, last = _centres_between(left, right, width)
        for span, column in _expanded(first, last):
            yield face[span], line[span] * width + column


def _centres_between(low: Values, high: Values, count: int) -> tuple[Indices, Indices]:
    """The half-open range of pixels, out of `count`, whose centres lie in [low, high)."""
    first = np.ceil(np.clip(low, 0, count) - 0.5).astype(np.int64)
    last = np.ceil(np.clip(high, 0, count) - 0.5).astype(np.int64)
    return first, last


def _expanded(
    first: Integer[np.ndarray, " n"], last: Integer[np.ndarray, " n"]
) -> Iterator[tuple[Indices, Indices]]:
    """Every (i, value) with first[i] <= value < last[i], about CHUNK of them at a time."""
    items = np.flatnonzero(last > first)
    starts = first[items]
    lengths = last[items] - starts
    ends = np.cumsum(lengths)  # how many pairs there are up to and with each item
    begin = 0
    while begin < len(items):
        done = ends[begin] - lengths[begin]
        # at least one item, however long it is
        end = max(begin + 1, int(np.searchsorted(ends, done + CHUNK, side="right")))
        chunk_lengths = lengths[begin:end]
        chunk_starts = np.cumsum(chunk_lengths) - chunk_lengths
        offsets = np.arange(chunk_lengths.sum()) - np.repeat(chunk_starts, chunk_lengths)
        item = np.repeat(items[begin:end], chunk_lengths)
        yield item, np.repeat(starts[begin:end], chunk_lengths) + offsets
        begin = end


def _crossing(triangles: Float[np.ndarray, "p 3 2"], y: Values) -> tuple[Values, Values]:
    """Where the horizontal line y crosses each triangle, [left, right) in pixels."""
    first, second, third = (
        _edge_crossing(triangles[:, start], triangles[:, end], y)
        for start, end in ((0, 1), (1, 2), (2, 0))
    )
    left = np.fmin(np.fmin(first, second), third)
    right = np.fmax(np.fmax(first, second), third)
    return left, right


def _edge_crossing(
    start: Float[np.ndarray, "p 2"], end: Float[np.ndarray, "p 2"], y: Values
) -> Values:
    """Where the horizontal line y crosses each edge; NaN where it does not.

    The edge always runs from its upper end to its lower one, so that the two faces that share it
    compute the very same number: no gaps.
    """
    swap = (start[:, 1] > end[:, 1])[:, None]
    upper_x, upper_y = np.where(swap, end, start).T
    lower_x, lower_y = np.where(swap, start, end).T
    crosses = (upper_y <= y) & (y < lower_y)
    rise = np.where(crosses, lower_y - upper_y, 1.0)
    x = upper_x + (y - upper_y) * ((lower_x - upper_x) / rise)
    return np.where(crosses, x, np.nan)
