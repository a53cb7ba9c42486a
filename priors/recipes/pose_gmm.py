"""Make `priors/pose/gmm.npz`: a mixture of Gaussians over the body poses of many people, 8 of CMU
subjects 01-12 alone, with half of the weight, and 16 of the people of all packs.

    python priors/recipes/pose_gmm.py --data FOLDER/mocap --out CMU
    python priors/recipes/pose_gmm.py --data FOLDER --many --mixture.components 16 \
        --joined-with CMU/gmm.npz --out priors/pose

FOLDER holds mocap and mocap_more. The first is the same as `smplifyx train-prior --kind gmm
--held-out 13 14`. How the poses are balanced and what fills the mocap's holes stands in the card.
The 16 alone know other people better than the 8, and the people of CMU worse: EM spends them on
what tells recordings apart (docs/mocap.md, "What many people add").
"""

import tyro
from pose_training import Kind, Options, make

if __name__ == "__main__":
    make(Kind.GMM, tyro.cli(Options), "gmm.npz")
