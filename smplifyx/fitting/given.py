"""What callers give to a fit, as the fit takes it: plain meanings work, the rest is one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..body.model import BodyModel
from ..camera import Camera
from ..config import HEIGHTS
from ..core.fields import LENGTHS
from ..evidence.height import KnownHeight
from ..keypoints import Keypoints


@dataclass(frozen=True)
class Given:
    """People [batch] with a camera and a height for each, as the body is stored.

    is_one: a single person was given, without a batch axis.
    """

    keypoints: Keypoints
    camera: Camera
    height: KnownHeight
    is_one: bool

    @classmethod
    def of(cls, keypoints: Any, camera: Any, body: Any, height: Any) -> Given:
        """From what a caller gives.

        Raises ValueError, one line that says what to pass, for what has no plain meaning, and for
        cameras that cannot be.
        """
        if not isinstance(body, BodyModel):
            raise ValueError(f"body: expected a body, as load_body() gives, got {_kind(body)}")
        people = keypoints if isinstance(keypoints, Keypoints) else Keypoints.from_array(keypoints)
        cameras = _cameras(camera)
        _check_devices(body, keypoints=people.xy, camera=cameras.K)
        cameras.check()
        batch = people.confidence.shape[:-1]
        if len(batch) > 1:
            raise ValueError(
                f"keypoints: expected [people, 137] or one person, got {list(batch)} people: "
                "flatten the axes before the points"
            )
        dtype = body.v_template.dtype
        people, cameras = people.to(dtype=dtype), cameras.to(dtype=dtype)
        people = people if batch else people[None]
        count = len(people.confidence)
        known = KnownHeight.of(_heights(height, count), like=people.confidence[..., 0])
        return cls(people, _for_each(cameras, count), known, is_one=not batch)


def _cameras(camera: Any) -> Camera:
    """One camera or a batch. Raises ValueError for anything else."""
    if isinstance(camera, list | tuple) and camera and isinstance(camera[0], Camera):
        camera = Camera.stack(camera)
    if not isinstance(camera, Camera):
        example = "Camera.from_fov(50.0, (1280, 720))"
        raise ValueError(f"camera: expected a Camera, as {example} gives, got {_kind(camera)}")
    parts = (camera.K, camera.image_size)
    if not all(isinstance(part, Tensor) for part in parts):
        try:
            K, size = (torch.as_tensor(part, dtype=torch.float32) for part in parts)
        except (TypeError, ValueError) as error:
            raise ValueError("camera: K and image_size: expected tensors of numbers") from error
        camera = Camera(K, size)
    return camera


def _for_each(camera: Camera, count: int) -> Camera:
    """A camera for each person: one is everybody's. Raises ValueError for another number."""
    batch = camera.K.shape[:-2]
    if len(batch) > 1 or (batch and len(camera.K) not in (1, count)):
        raise ValueError(
            f"fit takes one camera per person, or one for all: got {count} people and cameras "
            f"{list(batch)}"
        )
    if batch and len(camera.K) == count:
        return camera
    one = camera[0] if batch else camera
    return one.map(lambda tensor: tensor.expand(count, *tensor.shape).contiguous())


def _heights(height: Any, count: int) -> Tensor | Sequence[float | None] | None:
    """Heights of all, from one for everybody or a list. Raises ValueError for what nobody is."""
    if height is None:
        return None
    values = [height] * count if isinstance(height, int | float) else height
    values = torch.as_tensor(values) if isinstance(values, np.ndarray) else values
    if isinstance(values, Tensor) and not values.dim():
        values = values.expand(count)
    if len(values) != count:
        raise ValueError(f"height: {len(values)} heights for {count} people")
    least, most = HEIGHTS
    for value in values.tolist() if isinstance(values, Tensor) else values:
        # None and NaN: not known
        if value is None or value != value or least <= value <= most:
            continue
        meant = [unit for unit, size in LENGTHS.items() if least <= value * size <= most]
        hint = f" ({meant[0]}?)" if meant else ""
        raise ValueError(f"height: {value:g} m is not between {least} and {most} m{hint}")
    return values


def _check_devices(body: BodyModel, **others: Tensor) -> None:
    """Raises ValueError for what lies on another device than the body."""
    device = body.v_template.device
    for name, tensor in others.items():
        if tensor.device != device:
            move = f"{name}.to(device={str(device)!r})"
            raise ValueError(f"{name}: on {tensor.device}, the body on {device}: {move}")


def _kind(value: object) -> str:
    return "nothing" if value is None else type(value).__name__
