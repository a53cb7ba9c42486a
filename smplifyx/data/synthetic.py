"""Generated people with known truth: real poses; random shapes, hands, faces and cameras; noisy,
gappy detections.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..body.model import BodyModel
from ..body.params import BodyParams
from ..camera import Camera
from ..core import rotations
from ..keypoints import Keypoints
from .disentangle import disentangled
from .draws import Draws
from .generate_options import GenerateOptions
from .random_bodies import random_people
from .random_views import detect, place, random_cameras, random_view, without_heading
from .retarget import Poses

__all__ = ["GenerateOptions", "GeneratedPeople", "generate_people", "photograph"]


@dataclass(frozen=True)
class GeneratedPeople:
    """People, one per image, on the body's device.

    keypoints: [count, 137] as detected.
    camera: [count] cameras.
    truth: [count] the bodies they came from, in the camera's frame.
    """

    keypoints: Keypoints
    camera: Camera
    truth: BodyParams


def generate_people(
    body: BodyModel, poses: Poses, count: int, seed: int = 0, options: GenerateOptions | None = None
) -> GeneratedPeople:
    """Draws `count` people of that body model in random ones of `poses`.

    The same seed gives the same people. The pose's own tilt is kept, its heading replaced by a
    random yaw. Every random number is drawn on the CPU, so that the people do not depend on the
    body's device. Raises ValueError where there is no pose.
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
    body: BodyModel, people: BodyParams, seed: int = 0, options: GenerateOptions | None = None
) -> GeneratedPeople:
    """Given people, as `generate_people` sees those it draws: cameras and noise alone are random.

    people: [count], on the CPU. `global_orient` has y up; its tilt is kept, its heading and
    `transl` are replaced.
    """
    options = options or GenerateOptions()
    draws = Draws.seeded(seed, len(people.transl))
    camera = random_cameras(draws, options)
    tilt = without_heading(rotations.exp(people.global_orient))
    seen_orient = rotations.log(random_view(draws, options) @ tilt)
    return _seen(body, people.replace(global_orient=seen_orient), camera, draws, options)


def _seen(
    body: BodyModel, people: BodyParams, camera: Camera, draws: Draws, options: GenerateOptions
) -> GeneratedPeople:
    """People around the origin, turned as their cameras see them, put before these and detected."""
    like = body.v_template
    placed = place(body, people, camera, draws, options)
    truth = placed.to(device=like.device, dtype=like.dtype)
    camera = camera.to(device=like.device, dtype=like.dtype)
    keypoints = detect(body, truth, camera, draws, options)
    return GeneratedPeople(keypoints, camera, truth)
