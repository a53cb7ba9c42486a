"""Write the card of `priors/motion`: how large second differences of recorded motion usually are.

    python -m priors.recipes.motion [--mocap FOLDER]

Standard deviations are robust: the median of the size of a point's acceleration, by that of a
Gaussian in space (1.538). Recorded motion has long tails, which the fit lets go by its own rho.
Hands and faces are not in these recordings: their numbers are guesses.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import torch
import yaml
from torch import Tensor

from smplifyx.body import skinning
from smplifyx.body.joints import sideless
from smplifyx.body.loading.files import load_body
from smplifyx.body.model import BodyModel
from smplifyx.body.params import BodyParams
from smplifyx.core import assets
from smplifyx.data.generated_clips import RecordedMotion, recorded_motions
from smplifyx.data.mocap import HELD_OUT, SUBJECTS
from smplifyx.fitting.motion_card import CARD, MotionCard
from smplifyx.keypoints import names

FRAMES = 90  # of a stretch
EVERY = 2  # stretches
GAUSSIAN_MEDIAN = 1.538  # of the length of a standard normal vector in space
HAND_POINTS = ("index_1", "pinky_1")  # which move as the hand does
GUESSES = {"hand": 0.15, "jaw": 0.02, "expression": 0.1}


def accelerations(body: BodyModel, motion: RecordedMotion) -> dict[str, Tensor]:
    """Sizes of the accelerations of points, m/s^2, by their names without a side."""
    like = body.v_template
    shapes, expressions = body.shapedirs.shape[-1], body.expressiondirs.shape[-1]
    people = BodyParams.zeros((len(motion.pelvis),), shapes, expressions, like)
    people = people.replace(
        global_orient=torch.from_numpy(motion.poses.global_orient).to(like),
        body_pose=torch.from_numpy(motion.poses.body_pose).to(like),
        transl=torch.from_numpy(motion.pelvis).to(like),
    )
    with torch.no_grad():
        points = skinning.points(body, people)
    sizes = second_differences(points).norm(dim=-1) * motion.fps**2
    found: dict[str, list[Tensor]] = defaultdict(list)
    for point, name in enumerate(names.POINT_NAMES):
        if point < names.BODY.stop or sideless(name) in HAND_POINTS:
            found[sideless(name)].append(sizes[:, point])
    return {name: torch.cat(parts) for name, parts in found.items()}


def second_differences(values: Tensor) -> Tensor:
    """Along the first axis."""
    return values[2:] - 2 * values[1:-1] + values[:-2]


def card_of(body: BodyModel, motions: Sequence[RecordedMotion], command: str) -> MotionCard:
    """The card of some recordings."""
    sizes: dict[str, list[Tensor]] = defaultdict(list)
    turns: list[Tensor] = []
    for motion in motions:
        for name, some in accelerations(body, motion).items():
            sizes[name].append(some)
        turns.append(second_differences(torch.from_numpy(motion.poses.body_pose)).flatten())
    points = {
        name: round(float(torch.cat(parts).median()) / GAUSSIAN_MEDIAN, 2)
        for name, parts in sizes.items()
    }
    return MotionCard(
        what="usual second differences of motion: accelerations of points, m/s^2 along each axis "
        "(median of their sizes / 1.538); differences of angles from frame to frame to frame at "
        "fps. Those of hands (in spreads), jaw (radians) and expression are guesses",
        source=f"CMU subjects 01 to 12, {len(motions)} stretches of {FRAMES} frames",
        licence="Apache-2.0 (only statistics)",
        command=command,
        fps=30.0,
        points=points,
        turn=round(float(torch.cat(turns).square().mean().sqrt()), 3),
        **GUESSES,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mocap", type=Path, default=Path("../shared/data/mocap"))
    parser.add_argument("--out", type=Path, default=assets.folder("priors") / "motion" / CARD)
    asked = parser.parse_args(arguments)
    body = load_body(None)
    rest = body.joint_template.double().numpy()
    subjects = frozenset(SUBJECTS) - HELD_OUT
    motions = recorded_motions(asked.mocap, rest, subjects, FRAMES)[::EVERY]
    card = card_of(body, motions, "python -m priors.recipes.motion").model_dump(mode="json")
    text = yaml.safe_dump(card, sort_keys=False, width=120, default_flow_style=None)
    asked.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
