"""Make `priors/pose/vposer/`: a variational autoencoder of the body poses of CMU subjects 01-12, in
VPoser v2's layout.

    python priors/recipes/pose_vposer.py --data ../shared/data/mocap --out priors/pose

The same as `smplifyx train-prior --kind vposer --held-out 13 14`. How the poses are balanced and
what fills the mocap's holes stands in the card.
"""

import tyro
from pose_training import Kind, Options, make

if __name__ == "__main__":
    make(Kind.VPOSER, tyro.cli(Options), "vposer")
