"""A camera that knows where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..camera import Camera
from ..core.bundle import Bundle
from ..keypoints import Keypoints

# of OpenCV's models: (k1, k2, p1, p2[, k3[, k4, k5, k6[, s1..s4[, tx, ty]]]])
DISTORTIONS = (4, 5, 8, 12, 14)
FISHEYE = 4  # (k1..k4), of its own model


@dataclass(frozen=True, eq=False)
class CalibratedCamera:
    """A pinhole camera with its place in the world, from a calibration.

    name: as the calibration calls it.
    K: [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] in pixels of `image_size`.
    distortion: OpenCV's coefficients, 4, 5, 8, 12 or 14 of them; all 0 for none. With
        `is_fisheye`, the 4 of its fisheye model.
    rotation, translation: a point x of the world (metres) lies at `rotation x + translation` in the
        camera's frame: x right, y down, z forward.
    image_size: (width, height) in pixels; None where the calibration does not tell.
    """

    name: str
    K: Float[np.ndarray, "3 3"]
    distortion: Float[np.ndarray, " coefficients"]
    rotation: Float[np.ndarray, "3 3"]
    translation: Float[np.ndarray, " 3"]
    image_size: tuple[int, int] | None = None
    is_fisheye: bool = False

    @property
    def center(self) -> Float[np.ndarray, " 3"]:
        """Where the camera is in the world, metres."""
        return -self.rotation.T @ self.translation

    def undistorted(self, xy: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Pixels where a camera without distortion, of the same K, would have seen them."""
        import cv2  # not with the library, whose import changes no environment: OpenCV's does

        if not np.any(self.distortion) or not len(xy):
            return np.asarray(xy, dtype=np.float64)
        pixels = np.ascontiguousarray(xy, dtype=np.float64)[:, None]
        K = self.K.astype(np.float64)
        if self.is_fisheye:
            found = cv2.fisheye.undistortPoints(pixels, K, self.distortion, P=K)
        else:
            found = cv2.undistortPoints(pixels, K, self.distortion, P=K)
        return found[:, 0]


@dataclass(frozen=True)
class CameraRig(Bundle):
    """Calibrated cameras as tensors [cameras], undistorted.

    rotation, translation: from the world's frame to each camera's, metres.
    """

    camera: Camera
    rotation: Float[Tensor, "*batch 3 3"]
    translation: Float[Tensor, "*batch 3"]

    @classmethod
    def of(cls, cameras: Sequence[CalibratedCamera]) -> CameraRig:
        """In float64. An image of unknown size is taken to have its principal point in the
        middle.
        """
        K = torch.from_numpy(np.stack([camera.K for camera in cameras]).astype(np.float64))
        rotation = np.stack([camera.rotation for camera in cameras]).astype(np.float64)
        translation = np.stack([camera.translation for camera in cameras]).astype(np.float64)
        sizes = [camera.image_size or tuple(2 * camera.K[:2, 2]) for camera in cameras]
        return cls(
            Camera(K, torch.tensor(sizes, dtype=torch.float64)),
            torch.from_numpy(rotation),
            torch.from_numpy(translation),
        )

    def rays(self, xy: Float[Tensor, "*batch n 2"]) -> Float[Tensor, "*batch n 2"]:
        """Undistorted pixels of each camera [*batch, n] on the plane one metre ahead of it."""
        return (xy - self.camera.center[..., None, :]) / self.camera.focal[..., None, :]


def undistorted(keypoints: Keypoints, camera: CalibratedCamera) -> Keypoints:
    """People [*batch] as a camera of the same K without distortion would have seen them.

    Points that turn out not to be finite, as far outside a fisheye's view, become unseen.
    """
    if not np.any(camera.distortion):
        return keypoints
    flat = keypoints.xy.reshape(-1, 2)
    moved = torch.from_numpy(camera.undistorted(flat.double().numpy())).to(flat)
    xy = moved.reshape(keypoints.xy.shape)
    seen = (keypoints.confidence > 0) & xy.isfinite().all(-1)
    return keypoints.replace(
        xy=torch.where(seen[..., None], xy, 0.0),
        confidence=torch.where(seen, keypoints.confidence, 0.0),
    )
