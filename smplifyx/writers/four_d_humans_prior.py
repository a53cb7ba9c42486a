"""The npz of poses and shapes that 4D-Humans (HMR2) takes for motion capture: what its
discriminator holds for real bodies.
"""

from __future__ import annotations

from ..body.joints import BodyKind
from .dataset_format import FormatFacts, Photos
from .dataset_rows import DatasetRows
from .four_d_humans import BETAS
from .npz_columns import NpzColumns, Table
from .reader_body import NEUTRAL_ONLY, ReaderBody
from .spin_points import smpl_pose


def tables(rows: DatasetRows, reader: ReaderBody) -> dict[str, Table]:
    """The one file."""
    columns = {
        "body_pose": smpl_pose(rows).numpy(),
        "betas": reader.betas(rows, BETAS).numpy(),
    }
    return {".npz": Table(columns, rows)}


FOUR_D_HUMANS_PRIOR = NpzColumns(
    FormatFacts(
        name="4d-humans-prior",
        about="4D-Humans (HMR2): SMPL poses for its discriminator",
        kind=BodyKind.SMPL,
        genders=NEUTRAL_ONLY,
        suffix=".npz",
        marks_shape=False,  # zeros would be real mean bodies
        photos=Photos.NONE,
    ),
    tables,
)
