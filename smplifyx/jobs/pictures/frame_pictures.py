"""Draws one frame: the photo with its keypoints, the bodies over it and from their side; writes
their meshes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from ... import viz
from ...body.model import BodyModel
from ...camera import Camera
from ...collision.mesh.check import self_penetration
from ...core.choices import MeshFormat, body_age, body_gender
from ...core.npz import ResultFileError
from ...fitting.result import FitResult
from ...readers.images import ImageError, read_image
from ...viz.overlay import canvas
from ...viz.pyrender_backend import problem
from ...writers.table import write_person
from ...writers.writer import FittedPerson
from ..batches import Bodies
from ..store import Store
from ..summary import Row
from .files import Picture, is_newer, report_pictures, results_of

LONGEST = 1280  # pixels of the longer side of a picture


@dataclass(frozen=True)
class Wanted:
    """What to make."""

    overlay: bool = False
    mesh: MeshFormat | None = None
    report: bool = False
    renderer: viz.Renderer = viz.Renderer.SOFTWARE
    again: bool = False  # also what is there already

    @property
    def anything(self) -> bool:
        """Whether there is something to make of a frame."""
        return self.overlay or self.report or self.mesh is not None

    def check(self) -> None:
        """Raises ValueError, one line, where the renderer that is needed cannot be used."""
        if (
            self.renderer is viz.Renderer.PYRENDER
            and (self.overlay or self.report)
            and (fault := problem())
        ):
            raise ValueError(fault)


@dataclass(frozen=True)
class FramePictures:
    """Makes what is wanted of a frame from its files: the same in any process, in any order,
    however often.

    model, kid_template: the job's. Pictures and meshes that are newer than their results are kept.
    """

    store: Store
    wanted: Wanted
    model: Path | None = None
    kid_template: Path | None = None

    def __call__(self, rows: Sequence[Row]) -> tuple[str, ...]:
        """Makes everything of the frame of these rows; what the log should say of it.

        Raises ValueError where the body models are not those of the fit, RendererUnavailable,
        OSError.
        """
        results = results_of(self.store, rows)
        meshes, pictures = (
            self._lacking_meshes(rows[0].stem, results),
            self._lacking_pictures(rows[0].stem, results),
        )
        if not meshes and not pictures:
            return ()
        people, notes = self._load(results)
        for person in people:
            if path := meshes.get(person.result.origin.person):
                write_person(path, FittedPerson(person.result, person.model, person.vertices))
        if people and pictures:
            drawn, note = _draw(people, pictures, self.wanted.renderer)
            notes += [note] if note else []
            for picture, path in pictures.items():
                viz.write_image(path, drawn[picture])
        return tuple(notes)

    def _lacking_meshes(self, stem: str, results: dict[int, Path]) -> dict[int, Path]:
        if self.wanted.mesh is None:
            return {}
        folder, suffix = self.store.root / "meshes" / stem, self.wanted.mesh.value
        paths = {person: folder / f"{person:03d}.{suffix}" for person in results}
        return {
            p: path
            for p, path in paths.items()
            if self.wanted.again or not is_newer(path, [results[p]])
        }

    def _lacking_pictures(self, stem: str, results: dict[int, Path]) -> dict[Picture, Path]:
        paths = report_pictures(self.store, stem) if self.wanted.report else {}
        if self.wanted.overlay:
            paths[Picture.PANEL] = self.store.root / "overlays" / f"{stem}.jpg"
        fresh = not self.wanted.again and all(
            is_newer(path, results.values()) for path in paths.values()
        )
        return {} if fresh or not results else paths

    def _load(self, results: dict[int, Path]) -> tuple[list[_Body], list[str]]:
        """The people of a frame that have a usable body, and why others have none."""
        bodies, people, notes = _bodies(self.model, self.kid_template), [], []
        for path in results.values():
            try:
                result = FitResult.load(path)
            except ResultFileError as error:
                notes.append(f"not drawn: {error}")
                continue
            model = bodies.of(
                body_gender(result.provenance.gender), body_age(result.provenance.age)
            )
            vertices = result.vertices(model)
            if vertices.isfinite().all():
                people.append(_Body(result, model, vertices))
        return people, notes


@dataclass(frozen=True)
class _Body:
    """One fitted person, ready to be drawn."""

    result: FitResult
    model: BodyModel
    vertices: Tensor


@lru_cache(maxsize=1)
def _bodies(model: Path | None, kid_template: Path | None) -> Bodies:
    """A process draws thousands of frames with the same bodies."""
    return Bodies(model, torch.device("cpu"), kid_template)


def _draw(
    people: Sequence[_Body], wanted: Collection[Picture], renderer: viz.Renderer
) -> tuple[dict[Picture, np.ndarray], str]:
    """The wanted pictures, RGB, and what the log should say."""
    camera, faces = people[0].result.camera, people[0].model.faces
    photo, note = _photo(people[0].result)
    image, drawn, camera = viz.shrink(
        photo, [_person(person, camera) for person in people], camera, LONGEST
    )
    width, height = (int(side) for side in camera.image_size)
    pictures = {Picture.OVERLAY: viz.overlay(image, drawn, faces, camera, renderer)}
    if Picture.PHOTO in wanted:
        pictures[Picture.PHOTO] = viz.draw_points(
            canvas((width, height)) if image is None else image, drawn
        )
    aside = [viz.Figure(viz.person_colour(p.result.origin.person), p.vertices) for p in people]
    marks = [_marks(person) if Picture.TURNED in wanted else None for person in people]
    size = (min(width, height), height)
    if Picture.TURNED in wanted:
        marked = [replace(shown, marks=mark) for shown, mark in zip(aside, marks, strict=True)]
        pictures[Picture.TURNED] = viz.side_view(marked, faces, size, renderer)
    if Picture.PANEL in wanted:  # without marks: only the report says what they mean
        fresh = Picture.TURNED not in wanted or any(mark is not None for mark in marks)
        turned = viz.side_view(aside, faces, size, renderer) if fresh else pictures[Picture.TURNED]
        pictures[Picture.PANEL] = np.concatenate([pictures[Picture.OVERLAY], turned], axis=1)
    return pictures, note


def _marks(person: _Body) -> viz.Marks | None:
    """Where the body passes through itself, if it was measured to."""
    found = person.result.penetration
    if found is None or not (found.triangles or found.depth_mm):
        return None
    contact = self_penetration(person.vertices[None], person.model)[0]
    return viz.Marks(contact.cut, contact.inside)


def _person(person: _Body, camera: Camera) -> viz.Figure:
    """A person for the common camera of the picture.

    A person fitted with another focal length is moved in depth by the ratio, which leaves its
    pixels where they are.
    """
    result = person.result
    vertices = person.vertices * torch.tensor(
        [1.0, 1.0, float(camera.focal[1] / result.camera.focal[1])]
    )
    colour = viz.person_colour(result.origin.person)
    return viz.Figure(colour, vertices, result.keypoints.to_array(), result.points2d)


def _photo(result: FitResult) -> tuple[np.ndarray | None, str]:
    """The upright photo, at the size the fit believed; None where there is none, and why if there
    was one.
    """
    if not result.origin.image:
        return None, ""
    try:
        image = read_image(Path(result.origin.image))
    except ImageError as error:  # the photo has gone since
        return None, f"drawn without its photo: {error}"
    size = tuple(round(float(side)) for side in result.camera.image_size)
    return (
        image
        if image.shape[1::-1] == size
        else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    ), ""
