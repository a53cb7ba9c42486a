"""Random cameras: how they look at a body, where they see it, and what is detected of it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ..body import skinning
from ..body.model import BodyModel
from ..body.params import BodyParams
from ..camera import Camera
from ..core import rotations
from ..keypoints import Keypoints
from .draws import Draws
from .generate_options import GenerateOptions

MARGIN = 20.0  # pixels between a person and the image's border at 1000 pixels
PLACING_ROUNDS = 12
FIRST_HEIGHT = 1.8  # metres: people's size before their box is known
NEAREST_PERSON = 1.0  # metres from the camera to a person's origin


def random_cameras(draws: Draws, options: GenerateOptions) -> Camera:
    """A camera of square images for each person, on the CPU."""
    side = float(options.image_side)
    # by the diagonal; multiplied step by step, as the published people were made
    focal = draws.uniform(options.focal) * side * 2**0.5
    return Camera.from_focal(focal, torch.tensor([side, side]).expand(draws.count, 2))


def random_view(draws: Draws, options: GenerateOptions) -> Float[Tensor, "count 3 3"]:
    """Rotations from the world (y up) to the camera (y down); yaw 0 faces the camera."""
    like = torch.zeros(1)
    yaw = torch.deg2rad(draws.uniform(options.yaw))
    pitch = torch.deg2rad(draws.uniform(options.pitch))
    roll = torch.deg2rad(draws.uniform(options.roll))
    y_down = rotations.about("x", torch.pi, like)
    camera_turn = rotations.about("z", roll, like) @ rotations.about("x", pitch, like)
    return camera_turn @ y_down @ rotations.about("y", yaw, like)


def without_heading(rotation: Float[Tensor, "count 3 3"]) -> Float[Tensor, "count 3 3"]:
    """World rotations (y up), turned about y until their forward axes have no part to the side."""
    heading = torch.atan2(rotation[:, 0, 2], rotation[:, 2, 2])
    return rotations.about("y", -heading, rotation) @ rotation


def place(
    body: BodyModel,
    people: BodyParams,
    camera: Camera,
    draws: Draws,
    options: GenerateOptions,
) -> BodyParams:
    """Moves each body in front of its camera, until its box has the size and the centre that are
    drawn for it.

    People around the origin and cameras on the CPU. The box changes with the perspective, so that
    size and place are met by rounds of correction.
    """
    side = float(options.image_side)
    box_size = draws.uniform(options.fills) * side  # [count], of the longer side
    centre = draws.uniform((0.0, 1.0), 2)
    if options.inside:
        border = MARGIN / 1000 * side + box_size[:, None] / 2  # the longer side bounds both
        centre = border + centre * (side - 2 * border).clamp(min=0)
    else:
        centre = centre * side
    focal = camera.focal[:, :1]
    points = _points(body, people)
    first_depth = focal[:, 0] * FIRST_HEIGHT / box_size
    shift = torch.stack([torch.zeros(draws.count), torch.zeros(draws.count), first_depth], -1)
    for _ in range(PLACING_ROUNDS):
        low, high = _box(camera.project(points + shift[:, None]))
        depth = shift[:, 2:] * (high - low).amax(-1, keepdim=True) / box_size[:, None]
        sideways = shift[:, :2] + (centre - (low + high) / 2) / focal * depth
        shift = torch.cat([sideways, depth.clamp(min=NEAREST_PERSON)], -1)
    return people.replace(transl=shift)


def detect(
    points3d: Float[Tensor, "count 137 3"],
    camera: Camera,
    draws: Draws,
    options: GenerateOptions,
) -> Keypoints:
    """Noisy keypoints of points before their cameras, some of them unseen, on their device."""
    xy = camera.project(points3d).cpu()
    points = xy.shape[1]
    # drawn in float32 whatever the body's: the same people in any precision
    noise = draws.normal(points, 2).to(xy.dtype)
    xy = xy + options.noise_px * options.image_side / 1000 * noise
    confidence = draws.uniform(options.confidence, points).to(xy.dtype)
    seen = draws.uniform((0.0, 1.0), points) >= options.dropped
    within = (xy >= 0).all(-1) & (xy < options.image_side).all(-1)
    seen = seen & xy.isfinite().all(-1) & within
    confidence = torch.where(seen, confidence, 0.0)
    detected = Keypoints(
        torch.where(seen[..., None], xy, 0.0), confidence, torch.ones_like(confidence)
    )
    return detected.to(device=points3d.device)


def _points(body: BodyModel, people: BodyParams) -> Float[Tensor, "count points 3"]:
    """The points of people on the CPU, placed on the body's device."""
    like = body.v_template
    with torch.no_grad():
        placed = skinning.points(body, people.to(device=like.device, dtype=like.dtype))
    return placed.cpu().float()


def _box(
    xy: Float[Tensor, "count n 2"],
) -> tuple[Float[Tensor, "count 2"], Float[Tensor, "count 2"]]:
    """The corners of the box around the finite points."""
    known = xy.isfinite()
    low = torch.where(known, xy, torch.inf).amin(-2)
    high = torch.where(known, xy, -torch.inf).amax(-2)
    return low, high
