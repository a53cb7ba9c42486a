"""Makes what is wanted of one frame: its pictures, and the meshes of its people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ... import viz
from ...core.choices import MeshFormat, body_age, body_gender
from ...core.npz import ResultFileError
from ...fitting.result import FitResult
from ...viz.pyrender_backend import problem
from ...writers.table import write_person
from ...writers.writer import FittedPerson
from ..store import Store
from ..summary import Row
from .body_shelf import BodyShelf
from .draw_frame import PersonToDraw, draw_frame
from .files import (
    Picture,
    fingerprint,
    has_note,
    made_from_note,
    mesh_path,
    panel_path,
    report_pictures,
    results_of,
)


@dataclass(frozen=True)
class Wanted:
    """What to make.

    overlay: a picture of each frame that stands on its own.
    mesh: meshes in that format.
    report: the pictures that the report shows.
    renderer: what draws.
    again: also what is there already.
    """

    overlay: bool = False
    mesh: MeshFormat | None = None
    report: bool = False
    renderer: viz.Renderer = viz.Renderer.SOFTWARE
    again: bool = False

    @property
    def anything(self) -> bool:
        """Whether there is something to make of a frame."""
        return self.overlay or self.report or self.mesh is not None

    def check(self) -> None:
        """Raises ValueError, one line, where the renderer that is needed cannot be used."""
        has_pictures = self.overlay or self.report
        if not has_pictures or self.renderer is not viz.Renderer.PYRENDER:
            return
        fault = problem()
        if fault is not None:
            raise ValueError(fault)


class FramePictures:
    """Makes what is wanted of a frame from its files: the same in any process, in any order,
    however often.

    Pictures and meshes that say they were made from these results are kept. Pickles, for the
    processes that draw.
    """

    def __init__(
        self,
        store: Store,
        wanted: Wanted,
        model: Path | None = None,
        kid_template: Path | None = None,
    ) -> None:
        """model, kid_template: the job's."""
        self.store = store
        self.wanted = wanted
        self._shelf = BodyShelf(model, kid_template)

    def __call__(self, rows: Sequence[Row]) -> tuple[str, ...]:
        """Makes everything of the frame with these lines of the summary.

        Returns: what the log should say of it. Raises ValueError where the body models are not
        those of the fit or where a link leads out of the folder, RendererUnavailable, OSError.
        """
        stem = rows[0].stem
        results = results_of(self.store, rows)
        meshes = self._missing_meshes(stem, results)
        pictures = self._missing_pictures(stem, results)
        if not meshes and not pictures:
            return ()
        people, notes = self._load(results)
        for person in people:
            if person.number in meshes:
                note = made_from_note(fingerprint([results[person.number]]))
                fitted = FittedPerson(person.result, person.model, person.vertices, note)
                write_person(meshes[person.number], fitted)
        if people and pictures:
            drawn, log_note = draw_frame(people, pictures, self.wanted.renderer)
            if log_note:
                notes.append(log_note)
            note = self._note(results)
            for picture, path in pictures.items():
                viz.write_image(path, drawn[picture], comment=note)
        return tuple(notes)

    def _note(self, results: dict[int, Path]) -> str:
        """What the pictures of a frame carry."""
        return made_from_note(fingerprint(results.values()), self.wanted.renderer)

    def _missing_meshes(self, stem: str, results: dict[int, Path]) -> dict[int, Path]:
        """The meshes to write, by person."""
        kind = self.wanted.mesh
        if kind is None:
            return {}
        missing = {}
        for person, result in results.items():
            path = mesh_path(self.store, stem, person, kind)
            # not asked of a first run, which would read every result once more
            is_there = path.is_file() and not self.wanted.again
            if not is_there or not has_note(path, made_from_note(fingerprint([result]))):
                missing[person] = path
        return missing

    def _missing_pictures(self, stem: str, results: dict[int, Path]) -> dict[Picture, Path]:
        """The pictures to draw: all that are wanted where any of them lacks or shows
        something else."""
        if not results:
            return {}
        paths = report_pictures(self.store, stem) if self.wanted.report else {}
        if self.wanted.overlay:
            paths[Picture.PANEL] = panel_path(self.store, stem)
        if self.wanted.again or not all(path.is_file() for path in paths.values()):
            return paths
        note = self._note(results)
        return {} if all(has_note(path, note) for path in paths.values()) else paths

    def _load(self, results: dict[int, Path]) -> tuple[list[PersonToDraw], list[str]]:
        """The people of a frame that have a usable body, and why others have none."""
        people: list[PersonToDraw] = []
        notes: list[str] = []
        for path in results.values():
            try:
                result = FitResult.load(path)
            except ResultFileError as error:
                notes.append(f"not drawn: {error}")
                continue
            gender = body_gender(result.provenance.gender)
            model = self._shelf.of(gender, body_age(result.provenance.age))
            vertices = result.vertices(model)
            if vertices.isfinite().all():
                people.append(PersonToDraw(result, model, vertices))
        return people, notes
