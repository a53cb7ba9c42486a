"""One body from several calibrated cameras: a real man and generated people.

    python -m benchmarks.views [--every 4] [--count 64] [--scenes 100] [--preset smplx]

`multiview`: one man before four cameras (`benchmarks.multiview`, left out where the folder is
missing), every so manieth frame, fitted from all four views, from each two, from each alone; the
calibration's K and distortion are used. PA-MPJPE: mean distance in mm after similarity alignment
of the 18 body points that the truth has (shoulders, limbs and feet); MPJPE: the same without any
alignment, in the room's frame. The truth was triangulated from such keypoints of the same four
cameras, and is good to 20 or 30 mm. triangulated MPJPE: that of the keypoints' own points in space,
without a body; stature sd: from frame to frame.

generated: people in held-out poses, random shapes, 4 cameras in a ring of 5 m around each, heights
of 1 to 2.5 m, 2 px noise at 1000 px, 10 % of the points unseen. PA-MPJPE of the 22 body joints; MPJPE
of the 25 body points in the room's frame.

matching: generated people of a moment, 3 or 4 in a square of 4 m, in 4 views of the same ring, 10 %
of them missing in a view. right: share of the people whose every detection, and none of another,
was put together; wrong: share of the pairs that were put together and are of two people.
"""

from __future__ import annotations

import argparse
import itertools
import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from smplifyx.body.loading.files import load_body
from smplifyx.body.model import BodyModel
from smplifyx.data.draws import Draws
from smplifyx.data.generate_options import GenerateOptions
from smplifyx.data.mocap import heldout_poses
from smplifyx.data.random_views import detect
from smplifyx.data.synthetic import GeneratedPeople, generate_people
from smplifyx.evaluation.metrics import pa_mpjpe, person_errors
from smplifyx.fitting.fit import fit
from smplifyx.fitting.views_fit import ViewsFit, fit_views
from smplifyx.keypoints import Keypoints, names
from smplifyx.keypoints.confidence import SEEN
from smplifyx.views.calibrated_camera import CalibratedCamera, CameraRig, undistorted
from smplifyx.views.matching import match_people
from smplifyx.views.triangulation import triangulate

from .multiview import ARCHIVE, calibrated_cameras, read_multiview
from .quality import table
from .real import TRUE_POINTS

RADIUS = 5.0  # metres, of the ring of cameras
HEIGHTS = (1.0, 2.5)  # metres, of the cameras
LOOKED_AT = 1.0  # metres above the floor
SIDE = 1000  # pixels of the square images
FOCAL = 1000.0 * 2**0.5  # pixels: the diagonal, so that people fill half of the image
SQUARE = 4.0  # metres that people of one moment stand in
APART = 0.6  # metres between two people, at least
TRIANGULATED_PX = 60.0  # pixels that a detection may be off
SAME_RING = 8  # generated people
MISSING = 0.1  # share of the people whom a view has not detected
UPRIGHT = GenerateOptions(pitch=(0.0, 0.0), roll=(0.0, 0.0), solid=True)


@dataclass(frozen=True)
class Seen:
    """People [n] before several cameras, and where their points are in the world, metres."""

    keypoints: Keypoints  # [n, cameras]
    cameras: tuple[CalibratedCamera, ...]
    points: Float[Tensor, "n 137 3"]

    def only(self, views: Sequence[int]) -> Seen:
        """The same before some of the cameras."""
        chosen = self.keypoints.map(lambda t: t[:, list(views)])
        return Seen(chosen, tuple(self.cameras[view] for view in views), self.points)


def read_man(folder: Path, every: int) -> Seen:
    """The man of `multiview`, at moments at which all four cameras have detected him."""
    man = read_multiview(folder, every)
    row_of = {view: row for row, view in enumerate(man.views)}
    cameras = tuple(calibrated_cameras(folder))
    numbers = range(1, len(cameras) + 1)
    frames = sorted({frame for _, frame in man.views})
    whole = [frame for frame in frames if all((n, frame) in row_of for n in numbers)]
    rows = torch.tensor([[row_of[n, frame] for n in numbers] for frame in whole])
    first = cameras[0]
    back = torch.from_numpy(first.rotation.T).float()
    center = torch.from_numpy(first.center).float()
    points = man.points[rows[:, 0]] @ back.T + center
    return Seen(man.keypoints[rows], cameras, points)


def ring(count: int, draws: Draws) -> list[CalibratedCamera]:
    """Cameras around the origin of a world with y down, the floor at y = 0, at equal angles from a
    random one.
    """
    start = float(draws.uniform((0.0, 2 * math.pi))[0])
    heights = draws.uniform(HEIGHTS, count)[0].tolist()
    K = np.array([[FOCAL, 0, SIDE / 2], [0, FOCAL, SIDE / 2], [0, 0, 1]])
    found = []
    for number, height in enumerate(heights):
        angle = start + 2 * math.pi * number / count
        place = np.array([RADIUS * math.sin(angle), -height, -RADIUS * math.cos(angle)])
        ahead = np.array([0.0, -LOOKED_AT, 0.0]) - place
        ahead /= np.linalg.norm(ahead)
        right = np.cross([0.0, 1.0, 0.0], ahead)
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(ahead, right), ahead])
        found.append(
            CalibratedCamera(
                f"cam{number}", K, np.zeros(5), rotation, -rotation @ place, (SIDE, SIDE)
            )
        )
    return found


def on_the_floor(points: Float[Tensor, "n 137 3"]) -> Float[Tensor, "n 137 3"]:
    """People of upright cameras (y down), moved to the origin with their lowest point at y = 0."""
    known = points[:, :25]
    middle = points[:, names.POINT_INDEX["mid_hip"]].clone()
    middle[:, 1] = known[..., 1].nan_to_num(-torch.inf).amax(-1)
    return points - middle[:, None]


def seen_by(
    cameras: Sequence[CalibratedCamera], points: Float[Tensor, "n 137 3"], draws: Draws
) -> Keypoints:
    """Detections [n, cameras] of people in the world."""
    rig = CameraRig.of(cameras).to(dtype=torch.float32)
    found = []
    for view in range(len(cameras)):
        there = points @ rig.rotation[view].mT + rig.translation[view]
        own = rig.camera[view].map(lambda t: t.expand(len(points), *t.shape))
        found.append(detect(there, own, draws, UPRIGHT))
    return Keypoints.stack(found, 1)


def generated(people: GeneratedPeople, seed: int) -> list[Seen]:
    """People, each in the middle of a ring of cameras; a few have the same ring."""
    points = on_the_floor(people.points)
    moments = []
    for number, own in enumerate(points.split(SAME_RING)):
        draws = Draws.seeded(seed + number, len(own))
        cameras = ring(4, draws)
        moments.append(Seen(seen_by(cameras, own, draws), tuple(cameras), own))
    return moments


def man_row(seen: Seen, body: BodyModel, preset: str) -> dict[str, float]:
    """Errors of a fit to real detections."""
    fitted = fit_views(seen.keypoints, seen.cameras, body, preset)
    return errors(fitted, seen.points, TRUE_POINTS) | {"triangulated MPJPE": triangulated_mm(seen)}


def triangulated_mm(seen: Seen) -> float:
    """The mean error in the room's frame of the keypoints' own points in space, without a body."""
    rig = CameraRig.of(seen.cameras)
    views = enumerate(seen.cameras)
    keypoints = Keypoints.stack([undistorted(seen.keypoints[:, i], one) for i, one in views], 1)
    confidence = torch.where(keypoints.confidence >= SEEN, keypoints.confidence, 0.0).double()
    within = torch.full((1, len(seen.cameras), 1), TRIANGULATED_PX, dtype=torch.float64)
    found = triangulate(rig, keypoints.xy.double(), confidence, within).points.float()
    off = (found - seen.points)[:, TRUE_POINTS].norm(dim=-1)
    return 1000 * float(off.nanmean())


def single_row(seen: Seen, view: int, body: BodyModel, preset: str) -> dict[str, float]:
    """The same from one view, as `smplifyx.fit` does it."""
    camera = seen.cameras[view]
    keypoints = undistorted(seen.keypoints[:, view], camera)
    rig = CameraRig.of([camera]).to(dtype=torch.float32)
    result = fit(keypoints, rig.camera[0], body, preset)
    T_world_camera = torch.eye(4).repeat(len(seen.points), 1, 1)
    T_world_camera[:, :3, :3] = rig.rotation[0].T
    T_world_camera[:, :3, 3] = torch.from_numpy(camera.center).float()
    reference = torch.full((len(seen.points),), view)
    fitted = ViewsFit(result, reference, T_world_camera)
    return errors(fitted, seen.points, TRUE_POINTS) | {"triangulated MPJPE": math.nan}


def errors(fitted: ViewsFit, truth: Tensor, which: Sequence[int]) -> dict[str, float]:
    """Mean errors in mm of some points; stature sd: from frame to frame of one man."""
    own = fitted.result.points3d[:, list(which)]
    true = truth[:, list(which)]
    of_person = (fitted.in_world(own) - true).norm(dim=-1).nanmean(-1) * 1000
    aligned = pa_mpjpe(own, true)
    return {
        "people": len(true),
        "PA-MPJPE": float(aligned.mean()),
        "p90": float(aligned.quantile(0.9)),
        "MPJPE": float(of_person.mean()),
        "stature sd": 1000 * float(fitted.result.shape.stature.std()),
    }


def generated_row(
    people: GeneratedPeople, moments: Sequence[Seen], views: int, body: BodyModel, preset: str
) -> dict[str, float]:
    """Errors of fits to generated people."""
    aligned, absolute = [], []
    known = body.points.known[:25].nonzero().flatten().tolist()
    for number, moment in enumerate(moments):
        seen = moment.only(range(views))
        fitted = fit_views(seen.keypoints, seen.cameras, body, preset)
        truth = people.truth[SAME_RING * number : SAME_RING * (number + 1)]
        aligned.append(person_errors(body, fitted.result.params, truth).pa_mpjpe)
        own = fitted.in_world(fitted.result.points3d[:, known])
        absolute.append((own - seen.points[:, known]).norm(dim=-1).mean(-1) * 1000)
    pa, mpjpe = torch.cat(aligned), torch.cat(absolute)
    return {
        "people": len(pa),
        "PA-MPJPE": float(pa.mean()),
        "p90": float(pa.quantile(0.9)),
        "MPJPE": float(mpjpe.mean()),
        "worst PA": float(pa.max()),
    }


def matching_row(people: GeneratedPeople, scenes: int, count: int, seed: int) -> dict[str, float]:
    """How often people of one moment are put together as they should be."""
    points = on_the_floor(people.points)
    right = everybody = wrong = pairs = 0
    for scene in range(scenes):
        draws = Draws.seeded(seed + scene, count)
        chosen = draws.index(len(points))
        together = points[chosen] + _places(draws)[:, None]
        cameras = ring(4, draws)
        keypoints = seen_by(cameras, together, draws)
        missing = draws.uniform((0.0, 1.0), len(cameras)) < MISSING
        detected, who = [], []
        for view in range(len(cameras)):
            own = keypoints[:, view]
            enough = (own.confidence[:, names.BODY] > 0).sum(-1) >= 8
            order = torch.randperm(count, generator=draws.generator)
            kept = order[(enough & ~missing[:, view])[order]]
            detected.append(own[kept])
            who.append(kept.tolist())
        found = match_people(cameras, detected)
        groups = []
        for person in found:
            groups.append([(view, who[view][person.seen[view] or 0]) for view in person.views])
        for person in range(count):
            true = {(view, person) for view in range(len(cameras)) if person in who[view]}
            if not true:
                continue
            everybody += 1
            right += any(set(group) == true for group in groups)
        for group in groups:
            for (_, a), (_, b) in itertools.combinations(group, 2):
                pairs += 1
                wrong += a != b
    return {"people": everybody, "right": right / everybody, "wrong": wrong / max(pairs, 1)}


def _places(draws: Draws) -> Float[Tensor, "n 3"]:
    """Where people stand: anywhere in a square, but not in one another."""
    while True:
        places = draws.uniform((-SQUARE / 2, SQUARE / 2), 3)
        places[:, 1] = 0
        apart = torch.cdist(places, places).fill_diagonal_(torch.inf)
        if float(apart.min()) >= APART:
            return places


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--preset", default="smplx")
    parser.add_argument("--every", type=int, default=4, help="of the frames of multiview")
    parser.add_argument("--count", type=int, default=64, help="generated people")
    parser.add_argument("--scenes", type=int, default=100, help="of 3 and of 4 people each")
    asked = parser.parse_args(arguments)

    torch.set_num_threads(1)
    print(f"{platform.machine()}, torch {torch.__version__}; preset {asked.preset}")
    if (asked.data / "multiview" / ARCHIVE).is_file():
        print(table("multiview: mm", man_rows(asked.data / "multiview", asked.every, asked.preset)))
    body = load_body(None)
    poses = heldout_poses(asked.data / "mocap", body.joint_template.double().numpy())
    people = generate_people(body, poses, asked.count, 0, UPRIGHT)
    moments = generated(people, 0)
    rows = {
        f"{views} views": generated_row(people, moments, views, body, asked.preset)
        for views in (4, 3, 2)
    }
    print(table("generated, 2 px: mm", rows))
    matched = {f"{count} people": matching_row(people, asked.scenes, count, 0) for count in (3, 4)}
    print(table("matching", matched))


def man_rows(folder: Path, every: int, preset: str) -> dict[str, dict[str, float]]:
    """The man from all views, and from each two."""
    man = read_man(folder, every)
    body = load_body(None, detector=read_multiview(folder, 100).detector)
    numbers = range(len(man.cameras))
    rows = {"four views": man_row(man, body, preset)}
    pairs = []
    for pair in itertools.combinations(numbers, 2):
        pairs.append(man_row(man.only(pair), body, preset))
        rows[f"views {pair[0] + 1}, {pair[1] + 1}"] = pairs[-1]
    rows["two views, mean"] = mean_of(pairs)
    singles = [single_row(man, view, body, preset) for view in numbers]
    rows["one view, mean"] = mean_of(singles)
    return rows


def mean_of(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Of each column."""
    return {key: sum(row[key] for row in rows) / len(rows) for key in rows[0]}


if __name__ == "__main__":
    main()
