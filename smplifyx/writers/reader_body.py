"""Which body a dataset's readers load, and whether a person's betas mean anything to it.

Betas belong to one model file: with another's the file loads, and every body in it is wrong.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from types import MappingProxyType

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..body.joints import BodyKind
from ..body.model import Age, BodyModel
from ..core.choices import BODY_GENDERS, BodyGender, Gender
from .dataset_rows import DatasetRows
from .joint_regressor import JointRegressor

# Vertices of the published models, which readers load; other bodies in their format have others.
PUBLISHED_VERTICES = MappingProxyType(
    {BodyKind.SMPLX: 10475, BodyKind.SMPLH: 6890, BodyKind.SMPL: 6890}
)
NEUTRAL_ONLY: tuple[BodyGender, ...] = (Gender.NEUTRAL,)


@dataclass(frozen=True, eq=False)
class ReaderBody:
    """What the readers of a format load.

    kind: of the body; None: each person's own, which the file names. genders: of those that they
    tell apart; a neutral one for all others.
    model: the very body, where the user names it; None: the published model of that kind, which is
    believed to be the one that was fitted where that has as many vertices. joint_regressor: of
    readers that sum up joints from the vertices of SMPL; None: not known. children: whether they
    can make a child's body, by a last beta of its own.
    """

    kind: BodyKind | None
    genders: Collection[BodyGender] = BODY_GENDERS
    model: BodyModel | None = None
    joint_regressor: JointRegressor | None = None
    children: bool = False

    @property
    def sha256(self) -> str:
        """Of the files that decide what is written for this reader."""
        files = (self.model, self.joint_regressor)
        return " ".join("" if file is None else file.sha256 for file in files)

    def understands(self, body: BodyModel) -> bool:
        """Whether the reader's body with the betas of `body` is the fitted one."""
        if self.kind is None:
            return True
        if body.kind is not self.kind or body.gender not in self.genders:
            return False
        if body.age is Age.CHILD and not self.children:
            return False
        if self.model is not None:
            return body.sha256 == self.model.sha256
        return len(body.v_template) == PUBLISHED_VERTICES[self.kind]

    def shape_holds(self, rows: DatasetRows) -> Bool[Tensor, " n"]:
        """Whose betas are to be believed: kept, and the reader's own."""
        understood = [self.understands(person.body) for person in rows.people]
        return torch.tensor(understood, dtype=torch.bool) & rows.shape_kept

    def verdicts(self, rows: DatasetRows) -> dict[str, Bool[Tensor, " n"]]:
        """Which parts of each person are to be believed."""
        return {
            "body": rows.body_valid,
            "left_hand": rows.left_hand_valid,
            "right_hand": rows.right_hand_valid,
            "face": rows.face_valid,
            "shape": self.shape_holds(rows),
        }

    def betas(self, rows: DatasetRows, count: int) -> Float[Tensor, "n count"]:
        """The first `count` betas, zero for those whose do not hold."""
        betas = rows.params.betas[:, :count]
        betas = torch.nn.functional.pad(betas, (0, count - betas.shape[1]))
        return torch.where(self.shape_holds(rows)[:, None], betas, torch.zeros_like(betas))

    def why_not(self, body: BodyModel) -> str:
        """Why betas of `body` mean nothing to the reader, in words; empty where they do."""
        if self.understands(body):
            return ""
        if self.kind is not None and body.kind is not self.kind:
            return f"a {body.kind.value} body, readers load {self.kind.value}"
        if body.gender not in self.genders:
            return f"a {body.gender.value} body, readers load the neutral one"
        if body.age is Age.CHILD and not self.children:
            return "a child's body, readers load the adult's"
        return f"betas of {body.name}, which is not the body that readers load"

    def hand_means(self, rows: DatasetRows) -> tuple[Float[Tensor, "n 45"], Float[Tensor, "n 45"]]:
        """The mean poses that a reader with `flat_hand_mean=False` adds, left and right."""
        bodies = self._bodies(rows)
        return (
            torch.stack([_mean(body, "left_hand") for body in bodies]),
            torch.stack([_mean(body, "right_hand") for body in bodies]),
        )

    def hands_about_mean(
        self, rows: DatasetRows
    ) -> tuple[Float[Tensor, "n 45"], Float[Tensor, "n 45"]]:
        """The hands without the mean that a reader with `flat_hand_mean=False` adds, left and
        right.
        """
        left_mean, right_mean = self.hand_means(rows)
        params = rows.params
        return (
            params.left_hand_pose.flatten(1) - left_mean,
            params.right_hand_pose.flatten(1) - right_mean,
        )

    def pose_arguments(self, rows: DatasetRows) -> dict[str, Tensor]:
        """What the `smplx` package's model with `flat_hand_mean=False` is called with, by its
        names, but for translation, betas and expression.
        """
        left, right = self.hands_about_mean(rows)
        params = rows.params
        return {
            "global_orient": params.global_orient,
            "body_pose": params.body_pose.flatten(1),
            "left_hand_pose": left,
            "right_hand_pose": right,
            "jaw_pose": params.jaw_pose,
            "leye_pose": params.leye_pose,
            "reye_pose": params.reye_pose,
        }

    def hand_coefficients(
        self, rows: DatasetRows, count: int
    ) -> tuple[Float[Tensor, "n count"], Float[Tensor, "n count"]]:
        """The hands in the first principal components of the reader's body, left and right: what
        `use_pca=True` reads. What lies outside of them is lost.
        """
        left, right = self.hands_about_mean(rows)
        bodies = self._bodies(rows)
        to_left = torch.stack([body.derived(_projection, "left_hand", count) for body in bodies])
        to_right = torch.stack([body.derived(_projection, "right_hand", count) for body in bodies])
        return (left[:, None] @ to_left)[:, 0], (right[:, None] @ to_right)[:, 0]

    def _bodies(self, rows: DatasetRows) -> list[BodyModel]:
        return [self.model or person.body for person in rows.people]


def _projection(body: BodyModel, hand: str, count: int) -> Float[Tensor, "45 count"]:
    """From a hand about its mean to the nearest in the first components, by least squares."""
    space = getattr(body, hand)
    projection = torch.zeros(45, count)
    if space is not None:
        components = space.components[:count].float()
        projection[:, : len(components)] = torch.linalg.pinv(components)
    return projection


def _mean(body: BodyModel, hand: str) -> Float[Tensor, " 45"]:
    space = getattr(body, hand)
    return torch.zeros(45) if space is None else space.mean.float()
