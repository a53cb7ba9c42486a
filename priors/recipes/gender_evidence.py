"""Makes `priors/gender/evidence.yaml`: what makes odds of the evidence about a body's gender.

    python -m priors.recipes.gender_evidence [--mocap FOLDER] [--people 32] [--pictures 16] [--seed 1]

Albums of generated people (`benchmarks.gender`) of the three built-in bodies in poses of CMU
subjects 01 to 12, by both protocols of `benchmarks.real`. Offset, temperature and correlation are
those under which the genders of the first half of the people are likeliest, whatever the protocol;
those with a body of the neutral model count as either's, one half each, which makes the odds those
of people who may have any proportions. Prints how the other half comes out.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import yaml

from benchmarks.gender import MOCAP, PRESET, Albums, albums_of, fit_calibration, rows
from benchmarks.quality import table
from smplifyx.body.loading.files import load_body
from smplifyx.config import load_preset
from smplifyx.core import assets
from smplifyx.core.choices import BODY_GENDERS, Gender
from smplifyx.data.mocap import HELD_OUT, SUBJECTS, plausible, subject_poses
from smplifyx.data.retarget import concatenate
from smplifyx.fitting.gender_choice import CARD, GenderCalibration

GENDERS = (Gender.FEMALE, Gender.MALE, Gender.NEUTRAL)


def card_of(
    found: Mapping[str, Sequence[Albums]], bodies: Mapping[str, str], command: str, source: str
) -> GenderCalibration:
    """The card that the people of `found` make; bodies: sha256 by gender."""
    both = [one for albums in found.values() for one in albums]
    offset, temperature, correlation = fit_calibration(both)
    return GenderCalibration(
        what=(
            "what makes log odds, female to male, of the evidence of smplifyx.fitting."
            "gender_evidence: (evidence - offset) / temperature for a picture; for n pictures of one "
            "person the sum of these over 1 + (n - 1) correlation. bodies: sha256 of the files that "
            "it holds for"
        ),
        source=source,
        licence="Apache-2.0 (only statistics)",
        command=command,
        preset=PRESET,
        bodies=bodies,
        people=sum(len(one.evidence) for one in both),
        pictures=both[0].evidence.shape[1],
        offset=round(offset, 3),
        temperature=round(temperature, 3),
        correlation=round(correlation, 3),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mocap", type=Path, default=MOCAP)
    parser.add_argument("--people", type=int, default=32, help="of each body and protocol")
    parser.add_argument("--pictures", type=int, default=16, help="of each; a multiple of 4")
    parser.add_argument("--seed", type=int, default=1)
    shipped = assets.folder("priors") / "gender" / CARD
    parser.add_argument("--out", type=Path, default=shipped)
    asked = parser.parse_args(arguments)

    torch.set_num_threads(1)
    bodies = {gender: load_body(None, gender) for gender in BODY_GENDERS}
    rest = bodies[Gender.NEUTRAL].joint_template.double().numpy()
    subjects = [subject for subject in SUBJECTS if subject not in HELD_OUT]
    poses = concatenate(list(subject_poses(asked.mocap, rest, subjects).values()))
    poses = poses[plausible(poses)]
    config = load_preset(PRESET)
    found = albums_of(bodies, GENDERS, poses, asked.people, asked.pictures, asked.seed, config)
    half = asked.people // 2
    training = {name: [one.some(slice(half)) for one in own] for name, own in found.items()}
    others = {name: [one.some(slice(half, None)) for one in own] for name, own in found.items()}
    source = (
        f"generated people in poses of CMU subjects {subjects[0]} to {subjects[-1]}, "
        f"{' and '.join(found)}, the first {half} of {asked.people} of each body and protocol, "
        f"seed {asked.seed}; guessed focal length"
    )
    command = (
        f"python -m priors.recipes.gender_evidence --people {asked.people} "
        f"--pictures {asked.pictures} --seed {asked.seed}"
    )
    hashes = {gender.value: bodies[gender].sha256 for gender in (Gender.FEMALE, Gender.MALE)}
    card = card_of(training, hashes, command, source)
    document = card.model_dump(mode="json")
    text = yaml.safe_dump(document, sort_keys=False, width=120, default_flow_style=None)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(text, encoding="utf-8")
    print(text)
    print(table("The other half; shares, by pictures put together", rows(others, card)))


if __name__ == "__main__":
    main()
