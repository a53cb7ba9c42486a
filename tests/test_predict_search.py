"""Several people in a picture: each once, in crops of their own, and nobody whom a square cuts off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from smplifyx.predict.landmarks import PersonLandmarks
from smplifyx.predict.search import Rectangle, distinct, everybody, is_cut_off, is_same, parts_of


def stands(x: float, y: float, height: float, seed: int = 0) -> PersonLandmarks:
    """Somebody upright whose box begins there, in pixels."""
    pose = np.random.default_rng(seed).uniform(0, 1, (33, 2)) * (0.3, 1.0)
    pose[:11] *= (1.0, 0.1)  # the head is on top
    return PersonLandmarks(
        pose=np.array([x, y]) + height * pose, visibility=np.full(33, 0.9), world=np.zeros((33, 3))
    )


@dataclass
class Scene:
    """People who are seen where at least `least` of a picture's height is theirs."""

    people: list[PersonLandmarks]
    least: float = 0.0
    closer: bool = True

    def picture(self, height: int, width: int) -> np.ndarray:
        """Each pixel has its own place in it: row, column in the first two channels."""
        rows, columns = np.mgrid[:height, :width]
        return np.stack([rows, columns, 0 * rows], -1).astype(np.uint8)

    def bodies(self, images: Sequence[np.ndarray]) -> list[list[PersonLandmarks]]:
        return [self.seen_in(image) for image in images]

    def seen_in(self, image: np.ndarray) -> list[PersonLandmarks]:
        corner = image[0, 0, 1::-1].astype(float)
        size = np.array(image.shape[1::-1])
        found = []
        for person in self.people:
            inside = person.pose - corner
            tall = np.ptp(person.pose[:, 1]) >= self.least * image.shape[0]
            if tall and (inside.mean(0) > 0).all() and (inside.mean(0) < size).all():
                found.append(person.shifted(-corner))
        return found

    def closely(self, image: np.ndarray) -> PersonLandmarks | None:
        found = self.seen_in(image)
        if not found or not self.closer:
            return None
        return PersonLandmarks(
            found[0].pose, found[0].visibility, found[0].world, mesh=np.zeros((468, 3))
        )


def test_the_picture_and_squares_that_cover_it() -> None:
    whole, *squares = parts_of(200, 120)
    assert whole == (0, 0, 200, 120)
    covered = np.zeros((120, 200), bool)
    for square in squares:
        assert square.right - square.left == square.bottom - square.top == 100
        covered[square.top : square.bottom, square.left : square.right] = True
    assert covered.all() and len(squares) == 6


def test_small_people_are_found_in_squares_and_large_ones_in_the_whole() -> None:
    small, large = stands(20, 20, 45, seed=1), stands(120, 10, 150, seed=2)
    scene = Scene([small, large], least=0.3)
    people = everybody(scene.picture(240, 240), scene)
    assert [is_same(people[0], large), is_same(people[1], small)] == [True, True]
    assert len(people) == 2 and all(person.mesh is not None for person in people)


def test_without_a_closer_look_a_body_is_kept() -> None:
    scene = Scene([stands(20, 20, 80)], closer=False)
    (found,) = everybody(scene.picture(120, 200), scene)
    assert found.mesh is None
    np.testing.assert_allclose(found.pose, scene.people[0].pose)


def test_whoever_else_is_found_in_a_crop_does_not_count() -> None:
    behind, before = stands(50, 45, 60, seed=3), stands(30, 10, 100, seed=4)
    scene = Scene([before, behind])
    people = everybody(scene.picture(120, 200), scene)
    assert [person.mesh is not None for person in people] == [True, False]


@pytest.mark.parametrize(
    ("shape", "count"), [((7, 200, 3), 0), ((200, 3, 3), 0), ((120, 200, 3), 0)]
)
def test_nobody_is_found_where_nobody_is(shape: tuple[int, int, int], count: int) -> None:
    assert len(everybody(np.zeros(shape, np.uint8), Scene([]))) == count


def test_one_person_found_twice_is_one() -> None:
    first = stands(10, 10, 100, seed=5)
    again = first.shifted(np.array([2.0, -1.0]))
    neighbour = first.shifted(np.array([60.0, 0.0]))
    assert distinct([first, again, neighbour]) == [first, neighbour]
    same_head = stands(10, 10, 100, seed=6)
    same_head.pose[:11] = first.pose[:11]
    assert distinct([first, same_head]) == [first]


@pytest.mark.parametrize(
    ("square", "is_cut"),
    [
        (Rectangle(0, 0, 100, 100), False),
        (Rectangle(30, 0, 130, 100), True),
        (Rectangle(0, 0, 100, 60), True),
        (Rectangle(0, 0, 15, 100), True),
    ],
)
def test_who_goes_on_beyond_a_square_is_cut_off(square: Rectangle, is_cut: bool) -> None:
    somebody = stands(10, 5, 90)
    somebody.pose[[11, 12, 23, 24, 0]] = [[12, 30], [33, 30], [14, 70], [32, 70], [20, 10]]
    assert is_cut_off(somebody, square, Rectangle(0, 0, 200, 100)) == is_cut
    assert not is_cut_off(somebody, square, square)  # the picture itself cuts off nobody
