"""People to export whose bodies are known to the bit: no fit is run."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

import torch
from body_layouts import as_kind

from smplifyx.body import skinning
from smplifyx.body.joints import BodyKind
from smplifyx.body.loading.files import load_body
from smplifyx.body.model import Age, BodyModel
from smplifyx.body.params import BodyParams
from smplifyx.camera import Camera
from smplifyx.core.choices import BodyAge, BodyGender, Gender
from smplifyx.fitting.result import FitResult, FitStatus, Origin, Provenance
from smplifyx.fitting.uncertainty import ShapeUncertainty
from smplifyx.keypoints import Keypoints, names
from smplifyx.writers.dataset_format import DatasetFormat
from smplifyx.writers.dataset_rows import DatasetPerson, DatasetRows
from smplifyx.writers.export import Exported, PeopleBlock, export
from smplifyx.writers.reader_body import ReaderBody

CASES = ("adult", "child", "cropped", "no hands", "one hand", "off-centre", "wide")


@functools.cache
def body_of(
    kind: BodyKind = BodyKind.SMPLX, gender: BodyGender = Gender.NEUTRAL, age: BodyAge = Age.ADULT
) -> BodyModel:
    """The embedded body, or its mesh on the joints of another kind."""
    body = load_body(None, gender, age=age)
    return body if kind is BodyKind.SMPLX else as_kind(body, kind)


def person(
    case: str = "adult",
    kind: BodyKind = BodyKind.SMPLX,
    gender: BodyGender = Gender.NEUTRAL,
    seed: int = 0,
    number: int = 0,
) -> DatasetPerson:
    """Somebody of one of CASES, in a random pose before a camera; keypoints lie on the body."""
    body = body_of(kind, gender, Age.CHILD if case == "child" else Age.ADULT)
    camera = _camera(case)
    params = _params(body, torch.Generator().manual_seed(seed + 101 * CASES.index(case)))
    points3d = skinning.points(body, params)
    points2d = camera.project(points3d)
    # points that the body does not have are NaN, and so not seen
    keypoints = Keypoints.from_array(torch.cat([points2d, _seen(case)[:, None]], -1))
    nothing = torch.tensor(0.0)
    result = FitResult(
        params=params,
        camera=camera,
        keypoints=keypoints,
        points3d=points3d,
        points2d=points2d,
        energies={"reprojection": nothing},
        energy=nothing,
        hypothesis_energies=torch.zeros(2),
        chosen=torch.tensor(0),
        gap=nothing,
        status=torch.tensor(int(FitStatus.OK)),
        steps=torch.tensor(30),
        latent=torch.zeros(63),
        shape=ShapeUncertainty(torch.tensor(1.7), torch.tensor(0.05), torch.tensor(0.5)),
        provenance=Provenance.of(body, "smplx", "gmm"),
        origin=Origin(source=f"{case}.json", image=f"{case}.jpg", person=number),
        joint_covariance=torch.eye(3).expand(67, 3, 3) * 0.02**2,
    )
    name = case.replace(" ", "_")
    return DatasetPerson(f"{name}/{number}", result, body, image=f"{name}.jpg")


def everybody(kind: BodyKind = BodyKind.SMPLX, *, children: bool = True) -> list[DatasetPerson]:
    """One person of every case."""
    return [person(case, kind) for case in CASES if children or case != "child"]


def reader_of(format: DatasetFormat, kind: BodyKind = BodyKind.SMPLX) -> ReaderBody:
    """A reader that loads the embedded neutral body as if it were the published one."""
    facts = format.facts
    if facts.kind is None:  # each person's own
        return ReaderBody(None)
    return ReaderBody(kind, facts.genders, body_of(kind), children=facts.children)


def write(
    format: DatasetFormat,
    target: Path,
    people: Sequence[DatasetPerson],
    reader: ReaderBody | None = None,
    per_block: int = 3,
) -> Exported:
    """Exports the people in blocks of a few."""
    blocks = [
        PeopleBlock(len(own), "\0".join(one.id for one in own), lambda own=own: own)
        for own in (people[at : at + per_block] for at in range(0, len(people), per_block))
    ]
    return export(
        blocks, format, target, reader or reader_of(format, format.facts.kind or BodyKind.SMPLX)
    )


def rows_of(people: Sequence[DatasetPerson]) -> DatasetRows:
    """The people in one block."""
    return DatasetRows.of(people)


def with_image(one: DatasetPerson, image: str, photo: Path | None = None) -> DatasetPerson:
    """The same person in another picture."""
    return dataclasses.replace(one, image=image, photo=photo)


def _params(body: BodyModel, generator: torch.Generator) -> BodyParams:
    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    betas = random(body.shapedirs.shape[-1]) * 0.8
    if body.age is Age.CHILD:
        betas[-1] = 0.4
    # upright before a camera whose y points down: half a turn about x, and a little more
    upright = torch.tensor([torch.pi, 0.0, 0.0]) + random(3) * 0.15
    return BodyParams(
        global_orient=upright,
        body_pose=random(21, 3) * 0.25,
        left_hand_pose=random(15, 3) * 0.3,
        right_hand_pose=random(15, 3) * 0.3,
        jaw_pose=torch.tensor([0.15, 0.0, 0.0]),
        leye_pose=random(3) * 0.1,
        reye_pose=random(3) * 0.1,
        betas=betas,
        expression=random(10) * 0.8,
        transl=torch.tensor([0.1, 0.2, 3.5]) + random(3) * 0.2,
    )


def _camera(case: str) -> Camera:
    width, height = (1920.0, 800.0) if case == "wide" else (1000.0, 1200.0)
    camera = Camera.from_focal(1300.0, torch.tensor([width, height]))
    if case == "off-centre":
        K = camera.K.clone()
        K[:2, 2] += torch.tensor([130.0, -90.0])
        K[1, 1] *= 1.05
        camera = camera.replace(K=K)
    return camera


def _seen(case: str) -> torch.Tensor:
    confidence = torch.full((names.COUNT,), 0.8)
    if case in ("no hands", "one hand"):
        confidence[names.LEFT_HAND] = 0.0
    if case == "no hands":
        confidence[names.RIGHT_HAND] = 0.0
    if case == "cropped":
        for name in ("knee", "ankle", "big_toe", "small_toe", "heel"):
            for side in ("left", "right"):
                confidence[names.POINT_INDEX[f"{side}_{name}"]] = 0.0
    return confidence
