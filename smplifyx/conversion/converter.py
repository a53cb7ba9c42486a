"""People of one body model as people of another: meshes carried over, then parameters fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..body import skinning
from ..body.joints import joint_names
from ..body.model import BodyModel
from ..camera import Camera
from ..fitting.result import FitResult, FitStatus, Origin
from ..keypoints import Keypoints
from .correspondence import Correspondence
from .mesh_fit import FACE_MOVES, PEOPLE, MeshFit

POOR_MM = 20.0  # mean distance above which a conversion is not to be believed
MILLIMETRES = 1000.0


@dataclass(frozen=True, eq=False)
class Converter:
    """From one topology to one body model; made once for all people of the two."""

    correspondence: Correspondence
    fit: MeshFit
    hands: Bool[Tensor, " v"]
    face: Bool[Tensor, " v"]

    @classmethod
    def of(
        cls, target: BodyModel, correspondence: Correspondence, has_face: bool = True
    ) -> Converter:
        """For the body that people are wanted as, and where its vertices are on the source.

        has_face: whether the source can show an expression.
        """
        fit = MeshFit.of(target, correspondence.sd.to(target.v_template), has_face=has_face)
        fingers = [name[-1].isdigit() and "spine" not in name for name in joint_names(target.kind)]
        hands = target.weights[:, fingers].sum(-1) > 0.5
        if target.expressiondirs.shape[-1]:
            face = target.expressiondirs.norm(dim=1).amax(-1) > FACE_MOVES
        else:
            face = torch.zeros_like(hands)
        return cls(correspondence, fit, hands, face)

    @property
    def target(self) -> BodyModel:
        """The body that people are converted to."""
        return self.fit.body

    def people(self, people: Sequence[FitResult], source: BodyModel) -> list[FitResult]:
        """Fitted people as people of the target's body, with their own keypoints and cameras.

        Each of `people` is one person, fitted with `source`. What a fit says of how far it can be
        believed is carried over; the distances of the conversion are in `origin.conversion_mm`.
        Raises ValueError for people of another body.
        """
        converted: list[FitResult] = []
        for first in range(0, len(people), PEOPLE):
            some = people[first : first + PEOPLE]
            vertices = torch.stack([person.vertices(source) for person in some])
            like = self.target.v_template
            keypoints = Keypoints.stack([person.keypoints for person in some])
            camera = Camera.stack([person.camera for person in some])
            found, errors = self.meshes(
                vertices, keypoints.to(dtype=like.dtype), camera.to(dtype=like.dtype)
            )
            for row, person in enumerate(some):
                converted.append(_carried_over(person, found[row], errors[row], source.name))
        return converted

    @torch.no_grad()
    def meshes(
        self,
        vertices: Float[Tensor, "batch s 3"],
        keypoints: Keypoints | None = None,
        camera: Camera | None = None,
    ) -> tuple[FitResult, Float[Tensor, "batch 4"]]:
        """Meshes of the source's topology [batch], metres in the camera's frame, as people of the
        target's body; and millimetres: mean and largest distance from the mesh, mean of the hands
        and of the face.

        Raises CorrespondenceError for meshes of another number of vertices.
        """
        places = self.correspondence.transferred(vertices.to(self.target.v_template))
        result = self.fit.fit(places, keypoints, camera)
        distance = MILLIMETRES * (skinning.vertices(self.target, result.params) - places).norm(
            dim=-1
        )
        known = self.fit.known
        errors = [
            distance[:, known].mean(-1),
            distance[:, known].amax(-1),
            distance[:, known & self.hands].mean(-1),
            distance[:, known & self.face].mean(-1),
        ]
        return result, torch.stack(errors, -1)


def of_mesh(found: FitResult, errors: Float[Tensor, " 4"], origin: Origin) -> FitResult:
    """One converted mesh, whom no picture shows: a sound conversion is all that OK asks for.

    origin: where the mesh came from.
    """
    status = FitStatus.OK
    if not found.energy.isfinite():
        status = FitStatus.FAILED
    elif not float(errors[0]) <= POOR_MM:
        status = FitStatus.POOR
    return found.replace(
        status=torch.full_like(found.status, int(status)),
        origin=replace(origin, conversion_mm=tuple(errors.tolist())),
        evidence={},
    )


def _carried_over(
    person: FitResult, found: FitResult, errors: Float[Tensor, " 4"], source: str
) -> FitResult:
    """The converted person, with what was known of the fit."""
    status = int(person.status)
    if int(found.status) == FitStatus.FAILED:
        status = int(FitStatus.FAILED)
    elif not float(errors[0]) <= POOR_MM:
        status = max(status, int(FitStatus.POOR))
    return found.replace(
        status=torch.full_like(found.status, status),
        gap=person.gap,
        shape=person.shape.replace(stature=found.shape.stature),
        joint_covariance=person.joint_covariance,
        evidence=person.evidence,
        start=person.start,
        origin=replace(person.origin, converted_from=source, conversion_mm=tuple(errors.tolist())),
    )
