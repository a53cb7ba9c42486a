"""Bodies through themselves: how well contact is found, and what holding bodies apart does to fits
and costs.

    python -m benchmarks.collision [--count 500] [--people 256] [--mocap FOLDER] [--preset smplx] [--table found fits]
        [--pictures DIR] [--threads 2]

**Found**: `count` people who touch themselves and as many who do not (`touching.py`), as a brute
force over all pairs of faces says (`brute.py`), and what the exact check and the spheres say of
them. **Fits**: people who touch themselves and hardly pass through, seen with 2 px noise at 1000
px, fitted with the term and without it (`collision_fits.py`). Everything is drawn by one seed; the
embedded body, random shapes.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from benchmarks.collision_fits import fits_tables
from benchmarks.collision_pictures import draw_pictures
from benchmarks.reaching import SITTING, STANDING, Kind, body_pose
from benchmarks.speed import machine
from benchmarks.touching import Sample, Source, draw_free, draw_touching
from benchmarks.variants import line
from smplifyx.body import skinning
from smplifyx.body.joints import JOINT_NAMES
from smplifyx.body.loading.files import load_body
from smplifyx.body.model import BodyModel
from smplifyx.body.params import BodyParams
from smplifyx.collision.mesh.check import self_penetration
from smplifyx.collision.proxies.spheres import place, spheres_of
from smplifyx.pose_priors.hands import recorded_hands

MM = 1000.0
BINS = (0.0, 1.0, 3.0, 5.0, 10.0, 20.0, 40.0, 60.0)  # mm
TOLD = (0.0, 1.0, 3.0)  # mm of overlap from which the spheres are said to tell a touch
TOLERANCE = 3.0  # mm that spheres may push where nothing passes through
AT_ONCE = 32
STILL = 24  # shapes that the still poses are measured on


class Table(Enum):
    """What to measure."""

    FOUND = "found"
    FITS = "fits"


@dataclass(frozen=True)
class Said:
    """What the exact check and the spheres say of some people [n]."""

    triangles: Tensor
    depth: Float[Tensor, " n"]  # mm
    cut: Bool[Tensor, "n f"]
    overlap: Float[Tensor, " n"]  # mm, of the spheres that overlap most, of those held apart
    pair: tuple[str, ...]  # whose those are


def said(body: BodyModel, params: BodyParams) -> Said:
    """Both, for people [n]."""
    parts = []
    for at in range(0, len(params.transl), AT_ONCE):
        some = params[at : at + AT_ONCE]
        with torch.no_grad():
            contact = self_penetration(skinning.vertices(body, some), body)
        parts.append((contact.triangles, MM * contact.depth, contact.cut, *overlap(body, some)))
    *numbers, pairs = zip(*parts, strict=True)
    return Said(
        *(torch.cat(one) for one in numbers), tuple(name for names in pairs for name in names)
    )


def overlap(body: BodyModel, params: BodyParams) -> tuple[Float[Tensor, " n"], tuple[str, ...]]:
    """How deep (mm) the two spheres that overlap most do, 0 where none do; and on which joints they
    are.
    """
    spheres = spheres_of(body)
    with torch.no_grad():
        centers, radii = place(spheres, body, params)
        deep = (
            radii[:, :, None]
            + radii[:, None]
            - torch.cdist(centers.double(), centers.double()).to(radii)
        )
        deepest, at = torch.where(spheres.apart, deep, -torch.inf).flatten(1).max(1)
    names = [JOINT_NAMES[joint] for joint in spheres.joint.tolist()]
    count = len(names)
    return MM * deepest.clamp(min=0), tuple(
        f"{names[i // count]} – {names[i % count]}" for i in at.tolist()
    )


def found_tables(source: Source, count: int) -> str:
    """Recall and precision, and the push where nothing passes through anything."""
    touching, free = draw_touching(source, count), draw_free(source, count)
    everybody = Sample.cat([touching, free])
    told = said(source.body, everybody.params)
    return "\n\n".join([
        f"**Found, by kind of pose** ({len(touching)} people touch themselves, {len(free)} do not)\n\n"
        + _table(by_kind(everybody, told)),
        "**Found, by true depth**\n\n" + _table(by_depth(everybody, told)),
        "**The exact check against the brute force**\n\n" + _table(against(everybody, told)),
        f"**What the spheres push where no push is due** (mm; tolerance {TOLERANCE:g})\n\n"
        + _table(pushes(source.body, everybody, told)),
    ])  # fmt: skip


Row = Mapping[str, str | float]


def by_kind(everybody: Sample, told: Said) -> dict[str, Row]:
    """Recall and precision for each kind, and for all."""
    kinds = {kind.value: torch.tensor([one is kind for one in everybody.kinds]) for kind in Kind}
    return {
        name: _found(everybody.touches[rows], told.triangles[rows] > 0, told.overlap[rows])
        for name, rows in (
            kinds | {"**all**": torch.ones(len(everybody), dtype=torch.bool)}
        ).items()
    }


def _found(touches: Tensor, exact: Tensor, overlap: Tensor) -> Row:
    row: dict[str, str | float] = {"touch": int(touches.sum()), "do not": int((~touches).sum())}
    told = {"exact": exact} | {f"spheres > {mm:g} mm": overlap > mm for mm in TOLD}
    for name, says in told.items():
        row |= {
            f"{name}: recall": _share(touches & says, touches),
            f"{name}: precision": _share(touches & says, says),
        }
    return row


def by_depth(everybody: Sample, told: Said) -> dict[str, Row]:
    """Recall for each range of the true depth of those who touch, and what the spheres measure
    there.
    """
    rows, depth = {}, MM * everybody.depth
    for low, high in zip(BINS[:-1], BINS[1:], strict=True):
        chosen = everybody.touches & (depth >= low) & (depth < high)
        row: dict[str, str | float] = {"people": int(chosen.sum())}
        row["exact: recall"] = _share(chosen & (told.triangles > 0), chosen)
        row |= {
            f"spheres > {mm:g} mm: recall": _share(chosen & (told.overlap > mm), chosen)
            for mm in TOLD
        }
        row["overlap, median"] = (
            float(told.overlap[chosen].median()) if chosen.any() else float("nan")
        )
        row["depth, median"] = float(depth[chosen].median()) if chosen.any() else float("nan")
        rows[f"{low:g} – {high:g} mm"] = row
    return rows


def against(everybody: Sample, told: Said) -> dict[str, Row]:
    """Face by face and person by person."""
    cut = torch.zeros_like(told.cut)
    for row, brute in enumerate(everybody.brute):
        cut[row, torch.as_tensor(brute.pairs.ravel())] = True
    off = (told.depth - MM * everybody.depth).abs()
    return {
        "people": {"brute force": int(everybody.touches.sum()),
                   "missed by the check": int((everybody.touches & (told.triangles == 0)).sum()),
                   "found by it alone": int((~everybody.touches & (told.triangles > 0)).sum())},
        "triangles": {"brute force": int(cut.sum()), "missed by the check": int((cut & ~told.cut).sum()),
                      "found by it alone": int((told.cut & ~cut).sum())},
        "depth, mm": {"brute force": float(MM * everybody.depth.mean()),
                      "missed by the check": f"differs by {off.median():.2g} (median), {off.max():.3g} (most)",
                      "found by it alone": ""},
    }  # fmt: skip


def pushes(body: BodyModel, everybody: Sample, told: Said) -> dict[str, Row]:
    """The overlap of spheres in still poses, and in drawn ones that do not touch, by kind."""
    free = ~everybody.touches
    rows = {name: _still(body, params) for name, params in still_poses(body).items()}
    groups = {
        "mocap that touches nothing": (Kind.MOCAP,),
        "priors' samples that touch nothing": (Kind.PRIOR,),
        "just before a touch": tuple(kind for kind in Kind if kind not in (Kind.MOCAP, Kind.PRIOR)),
    }
    for name, kinds in groups.items():
        at = (free & torch.tensor([kind in kinds for kind in everybody.kinds])).nonzero()[:, 0]
        rows[name] = _push(
            told.overlap[at], [told.pair[i] for i in at.tolist()], MM * everybody.depth[at]
        )
    return rows


def still_poses(body: BodyModel) -> dict[str, BodyParams]:
    """Poses that people take without thinking, on the mean shape and `STILL` - 1 random ones, hands
    at their mean.
    """
    shapes, expressions = body.shapedirs.shape[-1], body.expressiondirs.shape[-1]
    people = BodyParams.zeros((STILL,), shapes, expressions, body.v_template)
    drawn = torch.randn(people.betas.shape, generator=torch.Generator().manual_seed(0)).clamp(-2, 2)
    drawn[0] = 0
    people = people.replace(betas=drawn.to(people.betas))
    left, right = (
        space.mean.unflatten(0, (15, 3)).expand(STILL, 15, 3)
        for space in recorded_hands(people.betas)
    )
    relaxed = people.replace(left_hand_pose=left, right_hand_pose=right)

    def posed(degrees: Mapping[str, tuple[float, float, float]]) -> BodyParams:
        return relaxed.replace(body_pose=body_pose(degrees).to(people.betas).expand(STILL, -1, -1))

    return {"T-pose, flat hands": people, "T-pose, hands at rest": relaxed, "arms hanging": posed(STANDING),
            "sitting": posed(SITTING)}  # fmt: skip


def _still(body: BodyModel, params: BodyParams) -> Row:
    told = said(body, params)
    return _push(told.overlap, list(told.pair), told.depth)


def _push(overlap: Tensor, pairs: list[str], depth: Tensor) -> Row:
    if not len(overlap):
        return {
            "people": 0,
            "mean": "–",
            "most": "–",
            "beyond tolerance": "–",
            "where": "",
            "true depth, most": "–",
        }
    beyond = float((overlap > TOLERANCE).float().mean())
    where = pairs[int(overlap.argmax())] if overlap.max() > 0 else ""
    return {"people": len(overlap), "mean": float(overlap.mean()), "most": float(overlap.max()),
            "beyond tolerance": beyond, "where": where, "true depth, most": float(depth.max())}  # fmt: skip


def _share(part: Tensor, whole: Tensor) -> str:
    return f"{float(part.sum() / whole.sum()):.3f}" if whole.any() else "–"


def _table(rows: Mapping[str, Row]) -> str:
    columns = list(next(iter(rows.values())))
    lines = [line(["", *columns]), "|---" * (len(columns) + 1) + "|"]
    return "\n".join(
        lines + [line([name, *(_cell(row[c]) for c in columns)]) for name, row in rows.items()]
    )


def _cell(value: str | float) -> str:
    return (
        value
        if isinstance(value, str)
        else f"{value:.3g}"
        if isinstance(value, float)
        else str(value)
    )


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=Table, nargs="*", default=list(Table))
    parser.add_argument(
        "--count", type=int, default=500, help="people who touch themselves, and people who do not"
    )
    parser.add_argument("--people", type=int, default=256, help="people fitted of each group")
    parser.add_argument("--mocap", type=Path, default=Path("../shared/data/mocap"))
    parser.add_argument("--preset", default="smplx")
    parser.add_argument(
        "--pictures", type=Path, help="a folder for pictures of fits before and after"
    )
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def main() -> None:
    """Prints protocol, machine and tables."""
    options = arguments()
    torch.set_num_threads(options.threads)
    source = Source.read(load_body(None), options.mocap, options.threads)
    print(f"`python -m benchmarks.collision {shlex.join(sys.argv[1:])}`\n")
    print(machine(argparse.Namespace(threads=options.threads, device="cpu")), flush=True)
    if Table.FOUND in options.table:
        print(f"\n{found_tables(source, options.count)}", flush=True)
    if Table.FITS in options.table:
        print(f"\n{fits_tables(source, options.people, options.preset)}", flush=True)
    if options.pictures:
        draw_pictures(source, options.preset, options.pictures)
        print(f"pictures: {options.pictures}")


if __name__ == "__main__":
    main()
