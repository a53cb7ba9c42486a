"""Pictures of fits without the collision term and with it, from where the contact is seen best;
faces that cut in red.

Of each kind some people who just touch are drawn and fitted both ways; those who pass deepest
through themselves without the term are shown.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.collision_fits import Term, compare
from benchmarks.reaching import Kind
from benchmarks.touching import SOFT, Source, Stop, Wanted
from smplifyx.body import skinning
from smplifyx.body.model import BodyModel
from smplifyx.body.params import BodyParams
from smplifyx.collision.mesh.check import self_penetration
from smplifyx.config import load_preset, without_collision
from smplifyx.core import rotations
from smplifyx.data.synthetic import photograph
from smplifyx.evaluation.metrics import MILLIMETRES, similarity_align
from smplifyx.viz.mesh import Mesh
from smplifyx.viz.raster import rasterise
from smplifyx.viz.scene import composite
from smplifyx.viz.shade import add_depth_cue, shade

SHOWN = MappingProxyType({
    Kind.CROSSED_ARMS: 2, Kind.HANDS_ON_HIPS: 2, Kind.HAND_TO_FACE: 2, Kind.HAND_ON_BODY: 1, Kind.CLASPED_HANDS: 1,
    Kind.ARMS_HANGING: 1, Kind.FOLDED_LEGS: 1,
})  # fmt: skip
DRAWN, SEED = 12, 7000  # of each kind
SKIN, CUT, INK = (0.66, 0.76, 0.88), (0.88, 0.20, 0.16), (70, 70, 70)
SIDE, SEARCHED = 400, 100  # pixels of a picture, and of those that the view is chosen by
YAWS, PITCHES = range(0, 360, 20), (-25, 0, 25, 50)  # degrees
AWAY = 4.0  # metres from the camera to the contact
# metres round the contact that a picture shows at least and most; times its size
AROUND, WIDER = (0.25, 0.45), 1.6
QUALITY, STRIP, COLUMNS = 85, 24, 2


@dataclass(frozen=True)
class Shown:
    """A body and the faces that cut, in metres and y up."""

    vertices: Float[NDArray, "v 3"]
    cut: Bool[NDArray, " f"]
    depth: float  # mm


@dataclass(frozen=True)
class Frame:
    """What a picture looks at, and its focal length in halves of its side."""

    middle: Float[NDArray, " 3"]
    zoom: float


def draw_pictures(source: Source, preset: str, folder: Path) -> None:
    """Writes `collision_<number>.jpg` and a sheet of them all, `collision_sheet.jpg`."""
    folder.mkdir(parents=True, exist_ok=True)
    pairs = [
        _pair(kind, before, after, source.body)
        for kind in SHOWN
        for before, after in _worst(source, preset, kind)
    ]
    for number, picture in enumerate(pairs):
        _write(folder / f"collision_{number}.jpg", picture)
    pairs += [np.full_like(pairs[0], 255)] * (-len(pairs) % COLUMNS)
    rows = [np.concatenate(pairs[at : at + COLUMNS], 1) for at in range(0, len(pairs), COLUMNS)]
    _write(
        folder / "collision_sheet.jpg",
        cv2.resize(np.concatenate(rows), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    )


def _worst(source: Source, preset: str, kind: Kind) -> list[tuple[Shown, Shown]]:
    """Without the term and with it: those deepest without."""
    config, wanted = load_preset(preset), Wanted(Stop.TOUCH, SOFT)
    drawn = source.draw(kind, 2 * DRAWN, SEED, Stop.TOUCH)
    drawn = drawn[wanted(drawn).nonzero()[:DRAWN, 0].tolist()]
    people = photograph(source.body, drawn.params, SEED)
    compared = compare(people, source.body, {Term.OFF: without_collision(config), Term.ON: config})
    deepest = compared.fits[Term.OFF].depth.argsort(descending=True)[: SHOWN[kind]].tolist()
    before = _upright(source.body, compared.fits[Term.OFF].params[deepest])
    after = similarity_align(_upright(source.body, compared.fits[Term.ON].params[deepest]), before)
    return list(zip(_shown(source.body, before), _shown(source.body, after), strict=True))


def _upright(body: BodyModel, params: BodyParams) -> Float[Tensor, "n v 3"]:
    with torch.no_grad():
        return skinning.vertices(
            body, params.replace(global_orient=0 * params.global_orient, transl=0 * params.transl)
        )


def _shown(body: BodyModel, vertices: Float[Tensor, "n v 3"]) -> list[Shown]:
    contact = self_penetration(vertices, body)
    return [
        Shown(v.double().numpy(), cut.numpy(), MILLIMETRES * float(depth))
        for v, cut, depth in zip(vertices, contact.cut, contact.depth, strict=True)
    ]


def _pair(kind: Kind, before: Shown, after: Shown, body: BodyModel) -> NDArray:
    """Side by side, from the same view of the first one's contact."""
    faces = body.faces.numpy()
    corners = before.vertices[faces[before.cut]] if before.cut.any() else before.vertices[faces]
    middle = corners.mean((0, 1))
    around = float(np.clip(WIDER * np.linalg.norm(corners - middle, axis=-1).max(), *AROUND))
    frame = Frame(middle, AWAY / around)
    yaw, pitch = max(
        itertools.product(YAWS, PITCHES),
        key=lambda v: _red(_seen(before, faces, frame, v, SEARCHED)),
    )
    tiles = [
        _labelled(_seen(one, faces, frame, (yaw, pitch), SIDE), f"{kind.value}: {name}, {one.depth:.0f} mm, "
                  f"{one.cut.sum()} triangles")
        for one, name in ((before, "without"), (after, "with the term"))
    ]  # fmt: skip
    return np.concatenate(tiles, 1)


def _seen(one: Shown, faces: NDArray, frame: Frame, view: tuple[int, int], side: int) -> NDArray:
    """RGB, uint8; view: yaw and pitch in degrees."""
    yaw, pitch = (float(np.radians(angle)) for angle in view)
    like = torch.zeros(1, dtype=torch.float64)
    turn = rotations.about("x", np.pi + pitch, like) @ rotations.about("y", yaw, like)
    vertices = (one.vertices - frame.middle) @ turn.numpy().T + (0, 0, AWAY)
    red = len(vertices) + np.arange(3 * one.cut.sum()).reshape(-1, 3)
    colours = [
        shade(vertices, faces, SKIN),
        shade(vertices, faces, CUT)[faces[one.cut]].reshape(-1, 3),
    ]
    mesh = Mesh(
        np.concatenate([vertices, vertices[faces[one.cut]].reshape(-1, 3)]),
        np.concatenate([faces[~one.cut], red]),
        np.concatenate(colours),
    )
    focal = side / 2 * frame.zoom
    K = np.array([[focal, 0, side / 2], [0, focal, side / 2], [0, 0, 1]])
    return composite(
        np.full((side, side, 3), 255, np.uint8),
        add_depth_cue(rasterise(mesh, K, (side, side)), focal),
    )


def _red(picture: NDArray) -> int:
    """How many pixels show faces that cut."""
    red, green, blue = picture.astype(int).transpose(2, 0, 1)
    return int(((red > 2 * green) & (red > 2 * blue)).sum())


def _labelled(picture: NDArray, text: str) -> NDArray:
    strip = np.full((STRIP, picture.shape[1], 3), 255, np.uint8)
    cv2.putText(strip, text, (6, STRIP - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.42, INK, 1, cv2.LINE_AA)
    return np.concatenate([picture, strip])


def _write(path: Path, picture: NDArray) -> None:
    cv2.imwrite(str(path), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
