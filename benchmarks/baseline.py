"""A plain fit of one person the way it was done in 2019: what `benchmarks.speed` compares with.

Written from the published description of SMPLify-X (Pavlakos et al., CVPR 2019; Bogo et al., ECCV
2016), for this benchmark alone: one person at a time, the whole mesh at every evaluation, autograd,
`torch.optim.LBFGS` with strong Wolfe; the camera first, then five stages with the camera frozen;
the back view too where the shoulders look narrow.

Where it differs, it does so in the baseline's favour, or because a part is not free: the Gaussian
prior in whitened coordinates stands in for the VPoser latent; no interpenetration term; the true
focal length instead of 5000 px; an upright start; torso points that were not detected are left out
instead of counting as (0, 0).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from smplifyx.body import skinning
from smplifyx.body.joints import JOINT_INDEX
from smplifyx.body.model import BodyModel, HandSpace
from smplifyx.body.params import BodyParams
from smplifyx.camera import Camera
from smplifyx.core import rotations
from smplifyx.keypoints import Keypoints, names
from smplifyx.pose_priors import load_prior

RHO = 100.0  # pixels, on each coordinate
BENDING = 3.17  # times the weight of the pose prior, not squared
HAND_COMPONENTS, SHAPES, EXPRESSIONS = 12, 10, 10
DEPTH = 100.0  # per metre, in the camera stage
NARROW = 25.0  # pixels between the shoulders below which the back view is tried
OUTER, INNER, HISTORY, TOLERANCE = 30, 30, 100, 1e-9
SIDES = (("left_shoulder", "left_hip"), ("right_shoulder", "right_hip"))
TORSO = [names.POINT_INDEX[name] for side in SIDES for name in side]
IGNORED = [
    names.POINT_INDEX[name]
    for name in ("neck", "left_hip", "right_hip", "left_pupil", "right_pupil")
]
HINGES = (
    ("left_elbow", 1, 1.0),
    ("right_elbow", 1, -1.0),
    ("left_knee", 0, -1.0),
    ("right_knee", 0, -1.0),
)
UPRIGHT = (math.pi, 0.0, 0.0)  # facing the camera, whose y points down


@dataclass(frozen=True)
class Stage:
    """The weights of one stage; squared in the energy but for the bending term."""

    pose: float  # of the body and of both hands
    shape: float  # of betas and of the expression
    jaw: tuple[float, float, float]
    hands: float  # on the hand points
    face: float  # on the face points


STAGES = (
    Stage(404.0, 100.0, (4040.0, 40400.0, 40400.0), 0.0, 0.0),
    Stage(404.0, 50.0, (4040.0, 40400.0, 40400.0), 0.0, 0.0),
    Stage(57.4, 10.0, (574.0, 5740.0, 5740.0), 0.0, 0.0),
    Stage(4.78, 5.0, (47.8, 478.0, 478.0), 0.1, 0.0),
    Stage(4.78, 5.0, (47.8, 478.0, 478.0), 2.0, 2.0),
)


@dataclass(frozen=True)
class BaselineFit:
    """One person: the better of the orientations tried, and what it took."""

    params: BodyParams  # [1]
    seconds: float
    evaluations: int  # of the whole mesh, with its gradient
    # seconds and body after each stage of the first orientation
    trail: tuple[tuple[float, BodyParams], ...]


@dataclass(frozen=True)
class _Person:
    """What is seen of one person, and what it is fitted with."""

    keypoints: Keypoints
    camera: Camera
    body: BodyModel
    center: Tensor  # [63] mean pose
    spread: Tensor  # [63, 63]: pose = center + z @ spread, with z standard normal

    @property
    def scale(self) -> float:
        return 1000.0 / float(self.camera.image_size[0, 1])

    def pixels(self, params: BodyParams) -> Tensor:
        """The 137 points in the image [1, 137, 2]; the whole mesh is made on the way."""
        return self.camera.project(skinning.points(self.body, params))


class _Clock:
    """Counts evaluations and seconds, and keeps the bodies after each stage."""

    def __init__(self) -> None:
        self.start, self.evaluations = time.perf_counter(), 0
        self.trail: list[tuple[float, BodyParams]] = []

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.start

    def note(self, params: BodyParams) -> None:
        self.trail.append((self.seconds, params.detach().map(Tensor.clone)))


def fit_person(keypoints: Keypoints, camera: Camera, body: BodyModel) -> BaselineFit:
    """Fits one person (keypoints and camera with one row) to an SMPL-X body."""
    prior = load_prior("gaussian").to(body.v_template.device, body.v_template.dtype)
    person = _Person(keypoints, camera, body, prior.mean(), torch.linalg.inv(prior.whitening).T)
    clock = _Clock()
    placed = _placed(person, clock)
    clock.note(_params(person, placed))
    energy, best = _through_stages(person, placed, clock)
    trail = tuple(clock.trail)
    if _looks_narrow(keypoints):
        other = placed | {"global_orient": _turned_round(placed["global_orient"])}
        other_energy, other = _through_stages(person, other, clock)
        best = other if other_energy < energy or not math.isfinite(energy) else best
    return BaselineFit(_params(person, best).detach(), clock.seconds, clock.evaluations, trail)


def _through_stages(
    person: _Person, start: Mapping[str, Tensor], clock: _Clock
) -> tuple[float, dict[str, Tensor]]:
    """The last energy, and the unknowns after all stages; the camera's translation stays."""
    x = {name: value.detach().clone().requires_grad_() for name, value in start.items()}
    energy = math.inf
    for stage in STAGES:
        free = [value for name, value in x.items() if name != "transl"]
        energy = _minimise(free, lambda s=stage: _energy(person, x, s), clock)
        clock.note(_params(person, x))
    return energy, x


def _unknowns(body: BodyModel) -> dict[str, Tensor]:
    """The mean body, upright, at the origin."""
    sizes = {"transl": 3, "pose": 63, "betas": SHAPES, "expression": EXPRESSIONS, "jaw": 3, "leye": 3, "reye": 3,
             "left_hand": HAND_COMPONENTS, "right_hand": HAND_COMPONENTS}  # fmt: skip
    start = {name: body.v_template.new_zeros(1, size) for name, size in sizes.items()}
    start["global_orient"] = body.v_template.new_tensor([UPRIGHT])
    return {name: value.requires_grad_() for name, value in start.items()}


def _params(person: _Person, x: Mapping[str, Tensor]) -> BodyParams:
    body = person.body
    pose = person.center + x["pose"] @ person.spread
    return BodyParams(
        global_orient=x["global_orient"], body_pose=pose.unflatten(-1, (-1, 3)),
        left_hand_pose=_hand(body.left_hand, x["left_hand"]), right_hand_pose=_hand(body.right_hand, x["right_hand"]),
        jaw_pose=x["jaw"], leye_pose=x["leye"], reye_pose=x["reye"],
        betas=x["betas"], expression=x["expression"], transl=x["transl"],
    )  # fmt: skip


def _hand(space: HandSpace, coefficients: Tensor) -> Tensor:
    return (space.mean + coefficients @ space.components[:HAND_COMPONENTS]).unflatten(-1, (-1, 3))


def _placed(person: _Person, clock: _Clock) -> dict[str, Tensor]:
    """The mean body: depth from the sides of the torso, then orientation and place from its four
    points.
    """
    x, xy = _unknowns(person.body), person.keypoints.xy[0]
    seen = person.keypoints.confidence[0] > 0
    with torch.no_grad():
        rest = skinning.points(person.body, _params(person, x))[0]
        sides = [[names.POINT_INDEX[name] for name in side] for side in SIDES]
        sides = [side for side in sides if seen[side].all()] or sides
        metres, pixels = (
            sum(float((points[a] - points[b]).norm()) for a, b in sides) for points in (rest, xy)
        )
        depth = float(person.camera.focal[0, 0]) * metres / max(pixels, 1.0)
        x["transl"][0, 2] = depth
    weight = seen[TORSO].to(xy.dtype)[:, None]

    def energy() -> Tensor:
        miss = person.pixels(_params(person, x))[0, TORSO] - xy[TORSO]
        return (
            person.scale**2 * (weight * miss**2).sum() + DEPTH**2 * (x["transl"][0, 2] - depth) ** 2
        )

    _minimise([x["transl"], x["global_orient"]], energy, clock)
    return x


def _energy(person: _Person, x: Mapping[str, Tensor], stage: Stage) -> Tensor:
    """The energy of a body stage."""
    params = _params(person, x)
    miss = person.pixels(params) - person.keypoints.xy
    robust = RHO**2 * miss**2 / (miss**2 + RHO**2)
    weight = person.keypoints.confidence * _point_weights(stage, miss)
    data = (person.scale * weight[..., None]) ** 2 * robust
    hands = (params.left_hand_pose.flatten(1) - person.body.left_hand.mean) ** 2
    hands = hands + (params.right_hand_pose.flatten(1) - person.body.right_hand.mean) ** 2
    bend = sum(
        torch.exp(2 * sign * params.body_pose[:, JOINT_INDEX[j] - 1, axis])
        for j, axis, sign in HINGES
    )
    shape = (x["betas"] ** 2).sum() + (x["expression"] ** 2).sum()
    jaw = (x["jaw"].new_tensor(stage.jaw) * x["jaw"]) ** 2
    pose = (
        stage.pose**2 * ((x["pose"] ** 2).sum() + hands.sum()) + BENDING * stage.pose * bend.sum()
    )
    return data.sum() + pose + stage.shape**2 * shape + jaw.sum()


def _point_weights(stage: Stage, like: Tensor) -> Tensor:
    """Of the 137 points; the face's contour and pupils are not used."""
    weight = like.new_zeros(names.COUNT)
    weight[names.BODY] = 1.0
    weight[names.LEFT_HAND] = weight[names.RIGHT_HAND] = stage.hands
    weight[names.CONTOUR.stop : names.FACE.stop] = stage.face
    weight[IGNORED] = 0.0
    return weight


def _minimise(free: list[Tensor], energy: Callable[[], Tensor], clock: _Clock) -> float:
    """Up to 30 calls of L-BFGS with up to 30 steps each, until a call no longer lowers the energy."""
    solver = torch.optim.LBFGS(
        free, max_iter=INNER, history_size=HISTORY, tolerance_grad=1e-5, tolerance_change=TOLERANCE,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure() -> Tensor:
        clock.evaluations += 1
        solver.zero_grad()
        value = energy()
        value.backward()
        return value

    before = math.inf
    for _ in range(OUTER):
        now = float(solver.step(closure).detach())
        if not math.isfinite(now) or before - now <= TOLERANCE * max(abs(now), 1.0):
            return now
        before = now
    return before


def _looks_narrow(keypoints: Keypoints) -> bool:
    left, right = (
        keypoints.xy[0, names.POINT_INDEX[f"{side}_shoulder"]] for side in ("left", "right")
    )
    return float((left - right).norm()) < NARROW


def _turned_round(orient: Tensor) -> Tensor:
    """The same orientation seen from behind: half a turn about the body's own vertical axis."""
    orient = orient.detach()
    return rotations.log(rotations.exp(orient) @ rotations.about("y", math.pi, orient))
