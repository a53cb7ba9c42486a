"""Several people in one call, compared with the truth they were made from.

python examples/03_several_people.py
"""

from pathlib import Path

import numpy as np
import torch

from smplifyx import Camera, Keypoints, fit, load_body, read_frames
from smplifyx.body.params import BodyParams
from smplifyx.evaluation.metrics import person_errors
from smplifyx.readers.intrinsics import camera_for, options_for

DATA = Path(__file__).parent / "data"


def true_params(stem: str) -> BodyParams:
    with np.load(DATA / "truth" / f"{stem}.npz") as file:
        return BodyParams(**{name: torch.as_tensor(file[name]) for name in file})


def main() -> float:
    frames = [f for f in read_frames(DATA / "keypoints") if f.stem.startswith("generated")]
    keypoints = Keypoints.from_array(np.stack([frame.people[0].keypoints for frame in frames]))
    options = options_for(DATA / "keypoints")  # their cameras lie beside the keypoints
    camera = Camera.stack([camera_for(frame, options)[0] for frame in frames])
    body = load_body()
    result = fit(keypoints, camera, body)

    truth = BodyParams.stack([true_params(frame.stem) for frame in frames])
    errors = person_errors(body, result.params, truth)
    print("PA-MPJPE in mm:", errors.pa_mpjpe.round(decimals=1).tolist())
    return float(errors.pa_mpjpe.mean())


if __name__ == "__main__":
    main()
