"""Make `priors/hands/hands.npz` and the cards of priors/hands: `python -m
priors.recipes.hands.build`.

    python -m priors.recipes.hands.build --data ../shared/data/hands [--sheets FOLDER] [--percentiles]

`limits.yaml` itself is written by hand, from anatomy and the percentiles that `--percentiles`
prints.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
import yaml

from priors.recipes.bodies.hands import FINGERS as SKELETON_FINGERS
from priors.recipes.bodies.hands import flexion_axis, sample_hands
from smplifyx.body.loading.files import load_body
from smplifyx.body.model import BodyModel
from smplifyx.pose_priors.limits import hand_limits

from .pictures import contact_sheet
from .poses import HandPoses, hand_at_rest, solve_hands
from .recordings import FINGERS, Recordings, read_handyjs, read_tfjs
from .statistics import HandPca, Sample, hand_pca, levers, mix, reconstruction_mm

ROOT = Path(__file__).resolve().parents[3]
SHARES = (0.6, 0.15, 0.25)  # handyjs, tfjs_asl, synthetic: see the card
KEPT, SYNTHETIC, SEED = 24, 4000, 0
COUNTS = (6, 12, 24)
CREDIT = (
    "Handy.js (c) 2020-2021 Stewart Smith, MIT; TensorFlow.js models, hand-pose test data, Apache-2.0; synthetic "
    "poses: priors/recipes/bodies/hands.py"
)


@dataclass(frozen=True)
class Options:
    """Recorded hands in, hand prior out."""

    data: Path = Path("../shared/data/hands")
    out: Path = ROOT / "priors/hands"
    sheets: Path | None = None  # where to draw contact sheets
    percentiles: bool = False


@dataclass(frozen=True)
class Sources:
    """Everything the statistics are made of.

    `rest` [21, 3] mm: the body's left hand, wrist at the origin.
    """

    rest: np.ndarray
    recordings: tuple[Recordings, Recordings]
    poses: tuple[HandPoses, HandPoses]
    samples: tuple[Sample, Sample, Sample]  # handyjs, tfjs_asl, synthetic
    scale: np.ndarray


def main(options: Options) -> None:
    """Write prior and cards; print their figures."""
    body = load_body(None)
    sources = read_sources(options.data, body)
    pca = hand_pca(mix(list(zip(sources.samples, SHARES, strict=True))), sources.scale)
    if options.percentiles:
        _print_percentiles(sources)
    arrays = {"mean": pca.mean, "components": pca.components[:KEPT], "sds": pca.sds[:KEPT]}
    options.out.mkdir(parents=True, exist_ok=True)
    np.savez(
        options.out / "hands.npz",
        **{key: value.astype(np.float32) for key, value in arrays.items()},
    )
    _write_card(options.out / "hands.npz", _prior_card(sources, pca))
    _write_card(
        options.out / "limits.yaml", _limits_card(sources, pca, options.out / "limits.yaml")
    )
    if options.sheets:
        _draw(body, sources, pca, options.sheets)


def read_sources(data: Path, body: BodyModel) -> Sources:
    """All recordings as poses of the body's left hand, and the synthetic ones."""
    rest = hand_at_rest(body)
    headset, video = read_handyjs(data, rest), read_tfjs(data, rest)
    precise, shapes = solve_hands(headset, rest)
    noisy, _ = solve_hands(video, rest, shapes)
    synthetic = sample_hands(
        SYNTHETIC, flexion_axis(body.joint_template.double().numpy()), np.random.default_rng(SEED)
    )
    samples = (
        Sample.of(precise.pose, precise.error),
        Sample.of(noisy.pose, noisy.error),
        Sample.of(synthetic),
    )
    return Sources(rest, (headset, video), (precise, noisy), samples, levers(precise.pose, rest))


def draw(pca: HandPca, count: int, components: int, seed: int = SEED) -> np.ndarray:
    """Random poses [count, 45] of the prior's Gaussian over its first components."""
    coefficients = (
        np.random.default_rng(seed).normal(size=(count, components)) * pca.sds[:components]
    )
    return pca.mean + coefficients @ pca.components[:components]


def _prior_card(sources: Sources, pca: HandPca) -> dict:
    pairs = [(r.source.value, r, p) for r, p in zip(sources.recordings, sources.poses, strict=True)]
    return {
        "what": "Gaussian over the 45 finger angles (axis-angle, radians) of SMPL-X's left hand: mean [45], components "
        "[24, 45] of unit length, sds [24] of their coefficients; the right hand mirrors it (x kept, y and z negated)",
        "source": CREDIT,
        "licence": "Apache-2.0",
        "command": "python -m priors.recipes.hands.build",
        "limits_of_the_data": "55 hand signs, both hands (110 poses), apparently of one person, and 13 seconds of "
        "about six signs of another, seen by a detector: more signs than grasps, no variety of sizes or ages. "
        "Thumbs that touch a finger in the recording miss it by about 15 mm here: the body's thumb sits elsewhere",
        "mixture": dict(zip(("handyjs", "tfjs_asl", "synthetic"), SHARES, strict=True)),
        "why_this_mixture": "held_out_mm: synthetic poses help where recordings are few (handyjs from tfjs_asl) and "
        "cost signs left out of handyjs 0.5 mm with 12 components. In fits of generated people whose hands were the "
        "other half of the signs, shares of synthetic poses from 0 to 1/2 were equal within 0.4 mm, on synthetic hands "
        "more was better (10.2, 8.6, 8.0 mm for 0, 1/4, 1/2), on tfjs_asl less (6.4, 6.7, 7.1): a quarter is the "
        "balance. tfjs_asl, imprecise and few signs, gets a small share. Components are ordered by how far they move "
        "the finger points",
        "in_fits": "hands in mm, generated people with signs that the prior never saw (two halves of handyjs, 128 "
        "people each): 12.8 and 11.6 with the body's own components, 8.4 and 7.8 with 12 of these, 8.3 and 7.8 with 24; "
        "measured before the fingers' joints went to the knuckles",
        "figures": {
            "fit_error_mm": {name: _spread(p.off) for name, _, p in pairs},
            "fit_error_by_joint_mm": {name: _by_joint(p.off) for name, _, p in pairs},
            "palm_error_mm": {name: _spread(r.palm_error) for name, r, _ in pairs},
            "explained_by_6_12_24": [round(float(pca.explained[k - 1]), 3) for k in COUNTS],
            "held_out_mm_by_6_12_24": held_out(sources),
            "finger_spread_mm": round(reconstruction_mm(pca, sources.poses[0].pose, 0, sources.rest), 1),
        },
    }  # fmt: skip


def held_out(sources: Sources) -> dict[str, list[float]]:
    """Reconstruction error in mm of poses by components learned from others, for several mixtures."""
    headset, video, synthetic = sources.samples
    half = halves(sources.recordings[0].group)
    one, other = headset[half], headset[~half]
    trials = {
        "handyjs from tfjs_asl": (headset, [(video, 1.0)]),
        "handyjs from synthetic": (headset, [(synthetic, 1.0)]),
        "handyjs from tfjs_asl and synthetic, half each": (
            headset,
            [(video, 1.0), (synthetic, 1.0)],
        ),
        "tfjs_asl from handyjs": (video, [(headset, 1.0)]),
        "tfjs_asl from synthetic": (video, [(synthetic, 1.0)]),
        "tfjs_asl from handyjs and 3/10 synthetic": (video, [(headset, 0.7), (synthetic, 0.3)]),
    }
    for name, test, train in (("second", other, one), ("first", one, other)):
        rest = list(zip((train, video, synthetic), SHARES, strict=True))
        trials |= {f"{name} half of handyjs from the other half": (test, [(train, 1.0)])}
        trials |= {f"{name} half of handyjs from the other half in this mixture": (test, rest)}
    return {name: [round(reconstruction_mm(hand_pca(mix(parts), sources.scale), test.pose, k, sources.rest), 2)
                   for k in COUNTS] for name, (test, parts) in trials.items()}  # fmt: skip


def halves(groups: tuple[str, ...], seed: int = 1) -> np.ndarray:
    """A random half of the groups (signs, seconds): bool per pose."""
    unique = np.unique(groups)
    return np.isin(groups, np.random.default_rng(seed).permutation(unique)[::2])


def _limits_card(sources: Sources, pca: HandPca, table: Path) -> dict:
    left, _ = hand_limits(torch.zeros(1, dtype=torch.float64), table)

    def percent(pose: np.ndarray) -> float:
        return round(
            100 * float(left.inside(torch.from_numpy(pose).unflatten(-1, (15, 3))).double().mean()),
            1,
        )

    def percent_of_angles(pose: np.ndarray) -> float:
        angles = torch.from_numpy(pose)[:, left.at]
        return round(
            100 * float(((angles >= left.lower) & (angles <= left.upper)).double().mean()), 1
        )

    poses = {r.source.value: p.pose for r, p in zip(sources.recordings, sources.poses, strict=True)}
    poses |= {"synthetic": sources.samples[2].pose}
    poses |= {f"samples of {k} components": draw(pca, 4000, k) for k in COUNTS[1:]}
    return {
        "what": "natural range of the 45 finger angles of SMPL-X's left hand: axis-angle components, radians",
        "source": "written by hand, a source in every row: anatomy (AAOS 1965 norms) and the range of the recordings "
        f"({CREDIT})",
        "licence": "Apache-2.0",
        "command": "python -m priors.recipes.hands.build",
        "figures": {
            "percent_of_poses_inside": {name: percent(pose) for name, pose in poses.items()},
            "percent_of_angles_inside": {
                name: percent_of_angles(pose) for name, pose in poses.items()
            },
        },
    }


def _spread(values: np.ndarray) -> dict[str, float]:
    return {
        "mean": round(float(values.mean()), 2),
        "p95": round(float(np.quantile(values, 0.95)), 2),
    }


def _by_joint(off: np.ndarray) -> dict[str, list[float]]:
    return {name: [round(float(v), 2) for v in off[:, i].mean(0)] for i, name in enumerate(FINGERS)}


def _print_percentiles(sources: Sources) -> None:
    """The 1 and 99 percentile of each angle in each recording, radians."""
    for joint in range(15):
        name = f"{SKELETON_FINGERS[joint // 3]}{joint % 3 + 1}"
        for axis in range(3):
            columns = [poses.pose[:, 3 * joint + axis] for poses in sources.poses]
            columns.append(sources.samples[2].pose[:, 3 * joint + axis])
            print(
                name,
                "xyz"[axis],
                *(np.percentile(c, [0.5, 99.5]).round(2).tolist() for c in columns),
            )


def _draw(body: BodyModel, sources: Sources, pca: HandPca, folder: Path) -> None:
    steps = [(k, s) for k in range(6) for s in (-2, 2)]
    poses = [pca.mean] + [pca.mean + s * pca.sds[k] * pca.components[k] for k, s in steps]
    labels = ["mean"] + [f"component {k} {s:+d} sd" for k, s in steps]
    poses += list(draw(pca, 22, 12))
    labels += [f"sample {i}" for i in range(22)]
    contact_sheet(body, np.stack(poses), labels, folder / "prior.png")
    for recording, solved, every in zip(sources.recordings, sources.poses, (2, 8), strict=True):
        path = folder / f"{recording.source.value}.png"
        contact_sheet(body, solved.pose[::every], list(recording.name[::every]), path)


def _write_card(file: Path, card: dict) -> None:
    head = {"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    text = yaml.safe_dump(head | card, sort_keys=False, width=120)
    file.with_name(f"{file.stem}.card.yaml").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main(tyro.cli(Options))
