"""Make `priors/depth/many_people.npz`: a network that tells from 2D keypoints how deep bones lie.

    python priors/recipes/bone_depth.py --data ../shared/data --out priors/depth

About an hour on two cores. People, their licences and who is held out: `mocap_sources.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tyro
from mocap_sources import every_part
from pose_training import MANY_LICENCES, many_sources

from smplifyx.body.loading.files import load_body
from smplifyx.training.bone_depth import DepthSettings, train_depths
from smplifyx.training.card import Recordings, write_card
from smplifyx.training.contract import Description
from smplifyx.training.depth_views import draw_views
from smplifyx.training.poses import Balance, balanced
from smplifyx.training.skeleton import resting_joints

VALIDATION_VIEWS = 8192
FIELDS = {
    "first, first_bias": "[103, width], [width]: gelu(numbers @ first + first_bias)",
    "inner, inner_bias": (
        "[blocks, 2, width, width], [blocks, 2, width]: x + gelu(norm(x @ a + b)) @ c + d"
    ),
    "gain, shift": "[blocks + 1, width]: of the layer normalisations, the last before `last`",
    "last, last_bias": (
        "[width, 99], [99]: 25 points x 3 from mid_hip, then the logarithms of 24 bones' scales"
    ),
}


@dataclass(frozen=True)
class Options:
    """The depth prior."""

    data: Path = Path("../shared/data")  # holds mocap and mocap_more
    out: Path = Path("priors/depth")
    settings: DepthSettings = field(default_factory=DepthSettings)


def make(options: Options) -> None:
    """Draw the people, train, write file and card."""
    rest = resting_joints()
    parts, held_out = every_part(options.data, rest)
    balance = Balance()
    trained_on = [part for part in parts if part.person not in held_out]
    others = [part for part in parts if part.person in held_out]
    body = load_body()
    seed = options.settings.seed
    views = options.settings.views
    training = draw_views(body, *balanced(trained_on, rest, balance), views, seed + 1)
    validation = draw_views(body, *balanced(others, rest, balance), VALIDATION_VIEWS, seed + 2)
    print(f"{len(training.points)} views", flush=True)
    learner, history = train_depths(training, validation, options.settings)
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "many_people.npz"
    # half precision: what it rounds is a thousandth of what the network errs
    arrays = {name: t.numpy().astype(np.float16) for name, t in learner.weights().items()}
    np.savez_compressed(file, **arrays)
    description = Description(
        what=(
            "network from 25 keypoints (BODY_25) of one person to the depth of 24 bones and how "
            "far each may be off (Laplace), in shares of the person's distance from the camera"
        ),
        fields=FIELDS,
        settings={**vars(options.settings), "radius": balance.radius, "power": balance.power},
    )
    figures = {
        "people": len({part.person for part in trained_on}),
        "held_out_people": sorted(held_out),
        "history": [history[0], *history[3::4], history[-1]],
    }
    origin = Recordings(many_sources(), MANY_LICENCES, "python priors/recipes/bone_depth.py")
    write_card(file, options.out / "many_people.card.yaml", origin, description, figures)
    print(f"wrote {file}")


if __name__ == "__main__":
    make(tyro.cli(Options))
