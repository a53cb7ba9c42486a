"""PromptHMR: `results.pkl` of joblib, a track for each person of a video.

SMPL-X's rotation matrices in the camera's frame (`smplx_cam`; `smplx_world` is not read). Jaw and
eyes are identities that nobody predicted; the matrices of hands are zeros, which are no rotations:
both are absent. Boxes are in pixels of a video that was made smaller, so they are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .people import People, id_of, vectors_under
from .poses import BODY, LEFT_HAND, RIGHT_HAND, ROOT, GivenPoses, matrices, rows_of
from .prediction import JOINTS, Axes, Prediction
from .reader import PredictionFile
from .values import entry, has, wholes


class PromptHmrReader:
    """All tracks of a video."""

    system = "prompthmr"
    content = "PromptHMR results.pkl"

    def recognises(self, file: PredictionFile) -> bool:
        """Whether there are people with a body in the camera's frame."""
        people = entry(file.content, "people")
        if not isinstance(people, Mapping):
            return False
        return any(has(person, "smplx_cam") for person in people.values())

    def read(self, file: PredictionFile) -> Iterator[Prediction]:
        """Track after track."""
        people = entry(file.content, "people")
        assert isinstance(people, Mapping)  # as recognised
        for key, person in people.items():
            read: list[Prediction] = []
            with file.about(f"person {id_of(key)}"):
                read = list(_people(key, person).predictions(file))
            yield from read


def _people(key: object, person: object) -> People:
    found = entry(person, "smplx_cam")
    rotations = entry(found, "rotmat")
    rows = rows_of(rotations, JOINTS)
    given = matrices(rotations, JOINTS, rows)
    poses = GivenPoses.nothing(rows)
    poses.put(slice(ROOT.start, BODY.stop), given[:, : BODY.stop])
    poses.put(slice(LEFT_HAND.start, RIGHT_HAND.stop), given[:, LEFT_HAND.start :])
    frames = wholes(entry(person, "frames"))
    if len(frames) != rows:
        raise ValueError(f"{rows} poses for {len(frames)} frames")
    return People(
        PromptHmrReader.system,
        poses,
        Axes.CAMERA,
        "smplx",
        betas=vectors_under(found, rows, "shape"),
        frames=frames,
        ids=[id_of(entry(person, "track_id")) or id_of(key)],
    )
