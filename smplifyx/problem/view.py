"""One evaluation of a problem: the posed bodies at x, and the scene that terms see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..config import Block
from ..core import rotations
from ..features import point_model
from ..features.feature import Feature, FoldedBody, PosedBody
from ..features.joint_angles import BODY_POSE, LEFT_HAND_POSE, RIGHT_HAND_POSE
from ..features.point_model import ContourTable
from ..features.unknowns import GLOBAL_ORIENT, JAW, LEYE, REYE
from ..features.variables import State
from ..terms.scene import FeatureValues, Scene

# The feature that holds the axis-angles of each block of rotations.
ANGLES_OF = {
    Block.GLOBAL_ORIENT: GLOBAL_ORIENT,
    Block.BODY: BODY_POSE,
    Block.JAW: JAW,
    Block.LEYE: LEYE,
    Block.REYE: REYE,
    Block.LEFT_HAND: LEFT_HAND_POSE,
    Block.RIGHT_HAND: RIGHT_HAND_POSE,
}


@dataclass(frozen=True, eq=False)
class View:
    """What the terms see at x [batch, dim], and what the slopes of the features are made of."""

    x: Tensor
    scene: Scene
    pose: PosedBody
    # of the bones that the pose prior does not decode: [batch, turned]; of all where its latent is
    # joint angles
    turn: rotations.Turn

    def rows(self, index: Int[Tensor, " kept"]) -> View:
        """The same for some people."""
        scene = Scene(
            self.scene.values.rows(index),
            {kind: observed[index] for kind, observed in self.scene.observed.items()},
            {feature: match[index] for feature, match in self.scene.matches.items()},
        )
        rotation = self.pose.body_rotation
        pose = replace(
            self.pose,
            state=self.pose.state[index],
            body_rotation=None if rotation is None else rotation[index],
            posed=self.pose.bones[index],
        )
        return View(self.x[index], scene, pose, self.turn[index])


def look(
    folded: FoldedBody,
    x: Float[Tensor, "batch dim"],
    state: State,
    contour: ContourTable,
    observed: dict,
    matches: dict,
) -> View:
    """Poses the bodies of `state`, the unknowns at x, and makes the scene around them."""
    decoder = folded.decoder
    decoded = None if decoder.jointwise else decoder.prior.decode(state.body)
    unposed = PosedBody(state, decoder, decoded)
    values = FeatureValues(partial(_place, folded, unposed))

    turn, rotation = _bone_rotations(folded, values, decoded)
    # The solver moves an increment of the orientation; the pelvis turns by it on top of the base.
    root = rotation[:, :1] @ state.orient[:, None]
    turned = torch.cat([root, rotation[:, 1:]], 1)
    posed = point_model.pose(folded.model, turned, unposed.shape, state.transl, contour)

    pose = replace(unposed, posed=posed)
    values = values.continued(partial(_place, folded, pose))
    return View(x, Scene(values, observed, matches), pose, turn)


def _place(folded: FoldedBody, pose: PosedBody, feature: Feature) -> Tensor:
    return folded.bound(feature).place(pose)


def _bone_rotations(
    folded: FoldedBody, values: FeatureValues, decoded: Tensor | None
) -> tuple[rotations.Turn, Float[Tensor, "batch j 3 3"]]:
    """The turns of a `View`, and the rotation of each bone relative to its parent."""
    bones = folded.bone_order
    orient = values[GLOBAL_ORIENT]
    angles = [values[ANGLES_OF[block]] for block in bones.blocks]
    still = torch.zeros_like(orient)  # the axis-angle of bones that never turn
    each = torch.cat([still, *angles], 1).unflatten(1, (-1, 3))
    turn = rotations.Turn.of(each.index_select(1, bones.turned))
    if decoded is None:
        return turn, turn.matrix()
    return turn, torch.cat([turn.matrix(), decoded], 1).index_select(1, bones.order)
