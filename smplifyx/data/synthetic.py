"""Generated people with known truth: real poses; random shapes, hands, faces and cameras; noisy,
gappy detections.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..body import skinning
from ..body.model import BodyModel
from ..body.params import BodyParams
from ..camera import Camera
from ..core import rotations
from ..keypoints import Keypoints
from . import bone_lengths
from .as_detected import as_detected
from .detector_noise import NoiseTable, load_detector_noise
from .disentangle import disentangled
from .draws import Draws
from .generate_options import REAL, GenerateOptions
from .random_bodies import random_people
from .random_views import detect, place, random_cameras, random_view, without_heading
from .retarget import Poses
from .self_occlusion import hidden_points

__all__ = ["REAL", "GenerateOptions", "GeneratedPeople", "generate_people", "photograph"]

APART = 1_000_003  # added to the seed of what is drawn apart


@dataclass(frozen=True)
class GeneratedPeople:
    """People, one per image, on the body's device.

    keypoints: [count, 137] as detected.
    camera: [count] cameras.
    truth: [count] the bodies they came from, in the camera's frame.
    points: [count, 137] where their points are, metres in the camera's frame. Those of `truth`, but
        for people whose segments were scaled: then `points` alone is the truth, and `truth` has
        their pose on a body with other bones.
    """

    keypoints: Keypoints
    camera: Camera
    truth: BodyParams
    points: Float[Tensor, "count 137 3"]


def generate_people(
    body: BodyModel, poses: Poses, count: int, seed: int = 0, options: GenerateOptions | None = None
) -> GeneratedPeople:
    """Draws `count` people of that body model in random ones of `poses`.

    The same seed gives the same people; what `segment_sd` and `detector` ask for is drawn apart, so
    that they change nobody's pose, shape and view. The pose's own tilt is kept, its heading
    replaced by a random yaw. Every random number is drawn on the CPU, so that the people do not
    depend on the body's device. Raises ValueError where there is no pose, and for a detector
    without a card.
    """
    if not len(poses.body_pose):
        raise ValueError("generated people: there are no poses to draw from")
    options = options or GenerateOptions()
    draws = Draws.seeded(seed, count)
    camera = random_cameras(draws, options)
    people = random_people(body, poses, draws, options)
    if options.solid:
        people = disentangled(body.to("cpu"), people)
    return _seen(body, people, camera, draws, options)


def photograph(
    body: BodyModel,
    people: BodyParams,
    seed: int = 0,
    options: GenerateOptions | None = None,
    segments: Float[Tensor, "count segments"] | None = None,
) -> GeneratedPeople:
    """Given people, as `generate_people` sees those it draws: cameras and noise alone are random.

    people: [count], on the CPU. `global_orient` has y up; its tilt is kept, its heading and
    `transl` are replaced. segments: standard normal, how long the segments of each are in
    `segment_sd`s; None: drawn, for each row anew, as if no two were of one person.
    """
    options = options or GenerateOptions()
    draws = Draws.seeded(seed, len(people.transl))
    camera = random_cameras(draws, options)
    tilt = without_heading(rotations.exp(people.global_orient))
    seen_orient = rotations.log(random_view(draws, options) @ tilt)
    return _seen(body, people.replace(global_orient=seen_orient), camera, draws, options, segments)


def _seen(
    body: BodyModel,
    people: BodyParams,
    camera: Camera,
    draws: Draws,
    options: GenerateOptions,
    segments: Float[Tensor, "count segments"] | None = None,
) -> GeneratedPeople:
    """People around the origin, turned as their cameras see them, put before these and detected."""
    like = body.v_template
    placed = place(body, people, camera, draws, options)
    truth = placed.to(device=like.device, dtype=like.dtype)
    camera = camera.to(device=like.device, dtype=like.dtype)
    apart = Draws.seeded(draws.generator.initial_seed() + APART, draws.count)
    drawn = apart.normal(len(bone_lengths.SEGMENTS))
    factors = bone_lengths.segment_factors(
        drawn if segments is None else segments, options.segment_sd
    )
    with torch.no_grad():
        points = skinning.points(body, truth)
    shifts = None
    if options.segment_sd:
        shifts = bone_lengths.joint_shifts(body, truth, factors)
        points = bone_lengths.moved(body, points, shifts)

    if options.detector is None:
        keypoints = detect(points, camera, draws, options)
    else:
        noise = NoiseTable.of(load_detector_noise(options.detector))
        hidden = hidden_points(body, truth, points, shifts).cpu()
        keypoints = as_detected(points.cpu(), hidden, camera.to(device="cpu"), noise, apart)
        keypoints = keypoints.to(device=like.device)
    return GeneratedPeople(keypoints, camera, truth, points)
