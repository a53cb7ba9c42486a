"""Marks of where a body passes through itself: on the skin, through what hides it, and nowhere
else.
"""

from __future__ import annotations

import numpy as np
import pytest
from drawn_scenes import RENDERERS, sphere

from smplifyx.viz import Figure, Marks, Renderer, person_colour, side_view
from smplifyx.viz.marks import CUT, DEEP, FULL_AT, SHALLOW, marked, only_marks
from smplifyx.viz.mesh import Mesh
from smplifyx.viz.shade import shade

SIZE = (150, 130)


def body(inner: float = 0.2) -> tuple[np.ndarray, np.ndarray, int]:
    """Vertices and faces of a sphere with another in it, and how many vertices the outer one has."""
    (outside, faces), (within, more) = sphere((0.0, 0.0, 3.0), 0.5), sphere((0.0, 0.0, 3.0), inner)
    return (
        np.concatenate([outside, within]),
        np.concatenate([faces, more + len(outside)]),
        len(outside),
    )


def marks(cut: slice = slice(0), inside: float = 0.0) -> Marks:
    """These faces cut; all of the inner sphere lies so deep inside."""
    vertices, faces, outer = body()
    cuts, depth = np.zeros(len(faces), bool), np.zeros(len(vertices))
    cuts[cut], depth[outer:] = True, inside
    return Marks(cuts, depth)


def turned(mark: Marks | None, renderer: Renderer = Renderer.SOFTWARE) -> np.ndarray:
    """The picture of that body."""
    vertices, faces, _ = body()
    return side_view(
        [Figure(person_colour(0), vertices, marks=mark)], faces, SIZE, renderer
    ).astype(float)


def mean_of_changes(picture: np.ndarray) -> np.ndarray:
    """The mean colour of where a picture differs from the unmarked body's."""
    return picture[(picture != turned(None)).any(-1)].mean(0)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_no_marks_change_nothing(renderer: Renderer) -> None:
    assert (turned(marks(), renderer) == turned(None, renderer)).all()


@pytest.mark.parametrize("renderer", RENDERERS)
def test_triangles_that_cut_are_red_and_only_they(renderer: Renderer) -> None:
    plain, all_cut = turned(None, renderer), turned(marks(slice(None)), renderer)
    shown = (plain != plain[0, 0]).any(-1)
    red = (all_cut[..., 0] > 2 * all_cut[..., 1]) & (all_cut[..., 0] > 2 * all_cut[..., 2])
    assert (red & shown).sum() > 0.9 * (all_cut != plain).any(-1).sum() > 0
    vertices, faces, outer = body()
    few = slice(0, int((faces < outer).all(1).sum()), 40)
    some = turned(marks(few), renderer)
    changed = (some != plain).any(-1)
    assert 0 < changed.sum() < 0.2 * (all_cut != plain).any(-1).sum()


@pytest.mark.parametrize("renderer", RENDERERS)
def test_what_is_inside_is_seen_through_the_skin(renderer: Renderer) -> None:
    changed = (turned(marks(inside=0.01), renderer) != turned(None, renderer)).any(-1)
    rows, columns = changed.nonzero()
    middle = [(axis.min() + axis.max()) / 2 for axis in (rows, columns)]
    whole = (turned(None, renderer)[..., 2] < 235).nonzero()
    assert 0.1 < changed.sum() / len(whole[0]) < 0.25  # the inner sphere's share
    assert np.abs(np.array(middle) - [(axis.min() + axis.max()) / 2 for axis in whole]).max() < 12


def test_deeper_is_darker_until_it_is_full() -> None:
    shades = [
        turned(marks(inside=depth))[..., 1].sum()
        for depth in (0.002, 0.01, 0.02, FULL_AT, 2 * FULL_AT)
    ]
    assert shades[0] > shades[1] > shades[2] > shades[3] == shades[4]
    shallow, deep = (mean_of_changes(turned(marks(inside=depth))) for depth in (0.001, FULL_AT))
    assert shallow[0] > shallow[2] > shallow[1] and deep[2] > deep[0] > deep[1]


def test_a_person_before_does_not_hide_the_marks_of_one_behind() -> None:
    vertices, faces, _ = body()
    mark, colours = marks(inside=0.02), (person_colour(0), person_colour(1))
    nearer = vertices + (1.5, 0.0, 0.0)  # the turned camera looks from the people's side
    farther = vertices - (1.5, 0.0, 0.0)
    for one, other in ((nearer, farther), (farther, nearer)):
        people = [Figure(colours[0], one), Figure(colours[1], other)]
        plain = side_view(people, faces, SIZE)
        shown = side_view([people[0], Figure(colours[1], other, marks=mark)], faces, SIZE)
        assert (plain != shown).any()


def test_marked_meshes_keep_the_shape() -> None:
    vertices, faces, outer = body()
    plain = Mesh(vertices, faces, shade(vertices, faces, person_colour(0)))
    mark = marks(slice(3, 7), inside=0.01)
    mesh = marked(plain, mark)
    assert (mesh.vertices[mesh.faces] == vertices[faces]).all()
    untouched = (faces < outer).all(1) & ~mark.cut
    assert (mesh.colours[mesh.faces][untouched] == plain.colours[faces][untouched]).all()
    assert len(only_marks(mesh, mark).faces) == 4 + (faces >= outer).all(1).sum()


def test_the_colours_differ_from_everybodys() -> None:
    for colour in (CUT, SHALLOW, DEEP):
        assert (
            min(np.abs(np.array(colour) - person_colour(index)).max() for index in range(8)) > 0.15
        )
