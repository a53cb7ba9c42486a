"""A body as the readers of datasets compute it: numpy and the arrays of a file, none of our code.

What public trainers do with the parameters of SMPL-X and SMPL: blend shapes, joints, Rodrigues,
linear blend skinning; the 144 joints of the `smplx` package in its order. The embedded body stands
for the published one.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smplifyx.body.model import BodyModel

PRIORS = Path(__file__).parent.parent / "priors" / "bodies"
# joints of the published SMPL-X: root, 21 body, jaw, eyes, 15 left and 15 right
SMPLX_JOINTS = 55


@dataclass(frozen=True, eq=False)
class GoldenBody:
    """The arrays of a body that a reader loads. shapes: how many of `directions` are betas."""

    template: np.ndarray  # [v, 3]
    directions: np.ndarray  # [v, 3, betas + expressions]
    posedirs: np.ndarray  # [v, 3, 9 (j - 1)]
    regressor: np.ndarray  # [j, v]
    weights: np.ndarray  # [v, j]
    parents: tuple[int, ...]
    shapes: int
    left_mean: np.ndarray  # [45]
    right_mean: np.ndarray
    vertices21: np.ndarray  # nose, eyes, ears, feet, finger tips
    landmarks: tuple[np.ndarray, np.ndarray]  # [51, 3] vertices, [51, 3] barycentric
    contour: tuple[np.ndarray, np.ndarray]  # [79, 17, 3] each

    @classmethod
    def embedded(cls, gender: str = "neutral") -> GoldenBody:
        """The embedded SMPL-X body, read from its file."""
        with np.load(PRIORS / f"{gender}.npz", allow_pickle=False) as file:
            faces = file["f"].astype(int)
            return cls(
                template=file["v_template"].astype(float),
                directions=file["shapedirs"].astype(float),
                posedirs=file["posedirs"].astype(float),
                regressor=file["J_regressor"].astype(float),
                weights=file["weights"].astype(float),
                parents=tuple(file["kintree_table"][0].astype(np.int64).tolist()),
                shapes=10,
                left_mean=file["hands_meanl"].astype(float),
                right_mean=file["hands_meanr"].astype(float),
                vertices21=file["extra_points"].astype(int),
                landmarks=(faces[file["lmk_faces_idx"]], file["lmk_bary_coords"].astype(float)),
                contour=(
                    faces[file["dynamic_lmk_faces_idx"].astype(int)],
                    file["dynamic_lmk_bary_coords"].astype(float),
                ),
            )

    @classmethod
    def of(cls, body: BodyModel, like: GoldenBody) -> GoldenBody:
        """The arrays of another body of the same mesh, e.g. one of SMPL's kind or a child's."""
        numbers = [getattr(body, name).double().numpy() for name in ("shapedirs", "expressiondirs")]
        return cls(
            template=body.v_template.double().numpy(),
            directions=np.concatenate(numbers, -1),
            posedirs=body.posedirs.double().numpy(),
            regressor=body.J_regressor.double().numpy(),
            weights=body.weights.double().numpy(),
            parents=body.parents,
            shapes=body.shapedirs.shape[-1],
            left_mean=like.left_mean,
            right_mean=like.right_mean,
            vertices21=like.vertices21,
            landmarks=like.landmarks,
            contour=like.contour,
        )

    def forward(
        self,
        pose: np.ndarray,
        betas: np.ndarray,
        expression: np.ndarray | None = None,
        transl: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Vertices [v, 3], joints [j, 3] and world rotations [j, 3, 3] of one body.

        pose: axis-angle [j, 3] or matrices [j, 3, 3], full angles; betas, expression: as many as are given.
        """
        shape = np.zeros(self.directions.shape[-1])
        shape[: len(betas)] = betas
        if expression is not None:
            shape[self.shapes : self.shapes + len(expression)] = expression
        shaped = self.template + self.directions @ shape
        rest = self.regressor @ shaped
        turns = pose
        if pose.ndim < 3:
            turns = np.stack([rodrigues(axis) for axis in pose.reshape(-1, 3)])
        shaped = shaped + self.posedirs @ (turns[1:] - np.eye(3)).ravel()
        world, places = [turns[0]], [rest[0]]
        for joint in range(1, len(rest)):
            parent = self.parents[joint]
            world.append(world[parent] @ turns[joint])
            places.append(places[parent] + world[parent] @ (rest[joint] - rest[parent]))
        orient, joints = np.stack(world), np.stack(places)
        shift = joints - np.einsum("jab,jb->ja", orient, rest)
        turn = np.einsum("vj,jab->vab", self.weights, orient)
        vertices = np.einsum("vab,vb->va", turn, shaped) + self.weights @ shift
        move = np.zeros(3) if transl is None else np.asarray(transl, float)
        return vertices + move, joints + move, orient

    def joints144(self, vertices: np.ndarray, joints: np.ndarray, orient: np.ndarray) -> np.ndarray:
        """The 144 joints of the `smplx` package, with `use_face_contour=True`."""
        corners, shares = self.landmarks
        marks = (vertices[corners] * shares[..., None]).sum(1)
        neck = orient[12]
        degrees = -np.rad2deg(np.arctan2(-neck[2, 0], np.hypot(neck[0, 0], neck[1, 0])))
        degrees = int(np.round(np.clip(degrees, -39, 39)))
        line = 39 - degrees if degrees < 0 else degrees
        corners, shares = self.contour[0][line], self.contour[1][line]
        outline = (vertices[corners] * shares[..., None]).sum(1)
        return np.concatenate([joints, vertices[self.vertices21], marks, outline])


def rodrigues(axis: np.ndarray) -> np.ndarray:
    """The rotation matrix of an axis-angle."""
    angle = np.linalg.norm(axis)
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = axis / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def axis_angle(matrix: np.ndarray) -> np.ndarray:
    """The inverse of `rodrigues`, for angles below pi."""
    angle = np.arccos(np.clip((np.trace(matrix) - 1) / 2, -1, 1))
    if angle < 1e-9:
        return np.zeros(3)
    skew = matrix - matrix.T
    return angle / (2 * np.sin(angle)) * np.array([skew[2, 1], skew[0, 2], skew[1, 0]])


def project(points: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Points of the camera's frame to pixels."""
    return points[..., :2] / points[..., 2:] * np.diag(K)[:2] + K[:2, 2]


def members(path: Path) -> dict[str, np.ndarray]:
    """The members of an npz by their names, none of them unpickled."""
    with zipfile.ZipFile(path) as archive:
        return {
            name.removesuffix(".npy"): np.load(io.BytesIO(archive.read(name)), allow_pickle=False)
            for name in archive.namelist()
        }
