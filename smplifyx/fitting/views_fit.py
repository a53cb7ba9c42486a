"""People seen by several calibrated cameras at one moment: one body each, from all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..body.model import BodyModel
from ..camera import Camera
from ..config import Block, FitConfig, as_preset
from ..core.bundle import Bundle
from ..evidence.views import Views
from ..keypoints import Keypoints, names
from ..views.calibrated_camera import CalibratedCamera, CameraRig, undistorted
from .fitter import Fitter
from .result import FitResult
from .setup import setup_of

LEAST_CONFIDENCE = 1e-6  # of a point that is seen


@dataclass(frozen=True)
class ViewsFit(Bundle):
    """People fitted from several cameras [people].

    result: each in the frame of their own camera, the one that sees most of them.
    reference: the number of that camera.
    T_world_camera: from that camera's frame to the world's, metres.
    """

    result: FitResult
    reference: Int[Tensor, "*batch"]
    T_world_camera: Float[Tensor, "*batch 4 4"]

    def in_world(self, points: Float[Tensor, "*batch n 3"]) -> Float[Tensor, "*batch n 3"]:
        """Points of each person's camera as the world has them, metres."""
        rotation = self.T_world_camera[..., None, :3, :3]
        return _turned(rotation, points) + self.T_world_camera[..., None, :3, 3]


@dataclass(frozen=True)
class PeopleInViews(Bundle):
    """People [people] as a fit takes them: the camera that sees most of each, and the further ones.

    reference: its number. keypoints, camera: undistorted, of that camera.
    """

    keypoints: Keypoints
    camera: Camera
    views: Views
    reference: Int[Tensor, "*batch"]

    @classmethod
    def of(
        cls,
        keypoints: Keypoints,
        cameras: Sequence[CalibratedCamera],
        min_confidence: float,
        like: Tensor,
    ) -> PeopleInViews:
        """keypoints: [people, cameras], pixels as detected, confidence 0 for who is not seen;
        min_confidence: less confident points do not count for who sees most; like: whose dtype and
        device the answer has.

        Raises ValueError where there is not one camera for each view, or only one.
        """
        shape = keypoints.confidence.shape[:-1]
        if len(shape) != 2 or shape[1] != len(cameras) or len(cameras) < 2:
            raise ValueError(
                f"several views: expected keypoints [people, cameras, {names.COUNT}] of at least "
                f"2 cameras, got {list(keypoints.confidence.shape)} and {len(cameras)} cameras"
            )
        straight = Keypoints.stack(
            [undistorted(keypoints[:, view], camera) for view, camera in enumerate(cameras)], 1
        ).to(device=like.device, dtype=like.dtype)
        confident = straight.confidence[..., names.BODY] >= max(min_confidence, LEAST_CONFIDENCE)
        reference = _most(confident.sum(-1), straight)

        further = _others(reference, len(cameras))  # [people, cameras - 1]
        rows = torch.arange(len(reference), device=reference.device)
        rig = CameraRig.of(cameras).to(device=like.device)
        own, rest = rig[reference], rig[further]
        # from the own camera's frame to the further ones', in float64: cameras stand far apart
        back = own.rotation.mT
        rotation = _product(rest.rotation, back[:, None])
        translation = rest.translation - _turned(rotation, own.translation[:, None])
        views = Views(
            straight[rows[:, None], further],
            rest.camera.to(dtype=like.dtype),
            rotation.to(like),
            translation.to(like),
            _homogeneous(back, -_turned(back, own.translation)).to(like),
        )
        camera = own.camera.to(dtype=like.dtype)
        return cls(straight[rows, reference], camera, views, reference)


def fit_views(
    keypoints: Keypoints,
    cameras: Sequence[CalibratedCamera],
    body: BodyModel,
    config: FitConfig | str | Path | None = None,
    evidence: Sequence[Bundle] = (),
) -> ViewsFit:
    """Fits one body to every person of a moment that several calibrated cameras saw.

    keypoints: people [people, cameras, 137], pixels as detected; a camera that has not seen
        somebody has confidence 0 there. Who is who across views: `views.matching`.
    cameras: as `readers.calibrations` reads them; distortion is taken out of the keypoints.
    config: a preset, by its name too; the cameras' focal lengths are known, so that none is free or
        replaced.
    evidence: what else is known, as `Fitter.fit` takes it.

    Rows are independent. Raises ValueError, one line, where keypoints and cameras do not fit.
    """
    setup = setup_of(body, calibrated(as_preset(config)))
    least = setup.config.reprojection.min_confidence
    people = PeopleInViews.of(keypoints, cameras, least, body.v_template)
    result = Fitter(setup).fit(people.keypoints, people.camera, [*evidence, people.views])
    return ViewsFit(result, people.reference, people.views.T_world_camera)


def calibrated(config: FitConfig) -> FitConfig:
    """The preset for cameras that are known: no focal length is free or put in their place."""
    stages = []
    for stage in config.stages:
        free = tuple(block for block in stage.free if block is not Block.FOCAL)
        stages.append(stage.model_copy(update={"free": free or stage.free}))
    return config.model_copy(update={"stages": tuple(stages), "focal_px": None})


def _most(count: Int[Tensor, "people cameras"], keypoints: Keypoints) -> Int[Tensor, " people"]:
    """The camera that sees most points of each person; of equals the one that sees them largest."""
    flat = keypoints.map(lambda t: t.flatten(0, 1))
    size = flat.box_diagonal(flat.confidence > 0).view_as(count)
    largest = size.amax(1, keepdim=True).clamp(min=1e-6)
    return (count + 0.5 * size / largest).argmax(1)


def _turned(rotation: Tensor, vector: Tensor) -> Tensor:
    """rotation x vector as a sum: small products round by the batch that they are in."""
    return (rotation * vector[..., None, :]).sum(-1)


def _product(left: Tensor, right: Tensor) -> Tensor:
    """left x right, likewise."""
    return (left[..., None] * right[..., None, :, :]).sum(-2)


def _homogeneous(rotation: Tensor, translation: Tensor) -> Float[Tensor, "*batch 4 4"]:
    """As one matrix."""
    top = torch.cat([rotation, translation[..., None]], -1)
    last = top.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*top.shape[:-2], 1, 4)
    return torch.cat([top, last], -2)


def _others(reference: Int[Tensor, " people"], cameras: int) -> Int[Tensor, "people further"]:
    """The numbers of the other cameras, in order."""
    every = torch.arange(cameras, device=reference.device).expand(len(reference), -1)
    return every[every != reference[:, None]].view(len(reference), cameras - 1)
