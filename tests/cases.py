"""Shared tables and makers of the tests."""

from __future__ import annotations

from functools import lru_cache

import torch

from smplifyx.body.loading.files import load_body
from smplifyx.body.model import BodyModel
from smplifyx.camera import Camera
from smplifyx.config import FitConfig, load_preset
from smplifyx.features.variables import Decoder, State
from smplifyx.fitting.setup import FitSetup
from smplifyx.fitting.templates import neutral_state
from smplifyx.keypoints import Keypoints

DOUBLE = torch.float64


@lru_cache(maxsize=4)
def embedded_body(dtype: torch.dtype = DOUBLE) -> BodyModel:
    """The neutral body of the box."""
    return load_body(None).to(dtype=dtype)


def preset(name: str = "smplx") -> FitConfig:
    """A preset by name."""
    return load_preset(name)


@lru_cache(maxsize=4)
def setup(dtype: torch.dtype = DOUBLE, preset_name: str = "smplx") -> FitSetup:
    """The embedded body under a preset, with what is made of the two once."""
    return FitSetup(embedded_body(dtype), preset(preset_name))


def decoder(dtype: torch.dtype = DOUBLE) -> Decoder:
    """The default preset's decoder of the embedded body."""
    return setup(dtype).decoder


def random_state(
    count: int, seed: int = 0, spread: float = 0.3, dtype: torch.dtype = DOUBLE
) -> State:
    """Random people some metres in front of the camera, upright give or take."""
    generator = torch.Generator().manual_seed(seed)
    like = torch.zeros(1, dtype=dtype)
    neutral = neutral_state(decoder(dtype), setup(dtype).body, (count,), like)

    def shaken(t: torch.Tensor) -> torch.Tensor:
        return t + spread * torch.randn(t.shape, generator=generator, dtype=dtype)

    turned = torch.tensor([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]], dtype=dtype).expand(count, 3, 3)
    ahead = torch.tensor([0.0, 0.3, 4.0], dtype=dtype)
    return neutral.map(shaken).replace(
        orient=turned.contiguous(), transl=shaken(ahead.expand(count, 3))
    )


def camera(count: int, dtype: torch.dtype = DOUBLE) -> Camera:
    """One-megapixel cameras of 53 degrees."""
    return Camera.from_focal(1400.0, torch.tensor([1000.0, 1000.0])).map(
        lambda t: t.to(dtype).expand(count, *t.shape).contiguous()
    )


def noisy_keypoints(points2d: torch.Tensor, noise: float, seed: int = 0) -> Keypoints:
    """Detections around projected points, confidence 0.5..1, unknown points unseen."""
    generator = torch.Generator().manual_seed(seed)
    known = points2d.isfinite().all(-1)
    xy = torch.where(known[..., None], points2d, 0.0)
    xy = xy + noise * torch.randn(xy.shape, generator=generator, dtype=xy.dtype)
    confidence = 0.5 + 0.5 * torch.rand(known.shape, generator=generator, dtype=xy.dtype)
    confidence = torch.where(known, confidence, 0.0)
    return Keypoints(xy, confidence, torch.ones_like(confidence))
