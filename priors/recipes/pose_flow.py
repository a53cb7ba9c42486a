"""Make `priors/pose/flow.npz`: a normalizing flow over the body poses of many people; those of CMU
subjects 01-12 have half of the weight.

    python priors/recipes/pose_flow.py --data FOLDER --many --epochs 14 \
        --half "cmu 01" "cmu 02" ... "cmu 12" --out priors/pose

FOLDER holds mocap and mocap_more; the card has the command without dots. Without `--many`, and
FOLDER/mocap as the data, it learns from CMU subjects 01-12 alone, the same as `smplifyx train-prior
--kind flow --held-out 13 14`. How the poses are balanced and what fills the mocap's holes stands in
the card, what many people add in docs/mocap.md.
"""

import tyro
from pose_training import Kind, Options, make

if __name__ == "__main__":
    make(Kind.FLOW, tyro.cli(Options), "flow.npz")
