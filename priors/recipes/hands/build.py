"""Make `priors/hands/hands.npz` and the cards of priors/hands: `python -m
priors.recipes.hands.build`.

    python -m priors.recipes.hands.build --data ../shared/data/hands [--sheets FOLDER] [--percentiles]

`limits.yaml` itself is written by hand, from anatomy and the percentiles that `--percentiles`
prints.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
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
from .posed import read_godot, read_iwer, read_steamvr, read_ultimatexr, read_ultraleap
from .poses import HandPoses, hand_at_rest, solve_hands
from .recordings import FINGERS, Recordings, Source, read_handyjs, read_tfjs
from .statistics import (
    HandPca,
    Sample,
    hand_pca,
    levers,
    mix,
    reconstruction_degrees,
    reconstruction_mm,
)
from .tracked import read_dex, read_leap

ROOT = Path(__file__).resolve().parents[3]
READERS = {
    Source.HANDYJS: read_handyjs,
    Source.TFJS: read_tfjs,
    Source.LEAP: read_leap,
    Source.DEX: read_dex,
    Source.STEAMVR: read_steamvr,
    Source.GODOT: read_godot,
    Source.ULTIMATEXR: read_ultimatexr,
    Source.ULTRALEAP: read_ultraleap,
    Source.IWER: read_iwer,
}
# Precise skeletons with many poses, whose fingers bend about axes of their own; the others take
# those of handyjs.
OWN_AXES = (Source.HANDYJS, Source.LEAP, Source.STEAMVR, Source.GODOT, Source.ULTIMATEXR)
# of the weight, see the card; what is left is synthetic
SHARES = {
    Source.HANDYJS: 0.35,
    Source.TFJS: 0.05,
    Source.LEAP: 0.15,
    Source.DEX: 0.05,
    Source.STEAMVR: 0.05,
    Source.GODOT: 0.1,
    Source.ULTIMATEXR: 0.05,
    Source.ULTRALEAP: 0.01,
    Source.IWER: 0.01,
}
SYNTHETIC_SHARE = 1 - sum(SHARES.values())
FORMER_SHARES = {Source.HANDYJS: 0.6, Source.TFJS: 0.15}  # the other quarter synthetic
KEPT, SYNTHETIC, SEED = 24, 4000, 0
COUNTS = (6, 12, 24)
MOST_DRAWN = 50  # poses of a source, about
CREDIT = {
    Source.HANDYJS: "Handy.js (c) 2020-2021 Stewart Smith, MIT",
    Source.TFJS: "TensorFlow.js models, hand-pose test data, Apache-2.0",
    Source.LEAP: "Leap Motion, recordings of leapjs-playback and javascript v2, Apache-2.0, and of leapjs-plugins, MIT",
    Source.DEX: "dex-retargeting, the hand sequence of example/profiling, MIT",
    Source.STEAMVR: "Valve, SteamVR Unity plugin, BSD-3-Clause",
    Source.GODOT: "Godot XR Tools, hand poses by DigitalN8m4r3, CC0-1.0",
    Source.ULTIMATEXR: "VRMADA, UltimateXR, MIT",
    Source.ULTRALEAP: "Ultraleap, Unity plugin, Apache-2.0",
    Source.IWER: "Meta, Immersive Web Emulation Runtime, MIT",
}


@dataclass(frozen=True)
class Options:
    """Recorded hands in, hand prior out."""

    data: Path = Path("../shared/data/hands")
    out: Path = ROOT / "priors/hands"
    sheets: Path | None = None  # where to draw contact sheets
    percentiles: bool = False


@dataclass(frozen=True)
class Solved:
    """One source as the body's hands.

    sample: the poses and how much each weighs.
    """

    recordings: Recordings
    poses: HandPoses
    sample: Sample


@dataclass(frozen=True)
class Sources:
    """Everything the statistics are made of.

    rest: [21, 3] mm, the body's left hand, wrist at the origin.
    scale: [45] the metric of the angles, see `levers`.
    """

    rest: np.ndarray
    solved: dict[Source, Solved]
    synthetic: Sample
    scale: np.ndarray


def main(options: Options) -> None:
    """Write prior and cards; print their figures."""
    body = load_body(None)
    sources = read_sources(options.data, body)
    pca = learned(sources)
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
    solved: dict[Source, Solved] = {}
    axes: list[np.ndarray] | None = None
    for source, read in READERS.items():
        recordings = read(data, rest)
        poses, found = solve_hands(recordings, rest, None if source in OWN_AXES else axes)
        if axes is None:
            axes = found
        solved[source] = Solved(recordings, poses, Sample.of(poses.pose, poses.error))
    flexion = flexion_axis(body.joint_template.double().numpy())
    synthetic = sample_hands(SYNTHETIC, flexion, np.random.default_rng(SEED))
    scale = levers(solved[Source.HANDYJS].poses.pose, rest)
    return Sources(rest, solved, Sample.of(synthetic), scale)


def learned(
    sources: Sources,
    shares: dict[Source, float] | None = None,
    rows: dict[Source, np.ndarray] | None = None,
) -> HandPca:
    """The components of the sources in these shares (None: those that ship), the rest synthetic.

    `rows`: which poses of each source, bool (None: all).
    """
    shares = SHARES if shares is None else shares
    parts = [(sources.synthetic, 1 - sum(shares.values()))]
    for source, share in shares.items():
        sample = sources.solved[source].sample
        parts.append((sample if rows is None else sample[rows[source]], share))
    return hand_pca(mix(parts), sources.scale)


def draw(pca: HandPca, count: int, components: int, seed: int = SEED) -> np.ndarray:
    """Random poses [count, 45] of the prior's Gaussian over its first components."""
    coefficients = (
        np.random.default_rng(seed).normal(size=(count, components)) * pca.sds[:components]
    )
    return pca.mean + coefficients @ pca.components[:components]


def _prior_card(sources: Sources, pca: HandPca) -> dict:
    named = {source.value: found for source, found in sources.solved.items()}
    return {
        "what": "Gaussian over the 45 finger angles (axis-angle, radians) of SMPL-X's left hand: mean [45], components "
        "[24, 45] of unit length, sds [24] of their coefficients; the right hand mirrors it (x kept, y and z negated)",
        "source": _credit(),
        "licence": "Apache-2.0",
        "command": "python -m priors.recipes.hands.build",
        "limits_of_the_data": "Few people: handyjs (55 signs, both hands, apparently one person) and dex_retargeting and "
        "tfjs_asl (a video each, seen by a detector) are one person each, leap a few, of one sensor that guesses where "
        "fingers hide each other. The others were posed on skeletons, as signs and grasps of games. No variety of sizes "
        "or ages. Thumbs that touch a finger in the recording miss it by about 15 mm here: the body's thumb sits elsewhere",
        "mixture": {source.value: share for source, share in SHARES.items()}
        | {"synthetic": round(SYNTHETIC_SHARE, 2)},
        "poses": {name: len(found.poses.pose) for name, found in named.items()},
        "thinning": "leap: of frames with a confidence over 0.7 those more than 8 mm (rms over the points) from every "
        "earlier one of their recording, 330 of 8,413; dex_retargeting likewise by seconds; ultimatexr likewise over "
        "all its clips. Where left and right mirror each other the left alone is read",
        "why_this_mixture": "held_out_mm. More of leap and of the posed hands know those better and the signs of handyjs "
        "worse: with a quarter for handyjs its held-out signs are off by 3.4 mm with 12 components, with 0.35 by 3.1, "
        "with 0.6 by 2.9; the other sources by 3.8 instead of 4.7. Components are ordered by how far they move the "
        "finger points",
        "in_fits": "18 components, hand_prior 0.6, next to the former prior (handyjs, tfjs_asl and synthetic poses) with "
        "12 and 0.7. Detected by OpenPose, hands reprojected in % of the keypoint box, 38 people of the photos and 20 "
        "alone: smplx nearer by over 1 % of that for 40, further for 11, medians 0.72 to 0.76 and 0.33 to 0.28, means 2.40 to "
        "2.35 and 0.57 to 0.52; fast nearer for 46, further for 7, medians 0.70 to 0.56 and 0.33 to 0.28. Generated people, "
        "24 with hands of each source that the prior never saw (half of the groups), hands in mm: smplx 7.59 to 7.61 "
        "(leap 8.3 to 7.0, handyjs 8.7 to 9.3, the others by less), fast 7.32 to 7.17",
        "figures": {
            "fit_error_mm": {name: _spread(found.poses.off) for name, found in named.items()},
            "fit_error_by_finger_mm": {
                name: _by_finger(found.poses.off) for name, found in named.items()
            },
            "palm_error_mm": {
                name: _spread(found.recordings.palm_error) for name, found in named.items()
            },
            "explained_by_6_12_24": [round(float(pca.explained[k - 1]), 3) for k in COUNTS],
            "held_out": "each source's groups (signs, seconds of a video, recordings, poses) in two random halves: "
            "components of one half of every source, poses of the other, both ways; former: without the sources "
            "after tfjs_asl, the shares 0.6, 0.15 and 0.25 synthetic",
            "held_out_mm_by_6_12_24": held_out(sources, reconstruction_mm, SHARES),
            "held_out_mm_by_6_12_24_former": held_out(sources, reconstruction_mm, FORMER_SHARES),
            "held_out_degrees_by_6_12_24": held_out(sources, reconstruction_degrees, SHARES),
            "held_out_degrees_by_6_12_24_former": held_out(
                sources, reconstruction_degrees, FORMER_SHARES
            ),
            "finger_spread_mm": round(
                reconstruction_mm(pca, named["handyjs"].poses.pose, 0, sources.rest), 1
            ),
        },
    }  # fmt: skip


def _credit() -> str:
    return "; ".join([*CREDIT.values(), "synthetic poses: priors/recipes/bodies/hands.py"])


def held_out(
    sources: Sources,
    error: Callable[[HandPca, np.ndarray, int, np.ndarray], float],
    shares: dict[Source, float],
) -> dict[str, list[float]]:
    """The error of poses of each source by `COUNTS` components learned without them."""
    half = {source: halves(found.recordings.group) for source, found in sources.solved.items()}
    other = {source: ~rows for source, rows in half.items()}
    folds = [(learned(sources, shares, half), other), (learned(sources, shares, other), half)]
    return {
        source.value: [
            round(
                float(
                    np.mean(
                        [
                            error(pca, found.poses.pose[rows[source]], count, sources.rest)
                            for pca, rows in folds
                        ]
                    )
                ),
                2,
            )
            for count in COUNTS
        ]
        for source, found in sources.solved.items()
    }


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

    poses = {source.value: found.poses.pose for source, found in sources.solved.items()}
    poses |= {"synthetic": sources.synthetic.pose}
    poses |= {f"samples of {k} components": draw(pca, 4000, k) for k in COUNTS[1:]}
    return {
        "what": "natural range of the 45 finger angles of SMPL-X's left hand: axis-angle components, radians",
        "source": "written by hand, a source in every row: anatomy (AAOS 1965 norms) and the range of the recordings "
        f"({CREDIT[Source.HANDYJS]}; {CREDIT[Source.TFJS]})",
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


def _by_finger(off: np.ndarray) -> dict[str, float]:
    return {name: round(float(off[:, i].mean()), 2) for i, name in enumerate(FINGERS)}


def _print_percentiles(sources: Sources) -> None:
    """The 0.5 and 99.5 percentile of each angle in each recording, radians."""
    everyone = [found.poses.pose for found in sources.solved.values()]
    everyone.append(sources.synthetic.pose)
    for joint in range(15):
        name = f"{SKELETON_FINGERS[joint // 3]}{joint % 3 + 1}"
        for axis in range(3):
            columns = [pose[:, 3 * joint + axis] for pose in everyone]
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
    for source, found in sources.solved.items():
        every = max(1, len(found.poses.pose) // MOST_DRAWN)
        names = list(found.recordings.name[::every])
        contact_sheet(body, found.poses.pose[::every], names, folder / f"{source.value}.png")


def _write_card(file: Path, card: dict) -> None:
    head = {"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    text = yaml.safe_dump(head | card, sort_keys=False, width=120)
    file.with_name(f"{file.stem}.card.yaml").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main(tyro.cli(Options))
