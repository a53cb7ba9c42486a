"""Make the pictures of docs/body.md: `python -m priors.recipes.bodies.pictures`."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from .model import Model
from .poses import POSES, hand_poses, rotations, with_hands
from .render import View, colours, grid, label, picture
from .tables import JOINT

SMILE = {0: 2.0, 1: 1.6, 8: 0.8}
FACES: dict[str, tuple[dict[int, float], float]] = {
    "neutral": ({}, 0.0), "smile": (SMILE, 0.0), "laugh": (SMILE | {0: 2.6}, 14.0), "open mouth": ({}, 22.0),
    "pucker": ({0: -2.0}, 0.0), "frown": ({1: -2.0, 3: 1.0}, 0.0), "blink": ({5: 2.2}, 0.0),
    "surprise": ({5: -1.6}, 16.0),
}  # fmt: skip
SHOWN = ("T-pose", "relaxed", "arms up", "arms up, shoulders only", "arms forward", "hands on hips", "sitting",
         "crouching", "running")  # fmt: skip


def whole(
    model: Model, vertices: np.ndarray, yaw: float, size: tuple[int, int], height: float = 0.0
) -> np.ndarray:
    """The whole body in a picture; `height` in metres keeps one scale over several."""
    centre = (vertices.max(0) + vertices.min(0)) / 2
    tall = height or max(np.ptp(vertices[:, 1]), np.ptp(vertices[:, 0]) * size[1] / size[0]) * 1.06
    return picture(vertices, model.faces, colours(model), View(yaw, tuple(centre), tall), size)


def pose_page(model: Model) -> np.ndarray:
    """Every pose from the front and from three quarters."""
    hands, tiles = hand_poses(model), []
    for name in SHOWN:
        hand = hands["flat" if name == "T-pose" else "relaxed"]
        vertices = model.pose(with_hands(rotations(POSES[name]), hand), np.zeros(20))
        for yaw in (0.0, -45.0):
            tiles.append(label(whole(model, vertices, yaw, (230, 330)), name))
    return grid(tiles, 6)


def hand_page(model: Model) -> np.ndarray:
    """Hand poses from the back of the hand and from the thumb's side."""
    tiles = []
    for name, hand in hand_poses(model).items():
        vertices = model.pose(with_hands(np.zeros((55, 3)), hand), np.zeros(20))
        palm = vertices[model.arrays["weights"][:, JOINT["left_wrist"]] > 0.9].mean(0) + [
            0.06,
            -0.01,
            0,
        ]
        for yaw, pitch in ((-20.0, 70.0), (15.0, 0.0), (60.0, -35.0)):
            view = View(yaw, tuple(palm), 0.24, pitch)
            tiles.append(
                label(picture(vertices, model.faces, colours(model), view, (230, 200)), name)
            )
    return grid(tiles, 6)


def face_page(model: Model) -> np.ndarray:
    """Expressions and the open jaw from the front and from three quarters."""
    tiles = []
    for name, (coefficients, jaw) in FACES.items():
        values = np.zeros(20)
        values[[10 + k for k in coefficients]] = list(coefficients.values())
        vertices = model.pose(rotations({"jaw": (jaw, 0.0, 0.0)}), values)
        centre = (0.0, model.arrays["v_template"][model.arrays["extra_points"][0], 1] + 0.022, 0.05)
        for yaw in (0.0, -45.0):
            view = View(yaw, centre, 0.3)
            tiles.append(
                label(picture(vertices, model.faces, colours(model), view, (220, 270)), name)
            )
    return grid(tiles, 6)


def shape_page(folder: Path) -> np.ndarray:
    """Two standard deviations along the first components, one row per gender and one scale for all."""
    tiles, pose = [], POSES["relaxed"]
    for gender in ("female", "male"):
        model = Model.read(folder / f"{gender}.npz")
        rotation = with_hands(rotations(pose), hand_poses(model)["relaxed"])
        for component, value in [(0, 0.0)] + [(k, s) for k in range(4) for s in (-2.0, 2.0)]:
            values = np.eye(20)[component] * value
            text = f"b{component} {value:+.0f} sd" if value else f"{gender}, mean"
            tiles.append(
                label(whole(model, model.pose(rotation, values), -20.0, (150, 330), 2.05), text)
            )
    return grid(tiles, 9)


def age_page(model: Model, template: np.ndarray) -> np.ndarray:
    """From the adult to the kid template [V, 3]: at rest, relaxed from both sides, and the face,
    each row at one scale.

    The last column goes a little further than the fit's soft limit lets it.
    """
    rows: list[list[np.ndarray]] = [[], [], [], []]
    rest = model.arrays["v_template"]
    for step in (0.0, 0.25, 0.5, 0.75, 1.0, 1.1):
        child = Model(model.arrays | {"v_template": rest + step * (template - rest)})
        rotation = with_hands(rotations(POSES["relaxed"]), hand_poses(model)["relaxed"])
        relaxed = child.pose(rotation, np.zeros(20))
        for row, vertices, yaw in (
            (0, child.shaped(np.zeros(20)), 0.0),
            (1, relaxed, -30.0),
            (2, relaxed, 150.0),
        ):
            rows[row].append(label(whole(child, vertices, yaw, (230, 330), 1.75), f"kid {step:g}"))
        face = child.shaped(np.zeros(20))[model.arrays["extra_points"][0]] + [0, 0.02, -0.05]
        view = View(-25.0, tuple(face), 0.28)
        rows[3].append(
            label(
                picture(child.shaped(np.zeros(20)), child.faces, colours(child), view, (230, 230)),
                "face",
            )
        )
    return np.concatenate([grid(row, len(row)) for row in rows])


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bodies", type=Path, default=Path("priors/bodies"))
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    model = Model.read(arguments.bodies / "neutral.npz")
    pages = {"poses": pose_page(model), "hands": hand_page(model), "faces": face_page(model),
             "shapes": shape_page(arguments.bodies),
             "ages": age_page(model, np.load(arguments.bodies / "kid_template.npy"))}  # fmt: skip
    for name, page in pages.items():
        # a third of the size
        small = Image.fromarray(page[..., ::-1]).quantize(160, dither=Image.Dither.NONE)
        small.save(arguments.out / f"body_{name}.png", optimize=True)


if __name__ == "__main__":
    main()
