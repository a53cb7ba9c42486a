"""Generated people with known truth: real poses; random shapes, hands, faces and cameras; noisy,
gappy detections.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..body import skinning
from ..body.model import Age, BodyModel, HandSpace
from ..body.params import BodyParams
from ..camera import Camera
from ..config import HandPrior
from ..core import rotations
from ..keypoints import Keypoints
from ..pose_priors.hands import recorded_hands
from .disentangle import disentangled
from .retarget import Poses

MARGIN = 20.0  # pixels between a person and the image's border at 1000 pixels
PLACING_ROUNDS = 12
SHRINKING = 0.5  # of shape differences between adult and toddler, who is half as tall


@dataclass(frozen=True)
class GenerateOptions:
    """What the generated people and cameras are drawn from. The defaults are the protocol of the
    benchmark.

    Ranges are uniform. `fills` is the longer side of a person's keypoint box by the image's side,
    `focal` by its diagonal; angles in degrees. Self-occlusion is not modelled: points are dropped
    at random, whatever is in front.
    """

    image_side: int = 1000
    noise_px: float = 2.0  # standard deviation at an image side of 1000
    dropped: float = 0.1
    confidence: tuple[float, float] = (0.5, 1.0)
    sigmas: float = 2.0  # shape, expression and hand coefficients: standard normal within +- this
    fills: tuple[float, float] = (0.45, 0.85)
    focal: tuple[float, float] = (0.6, 1.6)
    yaw: tuple[float, float] = (-180.0, 180.0)
    pitch: tuple[float, float] = (-10.0, 25.0)  # positive: the camera looks down
    roll: tuple[float, float] = (-5.0, 5.0)
    # a child's last beta; the others vary less the smaller the child
    kid: tuple[float, float] = (0.0, 1.0)
    jaw_open: tuple[float, float] = (0.0, 15.0)
    hands: HandPrior = HandPrior.RECORDED  # the space that hands are drawn from, all its components
    # the whole person in the image; else its box is centred anywhere in the image
    inside: bool = True
    solid: bool = (
        False  # joints turned until bodies do not pass through themselves (see `disentangle`)
    )


@dataclass(frozen=True)
class GeneratedPeople:
    """`count` people, one per image: detections, cameras and the bodies they came from, in the
    camera's frame.
    """

    keypoints: Keypoints
    camera: Camera
    truth: BodyParams


def generate_people(
    body: BodyModel, poses: Poses, count: int, seed: int = 0, options: GenerateOptions | None = None
) -> GeneratedPeople:
    """Draw `count` people of that body model in random ones of `poses`; the same seed gives the
    same people.

    The pose's own tilt is kept, its heading replaced by a random yaw. Every random number is drawn
    on the CPU, so that the people do not depend on the body's device. Raises ValueError where there
    is no pose.
    """
    if not len(poses.body_pose):
        raise ValueError("generated people: there are no poses to draw from")
    options = options or GenerateOptions()
    draw = _Draw(torch.Generator().manual_seed(seed), count)
    camera = _cameras(draw, options)
    people = _people(body, poses, draw, options)
    return _seen(
        body,
        disentangled(body.to("cpu"), people) if options.solid else people,
        camera,
        draw,
        options,
    )


def photograph(
    body: BodyModel, people: BodyParams, seed: int = 0, options: GenerateOptions | None = None
) -> GeneratedPeople:
    """Given people [count], on the CPU, as `generate_people` sees those it draws: cameras and noise
    alone are random.

    `global_orient` has y up; its tilt is kept, its heading and `transl` are replaced.
    """
    options = options or GenerateOptions()
    draw = _Draw(torch.Generator().manual_seed(seed), len(people.transl))
    camera, tilt = _cameras(draw, options), rotations.exp(people.global_orient)
    turned = people.replace(
        global_orient=rotations.log(_view(draw, options) @ _without_heading(tilt))
    )
    return _seen(body, turned, camera, draw, options)


def _seen(
    body: BodyModel, people: BodyParams, camera: Camera, draw: _Draw, options: GenerateOptions
) -> GeneratedPeople:
    """People around the origin, turned as their cameras see them, put before these."""
    people, like = _place(body, people, camera, draw, options), body.v_template
    people, camera = (
        people.to(device=like.device, dtype=like.dtype),
        camera.to(device=like.device, dtype=like.dtype),
    )
    return GeneratedPeople(_detections(body, people, camera, draw, options), camera, people)


@dataclass(frozen=True)
class _Draw:
    """Random numbers for `count` people; the order of the calls is part of the protocol."""

    generator: torch.Generator
    count: int

    def uniform(self, bounds: tuple[float, float], *size: int) -> Tensor:
        low, high = bounds
        return low + (high - low) * torch.rand(self.count, *size, generator=self.generator)

    def normal(self, *size: int) -> Tensor:
        return torch.randn(self.count, *size, generator=self.generator)

    def truncated(self, size: int, bound: float) -> Tensor:
        """Standard normal within +- bound, by its quantiles."""
        edge = torch.special.ndtr(torch.tensor(bound))
        return torch.special.ndtri(self.uniform((float(1 - edge), float(edge)), size)).clamp(
            -bound, bound
        )

    def index(self, size: int) -> Tensor:
        return torch.randint(size, (self.count,), generator=self.generator)


def _cameras(draw: _Draw, options: GenerateOptions) -> Camera:
    side = float(options.image_side)
    focal = draw.uniform(options.focal) * side * 2**0.5
    return Camera.from_focal(focal, torch.tensor([side, side]).expand(draw.count, 2))


def _people(body: BodyModel, poses: Poses, draw: _Draw, options: GenerateOptions) -> BodyParams:
    """The bodies around the origin, turned as the camera sees them."""
    chosen = draw.index(len(poses.body_pose))
    tilt = rotations.exp(torch.as_tensor(poses.global_orient).float()[chosen])
    shapes, expressions = body.shapedirs.shape[-1], body.expressiondirs.shape[-1]
    people = BodyParams.zeros((draw.count,), shapes, expressions, like=torch.zeros(1))
    jaw = torch.deg2rad(draw.uniform(options.jaw_open))
    recorded = options.hands is HandPrior.RECORDED and body.left_hand is not None
    left, right = recorded_hands(torch.zeros(1)) if recorded else (body.left_hand, body.right_hand)
    return people.replace(
        global_orient=rotations.log(_view(draw, options) @ _without_heading(tilt)),
        body_pose=torch.as_tensor(poses.body_pose).float()[chosen],
        betas=_betas(body, draw, options),
        expression=draw.truncated(expressions, options.sigmas),
        jaw_pose=torch.stack([jaw, torch.zeros_like(jaw), torch.zeros_like(jaw)], -1),
        left_hand_pose=_hand(left, draw, options),
        right_hand_pose=_hand(right, draw, options),
    )


def _betas(body: BodyModel, draw: _Draw, options: GenerateOptions) -> Float[Tensor, "count shapes"]:
    betas = draw.truncated(body.shapedirs.shape[-1], options.sigmas)
    if body.age is Age.ADULT:
        return betas
    kid = draw.uniform(options.kid, 1)
    return torch.cat([(1 - SHRINKING * kid) * betas[:, :-1], kid], -1)


def _hand(
    space: HandSpace | None, draw: _Draw, options: GenerateOptions
) -> Float[Tensor, "count 15 3"]:
    if space is None:
        return torch.zeros(draw.count, 15, 3)
    mean, components, sds = (t.cpu().float() for t in (space.mean, space.components, space.sds))
    return (mean + (draw.truncated(len(sds), options.sigmas) * sds) @ components).unflatten(
        -1, (15, 3)
    )


def _without_heading(rotation: Float[Tensor, "count 3 3"]) -> Float[Tensor, "count 3 3"]:
    """A world rotation with y up, turned about y so that its forward axis has no part to the side."""
    heading = torch.atan2(rotation[:, 0, 2], rotation[:, 2, 2])
    return rotations.about("y", -heading, rotation) @ rotation


def _view(draw: _Draw, options: GenerateOptions) -> Float[Tensor, "count 3 3"]:
    """World (y up) to camera (y down); yaw 0 faces the camera."""
    like = torch.zeros(1)
    yaw, pitch, roll = (
        torch.deg2rad(draw.uniform(b)) for b in (options.yaw, options.pitch, options.roll)
    )
    upside = rotations.about("x", torch.pi, like)
    turn = rotations.about("z", roll, like) @ rotations.about("x", pitch, like)
    return turn @ upside @ rotations.about("y", yaw, like)


def _place(
    body: BodyModel, people: BodyParams, camera: Camera, draw: _Draw, options: GenerateOptions
) -> BodyParams:
    """Move each body in front of its camera, until its box has the size and the centre drawn for
    it.
    """
    side = float(options.image_side)
    size = draw.uniform(options.fills) * side
    where = draw.uniform((0.0, 1.0), 2)
    if options.inside:
        margin = MARGIN / 1000 * side + size[:, None] / 2  # the longer side bounds both
        where = margin + where * (side - 2 * margin).clamp(min=0)
    else:
        where = where * side
    focal = camera.focal[:, :1]
    points = _points(body, people)
    shift = torch.stack(
        [torch.zeros(draw.count), torch.zeros(draw.count), focal[:, 0] * 1.8 / size], -1
    )
    for _ in range(PLACING_ROUNDS):
        low, high = _box(camera.project(points + shift[:, None]))
        depth = shift[:, 2:] * (high - low).amax(-1, keepdim=True) / size[:, None]
        aside = shift[:, :2] + (where - (low + high) / 2) / focal * depth
        shift = torch.cat([aside, depth.clamp(min=1.0)], -1)
    return people.replace(transl=shift)


def _points(body: BodyModel, people: BodyParams) -> Tensor:
    like = body.v_template
    with torch.no_grad():
        return skinning.points(body, people.to(device=like.device, dtype=like.dtype)).cpu().float()


def _box(xy: Float[Tensor, "count n 2"]) -> tuple[Tensor, Tensor]:
    known = xy.isfinite()
    return torch.where(known, xy, torch.inf).amin(-2), torch.where(known, xy, -torch.inf).amax(-2)


def _detections(
    body: BodyModel, people: BodyParams, camera: Camera, draw: _Draw, options: GenerateOptions
) -> Keypoints:
    with torch.no_grad():
        xy = camera.project(skinning.points(body, people)).cpu()
    xy = xy + options.noise_px * options.image_side / 1000 * draw.normal(*xy.shape[1:]).to(xy.dtype)
    confidence = draw.uniform(options.confidence, xy.shape[1]).to(xy.dtype)
    seen = draw.uniform((0.0, 1.0), xy.shape[1]) >= options.dropped
    seen &= xy.isfinite().all(-1) & (xy >= 0).all(-1) & (xy < options.image_side).all(-1)
    confidence = torch.where(seen, confidence, 0.0)
    detected = Keypoints(
        torch.where(seen[..., None], xy, 0.0), confidence, torch.ones_like(confidence)
    )
    return detected.to(device=people.transl.device)
