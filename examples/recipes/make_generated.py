"""Makes the example people with known truth: held-out mocap poses on the embedded body, seen by
random cameras.

    python examples/recipes/make_generated.py --mocap FOLDER --out examples/data

Writes `keypoints/generated_NN_keypoints.json` (OpenPose 1.3), `keypoints/generated_NN.camera.json`
(its camera) and `truth/generated_NN.npz` (the true body parameters).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np

from smplifyx import load_body
from smplifyx.data.mocap import heldout_poses
from smplifyx.data.synthetic import GeneratedPeople, generate_people
from smplifyx.keypoints import names

PARTS = {
    "pose_keypoints_2d": names.BODY,
    "hand_left_keypoints_2d": names.LEFT_HAND,
    "hand_right_keypoints_2d": names.RIGHT_HAND,
    "face_keypoints_2d": names.FACE,
}


def openpose(keypoints: np.ndarray) -> dict[str, object]:
    """One person [137, 3] as an OpenPose document."""
    person: dict[str, list[float]] = {"person_id": [-1]}
    for key, part in PARTS.items():
        person[key] = np.round(keypoints[part], 3).flatten().tolist()
    return {"version": 1.3, "people": [person]}


def write(people: GeneratedPeople, index: int, out: Path) -> None:
    """Writes the files of one person."""
    stem = f"generated_{index:02d}"
    keypoint_folder = out / "keypoints"
    keypoint_folder.mkdir(parents=True, exist_ok=True)
    document = openpose(people.keypoints.to_array()[index].double().numpy())
    _write_json(keypoint_folder / f"{stem}_keypoints.json", document)

    width, height = (int(side) for side in people.camera.image_size[index])
    K = people.camera.K[index].double().numpy().round(4).tolist()
    _write_json(keypoint_folder / f"{stem}.camera.json", {"K": K, "width": width, "height": height})

    truth_folder = out / "truth"
    truth_folder.mkdir(exist_ok=True)
    truth = people.truth[index]
    arrays = {field.name: getattr(truth, field.name).numpy() for field in dataclasses.fields(truth)}
    np.savez_compressed(truth_folder / f"{stem}.npz", **arrays)


def _write_json(path: Path, document: dict[str, object]) -> None:
    path.write_text(json.dumps(document) + "\n")


def main() -> None:
    """Makes the people."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mocap", type=Path, required=True, help="folder with the CMU archive")
    parser.add_argument("--out", type=Path, default=Path("examples/data"))
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("--seed", type=int, default=11)
    options = parser.parse_args()
    body = load_body()
    poses = heldout_poses(options.mocap, body.joint_template.double().numpy())
    people = generate_people(body, poses, options.count, options.seed)
    for index in range(options.count):
        write(people, index, options.out)
    print(f"{options.count} people in {options.out}")


if __name__ == "__main__":
    main()
