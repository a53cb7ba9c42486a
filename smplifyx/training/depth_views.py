"""What the depth prior learns from: people of the recordings before random cameras, and what a
detector would see of them.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from ..body import skinning
from ..body.model import BodyModel
from ..body.params import BodyParams
from ..camera import Camera
from ..core import rotations
from ..core.bundle import Bundle
from ..data import bone_lengths
from ..data.as_detected import detected_points
from ..data.detector_noise import NoiseTable, load_detector_noise
from ..data.draws import Draws
from ..data.generate_options import REAL
from ..data.random_views import random_view, without_heading
from ..data.retarget import Poses
from ..data.self_occlusion import hidden_points
from ..depth_prior.bones import POINTS, ROOT
from ..depth_prior.person_view import PersonView
from ..keypoints.names import POINT_INDEX

VIEWS = dataclasses.replace(REAL, pitch=(-25.0, 45.0))  # people are photographed from above
BATCH = 512  # people posed at once
SHAPES = 10
SHAPE_BOUND = 2.5  # betas are standard normal within +- this
DISTANCE = (1.5, 9.0)  # metres
ASIDE = (0.35, 0.21)  # tangents, right and down, of how far from the image's middle people stand
PIXELS_PER_METRE = (40.0, 600.0)  # even in their logarithm
SIDE = 20_000.0  # pixels of an image that holds them all

# How often parts of people are missing that the card of a detector does not tell of:
CUT_OFF = 0.25  # by the image's lower edge
LEAST_LEFT = 0.3  # of the height of those
LIMB_MISSING = 0.04  # each limb, or its end
FEET_MISSING = 0.15  # layouts without feet
FACE_MISSING = 0.1  # and without eyes and ears
PLAIN_NECK = 0.25  # layouts whose neck is between the shoulders
LOST_TOGETHER = (
    ("elbow", "wrist"),
    ("wrist",),
    ("knee", "ankle", "heel", "big_toe", "small_toe"),
    ("ankle", "heel", "big_toe", "small_toe"),
)
FOCAL_UNKNOWN = 0.5  # share of people whose camera's focal length is guessed
FOCAL_SD = 0.2  # of the logarithm of how wrong the guess is


@dataclass(frozen=True)
class PosedViews(Bundle):
    """People before cameras: where their 25 points are, and which of them their body hides."""

    points: Float[Tensor, "*batch 25 3"]  # metres, in the camera's frame
    hidden: Bool[Tensor, "*batch 25"]


def draw_views(
    body: BodyModel, poses: Poses, weights: Float[NDArray, " poses"], count: int, seed: int
) -> PosedViews:
    """So many people of random shapes and bones before random cameras, on the CPU.

    poses: with the tilts that people were recorded in, y up; weights: how often each is to be seen,
        together 1 (`poses.balanced`).
    """
    generator = np.random.default_rng(seed)
    chosen = generator.choice(len(weights), count, p=weights)
    pieces: list[PosedViews] = []
    for start in range(0, count, BATCH):
        some = poses[chosen[start : start + BATCH]]
        draws = Draws.seeded(seed + 1 + start, len(some.body_pose))
        pieces.append(_posed(body, some, draws))
    return PosedViews.cat(pieces)


@torch.no_grad()
def _posed(body: BodyModel, poses: Poses, draws: Draws) -> PosedViews:
    tilt = without_heading(rotations.exp(torch.as_tensor(poses.global_orient).float()))
    orient = random_view(draws, VIEWS) @ tilt
    betas = draws.truncated_normal(SHAPES, SHAPE_BOUND)
    distance = draws.uniform(DISTANCE)
    right, down = (limit * draws.uniform((-1.0, 1.0)) * distance for limit in ASIDE)
    at_rest = BodyParams.zeros((draws.count,), SHAPES, 0, like=torch.zeros(1))
    params = at_rest.replace(
        global_orient=rotations.log(orient),
        body_pose=torch.as_tensor(poses.body_pose).float(),
        betas=betas,
        transl=torch.stack([right, down, distance], -1),
    )
    normal = draws.normal(len(bone_lengths.SEGMENTS))
    factors = bone_lengths.segment_factors(normal, VIEWS.segment_sd)
    shifts = bone_lengths.joint_shifts(body, params, factors)
    points = bone_lengths.moved(body, skinning.points(body, params), shifts)
    points = points[:, POINTS.start : POINTS.stop]
    return PosedViews(points, hidden_points(body, params, points, shifts, which=POINTS))


@dataclass(frozen=True)
class Lesson(Bundle):
    """What the network gets of each person, and what it should tell: the points from the root, in
    the frame that looks at the person, in its size times the root's distance.
    """

    numbers: Float[Tensor, "*batch 103"]
    points: Float[Tensor, "*batch 25 3"]


@dataclass(frozen=True, eq=False)
class Detections:
    """Draws what a detector sees of views."""

    noise: NoiseTable

    @classmethod
    def of_detector(cls, name: str = "openpose") -> Detections:
        """By the detector's card."""
        return cls(NoiseTable.of(load_detector_noise(name)).of_points(POINTS))

    def lesson(self, views: PosedViews, seed: int, whole: bool = False) -> Lesson:
        """whole: nobody is cut off and no limb missing, and every focal length is known."""
        draws = Draws.seeded(seed, len(views.points))
        points = views.points
        low, high = (float(np.log(bound)) for bound in PIXELS_PER_METRE)
        pixels_per_metre = draws.uniform((low, high)).exp()
        focal = pixels_per_metre * points[:, ROOT, 2]
        camera = Camera.from_focal(focal, torch.full((len(points), 2), SIDE))
        xy, confidence = detected_points(points, views.hidden, camera, self.noise, draws)
        rays = (xy - SIDE / 2) / focal[:, None, None]
        if not whole:
            rays = _with_plain_necks(rays, confidence, draws)
            confidence = torch.where(_lost(rays, confidence > 0, draws), 0.0, confidence)
            factor = _focal_errors(draws)[:, None, None]
            # Through a camera of the wrong focal length the same people stand aside as it says.
            rays = rays * factor
            points = torch.cat([points[..., :2] * factor, points[..., 2:]], -1)
        view = PersonView.of(rays, confidence)
        return Lesson(view.numbers, _answer(points, view))


def _answer(points: Float[Tensor, "n 25 3"], view: PersonView) -> Float[Tensor, "n 25 3"]:
    seen = points @ view.turn.mT
    from_root = seen - seen[:, ROOT, None]
    return from_root / (seen[:, ROOT, 2] * view.size)[:, None, None]


def _with_plain_necks(rays: Tensor, confidence: Tensor, draws: Draws) -> Tensor:
    shoulders = [POINT_INDEX["left_shoulder"], POINT_INDEX["right_shoulder"]]
    neck = POINT_INDEX["neck"]
    both = (confidence[:, shoulders] > 0).all(-1)
    plain = both & (draws.uniform((0.0, 1.0)) < PLAIN_NECK)
    moved = rays.clone()
    moved[:, neck] = torch.where(plain[:, None], rays[:, shoulders].mean(1), rays[:, neck])
    return moved


def _lost(
    rays: Float[Tensor, "n 25 2"], seen: Bool[Tensor, "n 25"], draws: Draws
) -> Bool[Tensor, "n 25"]:
    """Which points are missing."""
    chance = draws.uniform((0.0, 1.0), 2)
    down = rays[..., 1]
    top = torch.where(seen, down, torch.inf).amin(-1)
    bottom = torch.where(seen, down, -torch.inf).amax(-1)
    edge = top + draws.uniform((LEAST_LEFT, 1.0)) * (bottom - top)
    lost = (down > edge[:, None]) & (draws.uniform((0.0, 1.0), 1) < CUT_OFF)
    for limb in LOST_TOGETHER:
        for side in ("left", "right"):
            members = torch.zeros(len(POINTS), dtype=torch.bool)
            members[[POINT_INDEX[f"{side}_{point}"] for point in limb]] = True
            lost |= members & (draws.uniform((0.0, 1.0), 1) < LIMB_MISSING)
    first_of_face, first_of_feet = POINT_INDEX["right_eye"], POINT_INDEX["left_big_toe"]
    number = torch.arange(len(POINTS))
    is_face = (number >= first_of_face) & (number < first_of_feet)
    lost |= (number >= first_of_feet) & (chance[:, :1] < FEET_MISSING)
    return lost | (is_face & (chance[:, 1:] < FACE_MISSING))


def _focal_errors(draws: Draws) -> Float[Tensor, " n"]:
    """Factors on rays: 1 where the focal length is known."""
    wrong = (FOCAL_SD * draws.normal()).exp()
    return torch.where(draws.uniform((0.0, 1.0)) < FOCAL_UNKNOWN, wrong, 1.0)
