"""Draws one frame: the photo with its keypoints, the bodies over it and from their side."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ... import viz
from ...body.model import BodyModel
from ...camera import Camera
from ...collision.mesh.check import self_penetration
from ...fitting.result import FitResult
from ...readers.images import ImageError, read_image
from ...viz.overlay import canvas
from ...viz.scene import Image
from .files import Picture
from .unsure_skin import unsure_skin

LONGEST = 1280  # pixels of the longer side of a picture


@dataclass(frozen=True)
class PersonToDraw:
    """One fitted person.

    result: the fit.
    model: the body it was fitted with.
    vertices: [V, 3] metres in the frame of the result's camera, finite.
    """

    result: FitResult
    model: BodyModel
    vertices: Float[Tensor, "v 3"]

    @property
    def number(self) -> int:
        """The person's index in the frame."""
        return self.result.origin.person


def draw_frame(
    people: Sequence[PersonToDraw], wanted: Collection[Picture], renderer: viz.Renderer
) -> tuple[dict[Picture, Image], str]:
    """The wanted pictures of a frame, and what the log should say ("" for nothing).

    Everyone is drawn by the first person's camera. Raises RendererUnavailable.
    """
    faces = people[0].model.faces
    photo, note = _photo_of(people[0].result)
    common_camera = people[0].result.camera
    figures = [figure_for(person, common_camera) for person in people]
    photo, figures, camera = viz.shrink(photo, figures, common_camera, LONGEST)
    width, height = (int(side) for side in camera.image_size)
    turned_size = (min(width, height), height)

    pictures = {Picture.OVERLAY: viz.overlay(photo, figures, faces, camera, renderer)}
    if Picture.PHOTO in wanted:
        background = canvas((width, height)) if photo is None else photo
        pictures[Picture.PHOTO] = viz.draw_points(background, figures)
    has_marks = False
    if Picture.TURNED in wanted:
        marks = [_marks(person) for person in people]
        has_marks = any(mark is not None for mark in marks)
        pictures[Picture.TURNED] = viz.side_view(
            _figures_at_side(people, marks), faces, turned_size, renderer
        )
    if Picture.PANEL in wanted:
        # without marks: only the report says what they mean
        if Picture.TURNED in wanted and not has_marks:
            turned = pictures[Picture.TURNED]
        else:
            unmarked = _figures_at_side(people, [None] * len(people))
            turned = viz.side_view(unmarked, faces, turned_size, renderer)
        pictures[Picture.PANEL] = np.concatenate([pictures[Picture.OVERLAY], turned], axis=1)
    return pictures, note


def figure_for(person: PersonToDraw, camera: Camera) -> viz.Figure:
    """A person for the common camera of the picture.

    A person fitted with another focal length is moved in depth by the ratio, which leaves its
    pixels where they are.
    """
    result = person.result
    ratio = float(camera.focal[1] / result.camera.focal[1])
    return viz.Figure(
        colour=viz.person_colour(person.number),
        vertices=person.vertices * torch.tensor([1.0, 1.0, ratio]),
        keypoints=result.keypoints.to_array(),
        points2d=result.points2d,
    )


def _figures_at_side(
    people: Sequence[PersonToDraw], marks: Sequence[viz.Marks | None]
) -> list[viz.Figure]:
    """People where their own fits have them: seen from the side, depths must be the true ones."""
    return [
        viz.Figure(
            colour=viz.person_colour(person.number),
            vertices=person.vertices,
            marks=person_marks,
            unsure=unsure_skin(person.result, person.model),
        )
        for person, person_marks in zip(people, marks, strict=True)
    ]


def _marks(person: PersonToDraw) -> viz.Marks | None:
    """Where the body passes through itself; None where the fit did not find that it does."""
    penetration = person.result.penetration
    if penetration is None or not (penetration.triangles or penetration.depth_mm):
        return None
    contact = self_penetration(person.vertices[None], person.model)[0]
    return viz.Marks(cut=contact.cut, inside=contact.inside)


def _photo_of(result: FitResult) -> tuple[Image | None, str]:
    """The upright photo, at the size the fit believed.

    None where there is none, and a note why, if there was one.
    """
    if not result.origin.image:
        return None, ""
    try:
        photo = read_image(Path(result.origin.image))
    except ImageError as error:  # the photo has gone since
        return None, f"drawn without its photo: {error}"
    width, height = (round(float(side)) for side in result.camera.image_size)
    if photo.shape[:2] != (height, width):
        photo = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)
    return photo, ""
