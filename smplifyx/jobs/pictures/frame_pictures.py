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
from .files import Picture, is_newer, mesh_path, panel_path, report_pictures, results_of


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

    Pictures and meshes that are newer than their results are kept. Pickles, for the processes that
    draw.
    """

    def __init__(
        self,
        store: Store,
        wanted: Wanted,
        model: Path | None = None,
        kid_template: Path | None = None,
    ) -> None:
        """model, kid_template: the job's."""
        self._store = store
        self._wanted = wanted
        self._shelf = BodyShelf(model, kid_template)

    def __call__(self, rows: Sequence[Row]) -> tuple[str, ...]:
        """Makes everything of the frame with these lines of the summary.

        Returns: what the log should say of it. Raises ValueError where the body models are not
        those of the fit, RendererUnavailable, OSError.
        """
        stem = rows[0].stem
        results = results_of(self._store, rows)
        meshes = self._missing_meshes(stem, results)
        pictures = self._missing_pictures(stem, results)
        if not meshes and not pictures:
            return ()
        people, notes = self._load(results)
        for person in people:
            if person.number in meshes:
                fitted = FittedPerson(person.result, person.model, person.vertices)
                write_person(meshes[person.number], fitted)
        if people and pictures:
            drawn, note = draw_frame(people, pictures, self._wanted.renderer)
            if note:
                notes.append(note)
            for picture, path in pictures.items():
                viz.write_image(path, drawn[picture])
        return tuple(notes)

    def _missing_meshes(self, stem: str, results: dict[int, Path]) -> dict[int, Path]:
        """The meshes to write, by person."""
        kind = self._wanted.mesh
        if kind is None:
            return {}
        missing = {}
        for person, result in results.items():
            path = mesh_path(self._store, stem, person, kind)
            if self._wanted.again or not is_newer(path, [result]):
                missing[person] = path
        return missing

    def _missing_pictures(self, stem: str, results: dict[int, Path]) -> dict[Picture, Path]:
        """The pictures to draw: all that are wanted where any of them lacks or is old."""
        if not results:
            return {}
        paths = report_pictures(self._store, stem) if self._wanted.report else {}
        if self._wanted.overlay:
            paths[Picture.PANEL] = panel_path(self._store, stem)
        if self._wanted.again:
            return paths
        if all(is_newer(path, results.values()) for path in paths.values()):
            return {}
        return paths

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
