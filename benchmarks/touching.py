"""People who touch themselves and people who do not, of every `Kind`, as the brute force says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from benchmarks.brute import Brute, brute_force
from benchmarks.reaching import RECIPES, SHAKEN, STANDING, Kind, body_pose, reach, stiffness
from smplifyx.body import skinning
from smplifyx.body.model import BodyModel
from smplifyx.body.params import BodyParams
from smplifyx.collision.mesh.check import self_penetration
from smplifyx.collision.parts import parts_of
from smplifyx.core import rotations
from smplifyx.data.mocap import heldout_poses
from smplifyx.data.retarget import Poses, mirror
from smplifyx.data.synthetic import generate_people
from smplifyx.pose_priors import load_prior
from smplifyx.pose_priors.hands import recorded_hands

START, GOAL = -0.12, 0.02  # metres: how deep below its target a spot is at the ends of the way
# metres: made poses stop where they are as deep in themselves as was drawn, up to this
DEPTHS = 0.04
BISECTIONS = 6  # of the way
DEEPEST = 0.06  # metres: bodies deeper in themselves are drawn again
SOFT = 0.005  # metres that skin gives way, or so
# of how hands differ from their mean: livelier ones touch themselves, whatever the body does
LIVELY = 0.12
PRIORS = ("gaussian", "gmm", "vposer", "flow")
CURL = (1.43, 1.71, 1.13)  # radians of the three joints of a finger in a fist
CURLED = (0.75, 1.15)  # of that
CROSSING = (-0.35, 0.35)  # radians between fingers at rest
ROUNDS = 60
# of those that touch; the other kinds share the rest alike
SHARES = {Kind.MOCAP: 0.2, Kind.PRIOR: 0.2}
SOFT_SHARES = {Kind.MOCAP: 0.1, Kind.PRIOR: 0.1}
FREE_SHARES = {Kind.MOCAP: 0.4, Kind.PRIOR: 0.3}


class Stop(Enum):
    """Where on its way a made pose stops."""

    BEFORE = "just before it touches"
    TOUCH = "as soon as it touches"
    DEPTH = "as deep as was drawn"


@dataclass(frozen=True)
class Sample:
    """People [n] around the origin, what each does, and what the brute force found."""

    params: BodyParams
    kinds: tuple[Kind, ...]
    brute: tuple[Brute, ...]

    def __len__(self) -> int:
        return len(self.kinds)

    def __getitem__(self, rows: Sequence[int]) -> Sample:
        rows = list(rows)
        return Sample(
            self.params[rows],
            tuple(self.kinds[i] for i in rows),
            tuple(self.brute[i] for i in rows),
        )

    @classmethod
    def cat(cls, parts: Iterable[Sample]) -> Sample:
        """Many as one."""
        parts = list(parts)
        kinds, brute = (
            [one for part in parts for one in getattr(part, name)] for name in ("kinds", "brute")
        )
        return cls(BodyParams.cat([part.params for part in parts]), tuple(kinds), tuple(brute))

    @property
    def touches(self) -> Bool[Tensor, " n"]:
        """By the brute force."""
        return torch.tensor([one.touches for one in self.brute])

    @property
    def depth(self) -> Float[Tensor, " n"]:
        """In metres, by the brute force."""
        return torch.tensor([one.depth for one in self.brute])

    @property
    def triangles(self) -> Int[Tensor, " n"]:
        """By the brute force."""
        return torch.tensor([one.triangles for one in self.brute])


@dataclass(frozen=True)
class Source:
    """What people are drawn from."""

    body: BodyModel
    mocap: Poses
    threads: int

    @classmethod
    def read(cls, body: BodyModel, mocap: Path, threads: int) -> Source:
        """`mocap`: the folder of the CMU archive; only subjects 13 and 14 are read."""
        return cls(body, heldout_poses(mocap, body.joint_template.double().numpy()), threads)

    def draw(self, kind: Kind, count: int, seed: int, stop: Stop = Stop.DEPTH) -> Sample:
        """People of a kind, whatever they do: random shapes, hands and faces."""
        generator = torch.Generator().manual_seed(seed)
        still = Poses(np.zeros((1, 3)), np.zeros((1, 21, 3)))
        people = generate_people(self.body, still, count, seed).truth
        left, right = (space.mean.unflatten(0, (15, 3)) for space in recorded_hands(people.transl))
        people = people.replace(
            global_orient=0 * people.global_orient, transl=0 * people.transl,
            left_hand_pose=left.lerp(people.left_hand_pose, LIVELY),
            right_hand_pose=right.lerp(people.right_hand_pose, LIVELY),
        )  # fmt: skip
        people = self._posed(people, kind, generator, stop)
        return Sample(people, (kind,) * count, brute_forces(self.body, people, self.threads))

    def _posed(
        self, people: BodyParams, kind: Kind, generator: torch.Generator, stop: Stop
    ) -> BodyParams:
        count = len(people.transl)
        if kind is Kind.MOCAP:
            at = torch.randint(len(self.mocap.body_pose), (count,), generator=generator)
            return people.replace(
                body_pose=torch.as_tensor(self.mocap.body_pose)[at].to(people.body_pose)
            )
        if kind is Kind.PRIOR:
            return people.replace(body_pose=_prior_poses(count, generator))
        if kind is Kind.FISTS:
            return _with_fists(people, generator)
        chosen = torch.randint(len(RECIPES[kind]), (count,), generator=generator)
        shaken = (
            SHAKEN
            * stiffness(people.body_pose)
            * torch.randn(people.body_pose.shape, generator=generator)
        )
        recipes = tuple(RECIPES[kind][i] for i in chosen)
        start = people.replace(
            body_pose=shaken + torch.stack([body_pose(recipe.start) for recipe in recipes])
        )
        start = reach(self.body, start, recipes, torch.full((count,), START))
        goal = reach(self.body, start, recipes, torch.full((count,), GOAL))
        depth = DEPTHS * torch.rand(count, generator=generator) ** 2
        return _on_the_way(self.body, _half_mirrored(start), _half_mirrored(goal), depth, stop)


def _on_the_way(
    body: BodyModel, start: BodyParams, goal: BodyParams, depth: Tensor, stop: Stop
) -> BodyParams:
    """Where on the way from one pose to the other each body [n] has to stop; `depth` is what was
    drawn.
    """
    near, far = torch.zeros(len(goal.transl)), torch.ones(len(goal.transl))

    def at(share: Tensor) -> BodyParams:
        return goal.replace(body_pose=start.body_pose.lerp(goal.body_pose, share[:, None, None]))

    for _ in range(BISECTIONS):
        middle = (near + far) / 2
        with torch.no_grad():
            contact = self_penetration(skinning.vertices(body, at(middle)), body)
        beyond = contact.depth >= depth if stop is Stop.DEPTH else contact.triangles > 0
        near, far = torch.where(beyond, near, middle), torch.where(beyond, middle, far)
    return at(near if stop is Stop.BEFORE else far)


def _prior_poses(count: int, generator: torch.Generator) -> Float[Tensor, "n 21 3"]:
    """Samples of all priors in turn."""
    shares = torch.arange(count) % len(PRIORS)
    poses = torch.zeros(count, 21, 3)
    for number, name in enumerate(PRIORS):
        prior = load_prior(name)
        with torch.no_grad():
            latent = prior.sample(int((shares == number).sum()), generator)
            poses[shares == number] = rotations.log(prior.decode(latent))
    return poses


def _with_fists(people: BodyParams, generator: torch.Generator) -> BodyParams:
    """Standing, the fingers of the left hand curled or crossed, in turn; thumbs as they were."""
    count = len(people.transl)
    fist = torch.zeros(count, 15, 3)
    low, high = CURLED
    curled = low + (high - low) * torch.rand(count, 4, 1, generator=generator)
    fist[:, :12, 2] = -(curled * torch.tensor(CURL)).flatten(1)
    fist[:, 12:] = people.left_hand_pose[:, 12:]
    crossed, (low, high) = people.left_hand_pose.clone(), CROSSING
    crossed[:, 0:12:3, 1] += low + (high - low) * torch.rand(count, 4, generator=generator)
    hand = torch.where((torch.arange(count) % 2 == 0)[:, None, None], fist, crossed)
    return people.replace(body_pose=body_pose(STANDING).expand(count, 21, 3), left_hand_pose=hand)


def _half_mirrored(people: BodyParams) -> BodyParams:
    """Every other one with left and right swapped."""
    poses = Poses(people.global_orient.double().numpy(), people.body_pose.double().numpy())
    swapped = torch.as_tensor(mirror(poses).body_pose).to(people.body_pose)
    odd = (torch.arange(len(swapped)) % 2 == 1)[:, None, None]
    return people.replace(body_pose=torch.where(odd, swapped, people.body_pose))


def brute_forces(body: BodyModel, people: BodyParams, threads: int) -> tuple[Brute, ...]:
    """The brute force for everybody [n]."""
    parts, faces = parts_of(body), body.faces.cpu().numpy()

    def one(row: int) -> Brute:
        with torch.no_grad():
            return brute_force(skinning.vertices(body, people[row]).cpu().numpy(), faces, parts)

    with ThreadPoolExecutor(threads) as pool:
        return tuple(pool.map(one, range(len(people.transl))))


def draw_touching(source: Source, count: int, seed: int = 0) -> Sample:
    """`count` people who touch themselves, none deeper than `DEEPEST`."""
    return _draw(source, _shares(count, SHARES), seed, Wanted(Stop.DEPTH, DEEPEST))


def draw_just_touching(source: Source, count: int, seed: int = 2000) -> Sample:
    """`count` people who touch themselves and hardly pass through, as people do: none deeper than
    `SOFT`.
    """
    return _draw(source, _shares(count, SOFT_SHARES), seed, Wanted(Stop.TOUCH, SOFT))


def draw_free(source: Source, count: int, seed: int = 1000) -> Sample:
    """`count` people who do not, many of them nearly."""
    return _draw(source, _shares(count, FREE_SHARES), seed, Wanted(Stop.BEFORE, 0.0))


@dataclass(frozen=True)
class Wanted:
    """Whom to keep."""

    stop: Stop
    deepest: float  # metres

    def __call__(self, drawn: Sample) -> Bool[Tensor, " n"]:
        return (drawn.touches == (self.stop is not Stop.BEFORE)) & (drawn.depth <= self.deepest)


def _shares(count: int, shares: dict[Kind, float]) -> Counter[Kind]:
    """How many of each kind."""
    wanted = Counter({kind: round(share * count) for kind, share in shares.items()})
    made = [kind for kind in Kind if kind not in shares]
    wanted.update(made[i % len(made)] for i in range(count - wanted.total()))
    return wanted


def _draw(source: Source, numbers: Counter[Kind], seed: int, wanted: Wanted) -> Sample:
    """Draws until each kind has its number; raises RuntimeError where one does not get it."""
    kept = []
    for kind, count in numbers.items():
        missing = count
        for round_ in range(ROUNDS):
            if not missing:
                break
            at = seed + 100 * list(Kind).index(kind) + round_
            drawn = source.draw(kind, missing + missing // 2 + 4, at, wanted.stop)
            kept.append(drawn[wanted(drawn).nonzero()[:missing, 0].tolist()])
            missing -= len(kept[-1])
        if missing:
            raise RuntimeError(f"{missing} of {count} people short of {kind.value}")
    return Sample.cat(kept)
