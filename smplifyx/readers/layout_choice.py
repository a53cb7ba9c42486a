"""Which layout a list of points is in: its names say it, else the user, else the number of points.

Where several layouts have one number, the usual one is assumed, and points that make no body in it
but do in another are told.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ..keypoints.layouts import LAYOUTS, Layout, LayoutName
from ..keypoints.point_names import named_layout
from .frames import Note
from .options import ReadOptions
from .plausible import better_layout
from .point_forms import NotPoints

# the layout that is assumed where several have one number of points; the 14 have no usual one
_USUAL = (LayoutName.BODY_25, LayoutName.COCO_18, LayoutName.COCO_17)
# Eyes are all that tells it from COCO's 17: no limb does.
_UNTELLABLE = (LayoutName.POSETRACK_17,)


def _by_count() -> Mapping[int, tuple[LayoutName, ...]]:
    """The layouts of each number of points, the usual one first."""
    found: dict[int, tuple[LayoutName, ...]] = {}
    for name, layout in LAYOUTS.items():
        if layout.points:
            others = found.get(layout.points, ())
            found[layout.points] = (name, *others) if name in _USUAL else (*others, name)
    return MappingProxyType(found)


OF_COUNT = _by_count()


class Choice(NamedTuple):
    """A layout, and what its owner should know of how it was found."""

    layout: Layout
    notes: tuple[Note, ...] = ()
    alternatives: tuple[LayoutName, ...] = ()  # of the same number, where nobody said which it is


def choose_layout(count: int, point_names: tuple[str, ...] | None, options: ReadOptions) -> Choice:
    """The layout of so many points.

    A list with names of its own is never read by position. Raises NotPoints where there is no
    layout, or more than one and none of them usual.
    """
    notes: tuple[Note, ...] = ()
    if point_names is not None and len(point_names) == count:
        return _by_names(point_names)
    if point_names is not None:
        notes = (Note("names of points not used", f"{len(point_names)} names, {count} points"),)
    stated = options.layout
    if stated is not None and LAYOUTS[stated].points == count:
        return Choice(LAYOUTS[stated], notes)
    known = OF_COUNT.get(count)
    if known is None:
        raise NotPoints(f"{count} points, which no known layout has")
    usual, *others = known
    if others and usual not in _USUAL:
        raise NotPoints(
            f"{count} points may be {' or '.join(name.value for name in known)}: "
            "say which with --layout"
        )
    if stated is not None and stated is not LayoutName.NAMED:
        given = f"{LAYOUTS[stated].points} points, these are {count}: read as {usual.value}"
        notes = (*notes, Note("not the layout that was said", f"{stated.value} has {given}"))
    return Choice(LAYOUTS[usual], notes, tuple(others))


def _by_names(point_names: tuple[str, ...]) -> Choice:
    found = named_layout(point_names)
    if found is None:
        raise NotPoints(
            f"points are named {', '.join(point_names)[:60]}: no known points of a body"
        )
    if not found.unknown:
        return Choice(found.layout)
    left_out = ", ".join(found.unknown[:8]) + (" ..." if len(found.unknown) > 8 else "")
    return Choice(found.layout, (Note("points without a counterpart left out", left_out),))


def doubt_of(
    points: Float[np.ndarray, "source 3"],
    canonical: Float[np.ndarray, "canonical 3"],
    choice: Choice,
) -> str | None:
    """Why the points, `canonical` by the chosen layout, are probably not in that layout, which was
    assumed by their number; None where nothing says so.
    """
    others = [name for name in choice.alternatives if name not in _UNTELLABLE]
    better = better_layout(points, canonical, others) if others else None
    if better is None:
        return None
    assumed = choice.layout.name.value
    return (
        f"read as {assumed} these {len(points)} points make no body, "
        f"as {better.value} they do: --layout {better.value}"
    )
