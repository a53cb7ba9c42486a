"""Does the evidence tell a woman's body from a man's, and does it hold its tongue where it cannot?

    python -m benchmarks.gender [--mocap FOLDER] [--people 16] [--pictures 16] [--seed 50001]

Generated people of the built-in female and male bodies, and of the neutral one, in poses of the
held-out subjects 13 and 14, by both protocols of `benchmarks.real`: albums of several pictures of a
person, each in another pose before another camera, with the person's shape and bones (`real` has
segments that no body has, the same in all pictures). Fitted as a job fits them, with the guessed
focal length; the card `priors/gender/evidence.yaml` saw none of these people and none of these
poses.

For 1, 4 and all pictures put together: decided, the share of the groups of pictures of which the
evidence decides at all; right, of those decided; wrong and abstain, of all; likelier: how often the
likelier gender is the right one, without a threshold, where there is evidence at all. Bodies of the neutral model have no right
answer: there only `decided` means something. `shuffled`: the card's numbers fitted anew to the same
evidence with random labels.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor

from smplifyx.body.loading.files import load_body
from smplifyx.body.model import BodyModel
from smplifyx.config import FitConfig, load_preset
from smplifyx.core.choices import BODY_GENDERS, Gender
from smplifyx.data.bone_lengths import SEGMENTS
from smplifyx.data.disentangle import disentangled
from smplifyx.data.draws import Draws
from smplifyx.data.mocap import heldout_poses
from smplifyx.data.random_bodies import random_people
from smplifyx.data.retarget import Poses
from smplifyx.data.synthetic import GeneratedPeople, GenerateOptions, photograph
from smplifyx.fitting.gender_choice import (
    GenderCalibration,
    GenderDecision,
    decide,
    load_gender_calibration,
)
from smplifyx.fitting.gender_evidence import gender_evidence

from .quality import BATCH, fit_in_batches, guessed, table
from .real import PROTOCOLS

MOCAP = Path("../shared/data/mocap")
PRESET = "smplx"
TOGETHER = (1, 4)  # pictures, and all
# how many of the people with a body of each model are female
SHARES = MappingProxyType({Gender.FEMALE: 1.0, Gender.MALE: 0.0, Gender.NEUTRAL: 0.5})


@dataclass(frozen=True)
class Albums:
    """What the evidence says of each picture of people of one body, and whose it is."""

    evidence: Float[Tensor, "people pictures"]  # as `gender_evidence`
    gender: Gender

    def some(self, rows: slice) -> Albums:
        """Some of the people."""
        return Albums(self.evidence[rows], self.gender)

    def decisions(self, card: GenderCalibration, count: int) -> list[GenderDecision]:
        """About each group of `count` pictures of one person."""
        groups = card.log_odds(self.evidence).unflatten(1, (-1, count)).flatten(0, 1)
        return [decide(group, card) for group in groups.tolist()]


def album(
    body: BodyModel,
    poses: Poses,
    people: int,
    pictures: int,
    seed: int,
    options: GenerateOptions,
) -> GeneratedPeople:
    """So many pictures of each of so many people, person by person."""
    draws = Draws.seeded(seed, people * pictures)
    drawn = random_people(body, poses, draws, options)
    bodies = drawn.replace(betas=_first_of_each(drawn.betas, people))
    if options.solid:
        bodies = disentangled(body, bodies)
    segments = Draws.seeded(seed + 7, people).normal(len(SEGMENTS))
    return photograph(body, bodies, seed + 1, options, segments.repeat_interleave(pictures, dim=0))


def _first_of_each(values: Float[Tensor, "rows n"], people: int) -> Float[Tensor, "rows n"]:
    """Every row as the first of its person."""
    each = values.unflatten(0, (people, -1))
    return each[:, :1].expand_as(each).flatten(0, 1)


def albums_of(
    bodies: Mapping[Gender, BodyModel],
    genders: Iterable[Gender],
    poses: Poses,
    people: int,
    pictures: int,
    seed: int,
    config: FitConfig,
) -> dict[str, list[Albums]]:
    """The evidence of generated people, by protocol and gender."""
    found: dict[str, list[Albums]] = {}
    for i, (protocol, options) in enumerate(PROTOCOLS.items()):
        for j, gender in enumerate(genders):
            own_seed = seed + 100 * j + 1000 * i
            seen = album(bodies[gender], poses, people, pictures, own_seed, options)
            fits, _ = fit_in_batches(
                seen.keypoints, guessed(seen.camera), bodies[Gender.NEUTRAL], config
            )
            evidence = [
                gender_evidence(fits[at : at + BATCH], bodies[Gender.FEMALE], bodies[Gender.MALE])
                for at in range(0, people * pictures, BATCH)
            ]
            own = Albums(torch.cat(evidence).unflatten(0, (people, pictures)), gender)
            found.setdefault(protocol, []).append(own)
    return found


def row(some: Sequence[Albums], card: GenderCalibration, count: int) -> dict[str, float]:
    """How often it decides about groups of `count` pictures, and how often rightly."""
    answers = [
        (decision, albums.gender) for albums in some for decision in albums.decisions(card, count)
    ]
    decided = [gender for decision, gender in answers if decision.gender is not Gender.NEUTRAL]
    right = sum(decision.gender is gender for decision, gender in answers)
    told = [(each.log_odds, gender) for each, gender in answers if each.log_odds is not None]
    likelier = sum((odds > 0) == (gender is Gender.FEMALE) for odds, gender in told)
    return {
        "groups": len(answers),
        "decided": len(decided) / len(answers),
        "right": right / len(decided) if decided else float("nan"),
        "wrong": (len(decided) - right) / len(answers),
        "abstain": 1 - len(decided) / len(answers),
        "likelier": likelier / max(len(told), 1),
    }


def rows(
    found: Mapping[str, Sequence[Albums]], card: GenderCalibration
) -> dict[str, dict[str, float]]:
    """By protocol and number of pictures; of people who have no right answer, how often it decides."""
    lines: dict[str, dict[str, float]] = {}
    for protocol, albums in found.items():
        for count in (*TOGETHER, albums[0].evidence.shape[1]):
            told = [one for one in albums if one.gender is not Gender.NEUTRAL]
            others = [one for one in albums if one.gender is Gender.NEUTRAL]
            if told:
                lines[f"{protocol}, {count}"] = row(told, card, count)
            if others:
                nobody = row(others, card, count)
                nobody |= dict.fromkeys(("right", "wrong", "likelier"), float("nan"))
                lines[f"{protocol}, {count}, bodies of the neutral model"] = nobody
    return lines


def fit_calibration(some: Sequence[Albums]) -> tuple[float, float, float]:
    """Offset, temperature and correlation under which the genders are likeliest, whatever number of
    pictures is put together. A body of the neutral model may be either's.
    """
    evidence = torch.cat([albums.evidence for albums in some]).double()
    is_female = [evidence.new_full((len(one.evidence),), SHARES[one.gender]) for one in some]
    return _likeliest(evidence, torch.cat(is_female))


def _likeliest(
    evidence: Float[Tensor, "people pictures"], is_female: Float[Tensor, " people"]
) -> tuple[float, float, float]:
    """is_female: 1, 0, or how likely."""
    # offset, 1 / temperature, which may become 0 where the evidence says nothing, and the logit of
    # the correlation: free numbers
    known = evidence.isfinite()
    start = [float(evidence.nanmean()), 1.0, 0.0]
    unknowns = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([unknowns], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        odds = torch.where(known, (evidence.nan_to_num() - unknowns[0]) * unknowns[1], 0.0)
        total = evidence.new_zeros(())
        for count in (*TOGETHER, evidence.shape[1]):
            groups = odds.unflatten(1, (-1, count)).sum(-1)
            # of each group, the pictures that tell something
            telling = known.unflatten(1, (-1, count)).sum(-1)
            groups = groups / (1 + (telling - 1).clamp(min=0) * unknowns[2].sigmoid())
            labels = is_female[:, None].expand_as(groups)
            cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits
            total = total + cross_entropy(groups, labels)
        total.backward()
        return total

    solver.step(loss)
    offset, slope, logit = unknowns.detach().tolist()
    return offset, 1 / max(slope, 1e-3), float(torch.tensor(logit).sigmoid())


def shuffled(found: Mapping[str, Sequence[Albums]], card: GenderCalibration) -> GenderCalibration:
    """The card with numbers fitted to random labels of the same people."""
    told = [one for albums in found.values() for one in albums if one.gender is not Gender.NEUTRAL]
    evidence = torch.cat([albums.evidence for albums in told]).double()
    half = len(evidence) // 2
    labels = torch.cat([evidence.new_ones(half), evidence.new_zeros(len(evidence) - half)])
    mixed = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]
    offset, temperature, correlation = _likeliest(evidence, mixed)
    changed = {"offset": offset, "temperature": temperature, "correlation": correlation}
    return card.model_copy(update=changed)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mocap", type=Path, default=MOCAP)
    parser.add_argument("--people", type=int, default=16, help="of each body and protocol")
    parser.add_argument("--pictures", type=int, default=16, help="of each; a multiple of 4")
    parser.add_argument("--seed", type=int, default=50001)
    asked = parser.parse_args(arguments)

    torch.set_num_threads(1)
    card = load_gender_calibration()
    bodies = {gender: load_body(None, gender) for gender in BODY_GENDERS}
    poses = heldout_poses(asked.mocap, bodies[Gender.NEUTRAL].joint_template.double().numpy())
    genders = (Gender.FEMALE, Gender.MALE, Gender.NEUTRAL)
    print(f"{platform.machine()}, torch {torch.__version__}; preset {PRESET}")
    print(
        f"{asked.people} people of each body by each protocol, {asked.pictures} pictures of each, "
        f"seed {asked.seed}, poses of {asked.mocap}"
    )
    config = load_preset(PRESET)
    found = albums_of(bodies, genders, poses, asked.people, asked.pictures, asked.seed, config)
    print(table("Pictures put together; shares", rows(found, card)))
    print(table("The same, fitted to shuffled labels", rows(found, shuffled(found, card))))


if __name__ == "__main__":
    main()
