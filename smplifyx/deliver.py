"""From an output folder with results to what people look at: overlays, turned views, meshes and the report."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from . import viz
from .body.model import Age, BodyModel, Gender
from .camera import Camera
from .export.meshes import write_mesh
from .keypoints.images import ImageError, read_image
from .result import FitResult
from .result_file import ResultFileError
from .scale.batches import Bodies
from .scale.job import MeshFormat
from .scale.store import Store, read_record
from .scale.summary import Row, RowStatus, read_summary
from .viz.overlay import canvas

LOG = logging.getLogger(__name__)
LONGEST = 1280  # pixels of the longer side of a picture
REPORT_LIMIT = 1000  # photos on a page; a browser shows no more with comfort
TONES = {
    RowStatus.OK: viz.Tone.GOOD,
    RowStatus.LOW_EVIDENCE: viz.Tone.WARN,
    RowStatus.POOR: viz.Tone.WARN,
    RowStatus.FAILED: viz.Tone.BAD,
    RowStatus.UNREADABLE: viz.Tone.BAD,
    RowStatus.NOT_SELECTED: viz.Tone.PLAIN,
    RowStatus.NO_PEOPLE: viz.Tone.PLAIN,
}


@dataclass(frozen=True)
class Wanted:
    """What to make."""

    overlay: bool = False
    mesh: MeshFormat | None = None
    report: bool = False
    renderer: viz.Renderer = viz.Renderer.SOFTWARE
    again: bool = False  # also what is there already

    @property
    def pictures(self) -> bool:
        """Whether anything is drawn."""
        return self.overlay or self.report


@dataclass(frozen=True)
class _Body:
    """One fitted person, ready to be drawn."""

    result: FitResult
    model: BodyModel
    vertices: Tensor


def deliver(store: Store, bodies: Bodies, wanted: Wanted, advance: Callable[[], None]) -> Path | None:
    """Makes everything that is wanted, frame by frame in the order of summary.csv; the report's path, if wanted.

    `advance` is called after every frame. Pictures and meshes that are newer than their results are kept. Raises
    RendererUnavailable where pyrender or GL is missing, ValueError where the body models are not those of the fit.
    """
    entries: list[viz.PhotoEntry] = []
    for stem, rows in _frames(store):
        people = _load(store, stem, bodies)
        if wanted.mesh:
            _write_meshes(store, stem, people, wanted)
        if wanted.pictures:
            pictures = _draw(store, stem, people, wanted)
            if wanted.report and len(entries) < REPORT_LIMIT:
                entries.append(_entry(stem, rows, people, pictures))
        advance()
    return viz.write_report(store.root, entries, _head(store, entries)) if wanted.report else None


def count_frames(store: Store) -> int:
    """How many frames `deliver` will go through."""
    return sum(1 for _ in _frames(store))


def _frames(store: Store) -> Iterator[tuple[str, list[Row]]]:
    """The rows of each frame; summary.csv keeps those of a frame together."""
    for stem, rows in itertools.groupby(read_summary(store.summary), key=lambda row: row.stem):
        yield stem, list(rows)


def _load(store: Store, stem: str, bodies: Bodies) -> list[_Body]:
    """The people of a frame that have a usable body."""
    people = []
    for path in store.people(stem):
        try:
            result = FitResult.load(path)
        except ResultFileError as error:
            LOG.warning("not drawn: %s", error)
            continue
        model = bodies.of(Gender(result.provenance.gender), Age(result.provenance.age))
        vertices = result.vertices(model)
        if vertices.isfinite().all():
            people.append(_Body(result, model, vertices))
    return people


def _write_meshes(store: Store, stem: str, people: Sequence[_Body], wanted: Wanted) -> None:
    for person in people:
        index = person.result.origin.person
        path = store.root / "meshes" / stem / f"{index:03d}.{wanted.mesh.value}"
        if wanted.again or not _is_newer(path, [store.result(stem, index)]):
            write_mesh(path, person.vertices, person.model.faces)


def _draw(store: Store, stem: str, people: Sequence[_Body], wanted: Wanted) -> dict[str, Path]:
    """The pictures of a frame by name; a frame without a photo and without people has none."""
    folder = store.root / "pictures" / stem
    paths = {name: folder / f"{name}.jpg" for name in ("photo", "overlay", "turned")}
    panel = store.root / "overlays" / f"{stem}.jpg"
    results = [store.result(stem, person.result.origin.person) for person in people]
    if not people:
        return {}
    made = [*paths.values(), *([panel] if wanted.overlay else [])]
    if not wanted.again and all(_is_newer(path, results) for path in made):
        return paths
    drawn = _pictures(people, wanted.renderer)
    for name, path in paths.items():
        viz.write_image(path, drawn[name])
    if wanted.overlay:
        viz.write_image(panel, np.concatenate([drawn["overlay"], drawn["turned"]], axis=1))
    return paths


def _pictures(people: Sequence[_Body], renderer: viz.Renderer) -> dict[str, np.ndarray]:
    """Photo with its keypoints, overlay and turned view, RGB."""
    camera = people[0].result.camera
    faces = people[0].model.faces
    drawn = [_person(person, camera) for person in people]
    image, drawn, camera = viz.shrink(_photo(people[0].result), drawn, camera, LONGEST)
    width, height = (int(side) for side in camera.image_size)
    aside = [viz.Person(viz.person_colour(p.result.origin.person), p.vertices) for p in people]
    return {
        "photo": viz.draw_points(canvas((width, height)) if image is None else image, drawn),
        "overlay": viz.overlay(image, drawn, faces, camera, renderer),
        "turned": viz.side_view(aside, faces, (min(width, height), height), renderer),
    }


def _person(person: _Body, camera: Camera) -> viz.Person:
    """A person for the common camera of the picture.

    A person fitted with another focal length is moved in depth by the ratio, which leaves its pixels where they are.
    """
    result = person.result
    vertices = person.vertices * torch.tensor([1.0, 1.0, float(camera.focal[1] / result.camera.focal[1])])
    colour = viz.person_colour(result.origin.person)
    return viz.Person(colour, vertices, result.keypoints.to_array(), result.points2d)


def _photo(result: FitResult) -> np.ndarray | None:
    """The upright photo, at the size the fit believed; None where there is none (any more)."""
    if not result.origin.image:
        return None
    try:
        image = read_image(Path(result.origin.image))
    except ImageError as error:  # the photo has gone since
        LOG.warning("drawn without its photo: %s", error)
        return None
    size = tuple(round(float(side)) for side in result.camera.image_size)
    return image if image.shape[1::-1] == size else cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _entry(stem: str, rows: Sequence[Row], people: Sequence[_Body], pictures: dict[str, Path]) -> viz.PhotoEntry:
    by_index = {person.result.origin.person: person for person in people}
    lines = [_line(row, by_index.get(row.person)) for row in rows if row.person is not None]
    note = "; ".join(f"{row.status.value}: {row.reason}" for row in rows if row.person is None)
    shown = {name: path.resolve() for name, path in pictures.items()}  # the page takes paths from its own folder on
    return viz.PhotoEntry(stem, tuple(lines), **shown, note=note)


def _line(row: Row, person: _Body | None) -> viz.PersonEntry:
    return viz.PersonEntry(
        person=row.person, status=row.status.value, tone=TONES[row.status], note=row.reason,
        colour=viz.person_colour(row.person) if person else None, body_percent=row.body_percent,
        hands_percent=row.hands_percent, face_percent=row.face_percent, energy_gap=row.gap,
        height=row.stature_m, height_note=f"± {row.stature_sd_m:.2f} m, {row.age}" if person else "",
        focal=row.focal, focal_source=row.focal_source, seconds=row.seconds,
    )  # fmt: skip


def _head(store: Store, entries: Sequence[viz.PhotoEntry]) -> viz.Summary:
    record = read_record(store)
    models = ", ".join(f"{gender} {sha[:12]}" for gender, sha in record["models"].items())
    facts = [("preset", record["job"]["preset"]), ("body", record["job"]["model"] or "built-in"), ("sha256", models)]
    if len(entries) == REPORT_LIMIT:
        facts.append(("shown", f"the first {REPORT_LIMIT} photos; summary.csv has all"))
    return viz.Summary(title=store.root.resolve().name, facts=tuple(facts))


def _is_newer(path: Path, results: Sequence[Path]) -> bool:
    """Whether a file was made after all of the results it shows."""
    if not path.is_file():
        return False
    made = path.stat().st_mtime_ns
    return all(result.stat().st_mtime_ns <= made for result in results)
