"""Who is who across views: people of one moment, put together by how near their points' epipolar
lines pass.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ..core.rotations import skew
from ..keypoints import Keypoints, names
from ..keypoints.confidence import SEEN
from .calibrated_camera import CalibratedCamera, CameraRig, undistorted

FEWEST = 5  # body points that two detections must have in common
# of the person's box: detectors are off by 1 or 2 %, and the lines of two cameras by both
LARGEST = 0.05
FAR = 1e6  # shares of a box: more than any two detections that have points in common

Place = tuple[int, int]  # the number of a view, and of a person in it


@dataclass(frozen=True)
class MatchedPerson:
    """One person of a moment.

    seen: the person's number in each view, None where the view has not seen them.
    distance: the mean epipolar distance between the views, shares of the person's box; NaN for one
        seen once.
    """

    seen: tuple[int | None, ...]
    distance: float

    @property
    def views(self) -> tuple[int, ...]:
        """The views that have seen the person."""
        return tuple(view for view, person in enumerate(self.seen) if person is not None)


def match_people(
    cameras: Sequence[CalibratedCamera], detected: Sequence[Keypoints], largest: float = LARGEST
) -> list[MatchedPerson]:
    """Everybody of a moment, each once; those of most views first, then in the order of the views.

    detected: people [n] of each camera, pixels as detected; any number of them, also none.
    largest: epipolar distance up to which two detections may be of one person, share of the box.

    Detections of each two views are assigned to each other at the least distance altogether. The
    pairs are then joined, the nearest first, to people of at most one detection in each view; two
    groups join only where their detections are near on average. Raises ValueError where there is
    not one batch of people for each camera.
    """
    if len(cameras) != len(detected):
        raise ValueError(f"match_people: {len(detected)} views of {len(cameras)} cameras")
    places = [
        (view, person) for view, seen in enumerate(detected) for person in range(len(seen.xy))
    ]
    if not places:
        return []
    distances = _distances(cameras, detected)
    groups = _joined(places, distances, largest)
    found = [_person(group, distances, len(cameras)) for group in groups]
    return sorted(found, key=lambda person: (-len(person.views), _order(person)))


def _order(person: MatchedPerson) -> list[Place]:
    return [(view, person.seen[view] or 0) for view in person.views]


def _distances(
    cameras: Sequence[CalibratedCamera], detected: Sequence[Keypoints]
) -> dict[tuple[int, int], Float[Tensor, "n m"]]:
    """Of the people of each two views, the first of which has the lower number."""
    rig = CameraRig.of(cameras)
    straight = [
        undistorted(seen, camera).to(dtype=torch.float64)
        for seen, camera in zip(detected, cameras, strict=True)
    ]
    pairs = itertools.combinations(range(len(cameras)), 2)
    return {(i, j): epipolar_distance(rig[[i, j]], straight[i], straight[j]) for i, j in pairs}


def epipolar_distance(two: CameraRig, first: Keypoints, second: Keypoints) -> Float[Tensor, "n m"]:
    """The median distance of body points from the epipolar lines of the other view's, share of the
    person's box; infinite where two detections have fewer than 5 points in common.

    two: the rig of the two cameras; first, second: their people [n] and [m], undistorted.
    """
    body = names.BODY
    shape = len(first.xy), len(second.xy), body.stop
    if not shape[0] or not shape[1]:
        return first.xy.new_zeros(shape[:2])
    rays = [two[0].rays(first.xy[:, body]), two[1].rays(second.xy[:, body])]
    ahead = [torch.nn.functional.pad(ray, (0, 1), value=1.0) for ray in rays]
    rotation = two.rotation[1] @ two.rotation[0].mT
    translation = two.translation[1] - rotation @ two.translation[0]
    essential = skew(translation) @ rotation  # x_second^T E x_first = 0

    in_second = ahead[0] @ essential.mT  # the lines of the first view's points, [n, 25, 3]
    in_first = ahead[1] @ essential
    off_second = _from_line(ahead[1][None], in_second[:, None])  # [n, m, 25]
    off_first = _from_line(ahead[0][:, None], in_first[None])

    # pixels of each view, then shares of the person's box in it
    focal_first, focal_second = two.camera.focal.mean(-1).unbind()
    by_first = off_first * focal_first / _size(first)[:, None, None]
    by_second = off_second * focal_second / _size(second)[:, None]
    seen_first = first.confidence[:, None, body] >= SEEN
    seen_second = second.confidence[None, :, body] >= SEEN
    both = seen_first & seen_second
    distance = torch.where(both, (by_first + by_second) / 2, torch.nan)
    median = distance.nanquantile(0.5, -1)
    enough = both.sum(-1) >= FEWEST
    return torch.where(enough, median, torch.inf)


def _size(people: Keypoints) -> Float[Tensor, " n"]:
    """The diagonal of each person's box, pixels."""
    return people.box_diagonal(people.confidence >= SEEN).clamp(min=1.0)


def _from_line(point: Tensor, line: Tensor) -> Tensor:
    """Distance from lines (a, b, c), all on the plane one metre ahead."""
    length = line[..., :2].norm(dim=-1).clamp(min=1e-12)
    return (point * line).sum(-1).abs() / length


def _joined(
    places: Sequence[Place],
    distances: dict[tuple[int, int], Tensor],
    largest: float,
) -> list[list[Place]]:
    """Detections put together into people."""
    edges: list[tuple[float, Place, Place]] = []
    for (i, j), matrix in distances.items():
        # strangers are strangers: of two who have nobody, how far they are apart decides nothing
        costs = matrix.clamp(max=largest).numpy()
        for row, column in zip(*linear_sum_assignment(costs), strict=True):
            cost = float(matrix[row, column])
            if cost <= largest:
                edges.append((cost, (i, int(row)), (j, int(column))))

    group_of = {place: [place] for place in places}
    for _, a, b in sorted(edges):
        ours, theirs = group_of[a], group_of[b]
        if ours is theirs or {view for view, _ in ours} & {view for view, _ in theirs}:
            continue
        if _apart(ours, theirs, distances) <= largest:
            ours += theirs
            for place in theirs:
                group_of[place] = ours
    unique = {id(group): group for group in group_of.values()}  # lists are no keys
    return [sorted(group) for group in unique.values()]


def _apart(
    ours: Sequence[Place], theirs: Sequence[Place], distances: dict[tuple[int, int], Tensor]
) -> float:
    """The mean distance between the detections of two groups; of those that have points in
    common.
    """
    each = [_distance(a, b, distances) for a in ours for b in theirs]
    finite = [distance for distance in each if distance < FAR]
    return sum(finite) / len(finite) if finite else FAR


def _distance(a: Place, b: Place, distances: dict[tuple[int, int], Tensor]) -> float:
    (i, person), (j, other) = sorted((a, b))
    return float(distances[i, j][person, other])


def _person(
    group: Sequence[Place], distances: dict[tuple[int, int], Tensor], views: int
) -> MatchedPerson:
    by_view = dict(group)
    within = [_distance(a, b, distances) for a, b in itertools.combinations(group, 2)]
    finite = [distance for distance in within if distance < FAR]
    mean = sum(finite) / len(finite) if finite else float("nan")
    return MatchedPerson(tuple(by_view.get(view) for view in range(views)), mean)
