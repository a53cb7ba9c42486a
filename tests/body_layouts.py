"""The embedded body as other families would hold it: the same mesh on fewer joints."""

from __future__ import annotations

import dataclasses

import torch

from smplifyx.body.joints import BodyKind, joint_names, parents
from smplifyx.body.model import BodyModel, PointTable
from smplifyx.keypoints.names import BODY, COUNT, LEFT_HAND, RIGHT_HAND

_SMPL_HANDS = {f"{side}_hand": f"{side}_middle1" for side in ("left", "right")}


def as_kind(body: BodyModel, kind: BodyKind) -> BodyModel:
    """A SMPL-X body's mesh and shapes on the joints of `kind`, each vertex with the nearest joint
    left above its own.

    SMPL's hand joints, which are the roots of the middle fingers, take all fingers. No pose
    correctives.
    """
    names, kept = joint_names(body.kind), joint_names(kind)
    weights = body.weights.new_zeros(len(body.weights), len(kept))
    for joint in range(len(names)):
        weights[:, kept.index(_kept(joint, body, kept))] += body.weights[:, joint]
    rows = [names.index(_SMPL_HANDS.get(name, name)) for name in kept]
    return dataclasses.replace(
        body, kind=kind, weights=weights, J_regressor=body.J_regressor[rows], parents=parents(kind),
        expressiondirs=body.expressiondirs[..., :0],
        posedirs=torch.zeros(len(weights), 3, 9 * (len(kept) - 1)).to(body.v_template),
        points=_table(body.points, body, kind), model_points=_table(body.model_points, body, kind),
    )  # fmt: skip


def _table(table: PointTable, body: BodyModel, kind: BodyKind) -> PointTable:
    """The same points by the joints left and the vertices; SMPL shows no hands, and only SMPL-X a
    face.
    """
    kept = joint_names(kind)
    count = len(body.parents)
    joints = torch.tensor([kept.index(_kept(joint, body, kept)) for joint in range(count)])
    vertices = torch.arange(len(body.v_template)) + len(kept)
    known = torch.zeros(COUNT, dtype=torch.bool)
    for part in (BODY,) if kind is BodyKind.SMPL else (BODY, LEFT_HAND, RIGHT_HAND):
        known[part] = table.known[part]
    return dataclasses.replace(
        table,
        sources=torch.cat([joints, vertices])[table.sources],
        known=known,
        contour_sources=table.contour_sources[:0],
        contour_coefficients=table.contour_coefficients[:0],
    )


def _kept(joint: int, body: BodyModel, kept: tuple[str, ...]) -> str:
    names = joint_names(body.kind)
    while names[joint] not in kept:
        side, above = names[joint].split("_")[0], body.parents[joint]
        if names[above].endswith("wrist") and f"{side}_hand" in kept:
            return f"{side}_hand"
        joint = above
    return names[joint]
