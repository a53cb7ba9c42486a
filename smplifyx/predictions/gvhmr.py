"""GVHMR: `hmr4d_results.pt`, one person of a video.

SMPL-X's body in axis-angles; `smpl_params_incam` is in the camera's frame and is read,
`smpl_params_global` in the world's and is not. The network has no hands and no face.
"""

from __future__ import annotations

from collections.abc import Iterator

from .people import People, vectors_under
from .poses import BODY, GivenPoses, rows_of
from .prediction import Axes, Prediction
from .reader import PredictionFile
from .values import entry, has


class GvhmrReader:
    """One person's frames."""

    system = "gvhmr"
    content = "GVHMR hmr4d_results.pt"

    def recognises(self, file: PredictionFile) -> bool:
        """Whether there are parameters in the camera's frame under GVHMR's name."""
        found = entry(file.content, "smpl_params_incam")
        return has(found, "global_orient", "body_pose")

    def read(self, file: PredictionFile) -> Iterator[Prediction]:
        """Frame after frame, from 0."""
        found = entry(file.content, "smpl_params_incam")
        rows = rows_of(entry(found, "body_pose"), BODY.stop - BODY.start)
        poses = GivenPoses.nothing(rows)
        parts = {name: entry(found, name) for name in ("global_orient", "body_pose")}
        poses.put_parts(parts, *parts)
        people = People(
            self.system,
            poses,
            Axes.CAMERA,
            "smplx",
            betas=vectors_under(found, rows, "betas"),
            frames=list(range(rows)),
        )
        yield from people.predictions(file)
