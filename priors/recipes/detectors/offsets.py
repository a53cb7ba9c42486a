"""Where a detector's points lie from the body's, in the frames of the bones that carry them.

A point of the body that is not where the detector looks is off by the same vector in the frame of
its bone, whatever the pose and the view: each view shows two components of it. Robust least squares
over many views and people finds all three. Left and right are one: the left side's frames, the
right side's mirrored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from smplifyx.body import skinning
from smplifyx.body.joints import JOINT_INDEX, sideless
from smplifyx.body.model import BodyModel
from smplifyx.body.params import BodyParams
from smplifyx.camera import Camera
from smplifyx.data.self_occlusion import hidden_points
from smplifyx.fitting.quality import offsets_m
from smplifyx.keypoints import Keypoints, names

SURE = 0.5  # confidence of a point that counts
ROUNDS = 30  # of reweighting
LEAST_SCALE = 0.003  # metres
MIRROR = np.diag([-1.0, 1.0, 1.0])
# the bone that carries each body point; sides are put before those of limbs
_BONES = {
    "nose": "head", "eye": "head", "ear": "head", "neck": "spine3", "shoulder": "spine3",
    "elbow": "shoulder", "wrist": "wrist", "hip": "pelvis", "mid_hip": "pelvis", "knee": "hip",
    "ankle": "knee", "heel": "ankle", "big_toe": "ankle", "small_toe": "ankle",
}  # fmt: skip
_MIDDLE = ("head", "spine3", "pelvis")


@dataclass(frozen=True, eq=False)
class Looks:
    """What a detector says of people whose bodies are known, or fitted: [n] of each.

    keypoints: what it says. params: the bodies, in the camera's frame. points: [n, 137, 3] metres,
    those of the bodies.
    """

    keypoints: Keypoints
    camera: Camera
    params: BodyParams
    points: Float[Tensor, "n 137 3"]

    def of(self, chosen: Sequence[int]) -> Looks:
        """Some of the people."""
        at = list(chosen)
        return Looks(self.keypoints[at], self.camera[at], self.params[at], self.points[at])

    def on(self, body: BodyModel) -> Looks:
        """The same people with the points of another body of the same shape."""
        with torch.no_grad():
            points = skinning.points(body, self.params)
        return Looks(self.keypoints, self.camera, self.params, points)

    def errors(self) -> Float[np.ndarray, "n 137 2"]:
        """See `offsets_m`."""
        return offsets_m(self.keypoints, self.camera, self.points).double().numpy()

    def is_found(self, farthest: float, fewest: int) -> list[int]:
        """Those with `fewest` sure body points, whose median distance is less than `farthest`
        metres.
        """
        length = np.linalg.norm(self.errors(), axis=-1)[:, names.BODY]
        sure = self.keypoints.confidence[:, names.BODY].numpy() > SURE
        found: list[int] = []
        for person, (lengths, is_sure) in enumerate(zip(length, sure, strict=True)):
            if is_sure.sum() >= fewest and np.median(lengths[is_sure]) < farthest:
                found.append(person)
        return found


@dataclass(frozen=True, eq=False)
class Views:
    """What pictures show of each point of each person, [n, 137] of each.

    error: [n, 137, 2] metres, as `Looks.errors`. is_sure: detected for sure, and not hidden by the
    person's own body. ray: [n, 137, 2] x and y of the ray to the point at depth 1. orient: [n, j, 3,
    3] bones to the camera's frame.
    """

    error: Float[np.ndarray, "n 137 2"]
    is_sure: Bool[np.ndarray, "n 137"]
    ray: Float[np.ndarray, "n 137 2"]
    orient: Float[np.ndarray, "n j 3 3"]

    @classmethod
    def of(cls, looks: Looks, body: BodyModel) -> Views:
        """The views of people with the points of that body."""
        with torch.no_grad():
            orient, _, _ = skinning.bones(body, looks.params)
        error = looks.errors()
        hidden = hidden_points(body, looks.params, looks.points).numpy()
        sure = looks.keypoints.confidence.numpy() > SURE
        ray = (looks.points[..., :2] / looks.points[..., 2:]).double().numpy()
        is_sure = sure & ~hidden & np.isfinite(error).all(-1)
        return cls(error, is_sure, ray, orient.double().numpy())


@dataclass(frozen=True)
class Offset:
    """Of one kind of point: metres in the frame of its bone (x to the person's left or, of the
    right side, to its right; y up, z forward in the T-pose).

    spread: standard error of each component, over halves of the people. before, after: median
    length of what is left in the picture without and with the offset, metres. count: sightings.
    """

    vector: Float[np.ndarray, " 3"]
    spread: Float[np.ndarray, " 3"]
    before: float
    after: float
    count: int


@dataclass(frozen=True)
class Sightings:
    """Of one kind of point: errors in pictures and what an offset would do to them.

    error: [n, 2] metres. turn: [n, 2, 3] the share of an offset that the picture shows. person: [n].
    """

    error: Float[np.ndarray, "n 2"]
    turn: Float[np.ndarray, "n 2 3"]
    person: np.ndarray


def bone_of(point: str) -> str:
    """The joint in whose frame a point's offset is told."""
    if point.startswith("face") or point.endswith("pupil"):
        return "head"
    side = point.partition("_")[0]
    kind = sideless(point)
    bone = _BONES.get(kind)
    if bone is None:  # of a hand: the knuckles with the palm, the others with their own bone
        finger, _, number = kind.rpartition("_")
        bone = "wrist" if number in ("wrist", "1") else f"{finger}{int(number) - 1}"
    return bone if bone in _MIDDLE else f"{side}_{bone}"


def sightings(views: Views, points: Sequence[str]) -> Sightings:
    """Those of some points, of both sides."""
    errors, turns, people = [], [], []
    for point in points:
        index = names.POINT_INDEX[point]
        seen = np.flatnonzero(views.is_sure[:, index])
        frame = views.orient[seen, JOINT_INDEX[bone_of(point)]]
        if point.startswith("right"):
            frame = frame @ MIRROR
        # nearer or farther is seen as towards or away from the middle of the picture
        shown = np.zeros((len(seen), 2, 3))
        shown[:, 0, 0] = shown[:, 1, 1] = 1
        shown[:, :, 2] = -views.ray[seen, index]
        errors.append(views.error[seen, index])
        turns.append(shown @ frame)
        people.append(seen)
    return Sightings(np.concatenate(errors), np.concatenate(turns), np.concatenate(people))


def offset_of(seen: Sightings, halves: int = 20) -> Offset:
    """The offset that explains most sightings, and how far it changes with the people."""
    vector = _solved(seen, np.ones(len(seen.error), dtype=bool))
    generator = np.random.default_rng(0)
    people = np.unique(seen.person)
    others = []
    for _ in range(halves):
        half = generator.permutation(people)[: (len(people) + 1) // 2]
        others.append(_solved(seen, np.isin(seen.person, half)))
    left = seen.error - seen.turn @ vector
    return Offset(
        vector=vector,
        spread=np.std(others, 0),  # of halves: as large as the standard error of all
        before=_median_length(seen),
        after=float(np.median(np.linalg.norm(left, axis=1))),
        count=len(seen.error),
    )


def _solved(seen: Sightings, chosen: Bool[np.ndarray, " n"]) -> Float[np.ndarray, " 3"]:
    """Least squares with the weights of Geman and McClure, at the scale of the median."""
    error, turn = seen.error[chosen], seen.turn[chosen]
    vector = np.zeros(3)
    for _ in range(ROUNDS):
        squared = ((error - turn @ vector) ** 2).sum(1)
        scale = max(2 * np.median(squared) ** 0.5, LEAST_SCALE)
        weight = 1 / (1 + squared / scale**2) ** 2
        weighted = turn * weight[:, None, None]
        normal = np.einsum("nij,nik->jk", weighted, turn)
        right = np.einsum("nij,ni->j", weighted, error)
        vector = np.linalg.solve(normal + 1e-6 * np.eye(3), right)
    return vector


def kinds() -> dict[str, tuple[str, ...]]:
    """The points of each kind, left and right together; those of the face one by one."""
    found: dict[str, list[str]] = {}
    for name in names.POINT_NAMES:
        found.setdefault(sideless(name), []).append(name)
    return {kind: tuple(points) for kind, points in found.items()}


def offsets_table(looks: Looks, body: BodyModel, fewest: int = 8) -> str:
    """The offset of every kind of point as Markdown, millimetres."""
    lines = [
        "| point | n | x, out | y, up | z, forward | +- | left before | left after |",
        "|---" * 8 + "|",
    ]
    views = Views.of(looks, body)
    for kind, points in kinds().items():
        seen = sightings(views, points)
        if len(seen.error) < fewest:
            continue
        offset = offset_of(seen)
        cells = [f"{1000 * value:.1f}" for value in offset.vector]
        spread = " ".join(f"{1000 * value:.1f}" for value in offset.spread)
        cells += [spread, f"{1000 * offset.before:.1f}", f"{1000 * offset.after:.1f}"]
        lines.append(f"| {kind} | {offset.count} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def gains_table(looks: Looks, before: BodyModel, after: BodyModel) -> str:
    """Median length of what is left of the kinds of points that two bodies have elsewhere, as
    Markdown, millimetres.
    """
    lines = ["| point | n | before | after |", "|---|---|---|---|"]
    moved = looks.on(after)
    is_moved = (moved.points - looks.points).norm(dim=-1).nan_to_num().amax(0) > 0
    views, views_after = Views.of(looks, before), Views.of(moved, after)
    for kind, points in kinds().items():
        if not any(is_moved[names.POINT_INDEX[point]] for point in points):
            continue
        seen, seen_after = sightings(views, points), sightings(views_after, points)
        if len(seen.error):
            cells = [f"{1000 * _median_length(each):.1f}" for each in (seen, seen_after)]
            lines.append(f"| {kind} | {len(seen.error)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _median_length(seen: Sightings) -> float:
    return float(np.median(np.linalg.norm(seen.error, axis=1)))
