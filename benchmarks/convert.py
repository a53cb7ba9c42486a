"""How well people survive a conversion to another body model and back.

    python -m benchmarks.convert [--mocap FOLDER] [--count 256] [--seed 0]

Generated people with hands and faces, in poses of the held-out subjects 13 and 14, are converted
from the embedded body to a stand-in for a second body model (`benchmarks.stand_in`: another mesh,
shape space, rest pose and skeleton) and back. Correspondences are found from the two files alone.

there: of the stand-in's vertices from the surface that they should lie on, as `conversion.csv` says
it. true: the same from where they truly belong, which only the maker of the stand-in knows. back:
of the embedded vertices from where they were. All in mm: mean over vertices and people, median and
95th percentile of people, the worst person, the largest distance of any vertex.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from smplifyx.body import skinning
from smplifyx.body.loading.files import load_body
from smplifyx.body.model import BodyModel
from smplifyx.body.params import BodyParams
from smplifyx.conversion.cache import correspondence_of
from smplifyx.conversion.converter import Converter
from smplifyx.data.mocap import heldout_poses
from smplifyx.data.synthetic import generate_people

from .quality import table
from .stand_in import replaced_vertices, stand_in

CHUNK = 64
LIMIT_MM = 5.0


def distances_mm(
    found: Float[Tensor, "n v 3"], wanted: Float[Tensor, "n v 3"]
) -> Float[Tensor, "n v"]:
    """Millimetres between vertices."""
    return 1000 * (found - wanted).norm(dim=-1)


def figures(distance: Float[Tensor, "n v"], which: Bool[Tensor, " v"]) -> dict[str, float]:
    """Of some of the vertices."""
    some = distance[:, which]
    people = some.mean(1)
    return {
        "mean": float(people.mean()),
        "median": float(people.median()),
        "p95": float(people.quantile(0.95)),
        "worst": float(people.max()),
        "largest": float(some.max()),
    }


def rows_of(
    name: str, distance: Float[Tensor, "n v"], converter: Converter, known: Bool[Tensor, " v"]
) -> dict[str, dict[str, float]]:
    """The lines of one way: everything, hands, face."""
    parts = {"all": torch.ones_like(known), "hands": converter.hands, "face": converter.face}
    return {f"{name}: {part}": figures(distance, which & known) for part, which in parts.items()}


def round_trip(
    body: BodyModel, other: BodyModel, truth: BodyParams, folder: Path
) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """The table of distances, and seconds by what took them."""
    begun = time.perf_counter()
    there = Converter.of(other, correspondence_of(body, other, folder))
    back = Converter.of(body, correspondence_of(other, body, folder))
    seconds = {"both correspondences": time.perf_counter() - begun}
    clusters = replaced_vertices(folder)
    found: dict[str, list[Tensor]] = {"there": [], "true": [], "back": []}
    begun = time.perf_counter()
    for at in range(0, len(truth.transl), CHUNK):
        vertices = skinning.vertices(body, truth[at : at + CHUNK])
        first, _ = there.meshes(vertices)
        others = skinning.vertices(there.target, first.params)
        second, _ = back.meshes(others)
        again = skinning.vertices(back.target, second.params)
        found["there"].append(distances_mm(others, there.correspondence.transferred(vertices)))
        found["true"].append(distances_mm(others, _averaged(vertices, clusters)))
        found["back"].append(distances_mm(again, vertices))
    seconds["there and back, per person"] = (time.perf_counter() - begun) / len(truth.transl)
    joined = {name: torch.cat(parts) for name, parts in found.items()}
    everywhere = torch.ones_like(back.fit.known)
    rows = rows_of("there", joined["there"], there, there.fit.known)
    rows |= rows_of("true", joined["true"], there, torch.ones_like(there.fit.known))
    rows |= rows_of("back", joined["back"], back, everywhere)
    return rows, seconds


def _averaged(vertices: Float[Tensor, "n v 3"], cluster: Tensor) -> Float[Tensor, "n w 3"]:
    """The mean of the vertices that each new vertex replaces."""
    count = torch.bincount(cluster)
    sums = vertices.new_zeros(len(vertices), len(count), 3).index_add(1, cluster, vertices)
    return sums / count[:, None]


def main() -> None:
    """Prints the table, and whether the mean distance there and back is within the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mocap", type=Path, default=Path("../shared/data/mocap"))
    parser.add_argument("--count", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    body = load_body(None)
    poses = heldout_poses(arguments.mocap, body.joint_template.double().numpy())
    truth = generate_people(body, poses, arguments.count, arguments.seed).truth
    with tempfile.TemporaryDirectory() as folder:
        rows, seconds = round_trip(body, stand_in(Path(folder)), truth, Path(folder))
    machine = f"{platform.machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads"
    print(table(f"{arguments.count} people, mm ({machine})", rows))
    print("\n".join(f"{name}: {value:.2f} s" for name, value in seconds.items()))
    mean = rows["back: all"]["mean"]
    word = "within" if mean <= LIMIT_MM else "above"
    print(f"mean there and back {mean:.2f} mm: {word} {LIMIT_MM:g}")


if __name__ == "__main__":
    main()
