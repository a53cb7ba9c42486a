"""How files of cameras spell what they say: tables of words, as programs write them.

A word is a key in lower case without anything but letters and digits: `camera_matrix`,
`cameraMatrix` and `Camera Matrix` are one. Another spelling is one more word here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

# K as a matrix, or what is in its place: (fx, fy, cx, cy), or an object with a camera's own words
MATRIX = (
    "kmatrix", "intrinsic", "intrinsics", "intrinsicmatrix", "intrinsicsmatrix",
    "cameramatrix", "camk", "camerak", "camintrinsic", "camintrinsics", "cameraintrinsic",
    "cameraintrinsics", "intri", "kmat", "mtx", "matrix", "newcameramatrix", "calibrationmatrix",
)  # fmt: skip
FX = ("fx", "flx", "fxpx", "focalx", "focallengthx")
FY = ("fy", "fly", "fypx", "focaly", "focallengthy")
CX = ("cx", "ppx", "cxpx", "principalpointx", "x0", "u0")
CY = ("cy", "ppy", "cypx", "principalpointy", "y0", "v0")
# one number, or one each for x and y
FOCAL = ("focal", "focallength", "focallengths", "focals", "focalpx", "focallengthpx", "f")
CENTER = (
    "princpt", "principalpoint", "principalpoints", "principal", "opticalcenter", "c", "pp",
    "imagecenter",
)  # fmt: skip
DISTORTION = (
    "dist", "distortion", "distcoeffs", "distcoef", "distcoeff", "distortioncoefficients",
    "distortions", "distortionparameters", "kdist", "d", "k1", "k2", "k3", "p1", "p2",
)  # fmt: skip
# an object in which a camera is described
NESTED = (
    "camparam", "camparams", "camera", "cam", "cameraparam", "cameraparams", "cameraparameters",
    "parameters", "params", "calibration", "calib", "color", "rgb",
)  # fmt: skip

SIZE = ("imagesize",)  # width, height: in files of keypoints, too
SIZE_SIDES = (
    ("width", "height"), ("imagewidth", "imageheight"), ("canvaswidth", "canvasheight"),
    ("imgwidth", "imgheight"),
)  # fmt: skip
CAMERA_SIZE = ("resolution", "size", "imgsize", "imageresolution", "imsize", "wh")
CAMERA_SIZE_SIDES = (("w", "h"), ("resx", "resy"), ("cols", "rows"))
SHAPE = ("imgshape", "imageshape", "shape", "hw")  # height, width

# where several cameras are in one file, and what names each
CAMERA_CONTAINERS = ("cameras", "cams")
CONTAINERS = (*CAMERA_CONTAINERS, "images", "frames", "views", "annotations")
IMAGE_NAMES = ("stem", "filename", "image", "imagename", "imgname", "filepath", "file", "img",
               "imagepath", "imgpath", "frame")  # fmt: skip
CAMERA_NAMES = ("name", "cameraname", "camname", "camera", "cam", "cameraid", "camid", "id",
                "serial", "serialnumber")  # fmt: skip

UNDERSTOOD = (
    "K (or intrinsics, camera_matrix, cam_K), fx and fy, focal or focal_length, "
    "cx and cy, princpt or principal_point, width and height or image_size"
)
# OpenCV's files of several cameras: K_NAME, with dist_NAME, W_NAME and H_NAME
OF_ONE_CAMERA = re.compile(r"(K|dist|W|H)_(.+)", re.DOTALL)


def spelled(values: Mapping[str, object]) -> dict[str, object]:
    """The values by word, the first of each; those of None are left out."""
    words: dict[str, object] = {}
    for key, value in values.items():
        if value is not None:
            words.setdefault(word_of(str(key)), value)
    return words


@lru_cache(maxsize=4096)
def word_of(key: str) -> str:
    """The word that a key spells."""
    if key == "K":
        return "kmatrix"
    if key == "k":  # OpenCV's coefficients of a fisheye
        return "kdist"
    return re.sub(r"[^a-z0-9]", "", key[:80].lower())


def first_of(words: Mapping[str, object], wanted: tuple[str, ...]) -> object | None:
    """The value of the first of the wanted words that is there."""
    for word in wanted:
        if word in words:
            return words[word]
    return None
