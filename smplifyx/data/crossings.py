"""Generated scenes of people who cross each other, as a detector sees them frame by frame, and who
is who.

Recorded poses are moved along paths over flat ground; feet slide. Points behind another person's
body are mostly unseen, sometimes guessed, sometimes taken from who is in front. Only the 25 body
points are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ..body import skinning
from ..body.model import BodyModel
from ..body.params import BodyParams
from ..camera import Camera
from ..core import rotations
from ..keypoints import names
from .as_detected import detected_points
from .bvh import iter_clips
from .detector_noise import NoiseTable, load_detector_noise
from .draws import Draws
from .mocap import ARCHIVE, HELD_OUT
from .random_views import without_heading
from .retarget import Poses, retarget
from .self_occlusion import hidden_points

BODY = range(names.BODY.start, names.BODY.stop)
MID_HIP = names.POINT_INDEX["mid_hip"]
SIZE = (1920, 1080)
DETECTOR = "openpose"  # whose errors

# The scene, in metres and seconds.
DISTANCE = (6.0, 9.0)  # from the camera to where all cross
HEIGHT = (1.2, 2.2)  # of the camera
START = (2.0, 3.5)  # from the start of a path to where all cross
ASIDE = 0.7  # deviation of where each aims at
SPEED = (0.5, 1.8)
TURN = 0.4  # deviation of a path's turn, radians a second
STOPS = 0.2  # share of people who stand still for a while
STOP_SECONDS = 1.0
ROOM = 0.55  # that people leave each other
PAN = 0.25  # radians of a panning camera to each side
PAN_SECONDS = (3.0, 6.0)  # for there and back
JERK = 0.03  # radians of a panning camera's jerks
JERKS_A_SECOND = 0.5

# The detector.
GUESSED, STOLEN = 0.25, 0.15  # shares of points behind somebody else
UNSURE = 0.5  # times the confidence of those
FEWEST_POINTS = 5  # who shows fewer is mostly missed
MISSED_HIDDEN, MISSED = 0.9, 0.02  # shares of those, and of all others
AWAY = 0.4  # share of people who are missed for a while
AWAY_FRAMES = (5, 25)
GHOSTS = 0.02  # share of frames with somebody who is not there
DROPPED = 0.03  # share of frames that are lost
DROPPED_RUN = (3, 12)  # and so many in a row, in half of the clips


@dataclass(frozen=True)
class CrossingOptions:
    """people: in the scene. frames: numbers of the clip, of which some are dropped. fps: of those a
    second. panning: the camera turns to and fro, with jerks.
    """

    people: int = 3
    frames: int = 150
    fps: float = 30.0
    panning: bool = False


@dataclass(frozen=True, eq=False)
class Crossing:
    """A clip: of each frame that is there its number, who was detected, in no order, and who each
    is (None: nobody).
    """

    numbers: tuple[int, ...]
    keypoints: tuple[Float[NDArray, "_ 137 3"], ...]
    people: tuple[tuple[int | None, ...], ...]


@dataclass(frozen=True, eq=False)
class _Views:
    """The camera in each frame: where a point of the world is in its frame."""

    turns: Float[NDArray, "frames 3 3"]
    eye: Float[NDArray, " 3"]


def heldout_clips(mocap: Path, rest_joints: Float[NDArray, "joints 3"]) -> tuple[Poses, ...]:
    """The recordings of the held-out subjects, each a clip of 30 frames a second.

    mocap: the folder with the archive. Raises FileNotFoundError where that is absent.
    """
    clips = iter_clips(mocap / ARCHIVE, HELD_OUT)
    return tuple(retarget(clip, rest_joints) for clip in clips)


def generate_crossing(
    body: BodyModel,
    clips: Sequence[Poses],
    seed: int,
    options: CrossingOptions | None = None,
) -> Crossing:
    """Draws a scene; the same seed gives the same one. body: on the CPU.

    Raises ValueError where there is no clip.
    """
    if not clips:
        raise ValueError("generated crossings: there are no clips to draw from")
    options = options or CrossingOptions()
    random = np.random.default_rng(seed)
    paths = _paths(random, options)
    views = _views(random, options)
    people = [_person(body, clips, path, views, random) for path in paths]
    camera = Camera.from_focal(float(random.uniform(0.8, 1.3)) * SIZE[0], SIZE)
    detected = _detected(body, people, camera, seed, random)
    return _as_frames(detected, random, options)


def _paths(
    random: np.random.Generator, options: CrossingOptions
) -> Float[NDArray, "people frames 2"]:
    """Where each person is, metres on the ground from where all cross: x right, y to the camera."""
    count = options.people
    angle = random.uniform(-np.pi, np.pi, count)
    start = random.uniform(*START, count)[:, None] * _direction(angle)
    aim = ASIDE * random.normal(size=(count, 2)) - start
    heading = np.arctan2(aim[:, 1], aim[:, 0])
    turn = TURN * random.normal(size=count)
    speed = random.uniform(*SPEED, count)
    stops = random.uniform(0, options.frames, count)
    stops = np.where(random.uniform(size=count) < STOPS, stops, np.inf)

    place = start
    places = [place]
    for frame in range(1, options.frames):
        heading = heading + turn / options.fps
        walks = (frame < stops) | (frame > stops + STOP_SECONDS * options.fps)
        step = (speed * walks / options.fps)[:, None] * _direction(heading)
        place = _apart(place + step)
        places.append(place)
    return np.stack(places, 1)


def _direction(angle: Float[NDArray, " n"]) -> Float[NDArray, "n 2"]:
    return np.stack([np.cos(angle), np.sin(angle)], -1)


def _apart(place: Float[NDArray, "people 2"]) -> Float[NDArray, "people 2"]:
    """People who would walk through each other step aside."""
    between = place[:, None] - place[None]
    distance = np.linalg.norm(between, axis=-1)
    np.fill_diagonal(distance, np.inf)
    short = (ROOM - distance).clip(min=0) / 2
    away = between / np.maximum(distance, 1e-6)[..., None]
    return place + (short[..., None] * np.where(np.isfinite(away), away, 0.0)).sum(1)


def _views(random: np.random.Generator, options: CrossingOptions) -> _Views:
    """A camera that looks at where all cross, still or panning; the world has y up."""
    distance, height = random.uniform(*DISTANCE), random.uniform(*HEIGHT)
    eye = np.array([0.0, height, distance])
    pitch = np.arctan2(height - 0.9, distance)
    time = np.arange(options.frames) / options.fps
    pan = np.zeros(options.frames)
    if options.panning:
        phase = random.uniform(0, 2 * np.pi)
        pan += PAN * np.sin(2 * np.pi * time / random.uniform(*PAN_SECONDS) + phase)
        jerks = random.uniform(size=options.frames) < JERKS_A_SECOND / options.fps
        pan += np.cumsum(jerks * JERK * random.normal(size=options.frames))
    pans = Rotation.from_rotvec(pan[:, None] * [0.0, 1.0, 0.0])
    # y down and z away, then looking down a little
    towards = Rotation.from_rotvec([pitch, 0, 0]) * Rotation.from_rotvec([np.pi, 0, 0])
    return _Views((towards * pans).as_matrix(), eye)


def _person(
    body: BodyModel,
    clips: Sequence[Poses],
    path: Float[NDArray, "frames 2"],
    views: _Views,
    random: np.random.Generator,
) -> BodyParams:
    """A random body in each frame, in the camera's frame, as a clip and the path have it."""
    poses = _stretch(clips[int(random.integers(len(clips)))], len(path), random)
    shape = torch.from_numpy(random.normal(size=body.shapedirs.shape[-1]).clip(-2, 2)).float()
    step = np.gradient(path, axis=0)
    heading = np.arctan2(step[:, 0], -step[:, 1])  # a body at rest looks along z, to the camera
    heading = np.pi - _smooth(np.unwrap(heading))
    tilt = without_heading(rotations.exp(torch.as_tensor(poses.global_orient).float()))
    facing = Rotation.from_rotvec(heading[:, None] * [0.0, 1.0, 0.0]).as_matrix()
    world = torch.from_numpy(facing).float() @ tilt
    turns = torch.from_numpy(views.turns).float()

    expressions = body.expressiondirs.shape[-1]
    at_rest = BodyParams.zeros((len(path),), len(shape), expressions, like=torch.zeros(1))
    turned = at_rest.replace(
        global_orient=rotations.log(turns @ world),
        body_pose=torch.as_tensor(poses.body_pose).float(),
        betas=shape.expand(len(path), -1),
    )
    with torch.no_grad():
        points = skinning.points(body, turned)[:, : len(BODY)]
    upright = points @ turns  # along the world's axes
    feet = upright[..., 1].amin(-1)
    hip = upright[:, MID_HIP]
    ground = torch.from_numpy(path).float()
    place = torch.stack([ground[:, 0], hip[:, 1] - feet, ground[:, 1]], -1)
    seen_from = (place - torch.from_numpy(views.eye).float())[:, None] @ turns.mT
    return turned.replace(transl=seen_from[:, 0] - points[:, MID_HIP])


def _stretch(poses: Poses, frames: int, random: np.random.Generator) -> Poses:
    """So many frames of a clip from anywhere in it, to and fro where it is shorter."""
    period = max(2 * len(poses.body_pose) - 2, 1)
    at = (random.integers(period) + np.arange(frames)) % period
    return poses[np.minimum(at, period - at)]


def _smooth(values: Float[NDArray, " n"], over: int = 15) -> Float[NDArray, " n"]:
    padded = np.pad(values, over // 2, mode="edge")
    return np.convolve(padded, np.full(over, 1 / over), mode="valid")


@dataclass(frozen=True, eq=False)
class _Detected:
    """Of everybody in every frame: points, which are behind somebody else, and the next body in
    front.
    """

    xy: Float[NDArray, "people frames 25 2"]
    confidence: Float[NDArray, "people frames 25"]
    covered: Bool[NDArray, "people frames 25"]


def _detected(
    body: BodyModel,
    people: Sequence[BodyParams],
    camera: Camera,
    seed: int,
    random: np.random.Generator,
) -> _Detected:
    """What a detector with the errors of its card sees of each alone, then of all together."""
    noise = NoiseTable.of(load_detector_noise(DETECTOR)).of_points(BODY)
    with torch.no_grad():
        points = [skinning.points(body, person)[:, : len(BODY)] for person in people]
    covered = np.zeros((len(people), *points[0].shape[:2]), dtype=bool)
    front = np.zeros_like(covered, dtype=np.int64)
    for i, mine in enumerate(points):
        for j, other in enumerate(people):
            if i == j:
                continue
            behind = hidden_points(body, other, mine, which=BODY).numpy()
            covered[i] |= behind
            front[i][behind] = j

    seen = []
    for number, (person, mine) in enumerate(zip(people, points, strict=True)):
        own = hidden_points(body, person, mine, which=BODY)
        draws = Draws.seeded(seed * len(people) + number, len(mine))
        cameras = _for_frames(camera, len(mine))
        seen.append(detected_points(mine, own, cameras, noise, draws))
    xy = torch.stack([pair[0] for pair in seen]).numpy()
    confidence = torch.stack([pair[1] for pair in seen]).numpy()
    return _covered(_Detected(xy, confidence, covered), front, random)


def _for_frames(camera: Camera, frames: int) -> Camera:
    """The same camera for each frame."""
    return Camera.from_focal(
        torch.full((frames,), float(camera.focal.flatten()[0])),
        torch.tensor(SIZE).expand(frames, 2),
    )


def _covered(detected: _Detected, front: NDArray, random: np.random.Generator) -> _Detected:
    """Points behind somebody else are unseen, guessed, or taken from who is in front."""
    fate = random.uniform(size=front.shape)
    frame, point = np.arange(front.shape[1])[:, None], np.arange(front.shape[2])
    stolen = detected.covered & (fate < STOLEN)
    guessed = detected.covered & (fate >= STOLEN) & (fate < STOLEN + GUESSED)
    xy = np.where(stolen[..., None], detected.xy[front, frame, point], detected.xy)
    of_front = detected.confidence[front, frame, point]
    confidence = np.where(stolen, UNSURE * of_front, detected.confidence)
    confidence = np.where(guessed, UNSURE * confidence, confidence)
    confidence = np.where(detected.covered & ~stolen & ~guessed, 0.0, confidence)
    return replace(detected, xy=xy, confidence=confidence)


def _as_frames(
    detected: _Detected, random: np.random.Generator, options: CrossingOptions
) -> Crossing:
    """The clip as files would have it: some frames are missing, some people, in no order."""
    keypoints, people = [], []
    numbers = _kept_numbers(random, options.frames)
    missed = _missed(detected, random)
    for number in numbers:
        there = np.flatnonzero(~missed[:, number]).tolist()
        found = [_points_of(detected, person, number) for person in there]
        who: list[int | None] = list(there)
        if found and random.uniform() < GHOSTS:
            found.append(_ghost(found[random.integers(len(found))], random))
            who.append(None)
        order = random.permutation(len(found))
        stacked = np.zeros((len(found), names.COUNT, 3), np.float32)
        for place, at in enumerate(order):
            stacked[place] = found[at]
        keypoints.append(stacked)
        people.append(tuple(who[at] for at in order))
    return Crossing(numbers, tuple(keypoints), tuple(people))


def _kept_numbers(random: np.random.Generator, frames: int) -> tuple[int, ...]:
    """The frames that are there."""
    kept = random.uniform(size=frames) >= DROPPED
    if random.uniform() < 0.5:
        start = random.integers(frames)
        kept[start : start + random.integers(*DROPPED_RUN)] = False
    return tuple(np.flatnonzero(kept).tolist())


def _missed(detected: _Detected, random: np.random.Generator) -> Bool[NDArray, "people frames"]:
    """Whom the detector does not find: most who are hidden, a few others, some for a while."""
    shown = ((detected.confidence > 0) & ~detected.covered).sum(-1)
    chance = np.where(shown < FEWEST_POINTS, MISSED_HIDDEN, MISSED)
    missed = random.uniform(size=shown.shape) < chance
    missed |= (detected.confidence > 0).sum(-1) == 0
    for person in missed:
        if random.uniform() < AWAY:
            start = random.integers(len(person))
            person[start : start + random.integers(*AWAY_FRAMES)] = True
    return missed


def _points_of(detected: _Detected, person: int, frame: int) -> Float[NDArray, "137 3"]:
    found = np.zeros((names.COUNT, 3), np.float32)
    confidence = detected.confidence[person, frame]
    found[names.BODY, :2] = np.where(confidence[:, None] > 0, detected.xy[person, frame], 0.0)
    found[names.BODY, 2] = confidence
    return found


def _ghost(person: Float[NDArray, "137 3"], random: np.random.Generator) -> NDArray:
    """Half of a person once more, somewhat aside."""
    found = person.copy()
    aside = 0.2 * np.ptp(person[person[:, 2] > 0, 1])
    found[:, :2] += aside * random.normal(size=2)
    found[:, 2] *= UNSURE * (random.uniform(size=len(found)) < 0.5)
    return found * (found[:, 2:] > 0)
