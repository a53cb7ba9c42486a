"""What each gate keeps, and how far off that is: kept share against error, on people whose truth is
known.

    python -m benchmarks.gates [--count 512] [--seed 21] [--out docs/images/gates.png]

Generated people of the held-out subjects 13 and 14, by both protocols of `benchmarks.real`, and
those of `real` once more with wrong and hidden keypoints (`benchmarks.damage`); fitted with the
guessed focal length. One man before four cameras too, where that folder is there (his fits' points
against triangulated ones, good to 2 or 3 cm).

A gate keeps people as it stands (`kept`), and any share of people by its own score (`--keep`): the
table has the mean PA-MPJPE of the kept, mm, and the share of them that are off by more than 100 mm,
at 50 and 80 %; ties are kept in random order. `by chance`: a random share. `by truth`: the best
that any gate could do.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from smplifyx.body.loading.files import load_body
from smplifyx.body.model import BodyModel
from smplifyx.camera import Camera
from smplifyx.config import FitConfig, load_preset
from smplifyx.data.mocap import HELD_OUT, SUBJECTS, heldout_poses, plausible, subject_poses
from smplifyx.data.retarget import Poses, concatenate
from smplifyx.data.synthetic import generate_people
from smplifyx.evaluation.metrics import pa_mpjpe, person_errors
from smplifyx.fitting.penetration import penetration_of
from smplifyx.fitting.result import FitResult
from smplifyx.gates.facts import GateFacts
from smplifyx.gates.gate import DEFAULT, Gate, gate_names, load_gate
from smplifyx.gates.verdict import judge_all, scores, values_of
from smplifyx.keypoints import Keypoints

from .damage import damaged
from .multiview import ARCHIVE, read_multiview
from .quality import fit_in_batches, guessed, table
from .real import PROTOCOLS, TRUE_POINTS

DAMAGED = "real, damaged"
EVERYBODY = "all of them"
GROSS = 100.0  # mm
SHARES = (0.5, 0.8)
ACROSS = 3  # curves side by side in the picture


@dataclass(frozen=True)
class Judged:
    """Fitted people, and how far off they are."""

    facts: GateFacts
    error: Float[Tensor, " people"]  # mm


@dataclass(frozen=True)
class Curve:
    """A gate on some people.

    kept: by its verdicts. risk: mean error of the share that its score likes best, by how many
    these are. gross: share of them that are off by more than GROSS.
    """

    kept: Bool[Tensor, " people"]
    risk: Float[Tensor, " people"]
    gross: Float[Tensor, " people"]

    @classmethod
    def of(cls, gate: Gate, people: Judged) -> Curve:
        """That gate's."""
        values = values_of(gate, people.facts)
        kept = torch.tensor([verdict.kept for verdict in judge_all(gate, values)])
        return cls.by_score(scores(gate, values), people.error, kept)

    @classmethod
    def by_score(cls, score: Tensor, error: Tensor, kept: Tensor | None = None) -> Curve:
        """Of any score, the highest first."""
        if kept is None:
            kept = torch.ones_like(score, dtype=torch.bool)
        mixed = torch.randperm(len(score), generator=torch.Generator().manual_seed(0))
        order = mixed[score[mixed].argsort(descending=True, stable=True)]
        count = torch.arange(1, len(score) + 1)
        sorted_error = error[order].double()
        gross = (sorted_error > GROSS).double()
        return cls(kept, sorted_error.cumsum(0) / count, gross.cumsum(0) / count)

    def at(self, share: float) -> tuple[float, float]:
        """Risk and gross share at that share kept."""
        last = max(round(share * len(self.risk)), 1) - 1
        return float(self.risk[last]), float(self.gross[last])

    def row(self, error: Tensor) -> dict[str, float]:
        """A line of the table."""
        own = error[self.kept]
        found = {
            "kept": float(self.kept.double().mean()),
            "error of the kept": float(own.mean()),
            "> 100 mm": float((own > GROSS).double().mean()),
        }
        for share in SHARES:
            risk, gross = self.at(share)
            found |= {f"at {share:.0%}": risk, f"> 100 mm at {share:.0%}": gross}
        return found


def train_poses(mocap: Path, body: BodyModel) -> Poses:
    """The sound poses of the subjects that are not held out."""
    rest = body.joint_template.double().numpy()
    subjects = [subject for subject in SUBJECTS if subject not in HELD_OUT]
    poses = concatenate(list(subject_poses(mocap, rest, subjects).values()))
    return poses[plausible(poses)]


def fitted_samples(
    body: BodyModel, poses: Poses, count: int, seed: int, config: FitConfig
) -> dict[str, Judged]:
    """Generated people of each sample, by its name."""
    found: dict[str, Judged] = {}
    for name, options in PROTOCOLS.items():
        people = generate_people(body, poses, count, seed, options)
        seen = {name: people.keypoints}
        if name == "real":
            seen[DAMAGED] = damaged(people.keypoints, seed)[0]
        for sample, keypoints in seen.items():
            result = measured_fits(keypoints, guessed(people.camera), body, config)
            error = person_errors(body, result.params, people.truth).pa_mpjpe
            found[sample] = Judged(GateFacts.of(result), error)
    return found


def measured_fits(
    keypoints: Keypoints, camera: Camera, body: BodyModel, config: FitConfig
) -> FitResult:
    """Fits with their penetration, as a job has them."""
    result, _ = fit_in_batches(keypoints, camera, body, config)
    return result.replace(penetration=penetration_of(result, body))


def one_man(folder: Path, every: int, config: FitConfig) -> Judged:
    """The man of `multiview`."""
    man = read_multiview(folder, every)
    body = load_body(None, detector=man.detector)
    result = measured_fits(man.keypoints, man.camera, body, config)
    error = pa_mpjpe(result.points3d[:, TRUE_POINTS], man.points[:, TRUE_POINTS])
    return Judged(GateFacts.of(result), error)


def joined(samples: Mapping[str, Judged]) -> Judged:
    """Everybody."""
    return Judged(
        GateFacts.cat([sample.facts for sample in samples.values()]),
        torch.cat([sample.error for sample in samples.values()]),
    )


def curves_of(gates: Mapping[str, Gate], people: Judged) -> dict[str, Curve]:
    """The curve of each gate, and those of chance and truth."""
    found = {name: Curve.of(gate, people) for name, gate in gates.items()}
    chance = torch.zeros_like(people.error)
    found["by chance"] = Curve.by_score(chance, people.error)
    found["by truth"] = Curve.by_score(-people.error, people.error)
    return found


def below_peers(
    curves: Mapping[str, Curve], error: Tensor, peers: Sequence[str]
) -> dict[str, float]:
    """By how many mm our gate lies below the best peer at each share, and below each peer where
    that stands: as many people kept as its published bounds keep. NaN for one that keeps nobody.
    """
    ours = curves[DEFAULT]
    found = {
        f"at {share:.0%}": min(curves[peer].at(share)[0] for peer in peers) - ours.at(share)[0]
        for share in SHARES
    }
    for peer in peers:
        kept = curves[peer].kept
        share = float(kept.double().mean())
        found[f"as {peer} stands"] = float(error[kept].mean()) - ours.at(share)[0]
    return found


def draw(
    curves: Mapping[str, Mapping[str, Curve]], errors: Mapping[str, Tensor], out: Path
) -> None:
    """The risk-coverage curves of each sample, a picture."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    lines = -(-len(curves) // ACROSS)
    figure, grid = pyplot.subplots(lines, ACROSS, figsize=(4.4 * ACROSS, 3.7 * lines))
    places = grid.flatten()
    for place in places[len(curves) :]:
        place.set_axis_off()
    for place, (title, of_gates) in zip(places, curves.items(), strict=False):
        for name, curve in of_gates.items():
            share = torch.arange(1, len(curve.risk) + 1) / len(curve.risk)
            style = {"color": "0.65", "lw": 1.0, "ls": ":"} if name.startswith("by ") else {}
            if name == DEFAULT:
                style = {"color": "black", "lw": 2.2}
            first = max(len(share) // 10, 1)  # of fewer people a mean tells nothing
            (line,) = place.plot(100 * share[first:], curve.risk[first:], label=name, **style)
            if not name.startswith("by ") and curve.kept.any():
                kept = errors[title][curve.kept].mean()
                place.plot(
                    100 * curve.kept.double().mean(), kept, "o", color=line.get_color(), ms=6
                )
        place.set(title=title, xlabel="kept, % of people", ylabel="mean PA-MPJPE of the kept, mm")
        place.set_xlim(10, 101)
        place.grid(alpha=0.25)
    figure.legend(
        *places[0].get_legend_handles_labels(), loc="lower right", bbox_to_anchor=(0.95, 0.1)
    )
    figure.tight_layout()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=90)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mocap", type=Path, default=Path("../shared/data/mocap"))
    parser.add_argument("--multiview", type=Path, default=Path("../shared/data/multiview"))
    parser.add_argument("--preset", default="smplx")
    parser.add_argument("--count", type=int, default=512, help="people of each sample")
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--every", type=int, default=2, help="of the frames of multiview")
    parser.add_argument("--out", type=Path, default=Path("docs/images/gates.png"))
    asked = parser.parse_args(arguments)

    torch.set_num_threads(1)
    config, body = load_preset(asked.preset), load_body(None)
    gates = {name: load_gate(name) for name in (DEFAULT, *sorted({*gate_names()} - {DEFAULT}))}
    poses = heldout_poses(asked.mocap, body.joint_template.double().numpy())
    samples = fitted_samples(body, poses, asked.count, asked.seed, config)
    samples[EVERYBODY] = joined(samples)
    if (asked.multiview / ARCHIVE).is_file():
        samples["one man, four cameras"] = one_man(asked.multiview, asked.every, config)
    print(f"{platform.machine()}, torch {torch.__version__}; preset {asked.preset}")
    report(samples, gates, asked.out)


def report(samples: Mapping[str, Judged], gates: Mapping[str, Gate], out: Path) -> None:
    """Prints the tables and draws the picture."""
    curves = {name: curves_of(gates, people) for name, people in samples.items()}
    peers = [name for name in gates if name != DEFAULT]
    for name, people in samples.items():
        rows = {gate: curve.row(people.error) for gate, curve in curves[name].items()}
        print(table(f"{name}: {len(people.error)} people; PA-MPJPE in mm, shares", rows))
    below = {
        name: below_peers(curves[name], people.error, peers) for name, people in samples.items()
    }
    print(table("How many mm our gate's error lies below that of the best peer", below))
    draw(curves, {name: people.error for name, people in samples.items()}, out)


if __name__ == "__main__":
    main()
