"""What each pose prior knows and what that is worth: one table for people in 3D and in photos.

    python -m benchmarks.priors [--prior none gaussian gmm vposer flow] [--count 500] [--mocap FOLDER] \
        [--photos FOLDER] [--weights vposer=0.7 flow=0.5] [--preset smplx] [--threads 2]

Poses are those of CMU subjects 13 and 14, on which no prior was trained. **Reconstruction**:
encode, decode, and how far the 22 joints of the neutral body move; then with the latent refined to
bring them back, which measures what the latent can express. **Samples** of the prior inside the
joint limits. **Lift**: `lift.py`. **Photos**: `quality.py`. 2D error alone rewards the worst 3D, so
the gates on both stand in the same table. A prior may be named or be a path.
"""

from __future__ import annotations

import argparse
import math
import platform
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from benchmarks.lift import View, config_of, draw_people, lift
from benchmarks.quality import BATCH, Photos, fit_in_batches, photo_row, read_photos
from smplifyx.body.joints import BodyKind, parents
from smplifyx.body.loading.files import load_body
from smplifyx.body.model import BodyModel
from smplifyx.core import rotations
from smplifyx.data.mocap import heldout_poses
from smplifyx.data.synthetic import GeneratedPeople
from smplifyx.evaluation.metrics import BODY_JOINTS, MILLIMETRES
from smplifyx.pose_priors import load_prior
from smplifyx.pose_priors.contract import PosePrior
from smplifyx.pose_priors.limits import body_limits

BASELINE = "gaussian"  # whose hidden limbs the others are compared with
RECONSTRUCTED, SAMPLED = 1000, 2000  # poses
REFINEMENT_STEPS, REFINEMENT_RATE = 300, 0.03  # Adam, the rate falling to zero along a cosine
FULL_MEAN, FULL_P90, HIDDEN_GAIN, PHOTOS = 27.0, 42.0, 0.25, 0.92  # the gates: mm, mm, share, share
TITLES = {View.ALL: "all points, true focal"}

Column = dict[str, float]


def reconstruction(
    prior: PosePrior, body: BodyModel, rotation: Float[Tensor, "poses 21 3 3"]
) -> Column:
    """Distance in mm of the neutral body's 22 joints after encode and decode, and with the latent
    refined.
    """
    true = neutral_joints(body, rotation)
    with torch.no_grad():
        latent = prior.encode(rotation)
    row = {}
    for name, z in (("encoded", latent), ("refined", refined(prior, body, latent, true))):
        with torch.no_grad():
            distance = MILLIMETRES * (neutral_joints(body, prior.decode(z)) - true).norm(
                dim=-1
            ).mean(-1)
        row |= {
            f"reconstruction, {name}: mean mm": float(distance.mean()),
            f"reconstruction, {name}: 95th percentile mm": float(distance.quantile(0.95)),
        }
    return row


def refined(
    prior: PosePrior,
    body: BodyModel,
    latent: Float[Tensor, "poses latent"],
    joints: Float[Tensor, "poses 22 3"],
) -> Float[Tensor, "poses latent"]:
    """The latents moved to bring the neutral body's joints as near as they get to `joints`, in
    squared distance.

    Each pose keeps the best latent on its way, so that refinement never harms.
    """
    free = latent.clone().requires_grad_()
    optimizer = torch.optim.Adam([free], lr=REFINEMENT_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, REFINEMENT_STEPS)
    best, least = latent.clone(), torch.full_like(latent[:, 0], torch.inf)
    for _ in range(REFINEMENT_STEPS):
        optimizer.zero_grad()
        error = (neutral_joints(body, prior.decode(free)) - joints).square().sum((-1, -2))
        better = error.detach() < least
        least, best = (
            torch.where(better, error.detach(), least),
            torch.where(better[:, None], free.detach(), best),
        )
        error.sum().backward()
        optimizer.step()
        schedule.step()
    return best


def neutral_joints(
    body: BodyModel, rotation: Float[Tensor, "poses 21 3 3"]
) -> Float[Tensor, "poses 22 3"]:
    """The body joints of the mean shape in metres, the pelvis at the origin and unturned."""
    above, rest = parents(BodyKind.SMPLX)[:BODY_JOINTS], body.joint_template[:BODY_JOINTS]
    turned = [torch.eye(3).to(rotation).expand(len(rotation), 3, 3)]
    places = [rest.new_zeros(len(rotation), 3)]
    for joint in range(1, BODY_JOINTS):
        parent = above[joint]
        places.append(places[parent] + turned[parent] @ (rest[joint] - rest[parent]))
        turned.append(turned[parent] @ rotation[:, joint - 1])
    return torch.stack(places, 1)


def sampled(prior: PosePrior) -> Column:
    """The share of the prior's samples whose every bounded angle is within the joint limits."""
    with torch.no_grad():
        rotation = prior.decode(prior.sample(SAMPLED, torch.Generator().manual_seed(0)))
    inside = body_limits(rotation).inside(rotations.log(rotation))
    return {"samples inside the joint limits": float(inside.float().mean())}


def heldout_rotations(mocap: Path, body: BodyModel) -> Float[Tensor, "poses 21 3 3"]:
    """Evenly spaced ones of the held-out poses."""
    poses = torch.as_tensor(heldout_poses(mocap, body.joint_template.double().numpy()).body_pose)
    chosen = torch.linspace(0, len(poses) - 1, RECONSTRUCTED).long()
    return rotations.exp(poses[chosen]).to(body.v_template)


def gates(column: Column, baseline: Column | None) -> dict[str, bool | None]:
    """Which of the bars a prior passes; None where there is nothing to compare with."""
    full = TITLES[View.ALL]
    bars: dict[str, bool | None] = {
        f"full bodies: PA-MPJPE <= {FULL_MEAN:g}, p90 <= {FULL_P90:g}": (
            column[f"{full}: PA-MPJPE"] <= FULL_MEAN and column[f"{full}: PA p90"] <= FULL_P90
        )
    }
    gain = None if baseline is None else hidden_gain(column, baseline)
    bars[f"hidden limbs: PA {HIDDEN_GAIN:.0%} better than {BASELINE}"] = (
        None if gain is None else gain >= HIDDEN_GAIN
    )
    bars[f"photos: {PHOTOS:.0%} within 2 %"] = column["photos: within 2%"] >= PHOTOS
    return bars


def hidden_gain(column: Column, baseline: Column, error: str = "PA") -> float:
    """By which share the hidden joints of hidden limbs are nearer to the truth than the baseline's."""
    name = f"{View.LIMB.value}: {error} hidden"
    return 1 - column[name] / baseline[name]


def table(columns: Mapping[str, Column]) -> str:
    """Figures down, priors across, verdicts last, as Markdown."""
    first, baseline = next(iter(columns.values())), columns.get(BASELINE)
    lines = [f"| |{'|'.join(columns)}|", "|---|" + "---|" * len(columns)]
    lines += [
        _line(name, [_number(c[name]) for c in columns.values()])
        for name in first
        if _shown(name, columns)
    ]
    if baseline is not None:
        for error in ("PA", "MPJPE"):
            gains = [f"{hidden_gain(column, baseline, error):+.1%}" for column in columns.values()]
            lines.append(_line(f"{View.LIMB.value}: gain of {error} hidden over {BASELINE}", gains))
    verdicts = [gates(column, baseline) for column in columns.values()]
    words = {True: "PASS", False: "FAIL", None: "–"}
    lines += [
        _line(f"**{name}**", [words[verdict[name]] for verdict in verdicts]) for name in verdicts[0]
    ]
    return "\n".join(lines)


def _line(name: str, cells: list[str]) -> str:
    return f"|{name}|{'|'.join(cells)}|"


def _shown(name: str, columns: Mapping[str, Column]) -> bool:
    return any(math.isfinite(column[name]) for column in columns.values())


def _number(value: float) -> str:
    if not 5e-4 <= abs(value) < 1000:
        return f"{value:.0f}"
    return f"{value:.3g}"


def measured(
    name: str, scale: float, preset: str, people: GeneratedPeople, photos: Photos, poses: Tensor
) -> Column:
    """All figures of one prior."""
    body, config = load_body(None), config_of(name, scale, preset)
    prior = load_prior(config.pose_prior).to(dtype=body.v_template.dtype)
    column = reconstruction(prior, body, poses) | sampled(prior)
    for view in View:
        row = lift(config, view, people, body)
        column |= {f"{TITLES.get(view, view.value)}: {key}": value for key, value in row.items()}
        print(
            f"{name}, {view.value}: PA {row['PA-MPJPE']:.1f}, hidden {row['PA hidden']:.1f}",
            file=sys.stderr,
        )
    result, _ = fit_in_batches(photos.keypoints, photos.camera, body, config)
    return column | {f"photos: {key}": value for key, value in photo_row(result, photos).items()}


def _protocol(options: argparse.Namespace) -> str:
    """The command, what it does and where it ran."""
    return (
        f"`python -m benchmarks.priors {shlex.join(sys.argv[1:])}`\n\n"
        f"Preset {options.preset}, the prior's weight times {dict(options.weights) or 1}; {options.count} people in "
        f"poses of the held-out subjects 13 and 14, seed 0, 2 px noise at 1000 px, 10 % of points dropped; "
        f"{RECONSTRUCTED} poses reconstructed, {SAMPLED} samples. Errors in mm over 22 body joints, means over people. "
        f"{platform.machine()}, {options.threads} threads, torch {torch.__version__}, batches of {BATCH}.\n"
    )


def _weight(text: str) -> tuple[str, float]:
    name, found, scale = text.partition("=")
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r}: expected PRIOR=SCALE")
    return name, float(scale)


def main() -> None:
    """Prints protocol, command, machine and the table; a prior that cannot be loaded is named and
    left out.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prior", nargs="+", default=["none", "gaussian", "gmm", "vposer", "flow"])
    parser.add_argument("--weights", nargs="*", type=_weight, default=[], metavar="PRIOR=SCALE")
    parser.add_argument("--photos", type=Path, default=Path("../shared/data/photos_openpose"))
    parser.add_argument("--mocap", type=Path, default=Path("../shared/data/mocap"))
    parser.add_argument("--preset", default="smplx")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    body, scales = load_body(None), dict(options.weights)
    people, photos = draw_people(options.mocap, options.count), read_photos(options.photos)
    poses = heldout_rotations(options.mocap, body)
    print(_protocol(options))
    columns = {}
    for name in options.prior:
        try:
            columns[name] = measured(
                name, scales.get(name, 1.0), options.preset, people, photos, poses
            )
        except (ValueError, OSError) as error:
            print(f"{name}: left out: {error}")
    if columns:
        print(table(columns))


if __name__ == "__main__":
    main()
