"""Pictures of our own body for a detector to look at: where its points are is known exactly.

    python -m priors.recipes.detectors.renders [--count 400] [--task FILE] [--mocap FOLDER]
        [--dress any|bare|trunks] [--pictures FOLDER]

Held-out poses on bodies of random shape are drawn in skin, hair and plain clothes, and MediaPipe
looks at them; `--dress` shows how much clothes matter. Prints what share of them it finds, and where its points lie from the body's, in the
frames of the bones (see `offsets`), what is left with the points of `mediapipe_points`, and the true
errors that the card takes from fits. Nothing is kept but what is asked for with `--pictures`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8

from smplifyx.body import skinning
from smplifyx.body.joints import JOINT_INDEX
from smplifyx.body.loading.files import load_body
from smplifyx.body.model import BodyModel
from smplifyx.data.detector_noise import BAND_EDGES, GROUP_INDEX, GROUPS
from smplifyx.data.mocap import heldout_poses
from smplifyx.data.synthetic import GeneratedPeople, GenerateOptions, generate_people
from smplifyx.keypoints import Keypoints, names
from smplifyx.viz.mesh import Mesh
from smplifyx.viz.raster import rasterise
from smplifyx.viz.scene import composite, intrinsics
from smplifyx.viz.shade import Lights, shade

from .build import sigma_of
from .landmarker import TASK, Landmarker
from .offsets import Looks, gains_table, offsets_table

MOCAP = Path("../shared/data/mocap")
SEED = 0
# as people are photographed: whole, upright, from the front and the sides more than from behind
VIEWS = GenerateOptions(
    image_side=800,
    focal=(0.8, 1.6),
    yaw=(-100.0, 100.0),
    pitch=(-10.0, 20.0),
    fills=(0.6, 0.9),
    kid=(0.0, 0.0),
    solid=True,
)
LIGHTS = Lights(key=(-0.5, -0.7, -0.6), key_power=0.45, sky=0.7, ground=0.42, rim=0.0, gloss=0.03)
SKIN = ((0.87, 0.70, 0.60), (0.76, 0.57, 0.45), (0.55, 0.38, 0.28), (0.92, 0.78, 0.69))
HAIR = ((0.16, 0.11, 0.08), (0.33, 0.22, 0.13), (0.62, 0.48, 0.30), (0.08, 0.08, 0.09))
WHITE, IRIS, LIPS = (0.95, 0.94, 0.93), (0.16, 0.11, 0.09), (0.66, 0.35, 0.33)
IRIS_RADIUS = 0.0062  # metres
SHIRT = ("spine1", "spine2", "spine3", "left_collar", "right_collar")
SLEEVES = ("shoulder", "elbow")  # of some shirts none, one or both parts
TROUSERS = ("pelvis", "left_hip", "right_hip")
LEGS = ("knee",)  # of long trousers
WAISTBAND = 0.06  # metres from the hips up to that of trunks
DRESSES = ("any", "bare", "trunks")  # any: a shirt and trousers, both of some length
FARTHEST = 0.15  # metres of the median body point: beyond, somebody else was found, or nobody
FEWEST_SEEN = 12  # body points


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--task", type=Path, default=TASK, help="MediaPipe's models")
    parser.add_argument("--mocap", type=Path, default=MOCAP)
    parser.add_argument("--dress", choices=DRESSES, default=DRESSES[0])
    parser.add_argument("--pictures", type=Path, help="a folder for the pictures")
    asked = parser.parse_args(arguments)

    torch.set_num_threads(1)
    body = load_body(None)
    renders = Renders(asked.count, asked.mocap, asked.dress, asked.pictures)
    looks = looks_at_renders(body, Landmarker(asked.task), renders)
    print(f"found: {len(looks.points)} of {asked.count}\n")
    print(offsets_table(looks, body))
    print("\nmedian of what is left, mm\n")
    own = load_body(None, detector="mediapipe")
    print(gains_table(looks, body, own))
    print("\ntrue sigma of each kind in the card, mm\n")
    print(true_sigmas(looks.on(own)))


def true_sigmas(looks: Looks) -> str:
    """What `build` would tell of errors if it knew where the points are, a line a kind."""
    length = np.linalg.norm(looks.errors(), axis=-1)
    is_seen = looks.keypoints.confidence.numpy() >= BAND_EDGES[1]
    lines: list[str] = []
    for group, name in enumerate(GROUPS):
        errors = length[is_seen & (np.array(GROUP_INDEX) == group)]
        if len(errors):
            lines.append(f"{name}: {1000 * sigma_of(errors):.1f}")
    return "\n".join(lines)


@dataclass(frozen=True)
class Renders:
    """How many people are drawn, in whose poses and clothes (one of DRESSES), and where their
    pictures are kept; None: nowhere.
    """

    count: int
    mocap: Path = MOCAP
    dress: str = DRESSES[0]
    pictures: Path | None = None


def looks_at_renders(body: BodyModel, landmarker: Landmarker, renders: Renders) -> Looks:
    """What MediaPipe says of renders, those in which it finds the person."""
    poses = heldout_poses(renders.mocap, body.joint_template.double().numpy())
    people = generate_people(body, poses, renders.count, SEED, VIEWS)
    found = np.zeros((renders.count, names.COUNT, 3), np.float32)
    for person in range(renders.count):
        image = picture(body, people, person, renders.dress)
        points = landmarker(image)
        if points is not None:
            found[person] = points
        if renders.pictures is not None:
            renders.pictures.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(renders.pictures / f"{person:04d}.jpg"), image[..., ::-1])
    looks = Looks(Keypoints.from_array(found), people.camera, people.truth, people.points)
    return looks.of(looks.is_found(FARTHEST, FEWEST_SEEN))


def picture(
    body: BodyModel, people: GeneratedPeople, person: int, dress: str = DRESSES[0]
) -> UInt8[np.ndarray, "h w 3"]:
    """One person drawn before a plain background, RGB; the same one at every call."""
    generator = np.random.default_rng((SEED, person))
    with torch.no_grad():
        vertices = skinning.vertices(body, people.truth[person]).double().numpy()
    K, (width, height) = intrinsics(people.camera[person])
    faces = body.faces.numpy()
    colours = shade(vertices, faces, paint(body, generator, dress), LIGHTS)
    layer = rasterise(Mesh(vertices, faces, colours), K, (width, height))
    return composite(background((width, height), generator), layer)


def background(size: tuple[int, int], generator: np.random.Generator) -> UInt8[np.ndarray, "h w 3"]:
    """Soft random shades of one colour, RGB."""
    colour = generator.uniform(0.35, 0.95, 3)
    shades = generator.uniform(0.8, 1.05, (4, 4, 1))
    small = (255 * np.clip(colour * shades, 0, 1)).astype(np.float32)
    return cv2.resize(small, size, interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)


@dataclass(frozen=True)
class _Regions:
    """Which vertices [V] of a body are painted alike."""

    joint: np.ndarray  # the joint that moves a vertex most
    below_waistband: np.ndarray  # of trunks
    hair: np.ndarray
    eyeballs: np.ndarray
    irises: np.ndarray
    lips: np.ndarray


def paint(
    body: BodyModel, generator: np.random.Generator, dress: str = DRESSES[0]
) -> Float[np.ndarray, "v 3"]:
    """The colour of every vertex: skin, hair, eyes, lips, and what they wear."""
    regions = body.derived(_regions)
    colours = np.tile(SKIN[generator.integers(len(SKIN))], (len(body.v_template), 1))
    shirt, trousers = generator.uniform(0.05, 0.9, (2, 3))
    sleeves = SLEEVES[: generator.integers(len(SLEEVES) + 1)]
    legs = LEGS[: generator.integers(len(LEGS) + 1)]
    if dress == "any":
        colours[_moved_by(regions.joint, *SHIRT, *_of_both_sides(sleeves))] = shirt
        colours[_moved_by(regions.joint, *TROUSERS, *_of_both_sides(legs))] = trousers
    elif dress == "trunks":
        colours[_moved_by(regions.joint, *TROUSERS) & regions.below_waistband] = trousers
    colours[regions.hair] = HAIR[generator.integers(len(HAIR))]
    colours[regions.lips] = LIPS
    colours[regions.eyeballs] = WHITE
    colours[regions.irises] = IRIS
    return colours


def _of_both_sides(joints: Sequence[str]) -> list[str]:
    return [f"{side}_{joint}" for side in ("left", "right") for joint in joints]


def _moved_by(joint_of_vertex: np.ndarray, *joints: str) -> Bool[np.ndarray, " v"]:
    return np.isin(joint_of_vertex, [JOINT_INDEX[joint] for joint in joints])


def _regions(body: BodyModel) -> _Regions:
    rest = body.v_template.double().numpy()
    joint = body.weights.argmax(1).numpy()
    eyeballs = _moved_by(joint, "left_eye_smplhf", "right_eye_smplhf")
    points = {name: _place(body, name) for name in names.POINT_NAMES}
    pupils = [points["left_pupil"], points["right_pupil"]]
    near_pupil = np.min([np.linalg.norm(rest - pupil, axis=1) for pupil in pupils], 0)
    outer_lip = np.array([points[f"face_outer_lip_{i}"] for i in range(12)])
    inner_lip = np.array([points[f"face_inner_lip_{i}"] for i in range(8)])
    lips = np.concatenate([outer_lip, inner_lip, (outer_lip[1:8:2] + inner_lip[:8:2]) / 2])
    near_lips = np.linalg.norm(rest[:, None] - lips, axis=-1).min(1) < 0.0045
    brow = points["face_right_brow_2"]
    ears = (points["left_ear"] + points["right_ear"]) / 2
    # above the forehead, and behind the ears down to the neck
    line = brow[1] + 0.045 - 0.9 * np.clip(brow[2] - rest[:, 2], 0, None)
    behind = (rest[:, 2] < ears[2] - 0.012) & (rest[:, 1] > ears[1] - 0.045)
    hair = _moved_by(joint, "head", "neck") & (
        (rest[:, 1] > np.maximum(line, ears[1] + 0.03)) | behind
    )
    return _Regions(
        joint=joint,
        below_waistband=rest[:, 1] < points["mid_hip"][1] + WAISTBAND,
        hair=hair,
        eyeballs=eyeballs,
        irises=eyeballs & (near_pupil < IRIS_RADIUS),
        lips=near_lips & ~eyeballs,
    )


def _place(body: BodyModel, name: str) -> Float[np.ndarray, " 3"]:
    """Where a point of the mean body is at rest, metres."""
    rest = torch.cat([body.joint_template, body.v_template])
    index = names.POINT_INDEX[name]
    sources = rest[body.points.sources[index]]
    return (sources * body.points.coefficients[index][:, None]).sum(0).double().numpy()


if __name__ == "__main__":
    main()
