"""Write the card of `priors/pose/limits.yaml`, with the share of the mocap that the limits let
pass.

    python priors/recipes/pose_limits.py --data ../shared/data/mocap

The table itself is written by hand, from anatomy and the percentiles that this recipe prints.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # a recipe runs from a source checkout, installed or not

from smplifyx.data.mocap import HELD_OUT, plausible, subject_poses  # noqa: E402
from smplifyx.data.retarget import BODY_JOINTS, Poses, concatenate, mirror  # noqa: E402
from smplifyx.pose_priors.limits import JointLimits, body_limits  # noqa: E402


@dataclass(frozen=True)
class Options:
    """Check the table of joint limits against motion capture and write its card."""

    data: Path = Path("../shared/data/mocap")  # the folder with cmu_bvh_30fps.tar.xz
    table: Path = ROOT / "priors/pose/limits.yaml"
    body: Path = ROOT / "priors/bodies/neutral.npz"


def main(options: Options) -> None:
    """Print the mocap's percentiles and write `limits.card.yaml` beside the table."""
    with np.load(options.body) as body:
        rest = body["J_regressor"] @ body["v_template"]
    subjects = subject_poses(options.data, rest)
    groups = {
        "training": concatenate([p for s, p in subjects.items() if s not in HELD_OUT]),
        "held_out": concatenate([subjects[s] for s in sorted(HELD_OUT)]),
    }
    sound = {name: poses[plausible(poses)] for name, poses in groups.items()}
    limits = body_limits(torch.zeros(1, dtype=torch.float64), options.table)
    figures = {
        f"percent_of_{name}_frames_inside": _percent_inside(poses, limits)
        for name, poses in sound.items()
    }
    _print_percentiles(concatenate([sound["training"], mirror(sound["training"])]))
    _write_card(options.table, figures)


def _percent_inside(poses: Poses, limits: JointLimits) -> float:
    return round(100 * float(limits.inside(torch.from_numpy(poses.body_pose)).double().mean()), 1)


def _print_percentiles(poses: Poses) -> None:
    low, high = np.percentile(poses.body_pose, [0.1, 99.9], axis=0).round(2)
    for joint, name in enumerate(BODY_JOINTS[1:]):
        if not name.startswith("right"):
            print(f"{name:14s} x {low[joint, 0]} {high[joint, 0]}  y {low[joint, 1]} {high[joint, 1]}  "
                  f"z {low[joint, 2]} {high[joint, 2]}")  # fmt: skip


def _write_card(table: Path, figures: dict[str, float]) -> None:
    card = {
        "file": table.name,
        "sha256": hashlib.sha256(table.read_bytes()).hexdigest(),
        "what": "natural range of each degree of freedom of the 21 SMPL-X body joints: axis-angle components, radians",
        "source": "written by hand, a source in every row: anatomy (AAOS 1965 norms) and the range of CMU "
        "subjects 01-12 (CMU Graphics Lab Motion Capture Database, mocap.cs.cmu.edu, NSF EIA-0196217; BVH conversion "
        "by B. Hahne); of toes and ankles also that of the people trained on in all packs of mocap_sources.py, "
        "whose terms allow it (gmm.card.yaml lists them)",
        "licence": 'the table: Apache-2.0; CMU: "This data is free for use in research and commercial projects '
        'worldwide."',
        "command": "python priors/recipes/pose_limits.py",
        "figures": figures,
    }
    table.with_name("limits.card.yaml").write_text(yaml.safe_dump(card, sort_keys=False, width=120))
    print(figures)


if __name__ == "__main__":
    main(tyro.cli(Options))
