"""From predictions to evidence: bones and rotations with the errors that they have for this person.

A card tells how far a network is usually off. How far it is off this time shows in the picture's
plane, where the keypoints are: the more its bones differ from theirs, the less it is believed,
along the view, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..body import skinning
from ..body.joints import JOINT_INDEX
from ..body.model import BodyModel
from ..body.params import POSE_ROWS, BodyParams
from ..camera import Camera
from ..core import rotations
from ..core.bundle import Bundle
from ..evidence.pose_estimate import BONES, JOINTS, ROOT, PoseEstimate
from ..keypoints import Keypoints, names
from ..keypoints.confidence import SEEN
from .placing import Placed, place
from .prediction import Axes, Prediction
from .source_errors import DEFAULT, SourceErrors, load_source_errors

BODY_BONES = 24  # the first ones of `BONES`; hands come behind
# metres that bones of a faultless prediction differ in the picture: keypoints err, people's bones
# are not the body's
FAULTLESS = 0.03
BELIEVED = 4.0  # the bones' worth of the belief that a prediction is off as its card says
# rows are not independent: what turns one bone turns those behind it, and the card knows of none
CORRELATED = 1.7
# beyond this many times the card's errors, errors are of one piece, and count for less and less
USUAL = 0.88
FARTHEST = 0.4  # metres: no bone is farther off
STRANGER = 0.1  # metres, by `Placed.error`: 99 of 100 predictions of somebody else are farther off
# joints of skeletons that stand for points of detectors where points themselves are not told
_JOINT_OF_POINT = tuple(
    (names.POINT_INDEX[f"{side}_{name}"], JOINT_INDEX[f"{side}_{name}"])
    for side in ("left", "right")
    for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
)


@dataclass(frozen=True)
class Estimated(Bundle):
    """What predictions say of some people [batch].

    estimate: nothing is told of those who have none, or another's.
    error: how far the prediction lies from the keypoints, metres, see `Placed`; NaN where there is
        none.
    """

    estimate: PoseEstimate
    error: Float[Tensor, "*batch"]


@torch.no_grad()
def estimated(
    predictions: Sequence[Prediction | None],
    keypoints: Keypoints,
    camera: Camera,
    body: BodyModel,
) -> Estimated:
    """What each person's prediction says of them; None: there is none.

    keypoints, camera [batch]; body: poses the rotations of predictions without points. Raises
    ValueError for another number of predictions than of people.
    """
    if len(predictions) != len(keypoints.confidence):
        raise ValueError(f"{len(predictions)} predictions for {len(keypoints.confidence)} people")
    like = keypoints.xy
    points = predicted_points(predictions, body).to(like)
    points = _undo_crops(points, predictions, keypoints, camera)
    placed = place(points, keypoints, camera)
    turn = torch.stack([_body_rotation(one) for one in predictions]).to(like)
    systems = [DEFAULT if one is None else one.system for one in predictions]
    card_of = {system: load_source_errors(system) for system in set(systems)}
    cards = [card_of[system] for system in systems]
    estimate = _with_errors(placed, turn, keypoints, camera, cards)
    return Estimated(estimate, placed.error)


def predicted_points(
    predictions: Sequence[Prediction | None], body: BodyModel
) -> Float[Tensor, "batch 137 3"]:
    """The canonical points of each, metres, along the prediction's own axes: as told, or as the
    mean body has them in the told pose; NaN where neither is.
    """
    posed = _posed_points(predictions, body)
    found: list[Tensor] = []
    for one, by_pose in zip(predictions, posed, strict=True):
        found.append(by_pose if one is None else _told_points(one, by_pose))
    return torch.stack(found)


def _told_points(one: Prediction, by_pose: Float[Tensor, "137 3"]) -> Float[Tensor, "137 3"]:
    """Points that are told, points at told joints, or those of the pose: never a mixture, since
    origins and bones differ.
    """
    points = np.array(one.points, np.float32)
    if np.isfinite(points).any():
        return torch.from_numpy(points)
    joints = one.joints
    if not np.isfinite(joints).any():
        return by_pose
    for point, joint in _JOINT_OF_POINT:
        points[point] = joints[joint]
    hips = [JOINT_INDEX["left_hip"], JOINT_INDEX["right_hip"]]
    shoulders = [JOINT_INDEX["left_shoulder"], JOINT_INDEX["right_shoulder"]]
    points[ROOT] = joints[hips].mean(0)
    points[names.POINT_INDEX["neck"]] = joints[shoulders].mean(0)
    return torch.from_numpy(points)


def _posed_points(
    predictions: Sequence[Prediction | None], body: BodyModel
) -> Float[Tensor, "batch 137 3"]:
    """The mean body's points in each told pose; NaN where the root is not told, and hands whose
    fingers are not.
    """
    like = body.v_template
    params = BodyParams.zeros(
        (len(predictions),), body.shapedirs.shape[-1], body.expressiondirs.shape[-1], like
    )
    rotation = np.stack([_rotations(one) for one in predictions])
    angles = rotations.log(torch.from_numpy(rotation).to(like))
    fields: dict[str, Tensor] = {}
    for name, rows in POSE_ROWS.items():
        part = angles[:, rows.start : rows.stop]
        fields[name] = part[:, 0] if getattr(params, name).dim() == 2 else part
    points = skinning.points(body, params.replace(**fields))
    told = np.stack([np.zeros(55, bool) if one is None else one.told for one in predictions])
    known = torch.from_numpy(told).to(like.device)
    points = torch.where(known[:, :1, None], points, torch.nan)
    for hand, part in ((names.LEFT_HAND, "left_hand_pose"), (names.RIGHT_HAND, "right_hand_pose")):
        rows = POSE_ROWS[part]
        has_hand = known[:, rows.start : rows.stop].any(-1)
        points[:, hand] = torch.where(has_hand[:, None, None], points[:, hand], torch.nan)
    points[:, names.FACE] = torch.nan
    return points


def _rotations(one: Prediction | None) -> Float[np.ndarray, "55 3 3"]:
    if one is None:
        return np.tile(np.eye(3, dtype=np.float32), (55, 1, 1))
    return one.rotations.astype(np.float32)


def _body_rotation(one: Prediction | None) -> Float[Tensor, "21 3"]:
    """Axis-angles of the body's joints; NaN where they are not told."""
    if one is None:
        return torch.full((JOINTS, 3), torch.nan)
    rows = slice(POSE_ROWS["body_pose"].start, POSE_ROWS["body_pose"].stop)
    angles = rotations.log(torch.from_numpy(one.rotations[rows].astype(np.float32)))
    told = torch.from_numpy(np.array(one.told[rows]))
    return torch.where(told[:, None], angles, torch.nan)


def _undo_crops(
    points: Float[Tensor, "batch 137 3"],
    predictions: Sequence[Prediction | None],
    keypoints: Keypoints,
    camera: Camera,
) -> Float[Tensor, "batch 137 3"]:
    """The points along the camera's axes: what a crop's camera saw straight ahead lies along the
    ray through the middle of the crop; of the keypoints' box where the file tells no other.
    """
    seen = (keypoints.confidence >= SEEN)[..., None]
    low = torch.where(seen, keypoints.xy, torch.inf).amin(1)
    high = torch.where(seen, keypoints.xy, -torch.inf).amax(1)
    middle = torch.where(seen.any(1), (low + high) / 2, camera.center)
    is_crop = torch.tensor([one is not None and one.axes is Axes.CROP for one in predictions])
    boxes = np.stack([np.full(4, np.nan) if one is None else one.box for one in predictions])
    told = torch.from_numpy(boxes).to(middle).unflatten(-1, (2, 2)).mean(1)
    middle = torch.where(told.isfinite().all(-1, keepdim=True), told, middle)

    ray = (middle - camera.center) / camera.focal
    ahead = torch.nn.functional.pad(ray, (0, 1), value=1.0)
    straight = torch.zeros_like(ahead)
    straight[:, 2] = 1.0
    turn = rotations.swing(straight, ahead)
    turned = (points[..., None, :] * turn[:, None]).sum(-1)
    return torch.where(is_crop.to(points.device)[:, None, None], turned, points)


def _with_errors(
    placed: Placed,
    turn: Float[Tensor, "batch 21 3"],
    keypoints: Keypoints,
    camera: Camera,
    cards: Sequence[SourceErrors],
) -> PoseEstimate:
    """Bones and rotations of placed points, with how far each may be off."""
    points = placed.points
    ends = [end for end, _ in BONES]
    starts = [start for _, start in BONES]
    bones = points[:, ends] - points[:, starts]

    across = torch.stack([card.across for card in cards]).to(bones)
    depth = torch.stack([card.depth for card in cards]).to(bones)
    turn_sd = torch.stack([card.turns for card in cards]).to(bones)
    enlarged = torch.tensor([card.enlarged for card in cards]).to(bones)
    times = enlarged * _times_usual(points, bones, across, keypoints, camera)

    sd = torch.stack([across, across, depth], -1) * times[:, None, None]
    # the error in the picture tells of this person alone
    is_own = placed.error < STRANGER
    told = bones.isfinite() & is_own[:, None, None]
    is_placed = points.isfinite() & is_own[:, None, None]
    is_turned = turn.isfinite() & is_own[:, None, None]
    return PoseEstimate(
        placed=torch.where(is_placed, points, torch.nan),
        bones_sd=torch.where(told, sd, torch.nan),
        rotation=torch.where(is_turned, turn, torch.nan),
        rotation_sd=torch.where(is_turned.all(-1), turn_sd * times[:, None], torch.nan),
    )


def _times_usual(
    points: Float[Tensor, "batch 137 3"],
    bones: Float[Tensor, "batch 44 3"],
    across: Float[Tensor, "batch 44"],
    keypoints: Keypoints,
    camera: Camera,
) -> Float[Tensor, " batch"]:
    """The factor on the card's errors of each prediction, from how its bones differ from the
    keypoints' in the picture's plane.
    """
    ends = [end for end, _ in BONES[:BODY_BONES]]
    starts = [start for _, start in BONES[:BODY_BONES]]
    rays = (keypoints.xy - camera.center[:, None]) / camera.focal[:, None]
    seen_at = rays * points[..., 2:]  # metres, at the predicted depth
    seen_bones = seen_at[:, ends] - seen_at[:, starts]
    off = (seen_bones - bones[:, :BODY_BONES, :2]).norm(dim=-1).clamp(max=FARTHEST)
    is_seen = keypoints.confidence >= SEEN
    use = is_seen[:, ends] & is_seen[:, starts] & off.isfinite()

    count = use.sum(-1)
    # what is off beyond the faultless, per axis, in the card's units
    square = torch.where(use, off.square() / 2 - FAULTLESS**2, 0.0).sum(-1)
    usual = torch.where(use, across[:, :BODY_BONES].square(), 0.0).sum(-1)
    own = (square / usual.clamp(min=1e-9)).clamp(min=0.05)
    times = ((BELIEVED + count * own) / (BELIEVED + count)).sqrt()
    return CORRELATED * (0.5 + times.square()).sqrt() * (times / USUAL).square().clamp(min=1.0)
