"""WHAM: `wham_output.pkl` of joblib, a track for each person of a video.

SMPL's axis-angles; `pose` is in the camera's frame, `pose_world` in the world's and not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .people import MOST_LOOKED_AT, People, id_of, vectors_under
from .poses import of_smpl
from .prediction import Axes, Prediction
from .reader import PredictionFile
from .values import has, wholes


class WhamReader:
    """All tracks of a video."""

    system = "wham"
    content = "WHAM wham_output.pkl"

    def recognises(self, file: PredictionFile) -> bool:
        """Whether there are tracks with a pose in the camera's frame and one in the world's."""
        content = file.content
        if not isinstance(content, Mapping):
            return False
        tracks = [content[key] for key in list(content)[:MOST_LOOKED_AT]]
        return any(has(track, "pose", "pose_world", "frame_ids") for track in tracks)

    def read(self, file: PredictionFile) -> Iterator[Prediction]:
        """Track after track."""
        assert isinstance(file.content, Mapping)  # as recognised
        for key, track in file.content.items():
            read: list[Prediction] = []
            with file.about(f"track {id_of(key)}"):
                read = list(_people(key, track).predictions(file))
            yield from read


def _people(key: object, track: object) -> People:
    if not isinstance(track, Mapping):
        raise ValueError("not a dictionary")
    poses = of_smpl(track["pose"])
    frames = wholes(track["frame_ids"])
    if len(frames) != len(poses):
        raise ValueError(f"{len(poses)} poses for {len(frames)} frames")
    return People(
        WhamReader.system,
        poses,
        Axes.CAMERA,
        "smpl",
        betas=vectors_under(track, len(poses), "betas"),
        frames=frames,
        ids=[id_of(key)],
    )
