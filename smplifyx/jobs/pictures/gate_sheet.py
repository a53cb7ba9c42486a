"""The contact sheet of a gate: all people of a folder, to be accepted or rejected by hand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ... import viz
from ...core.messages import plain
from ...fitting.result import FitResult
from ...gates.facts import GatePart
from ...gates.gate import Gate
from ...gates.verdict_table import Person
from ...keypoints import names
from ...keypoints.confidence import SEEN
from ..gating import GatedPeople
from ..store import Store
from ..summary import Row
from .files import Picture, drawn_pictures

MARGIN = 0.25  # of the longer side of a person's box, around it


@dataclass(frozen=True)
class _Look:
    """What a sheet shows of a result."""

    crop: tuple[float, float, float, float]  # left, top, width, height by the image's sides
    keypoints: list[list[float] | None]  # of the body, in the crop, 0..1; None: unseen
    front: list[list[float] | None]  # the fitted points likewise
    side: list[list[float] | None]  # turned by 90 degrees, depth to the right


@dataclass
class SheetPeople:
    """Looks at the results of a folder one by one, and writes their sheet when all are judged."""

    store: Store
    looks: dict[Person, _Look] = field(default_factory=dict)

    def look(self, row: Row, result: FitResult) -> None:
        """Keeps what will be shown of one person."""
        self.looks[row.stem, int(row.person or 0)] = _look_of(result)

    def write(self, path: Path, gate: Gate, name: str, people: GatedPeople) -> Path:
        """Writes the sheet of the gate of that name, whole or not at all; returns its path."""
        sheet = viz.Sheet(
            title=f"{plain(self.store.root.resolve().name)}: {name}",
            gate=name,
            summary=gate.summary,
            file_name=f"{name}.decisions.json",
        )
        return viz.write_sheet(path, sheet, self._entries(path.parent, gate, people))

    def _entries(self, folder: Path, gate: Gate, people: GatedPeople) -> Iterator[viz.SheetEntry]:
        judged = zip(people.rows, people.verdicts, strict=True)
        for _, frame in itertools.groupby(judged, key=lambda each: each[0].stem):
            of_frame = list(frame)
            rows = [row for row, _ in of_frame]
            pictures = drawn_pictures(self.store, rows)
            # the turned picture is of all together: who stands alone in it can be told
            alone = sum((row.stem, row.person) in self.looks for row in rows) == 1
            for row, (person, verdict) in of_frame:
                look = self.looks.get(person)
                yield viz.SheetEntry(
                    stem=row.stem,
                    person=person[1],
                    kept=verdict.kept,
                    reasons={part.value: why for part, why in verdict.reasons.items()},
                    score=verdict.score,
                    by=verdict.by,
                    figures=_figures(gate, people, person),
                    overlay=pictures.get(Picture.OVERLAY) if look else None,
                    turned=pictures.get(Picture.TURNED) if look and alone else None,
                    crop=look.crop if look else None,
                    keypoints=look.keypoints if look else (),
                    front=look.front if look else (),
                    side=look.side if look else (),
                    colour=viz.person_colour(person[1]) if look else None,
                )


def _figures(gate: Gate, people: GatedPeople, person: Person) -> tuple[tuple[str, str], ...]:
    """(measure, value) of the body and the shape."""
    values = people.values.get(person)
    if values is None:
        return ()
    shown = {
        test.measure.value: f"{value:.3g}"
        for test, value in zip(gate.tests, values.tolist(), strict=True)
        if test.part in (GatePart.BODY, GatePart.SHAPE)
    }
    return tuple(shown.items())


def _look_of(result: FitResult) -> _Look:
    """The person's box in the image and the body's points in it; the same points from the side."""
    keypoints = result.keypoints.xy[names.BODY]
    seen = result.keypoints.confidence[names.BODY] >= SEEN
    front = result.points2d[names.BODY]
    corner, side = _box(torch.where(seen[:, None], keypoints, torch.nan), front)
    turned = result.points3d[names.BODY][:, [2, 1]]  # depth to the right, y down
    turned_corner, turned_side = _box(turned, turned)
    width, height = result.camera.image_size.tolist()
    left, top = corner.tolist()
    return _Look(
        crop=(left / width, top / height, float(side) / width, float(side) / height),
        keypoints=_inside(torch.where(seen[:, None], keypoints, torch.nan), corner, side),
        front=_inside(front, corner, side),
        side=_inside(turned, turned_corner, turned_side),
    )


def _box(
    some: Float[Tensor, "n 2"], others: Float[Tensor, "n 2"]
) -> tuple[Float[Tensor, " 2"], Tensor]:
    """The upper left corner and the side of a square around the points, with a margin."""
    points = torch.cat([some, others])
    known = points[points.isfinite().all(-1)]
    if not len(known):
        return torch.zeros(2), torch.ones(())
    low, high = known.amin(0), known.amax(0)
    side = (high - low).amax().clamp(min=1e-6) * (1 + 2 * MARGIN)
    return (low + high - side) / 2, side


def _inside(
    points: Float[Tensor, "n 2"], corner: Float[Tensor, " 2"], side: Tensor
) -> list[list[float] | None]:
    """Points by the square's side; None for those that are not known."""
    places = ((points - corner) / side).tolist()
    return [[round(x, 3), round(y, 3)] if x == x and y == y else None for x, y in places]
