"""A block of people as a dataset's file takes them: a row each, in columns.

The one truth from which every format is written. All rows have one kind of body; their genders and
ages may differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..body import skinning
from ..body.joints import BodyKind, joint_names
from ..body.model import Age, BodyModel
from ..body.params import BodyParams
from ..camera import Camera
from ..core.choices import BodyGender
from ..fitting.result import FitResult
from ..keypoints import Keypoints, names
from ..keypoints.boxes import box
from ..keypoints.confidence import CONFIDENT, SEEN

BOX_MARGIN = 1.2  # what the box around the points is enlarged by, as SPIN and its heirs do
# So many confident points make a hand or a face one that was seen: of 21 and of 70.
SEEN_HAND = 6
SEEN_FACE = 10
_MESHES = 50  # that are in memory at once
_FIXED = tuple(
    field.name for field in fields(BodyParams) if field.name not in ("betas", "expression")
)
_JOINTS_TOLD = 67  # of `FitResult.joint_covariance`: body and hands


@dataclass(frozen=True)
class PartsKept:
    """What of a person is good enough for a dataset, by a gate or by hand.

    reasons: why the others are not, in words.
    """

    body: bool = True
    left_hand: bool = True
    right_hand: bool = True
    face: bool = True
    shape: bool = True
    reasons: str = ""


@dataclass(frozen=True, eq=False)
class DatasetPerson:
    """One fitted person of a dataset, without batch axes, on the CPU.

    id: unique among the people, `STEM/PERSON` for those of an output folder. image: what the
    dataset calls the picture, a relative path with `/`; empty: none. photo: where it lies.
    """

    id: str
    result: FitResult
    body: BodyModel
    image: str = ""
    photo: Path | None = None
    kept: PartsKept = field(default_factory=PartsKept)


@dataclass(frozen=True, eq=False)
class DatasetRows:
    """n people in columns; axis-angle in radians, hand mean included; metres in the camera's
    frame; pixels of the upright image, as the detector counts them.

    params: betas are the adult ones. age: the last beta of children's bodies, 0 for adults.
    points2d, points3d: where the detector looks. covariance: of `points3d` about the middle of the
    hips, m^2; NaN: not told.
    block, first: the number of this block, and of its first person among all of the dataset.
    """

    people: tuple[DatasetPerson, ...]
    kind: BodyKind
    params: BodyParams
    age: Float[Tensor, " n"]
    camera: Camera
    keypoints: Keypoints
    points2d: Float[Tensor, "n 137 2"]
    points3d: Float[Tensor, "n 137 3"]
    covariance: Float[Tensor, "n 67 3 3"]
    block: int = 0
    first: int = 0

    @classmethod
    def of(cls, people: Sequence[DatasetPerson], block: int = 0, first: int = 0) -> DatasetRows:
        """The columns of these people. Raises ValueError for none, and for several kinds of
        bodies.
        """
        kinds = {person.body.kind for person in people}
        if len(kinds) != 1:
            words = ", ".join(sorted(kind.value for kind in kinds)) or "nobody"
            raise ValueError(f"people of a dataset have one kind of body, got {words}")
        results = [person.result for person in people]
        params, age = _joined_params(people)
        return cls(
            people=tuple(people),
            kind=kinds.pop(),
            params=params,
            age=age,
            camera=Camera.stack([result.camera for result in results]).to(dtype=torch.float32),
            keypoints=Keypoints.stack([result.keypoints for result in results]),
            points2d=torch.stack([result.points2d for result in results]).float(),
            points3d=torch.stack([result.points3d for result in results]).float(),
            covariance=torch.stack([_covariance(result) for result in results]),
            block=block,
            first=first,
        )

    def __len__(self) -> int:
        return len(self.people)

    def __getitem__(self, index: Bool[Tensor, " n"]) -> DatasetRows:
        """Some of the rows, in order; `first` stays that of the block."""
        chosen = index.nonzero().flatten().tolist()
        return DatasetRows(
            people=tuple(self.people[row] for row in chosen),
            kind=self.kind,
            params=self.params[index],
            age=self.age[index],
            camera=self.camera[index],
            keypoints=self.keypoints[index],
            points2d=self.points2d[index],
            points3d=self.points3d[index],
            covariance=self.covariance[index],
            block=self.block,
            first=self.first,
        )

    # worked out where a format asks: that takes longer than writing most of them

    @cached_property
    def joints(self) -> Float[Tensor, "n joints 3"]:
        """The model's own."""
        return self._placed(skinning.joints, len(joint_names(self.kind)))

    @cached_property
    def model_points(self) -> Float[Tensor, "n 137 3"]:
        """The canonical 137 where the model's format has them, NaN where it has none: what a reader
        makes of the parameters.
        """
        return self._placed(_as_readers_see, names.COUNT)

    @property
    def images(self) -> list[str]:
        """What the dataset calls each person's picture; empty: none."""
        return [person.image for person in self.people]

    @property
    def genders(self) -> list[BodyGender]:
        """Of the bodies that were fitted."""
        return [person.body.gender for person in self.people]

    def expressions(self, count: int) -> Float[Tensor, "n count"]:
        """The first `count` expressions, zeros where people have fewer."""
        told = self.params.expression[:, :count]
        return torch.nn.functional.pad(told, (0, count - told.shape[1]))

    def posed(self, params: BodyParams) -> DatasetRows:
        """The same people in other parameters, e.g. those that a format can hold: the model's
        joints and points follow, what was detected and fitted stays.

        params: betas are the adult ones.
        """
        return replace(self, params=params)

    def project(self, points: Float[Tensor, "n p 3"]) -> Float[Tensor, "n p 2"]:
        """Where points of the camera's frame are in each person's image, pixels."""
        return self.camera.project(points)

    def regressed(self, weights: Float[Tensor, "k v"]) -> Float[Tensor, "n k 3"]:
        """Points that are sums of the posed vertices, metres in the camera's frame; NaN for people
        whose mesh has another number of vertices.
        """

        def place(body: BodyModel, params: BodyParams) -> Float[Tensor, "m k 3"]:
            if len(body.v_template) != weights.shape[1]:
                return torch.full((len(params.transl), len(weights), 3), torch.nan)
            # about the origin, as readers do: weights need not sum to 1
            still = params.replace(transl=torch.zeros_like(params.transl))
            some = [still[at : at + _MESHES] for at in range(0, len(params.transl), _MESHES)]
            sums = [weights @ skinning.vertices(body, own) for own in some]
            return torch.cat(sums) + params.transl[:, None]

        return self._placed(place, len(weights))

    @cached_property
    def boxes(self) -> Float[Tensor, "n 4"]:
        """x, y of the corner, width and height of the box around the seen keypoints, pixels; zeros
        where none is seen.
        """
        return self.boxes_of(slice(None))

    def boxes_of(self, part: slice) -> Float[Tensor, "n 4"]:
        """The same of some of the canonical points, e.g. `names.FACE`."""
        seen = torch.zeros_like(self.keypoints.confidence, dtype=torch.bool)
        seen[:, part] = self.keypoints.confidence[:, part] > SEEN
        low, high = box(self.keypoints.xy, seen)
        found = torch.cat([low, high - low], -1)
        return torch.where(seen.any(-1, keepdim=True), found, torch.zeros_like(found)).float()

    def within_image(self, boxes: Float[Tensor, "n 4"]) -> Float[Tensor, "n 4"]:
        """What of each box lies in its image; readers that clip boxes themselves shift those that
        begin outside.
        """
        size = self.camera.image_size
        low = boxes[:, :2].clamp(min=0).minimum(size)
        high = (boxes[:, :2] + boxes[:, 2:]).clamp(min=0).minimum(size)
        return torch.cat([low, high - low], -1)

    @cached_property
    def centers(self) -> Float[Tensor, "n 2"]:
        """The middle of each box, pixels."""
        return self.boxes[:, :2] + self.boxes[:, 2:] / 2

    @cached_property
    def box_sides(self) -> Float[Tensor, " n"]:
        """The longer side of each box times `BOX_MARGIN`, pixels."""
        return self.boxes[:, 2:].amax(-1) * BOX_MARGIN

    @cached_property
    def left_hand_valid(self) -> Bool[Tensor, " n"]:
        """Whether the left hand was seen and is kept."""
        return self._seen(names.LEFT_HAND, SEEN_HAND) & self._kept(lambda kept: kept.left_hand)

    @cached_property
    def right_hand_valid(self) -> Bool[Tensor, " n"]:
        """Whether the right hand was seen and is kept."""
        return self._seen(names.RIGHT_HAND, SEEN_HAND) & self._kept(lambda kept: kept.right_hand)

    @cached_property
    def face_valid(self) -> Bool[Tensor, " n"]:
        """Whether the face was seen and is kept."""
        return self._seen(names.FACE, SEEN_FACE) & self._kept(lambda kept: kept.face)

    @cached_property
    def body_valid(self) -> Bool[Tensor, " n"]:
        """Whether the body is kept."""
        return self._kept(lambda kept: kept.body)

    @cached_property
    def shape_kept(self) -> Bool[Tensor, " n"]:
        """Whether the shape is kept; whether a reader can use it is asked elsewhere
        (`ReaderBody.shape_holds`).
        """
        return self._kept(lambda kept: kept.shape)

    @cached_property
    def sigma(self) -> Float[Tensor, "n 137"]:
        """How unsure each canonical point is across the view, one standard deviation along an axis
        in pixels of a crop of the box to 256; points of the face as the nose, NaN: not told.
        """
        across = self.covariance[..., :2, :2].diagonal(dim1=-2, dim2=-1).mean(-1).sqrt()
        depth = self.points3d[:, :_JOINTS_TOLD, 2].clamp(min=1e-3)
        focal = self.camera.K[:, 0, 0]
        side = self.box_sides.clamp(min=1.0)
        told = across / depth * (focal * 256 / side)[:, None]
        nose = told[:, :1]  # canonical point 0
        return torch.cat([told, nose.expand(-1, names.COUNT - _JOINTS_TOLD)], -1)

    def _placed(
        self, place: Callable[[BodyModel, BodyParams], Tensor], count: int
    ) -> Float[Tensor, "n {count} 3"]:
        """What `place` says of everybody, `count` points each; the people of one body together."""
        bodies = {id(person.body): person.body for person in self.people}
        number = {key: index for index, key in enumerate(bodies)}
        whose = torch.tensor([number[id(person.body)] for person in self.people])
        placed = self.points3d.new_zeros(len(self), count, 3)
        for index, body in enumerate(bodies.values()):
            rows = (whose == index).nonzero().flatten()
            own = self.params[rows]
            if body.age is Age.CHILD:
                own = own.replace(betas=torch.cat([own.betas, self.age[rows, None]], -1))
            placed[rows] = place(body.to(dtype=torch.float32), own)
        return placed

    def _seen(self, part: slice, least: int) -> Bool[Tensor, " n"]:
        return (self.keypoints.confidence[:, part] >= CONFIDENT).sum(-1) >= least

    def _kept(self, of: Callable[[PartsKept], bool]) -> Bool[Tensor, " n"]:
        return torch.tensor([of(person.kept) for person in self.people], dtype=torch.bool)


def _joined_params(people: Sequence[DatasetPerson]) -> tuple[BodyParams, Float[Tensor, " n"]]:
    """All parameters in float32, the betas and expressions of the widest; and children's ages."""
    every = [person.result.params for person in people]
    columns = {
        name: torch.stack([getattr(params, name) for params in every]).float() for name in _FIXED
    }
    ages = [0.0] * len(people)
    betas = [params.betas for params in every]
    for number, person in enumerate(people):
        if person.body.age is Age.CHILD and len(betas[number]):
            ages[number] = float(betas[number][-1])
            betas[number] = betas[number][:-1]
    expressions = [params.expression for params in every]
    params = BodyParams(
        **columns,
        betas=pad_sequence(betas, batch_first=True).float(),
        expression=pad_sequence(expressions, batch_first=True).float(),
    )
    return params, torch.tensor(ages)


def _as_readers_see(body: BodyModel, params: BodyParams) -> Float[Tensor, "n 137 3"]:
    """The points of the model's format, the face contour as the `smplx` package chooses it."""
    return skinning.model_points(body, params, skinning.ContourView.SMPLX)


def _covariance(result: FitResult) -> Float[Tensor, "67 3 3"]:
    if result.joint_covariance is None:
        return torch.full((_JOINTS_TOLD, 3, 3), torch.nan)
    return result.joint_covariance.float()
