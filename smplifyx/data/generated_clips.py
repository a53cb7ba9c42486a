"""Generated clips with known truth: recorded motions on random bodies before still or panning
cameras, detected frame by frame with noise, gaps and missing limbs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from ..body import skinning
from ..body.model import BodyModel
from ..body.params import BodyParams
from ..camera import Camera
from ..core import rotations
from ..keypoints import Keypoints, names
from .bvh import Clip, iter_clips
from .draws import Draws
from .generate_options import GenerateOptions
from .mocap import ARCHIVE, calibrated, plausible
from .random_bodies import random_people
from .random_views import random_view
from .retarget import Poses, concatenate, retarget

GESTURES = 15  # frames from one drawn pose of hands and face to the next
PAN_SMOOTHING = 12.0  # frames: how slowly the camera follows
PLACING_ROUNDS = 12
NEAREST = 1.0  # metres from the camera to anybody's pelvis
_ENDINGS = {"arm": ("elbow", "wrist"), "leg": ("knee", "ankle", "big_toe", "small_toe", "heel")}


@dataclass(frozen=True)
class ClipOptions:
    """What clips are drawn from; cameras and bodies as `look` says.

    frames: of each clip. noise_px, dropped, confidence: as in `GenerateOptions`, by `look`.
    missing_limbs: share of the time that an arm or a leg is hidden, in stretches of `stretch`
    frames. missed: share of the frames in which the detector misses the whole person, in stretches
    of up to `longest_gap`. pans: share of the cameras that turn after their person.
    """

    frames: int = 90
    missing_limbs: float = 0.1
    stretch: int = 15
    missed: float = 0.03
    longest_gap: int = 6
    pans: float = 0.5
    look: GenerateOptions = GenerateOptions(dropped=0.05, fills=(0.6, 0.9), focal=(0.8, 1.6))


@dataclass(frozen=True)
class RecordedMotion:
    """A stretch of a recording: poses and where the pelvis is, metres, y up."""

    poses: Poses
    pelvis: Float[NDArray, "frames 3"]
    fps: float


@dataclass(frozen=True)
class GeneratedClips:
    """Clips of one person each; rows are frames, clip after clip, in their order in time.

    A row that the detector missed has no seen point. truth, points: in the frame of the camera of
    that moment, as in `GeneratedPeople`. track, frame: whose row it is, and of which frame.
    """

    keypoints: Keypoints
    camera: Camera
    truth: BodyParams
    points: Float[Tensor, "rows 137 3"]
    track: Int[Tensor, " rows"]
    frame: Int[Tensor, " rows"]
    fps: float


def recorded_motions(
    mocap: Path,
    rest_joints: Float[NDArray, "joints 3"],
    subjects: frozenset[str],
    frames: int,
) -> list[RecordedMotion]:
    """All stretches of `frames` sound frames of CMU's recordings, one after the other."""
    clips: dict[str, list[Clip]] = {}
    for clip in iter_clips(mocap / ARCHIVE, subjects):
        clips.setdefault(clip.subject, []).append(clip)
    found: list[RecordedMotion] = []
    for own in clips.values():
        poses = [retarget(clip, rest_joints) for clip in own]
        together = calibrated(concatenate(poses))  # knees are a subject's, not a clip's
        start = 0
        for clip, each in zip(own, poses, strict=True):
            count = len(each.global_orient)
            found += _stretches(clip, together[start : start + count], rest_joints, frames)
            start += count
    return found


def _stretches(
    clip: Clip, poses: Poses, rest_joints: Float[NDArray, "joints 3"], frames: int
) -> list[RecordedMotion]:
    sound = plausible(poses)
    pelvis = _metres(clip, rest_joints) * clip.translation[1:]  # the first is the T-pose
    found: list[RecordedMotion] = []
    start = 0
    while start + frames <= len(sound):
        broken = np.flatnonzero(~sound[start : start + frames])
        if len(broken):
            start += int(broken[-1]) + 1
            continue
        where = slice(start, start + frames)
        found.append(RecordedMotion(poses[where], pelvis[where], 1 / clip.frame_time))
        start += frames
    return found


def _metres(clip: Clip, rest_joints: Float[NDArray, "joints 3"]) -> float:
    """Metres of the recording's unit on our skeleton, by the lengths of the legs."""
    skeleton = clip.skeleton
    leg = sum(
        float(np.linalg.norm(skeleton.offsets[skeleton.names.index(name)]))
        for name in ("lShin", "lFoot")
    )
    hip, knee, ankle = rest_joints[[1, 4, 7]]
    own = np.linalg.norm(knee - hip) + np.linalg.norm(ankle - knee)
    return float(own) / leg


def generate_clips(
    body: BodyModel,
    motions: list[RecordedMotion],
    count: int,
    seed: int = 0,
    options: ClipOptions | None = None,
) -> GeneratedClips:
    """`count` clips of random motions; the same seed gives the same clips."""
    options = options or ClipOptions()
    generator = torch.Generator().manual_seed(seed)
    parts: list[GeneratedClips] = []
    for number in range(count):
        motion = motions[int(torch.randint(len(motions), (), generator=generator))]
        own = int(torch.randint(2**31, (), generator=generator))
        parts.append(_clip(body, motion, number, own, options))
    return GeneratedClips(
        Keypoints.cat([part.keypoints for part in parts]),
        Camera.cat([part.camera for part in parts]),
        BodyParams.cat([part.truth for part in parts]),
        torch.cat([part.points for part in parts]),
        torch.cat([part.track for part in parts]),
        torch.cat([part.frame for part in parts]),
        parts[0].fps,
    )


def _clip(
    body: BodyModel, motion: RecordedMotion, number: int, seed: int, options: ClipOptions
) -> GeneratedClips:
    frames = len(motion.pelvis)
    draws = Draws.seeded(seed, frames)
    people = _moving_person(body, motion, draws, options.look)
    truth, camera = _before_camera(body, people, motion, seed, options)
    with torch.no_grad():
        points = skinning.points(body, truth)
    keypoints = _detected(points, camera, draws, options)
    return GeneratedClips(
        keypoints,
        camera,
        truth,
        points,
        torch.full((frames,), number),
        torch.arange(frames),
        motion.fps,
    )


def _moving_person(
    body: BodyModel, motion: RecordedMotion, draws: Draws, look: GenerateOptions
) -> BodyParams:
    """One body in the poses of the motion, y up; hands and face pass from one drawn pose to the
    next.
    """
    frames = draws.count
    drawn = random_people(body, motion.poses, draws, look)
    at_keys = np.arange(0, frames + GESTURES, GESTURES)
    keys = torch.arange(len(at_keys)) % frames

    def passing(values: Tensor) -> Tensor:
        """Through the drawn values of the key frames."""
        spline = CubicSpline(at_keys, values[keys].numpy(), axis=0)
        return torch.from_numpy(spline(np.arange(frames))).to(values)

    return drawn.replace(
        global_orient=torch.from_numpy(motion.poses.global_orient).float(),
        body_pose=torch.from_numpy(motion.poses.body_pose).float(),
        betas=drawn.betas[:1].expand(frames, -1).contiguous(),
        expression=passing(drawn.expression),
        jaw_pose=passing(drawn.jaw_pose),
        left_hand_pose=passing(drawn.left_hand_pose),
        right_hand_pose=passing(drawn.right_hand_pose),
    )


def _before_camera(
    body: BodyModel, people: BodyParams, motion: RecordedMotion, seed: int, options: ClipOptions
) -> tuple[BodyParams, Camera]:
    """The people in the frame of a camera that has all of the way in its image, or turns after
    them.
    """
    frames = len(people.transl)
    one = Draws.seeded(seed + 1, 1)
    look = options.look
    side = float(look.image_side)
    focal = float(one.uniform(look.focal)) * side * 2**0.5
    camera = Camera.from_focal(torch.full((frames,), focal), torch.full((frames, 2), side))
    view = random_view(one, look)[0]
    fills = float(one.uniform(look.fills)) * side
    pans = float(one.uniform((0.0, 1.0))) < options.pans

    way = torch.from_numpy(motion.pelvis - motion.pelvis.mean(0)).float() @ view.T
    orient = view @ rotations.exp(people.global_orient)
    at_rest = people.replace(
        **{
            name: torch.zeros_like(getattr(people, name))
            for name in ("global_orient", "body_pose", "transl")
        }
    )
    with torch.no_grad():
        rest = skinning.joints(body, at_rest)[:, 0]

    def seen(shift: Tensor) -> BodyParams:
        """From a camera so far from the middle of the way."""
        pelvis = way + shift
        turn = torch.eye(3).expand(frames, 3, 3)
        if pans:
            turn = _following(pelvis)
        return people.replace(
            global_orient=rotations.log(turn @ orient),
            transl=(turn @ pelvis[..., None])[..., 0] - rest,
        )

    shift = torch.tensor([0.0, 0.0, focal * 1.8 / fills])
    for _ in range(PLACING_ROUNDS):
        with torch.no_grad():
            xy = camera.project(skinning.points(body, seen(shift)))
        known = torch.where(xy.isfinite(), xy, torch.nan)
        low = known.nan_to_num(nan=torch.inf).amin((0, 1))
        high = known.nan_to_num(nan=-torch.inf).amax((0, 1))
        depth = shift[2] * (high - low).max() / fills
        sideways = shift[:2] + (side / 2 - (low + high) / 2) / focal * depth
        nearest = NEAREST - way[:, 2].min()
        shift = torch.cat([sideways * (not pans), depth.clamp(min=float(nearest))[None]])
    return seen(shift), camera


def _following(pelvis: Float[Tensor, "frames 3"]) -> Float[Tensor, "frames 3 3"]:
    """Rotations of a camera that turns slowly after somebody."""
    slow = gaussian_filter1d(pelvis.numpy(), PAN_SMOOTHING, axis=0, mode="nearest")
    ahead = torch.zeros_like(pelvis)
    ahead[:, 2] = 1.0
    return rotations.swing(torch.from_numpy(slow).to(pelvis), ahead)


def _detected(
    points: Float[Tensor, "frames 137 3"], camera: Camera, draws: Draws, options: ClipOptions
) -> Keypoints:
    look = options.look
    side = look.image_side
    xy = camera.project(points)
    count = xy.shape[1]
    xy = xy + look.noise_px * side / 1000 * draws.normal(count, 2)
    confidence = draws.uniform(look.confidence, count)
    seen = draws.uniform((0.0, 1.0), count) >= look.dropped
    seen &= xy.isfinite().all(-1) & (xy >= 0).all(-1) & (xy < side).all(-1)
    seen &= points[..., 2] > 0
    for limb in _limbs():
        hidden = _stretches_of(draws, options.missing_limbs, options.stretch)
        seen[:, limb] &= ~hidden[:, None]
    seen &= ~_stretches_of(draws, options.missed, options.longest_gap)[:, None]
    return Keypoints(
        torch.where(seen[..., None], xy, 0.0),
        torch.where(seen, confidence, 0.0),
        torch.ones_like(confidence),
    )


def _stretches_of(draws: Draws, share: float, length: int) -> Bool[Tensor, " frames"]:
    """Stretches of up to `length` frames that are hidden, never the first or last frame."""
    begins = draws.uniform((0.0, 1.0)) < share / length * 2
    lengths = draws.uniform((1.0, float(length) + 1)).long()
    hidden = torch.zeros(draws.count, dtype=torch.bool)
    for frame in begins.nonzero().flatten().tolist():
        hidden[frame : frame + int(lengths[frame])] = True
    hidden[0] = hidden[-1] = False
    return hidden


def _limbs() -> list[list[int]]:
    """The points of each arm with its hand, and of each leg."""
    found: list[list[int]] = []
    for side in ("left", "right"):
        for kind, endings in _ENDINGS.items():
            limb = [names.POINT_INDEX[f"{side}_{ending}"] for ending in endings]
            if kind == "arm":
                limb += list(range(names.COUNT))[names.PARTS[f"{side}_hand"]]
            found.append(limb)
    return found
