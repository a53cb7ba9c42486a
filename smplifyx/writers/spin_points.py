"""The points of SMPL's body as SPIN, 4D-Humans and their heirs order them.

49 points: OpenPose's 25 as those programs take them from the model, then SPIN's 24. Nine of these
are sums of vertices (`joint_regressor`), and not known where the user's file is not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..body.joints import BodyKind, joint_names
from ..keypoints import names
from .dataset_rows import DatasetRows
from .joint_orders import SEEN_AS
from .joint_regressor import REGRESSED
from .reader_body import ReaderBody

# "neck" is the model's joint here, not the middle of the shoulders.
OPENPOSE_25 = tuple("pelvis" if name == "mid_hip" else name for name in names.BODY_NAMES)
SPIN_24 = (
    "right_ankle", "right_knee", "right_hip_lsp", "left_hip_lsp", "left_knee", "left_ankle",
    "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
    "neck_lsp", "head_top_lsp", "pelvis_mpii", "thorax_mpii", "spine_h36m", "jaw_h36m", "head_h36m",
    "nose", "left_eye", "right_eye", "left_ear", "right_ear",
)  # fmt: skip
SPIN_49 = OPENPOSE_25 + SPIN_24
_REGRESSED_SEEN_AS = MappingProxyType(
    {
        "right_hip_lsp": "right_hip", "left_hip_lsp": "left_hip",
        "neck_lsp": "neck", "thorax_mpii": "neck",
        "pelvis_mpii": "mid_hip", "spine_h36m": "mid_hip",
        "head_top_lsp": "nose", "jaw_h36m": "nose", "head_h36m": "nose",
    }
)  # fmt: skip
# Where each of the 49 stands among the model's joints, the canonical points and the regressed;
# what is both a joint and a canonical point is the joint.
_COLUMNS = (*joint_names(BodyKind.SMPL), *names.POINT_NAMES, *REGRESSED)
_INDEX = [_COLUMNS.index(name) for name in SPIN_49]
_SEEN_INDEX = [names.POINT_INDEX[(SEEN_AS | _REGRESSED_SEEN_AS)[name]] for name in SPIN_49]


@dataclass(frozen=True, eq=False)
class SpinPoints:
    """The k = 49 points of `SPIN_49`, or some of them; zeros where they are not known.

    points3d: metres in the camera's frame. points2d: pixels. sigma: as `DatasetRows.sigma`.
    """

    points3d: Float[Tensor, "n k 3"]
    points2d: Float[Tensor, "n k 2"]
    known: Bool[Tensor, "n k"]
    sigma: Float[Tensor, "n k"]

    @classmethod
    def of(cls, rows: DatasetRows, reader: ReaderBody) -> SpinPoints:
        """What readers compute from the parameters of people with SMPL's body."""
        if reader.joint_regressor is None:
            regressed = torch.full((len(rows), len(REGRESSED), 3), torch.nan)
        else:
            regressed = rows.regressed(reader.joint_regressor.weights)
        points = torch.cat([rows.joints, rows.model_points, regressed], 1)[:, _INDEX]
        known = points.isfinite().all(-1)
        points = torch.where(known[..., None], points, torch.zeros_like(points))
        pixels = rows.project(points)
        return cls(
            points3d=points,
            points2d=torch.where(known[..., None], pixels, torch.zeros_like(pixels)),
            known=known,
            sigma=rows.sigma[:, _SEEN_INDEX],
        )

    def __getitem__(self, columns: slice) -> SpinPoints:
        """Some of the points."""
        return SpinPoints(
            points3d=self.points3d[:, columns],
            points2d=self.points2d[:, columns],
            known=self.known[:, columns],
            sigma=self.sigma[:, columns],
        )


def smpl_pose(rows: DatasetRows) -> Float[Tensor, "n 72"]:
    """The axis-angles of SMPL's 24 joints; those of the hands, which ours never turns, are zero."""
    params = rows.params
    hands = params.global_orient.new_zeros(len(rows), 6)
    return torch.cat([params.global_orient, params.body_pose.flatten(1), hands], 1)
