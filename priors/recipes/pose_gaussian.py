"""Make `priors/pose/gaussian.npz`: mean and covariance of the body pose of CMU subjects 01-12.

    python priors/recipes/pose_gaussian.py --data ../shared/data/mocap --out priors/pose

Subjects 13 and 14 are held out for evaluation. Frames with wrapped angles are dropped; per subject,
poses within `radius` of a kept one are dropped (mocap is full of standing); a subject with n poses
left weighs sqrt(n), so that no subject's trade (05 dances) dominates; every pose counts also
mirrored. The floors free what this mocap holds still: see FLOORS; `--floors spine3 0.2 collar 0.1`
sets one number for some of them.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tyro
import yaml
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # a recipe runs from a source checkout, installed or not

from smplifyx.data.mocap import HELD_OUT, plausible, subject_poses, thin  # noqa: E402
from smplifyx.data.retarget import BODY_JOINTS, Poses, concatenate, mirror  # noqa: E402
from smplifyx.training.floors import DEFAULT_FLOOR, FLOORS, floor_of  # noqa: E402

JOINTS = BODY_JOINTS[1:]


@dataclass(frozen=True)
class Options:
    """Gaussian statistics of body poses from motion capture."""

    data: Path = Path("../shared/data/mocap")  # the folder with cmu_bvh_30fps.tar.xz
    out: Path = Path("priors/pose")
    body: Path = ROOT / "priors/bodies/neutral.npz"  # whose skeleton the poses are retargeted to
    radius: float = 0.05  # metres between kept poses, root mean square over the joints
    balance: float = 0.5  # a subject with n poses weighs n ** balance
    # radians by joint ("others" for the rest), for FLOORS
    floors: dict[str, float] = field(default_factory=dict)


def main(options: Options) -> None:
    """Write `gaussian.npz` and its card."""
    with np.load(options.body) as body:
        rest = body["J_regressor"] @ body["v_template"]
    subjects = subject_poses(options.data, rest)
    training = {s: poses for s, poses in subjects.items() if s not in HELD_OUT}
    sound = {s: poses[plausible(poses)] for s, poses in training.items()}
    kept = {s: thin(poses, rest, options.radius) for s, poses in sound.items()}
    mean, covariance = _moments(kept, options.balance)
    floor, reasons = _floors(options.floors)
    arrays = {"mean": mean, "covariance": covariance, "floor": floor, "joints": np.array(JOINTS)}
    heldout = concatenate([subjects[s] for s in sorted(HELD_OUT)])
    figures = {
        "frames": sum(map(_count, training.values())), "sound_frames": sum(map(_count, sound.values())),
        "kept_poses": {f"subject {s}": _count(p) for s, p in kept.items()}, "mirrored": True,
        "heldout_mahalanobis_percentiles_5_50_95": _percentiles(heldout[plausible(heldout)], mean, covariance, floor),
    }  # fmt: skip
    _write(options, arrays, figures, reasons)


def _count(poses: Poses) -> int:
    return len(poses.body_pose)


def _moments(subjects: dict[str, Poses], balance: float) -> tuple[NDArray, NDArray]:
    rows = [
        concatenate([poses, mirror(poses)]).body_pose.reshape(-1, 63) for poses in subjects.values()
    ]
    weights = np.concatenate([np.full(len(r), len(r) ** (balance - 1)) for r in rows])
    stacked = np.concatenate(rows)
    return np.average(stacked, axis=0, weights=weights), np.cov(stacked.T, aweights=weights, ddof=0)


def _floors(changed: dict[str, float]) -> tuple[NDArray, dict[str, str]]:
    known = dict(FLOORS) | {"others": DEFAULT_FLOOR}
    if unknown := set(changed) - set(known):
        raise ValueError(f"no floors {sorted(unknown)}: expected some of {list(known)}")
    known |= {kind: ((value,) * 3, "set by --floors") for kind, value in changed.items()}
    return floor_of({kind: values for kind, (values, _) in known.items()}), {
        kind: f"{list(value)}: {reason}" for kind, (value, reason) in known.items()
    }


def _percentiles(poses: Poses, mean: NDArray, covariance: NDArray, floor: NDArray) -> list[float]:
    offset = poses.body_pose.reshape(-1, 63) - mean
    squares = (offset * np.linalg.solve(covariance + np.diag(floor**2), offset.T).T).sum(1)
    return [round(float(v), 1) for v in np.percentile(squares, [5, 50, 95])]


def _write(
    options: Options, arrays: dict[str, NDArray], figures: dict, reasons: dict[str, str]
) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "gaussian.npz"
    np.savez_compressed(
        path, **{k: v.astype(np.float32) if v.dtype.kind == "f" else v for k, v in arrays.items()}
    )
    card = {
        "file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "what": "Gaussian over the axis-angles (radians) of the 21 SMPL-X body joints; axes x left, y up, z forward",
        "fields": {"mean": "[63]", "covariance": "[63, 63] of the mocap, singular: collars and toes never move in it",
                   "floor": "[63] standard deviations to add in quadrature: covariance + diag(floor^2)",
                   "joints": "[21] names, three numbers of the other arrays each"},
        "floors": reasons,
        "source": "CMU Graphics Lab Motion Capture Database, mocap.cs.cmu.edu, created with funding from NSF "
                  "EIA-0196217; BVH conversion by B. Hahne (no further restrictions); subjects 01-12, on the "
                  "embedded body's skeleton; subjects 13 and 14 held out",
        "licence": "CMU: \"This data is free for use in research and commercial projects worldwide.\" "
                   "The statistics: Apache-2.0",
        "command": f"python priors/recipes/pose_gaussian.py --radius {options.radius} --balance {options.balance}"
                   + "".join([" --floors"] * bool(options.floors) + [f" {k} {v}" for k, v in options.floors.items()]),
        "figures": figures,
    }  # fmt: skip
    (options.out / "gaussian.card.yaml").write_text(
        yaml.safe_dump(card, sort_keys=False, width=120)
    )
    print(f"wrote {path} ({path.stat().st_size} bytes)\n{yaml.safe_dump(figures, sort_keys=False)}")


if __name__ == "__main__":
    main(tyro.cli(Options))
