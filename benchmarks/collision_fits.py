"""Fits with the collision term and without: depth, error, contact, time."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from benchmarks.brute import distance
from benchmarks.quality import BATCH
from benchmarks.touching import Sample, Source, draw_just_touching, draw_touching
from benchmarks.variants import line
from smplifyx.body import skinning
from smplifyx.body.joints import BODY_POSE_JOINTS, JOINT_NAMES, sideless
from smplifyx.body.model import BodyModel
from smplifyx.body.params import BodyParams
from smplifyx.collision.mesh.check import self_penetration
from smplifyx.collision.parts import parts_of
from smplifyx.config import FitConfig, load_preset, without_collision
from smplifyx.data.synthetic import GeneratedPeople, generate_people, photograph
from smplifyx.evaluation.metrics import MILLIMETRES, PersonErrors, person_errors
from smplifyx.fitting.fit import fit
from smplifyx.fitting.result import FitResult
from smplifyx.keypoints import names

NEAR = 10.0  # mm: parts that touch in truth still touch
TIMED = (64, 256)  # people at once
LEAST_DEPTH_FALL, LEAST_TRIANGLE_FALL, MOST_PIXELS, LEAST_KEPT, MOST_TIME = 0.9, 0.8, 0.5, 0.9, 1.5


class Term(Enum):
    """Which of the two fits."""

    OFF = "without the term"
    ON = "with the term"


class Region(Enum):
    """Parts that count as one when two of them are to stay in touch."""

    HEAD = ("neck", "head", "jaw", "eye_smplhf")
    TRUNK = ("pelvis", "spine1", "spine2", "spine3", "collar")
    UPPER_ARM = ("shoulder",)
    FOREARM = ("elbow",)
    HAND = ("wrist", "thumb", "index", "middle", "ring", "pinky")
    THIGH = ("hip",)
    SHIN = ("knee",)
    FOOT = ("ankle", "foot")

    @classmethod
    def of(cls, joint: str) -> Region:
        """Of a joint's part."""
        bare = sideless(joint).rstrip("123") if joint not in BODY_POSE_JOINTS else sideless(joint)
        return next(
            region for region in cls if bare in region.value or sideless(joint) in region.value
        )


@dataclass(frozen=True)
class Limb:
    """A region and its side: "left", "right" or "" in the middle."""

    region: Region
    side: str


@dataclass(frozen=True)
class Outcome:
    """What became of some people [n], fitted or true."""

    params: BodyParams
    triangles: Tensor
    depth: Tensor  # mm
    pixels: Tensor  # [n, 137] reprojection errors; NaN where unseen
    errors: PersonErrors
    seconds: float


@dataclass(frozen=True)
class Compared:
    """The same people fitted both ways."""

    people: GeneratedPeople
    truth: Outcome
    fits: Mapping[Term, Outcome]


def fits_tables(source: Source, count: int, preset: str) -> str:
    """All figures of fits, with the targets they are held to."""
    body, config = source.body, load_preset(preset)
    configs = {Term.OFF: without_collision(config), Term.ON: config}
    soft, deep = draw_just_touching(source, count), draw_touching(source, count, seed=3000)
    groups = {
        "people who just touch": photograph(body, soft.params, seed=1),
        "people drawn deep in themselves": photograph(body, deep.params, seed=2),
        "ordinary people": generate_people(body, source.mocap, count),
    }
    done = {name: compare(people, body, configs) for name, people in groups.items()}
    contact = kept(soft, done["people who just touch"], body)
    timed = {
        size: seconds(groups["ordinary people"], body, configs, size)
        for size in TIMED
        if size <= count
    }
    return "\n\n".join([
        f"**Fits**: preset {config.name}, {count} people of each group\n\n" + _fits_table(done),
        f"**Contact**: surfaces that touch in truth and are within {NEAR:g} mm in the fit\n\n" + _kept_table(contact),
        "**Time**: ordinary people, interleaved, ms per person\n\n" + _time_table(timed),
        "**Targets**\n\n" + _verdicts(done["people who just touch"], contact, timed),
    ])  # fmt: skip


def compare(
    people: GeneratedPeople, body: BodyModel, configs: Mapping[Term, FitConfig]
) -> Compared:
    """Fits everybody both ways, batch by batch in turn."""
    results: dict[Term, list[FitResult]] = {term: [] for term in configs}
    spent = dict.fromkeys(configs, 0.0)
    for at in range(0, len(people.keypoints.confidence), BATCH):
        rows = slice(at, at + BATCH)
        for term, config in configs.items():
            start = time.perf_counter()
            results[term].append(fit(people.keypoints[rows], people.camera[rows], body, config))
            spent[term] += time.perf_counter() - start
    fits = {
        term: _fitted(FitResult.cat(results[term]), people, body, spent[term]) for term in configs
    }
    return Compared(people, outcome(people.truth, people, body), fits)


def _fitted(result: FitResult, people: GeneratedPeople, body: BodyModel, spent: float) -> Outcome:
    return outcome(result.params, people, body, spent)


def outcome(
    params: BodyParams, people: GeneratedPeople, body: BodyModel, spent: float = 0.0
) -> Outcome:
    """How bodies, seen by the true cameras, do."""
    found, points = [], []
    with torch.no_grad():
        for at in range(0, len(params.transl), BATCH):
            contact = self_penetration(skinning.vertices(body, params[at : at + BATCH]), body)
            found.append((contact.triangles, MILLIMETRES * contact.depth))
            points.append(skinning.points(body, params[at : at + BATCH]))
    triangles, depth = (torch.cat(one) for one in zip(*found, strict=True))
    error = (people.camera.project(torch.cat(points)) - people.keypoints.xy).norm(dim=-1)
    pixels = torch.where(people.keypoints.confidence > 0, error, torch.nan)
    return Outcome(
        params, triangles, depth, pixels, person_errors(body, params, people.truth), spent
    )


def kept(sample: Sample, compared: Compared, body: BodyModel) -> dict[Term, dict[str, list[bool]]]:
    """Of each pair of regions that touches in truth, whether it still does, by the names of the
    regions.
    """
    limb_of_face = [limb_of(JOINT_NAMES[part]) for part in parts_of(body).of_face.tolist()]
    found: dict[Term, dict[str, list[bool]]] = {term: {} for term in compared.fits}
    for term, fitted in compared.fits.items():
        for row, brute in enumerate(sample.brute):
            with torch.no_grad():
                corners = skinning.vertices(body, fitted.params[row])[body.faces].double().numpy()
            touching = {
                frozenset((limb_of_face[a], limb_of_face[b])) for a, b in brute.pairs.tolist()
            }
            for pair in touching & _far_apart(body):
                name = " – ".join(
                    sorted(limb.region.name.lower().replace("_", " ") for limb in pair)
                )
                found[term].setdefault(name, []).append(gap(corners, limb_of_face, *pair) < NEAR)
    return found


def limb_of(joint: str) -> Limb:
    """Of a joint's part."""
    side = next((side for side in ("left", "right") if joint.startswith(side)), "")
    region = Region.of(joint)
    return Limb(region, "" if region in (Region.HEAD, Region.TRUNK) else side)


@lru_cache(maxsize=4)
def _far_apart(body: BodyModel) -> frozenset[frozenset[Limb]]:
    """Pairs of regions that hold no two parts that meet: the others touch in every pose."""
    held, limbs = parts_of(body).held_apart, [limb_of(joint) for joint in JOINT_NAMES]
    meeting = {frozenset((limbs[a], limbs[b])) for a, b in (~held).nonzero().tolist()}
    return frozenset(frozenset((a, b)) for a in limbs for b in limbs if a != b) - meeting


def gap(corners: np.ndarray, limb_of_face: list[Limb], first: Limb, second: Limb) -> float:
    """Between the surfaces of two regions, from the corners of the one to the faces of the other,
    in mm.
    """
    ours, theirs = (corners[[limb == one for limb in limb_of_face]] for one in (first, second))
    return MILLIMETRES * min(
        distance(np.unique(a.reshape(-1, 3), axis=0), b).min()
        for a, b in ((ours, theirs), (theirs, ours))
    )


def seconds(
    people: GeneratedPeople, body: BodyModel, configs: Mapping[Term, FitConfig], size: int
) -> dict[Term, float]:
    """Per person, `size` at once, the fastest of three interleaved runs after one that warms up."""
    keypoints, camera = people.keypoints[:size], people.camera[:size]
    runs: dict[Term, list[float]] = {term: [] for term in configs}
    for _ in range(4):
        for term, config in configs.items():
            start = time.perf_counter()
            fit(keypoints, camera, body, config)
            runs[term].append((time.perf_counter() - start) / size)
    return {term: min(times[1:]) for term, times in runs.items()}


def _fits_table(done: Mapping[str, Compared]) -> str:
    columns = ["depth mean mm", "depth most", "share that cuts itself", "triangles", "body px", "all px", "PA-MPJPE",
               "hands mm", "MPJPE"]  # fmt: skip
    lines = [line(["", *columns]), "|---" * (len(columns) + 1) + "|"]
    for name, compared in done.items():
        bodies = {"truth": compared.truth} | {
            term.value: fitted for term, fitted in compared.fits.items()
        }
        for kind, one in bodies.items():
            lines.append(
                line([f"{name}, {kind}", *(f"{value:.3g}" for value in figures(one).values())])
            )
    return "\n".join(lines)


def figures(one: Outcome) -> dict[str, float]:
    """Means over people; medians of pixels over points."""
    return {
        "depth": float(one.depth.mean()), "most": float(one.depth.max()),
        "share": float((one.triangles > 0).float().mean()), "triangles": float(one.triangles.float().mean()),
        "body px": float(one.pixels[:, names.BODY].nanmedian()), "px": float(one.pixels.nanmedian()),
        "PA-MPJPE": float(one.errors.pa_mpjpe.mean()), "hands": float(one.errors.hands.nanmean()),
        "MPJPE": float(one.errors.mpjpe.mean()),
    }  # fmt: skip


def _kept_table(found: Mapping[Term, Mapping[str, list[bool]]]) -> str:
    everything = {
        term: [one for kept in pairs.values() for one in kept] for term, pairs in found.items()
    }
    ordered = sorted(found[Term.OFF], key=lambda name: -len(found[Term.OFF][name]))
    lines = [
        line(["", "touch in truth", *(term.value for term in Term), "of those without, with"]),
        "|---" * 5 + "|",
    ]
    rows = {name: {term: pairs[name] for term, pairs in found.items()} for name in ordered} | {
        "**all**": everything
    }
    for name, row in rows.items():
        shares = [*(row[term] for term in Term), stayed(row)]
        lines.append(
            line([name, str(len(row[Term.OFF])), *(f"{_mean(share):.3f}" for share in shares)])
        )
    return "\n".join(lines)


def stayed(row: Mapping[Term, list[bool]]) -> list[bool]:
    """Of the pairs in touch without the term, whether they are so with it."""
    return [on for off, on in zip(row[Term.OFF], row[Term.ON], strict=True) if off]


def _mean(values: list[bool]) -> float:
    return float(np.mean(values)) if values else math.nan


def _time_table(timed: Mapping[int, Mapping[Term, float]]) -> str:
    lines = [line(["people at once", *(term.value for term in Term), "ratio"]), "|---" * 4 + "|"]
    for size, spent in timed.items():
        cells = [f"{1000 * spent[term]:.1f}" for term in Term]
        lines.append(line([str(size), *cells, f"{spent[Term.ON] / spent[Term.OFF]:.2f}"]))
    return "\n".join(lines)


def _verdicts(
    compared: Compared,
    contact: Mapping[Term, Mapping[str, list[bool]]],
    timed: Mapping[int, Mapping[Term, float]],
) -> str:
    off, on = (figures(compared.fits[term]) for term in Term)
    hands = {
        term: [one for name, kept in pairs.items() if "hand" in name for one in kept]
        for term, pairs in contact.items()
    }
    bars = {
        f"depth falls by {LEAST_DEPTH_FALL:.0%}": (1 - on["depth"] / max(off["depth"], 1e-9), LEAST_DEPTH_FALL),
        f"triangles fall by {LEAST_TRIANGLE_FALL:.0%}": (
            1 - on["triangles"] / max(off["triangles"], 1e-9), LEAST_TRIANGLE_FALL),
        f"median body error rises by {MOST_PIXELS:g} px at most": (off["body px"] - on["body px"], -MOST_PIXELS),
        f"hands within {NEAR:g} mm of what they touch stay so": (_mean(stayed(hands)), LEAST_KEPT),
    }  # fmt: skip
    for size, spent in timed.items():
        bars[f"{size} people take {MOST_TIME:g} times as long at most"] = (
            -spent[Term.ON] / spent[Term.OFF],
            -MOST_TIME,
        )
    lines = [line(["target", "found", ""]), "|---|---|---|"]
    return "\n".join(
        lines
        + [
            line([name, f"{abs(v):.3g}", "PASS" if v >= bar else "FAIL"])
            for name, (v, bar) in bars.items()
        ]
    )
