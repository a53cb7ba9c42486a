"""Make `priors/pose/gmm.npz`: a mixture of 16 Gaussians over the body poses of many people.

    python priors/recipes/pose_gmm.py --data ../shared/data --out priors/pose

Which packs of motion capture it is trained on, who of them is held out, how the poses are balanced
and what fills the holes of each stands in the card, and in `mocap_sources.py`.
"""

from pathlib import Path

import tyro
from pose_training import Kind, MixtureSettings, Options, make

USUAL = Options(
    data=Path("../shared/data"),
    many=True,
    mixture=MixtureSettings(components=16, starts=2),
)

if __name__ == "__main__":
    make(Kind.GMM, tyro.cli(Options, default=USUAL), "gmm.npz")
