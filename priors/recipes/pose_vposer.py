"""Make `priors/pose/vposer/`: a variational autoencoder of the body poses of many people, in VPoser
v2's layout; those of CMU subjects 01-12 have half of the weight.

    python priors/recipes/pose_vposer.py --data FOLDER --many --epochs 16 \
        --half "cmu 01" "cmu 02" ... "cmu 12" --out priors/pose

FOLDER holds mocap and mocap_more; the card has the command without dots. Without `--many`, and
FOLDER/mocap as the data, it learns from CMU subjects 01-12 alone, the same as `smplifyx train-prior
--kind vposer --held-out 13 14`. How the poses are balanced and what fills the mocap's holes stands
in the card, what many people add in docs/mocap.md.
"""

import tyro
from pose_training import Kind, Options, make

if __name__ == "__main__":
    make(Kind.VPOSER, tyro.cli(Options), "vposer")
