"""Facial expression: components of random mixes of MakeHuman's action units, without jaw, gaze and
tongue.
"""

from __future__ import annotations

import numpy as np

from .statistics import Linear, principal

LEFT_OUT = ("jaw", "eyeLook", "tongueOut", "mouthClose")
LANDMARK_GAIN, LANDMARK_RADIUS = 25.0, 0.007
PAIR_SHARE = 0.75  # how often left and right units move together
ACTIVE = 0.3  # share of the units that act at a time


def active_units(units: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Units that belong to expression (the jaw and the eyes have joints of their own)."""
    return {name: shape for name, shape in units.items() if not name.startswith(LEFT_OUT)}


def random_mixes(names: list[str], count: int, rng: np.random.Generator) -> np.ndarray:
    """Activations [count, units] in 0..1: a few units at a time, mostly alike on both sides."""
    active = rng.random((count, len(names))) < ACTIVE
    level = active * rng.beta(1.3, 0.9, (count, len(names)))
    for i, name in enumerate(names):
        twin = name.replace("Left", "Right")
        if twin != name and twin in names:
            together = rng.random(count) < PAIR_SHARE
            level[together, names.index(twin)] = level[together, i]
    return level


def expression_model(units: np.ndarray, names: list[str], template: np.ndarray, areas: np.ndarray,
                     landmarks: np.ndarray, rng: np.random.Generator) -> tuple[Linear, np.ndarray]:  # fmt: skip
    """Ten expression directions from units [U, V, 3], and held-out explained variance under the
    same metric.

    The metric is area times (1 + 25 exp(-(distance to the nearest landmark / 7 mm)^2)): plain area
    loses the brows.
    """
    distance = np.linalg.norm(template[:, None] - landmarks[None], axis=-1).min(1)
    metric = areas * (1 + LANDMARK_GAIN * np.exp(-((distance / LANDMARK_RADIUS) ** 2)))
    moved = np.abs(units).max((0, 2)) > 0
    mixes = random_mixes(names, 800, rng)
    samples = np.tensordot(mixes[:600], units[:, moved], 1)
    # expression 0 is the neutral face, so the mean mix is not taken out of the directions' origin
    model = principal(samples, metric[moved], 10)
    held = np.tensordot(mixes[600:], units[:, moved], 1)
    left = held - model(model.fit(held, metric[moved]))
    share = (
        1
        - (left**2 * metric[moved, None]).sum()
        / (((held - model.mean) ** 2) * metric[moved, None]).sum()
    )
    directions = np.zeros((*template.shape, 10))
    directions[moved] = model.directions
    return Linear(np.zeros_like(template), directions, model.explained), share


def orient_expression(model: Linear, units: dict[str, np.ndarray]) -> Linear:
    """Fix signs: positive coefficients smile where a component has to do with smiling, else follow
    its main unit.
    """
    scaled = {name: shape / np.linalg.norm(shape) for name, shape in units.items()}
    agreement = np.stack(
        [np.einsum("vc,vcn->n", shape, model.directions) for shape in scaled.values()]
    )
    main = agreement[np.abs(agreement).argmax(0), np.arange(agreement.shape[1])]
    smile = agreement[[list(units).index(f"mouthSmile{side}") for side in ("Left", "Right")]].mean(
        0
    )
    sign = np.sign(np.where(np.abs(smile) > 0.5 * np.abs(main), smile, main))
    return Linear(model.mean, model.directions * sign, model.explained)
