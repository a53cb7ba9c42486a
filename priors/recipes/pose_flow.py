"""Make `priors/pose/flow.npz`: a normalizing flow over the body poses of CMU subjects 01-12.

    python priors/recipes/pose_flow.py --data ../shared/data/mocap --out priors/pose

The same as `smplifyx train-prior --kind flow --held-out 13 14`. How the poses are balanced and what
fills the mocap's holes stands in the card.
"""

import tyro
from pose_training import Kind, Options, make

if __name__ == "__main__":
    make(Kind.FLOW, tyro.cli(Options), "flow.npz")
