"""Make `priors/pose/gmm.npz`: a mixture of 8 Gaussians over the body poses of CMU subjects 01-12.

    python priors/recipes/pose_gmm.py --data ../shared/data/mocap --out priors/pose

The same as `smplifyx train-prior --kind gmm --held-out 13 14`. How the poses are balanced and what
fills the mocap's holes stands in the card. Over many people, all the packs of `mocap_sources.py`:

    python priors/recipes/pose_gmm.py --data ../shared/data --many --mixture.components 16 --out OUT
"""

import tyro
from pose_training import Kind, Options, make

if __name__ == "__main__":
    make(Kind.GMM, tyro.cli(Options), "gmm.npz")
