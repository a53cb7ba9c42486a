"""Parameters of a body from its surface: thousands of points in space, every one known by name.

The same fitter as for keypoints, with points in space as its evidence and next to no prior. Pose
correctives are left out of the folded points and held from pass to pass instead: some official
models move every vertex with every joint, and thousands of such points would fill the memory.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..body import skinning
from ..body.model import BodyModel
from ..body.params import BodyParams
from ..camera import Camera
from ..collision.parts import parts_of
from ..config import Block, FitConfig, HandPrior, SolverConfig, StageConfig, StartConfig, Weights
from ..evidence.keypoints3d import Keypoints3D
from ..features.fold import PointSet, SurfacePoint
from ..fitting.fitter import Fitter
from ..fitting.result import FitResult
from ..keypoints import Keypoints, names
from .posing import posed_like

PRESET = "convert"  # the name in results; no preset of `cfg_files`, since no keypoints are fitted
POINTS = 1500
PASSES = 3  # each has the correctives of the pose that the one before it found
PEOPLE = 64  # fitted together: bounds the memory
# Millimetres of points against whole units of what people usually are: they decide what the skin
# leaves open, such as how three vertebrae share a bend.
PRIORS = Weights(
    reprojection=0.0,
    height=0.0,
    pose_prior=0.03,
    shape=0.03,
    expression=1.0,
    hand_prior=0.01,
    eyes=0.1,
)
FACE_MOVES = 1e-4  # metres by one unit of expression: a vertex of the face


@dataclass(frozen=True, eq=False)
class MeshFit:
    """Fits a body to the places of its vertices.

    known: the vertices whose places are told. chosen: those of them that are fitted to, well
    spread, bone by bone.
    """

    body: BodyModel
    known: Bool[Tensor, " v"]
    chosen: Int[Tensor, " p"]
    sd: Float[Tensor, " p"]
    has_face: bool
    fitter: Fitter

    @classmethod
    def of(
        cls,
        body: BodyModel,
        sd: Float[Tensor, " v"],
        points: int = POINTS,
        has_face: bool = True,
    ) -> MeshFit:
        """For a body; sd: metres, how well the place of each vertex is known, inf: not at all.

        has_face: whether the surface may show an expression; else the body's is left neutral.
        """
        fitter = Fitter.of(body, convert_config(body, has_face))
        body = fitter.setup.body  # of as many betas as are fitted
        known = sd.isfinite()
        chosen = chosen_vertices(body, known, points)
        return cls(body, known, chosen, sd[chosen], has_face, fitter)

    def fit(
        self,
        places: Float[Tensor, "batch v 3"],
        keypoints: Keypoints | None = None,
        camera: Camera | None = None,
        start: BodyParams | None = None,
        passes: int = PASSES,
    ) -> FitResult:
        """The bodies whose vertices lie at `places`, metres; rows are independent.

        keypoints, camera: of the same people, for the result; they count nothing. start: bodies to
        begin with, and places that are NaN do not count; None: as the places show, all of them
        numbers. passes: how often pose correctives are worked out.
        """
        if keypoints is None or camera is None:
            keypoints, camera = unseen(places)
        with torch.no_grad():
            params = posed_like(self.body, places, self.known) if start is None else start
            if not self.has_face:
                params = _without_face(params)
        of = PointSet(surface=tuple(_vertex(vertex) for vertex in self.chosen.tolist()))
        sd = self.sd.expand(len(places), -1)
        result = None
        for _ in range(passes):
            held = self._correctives(params)
            evidence = Keypoints3D(places[:, self.chosen] - held, sd, of)
            result = self.fitter.fit_once(
                keypoints, camera, [evidence], params.map(lambda t: t[:, None])
            )
            params = result.params
        assert result is not None
        return result

    @torch.no_grad()
    def _correctives(self, params: BodyParams) -> Float[Tensor, "batch p 3"]:
        """What pose correctives move the chosen points by."""
        whole = skinning.vertices(self.body, params)[:, self.chosen]
        return (
            whole - skinning.vertices(self.body.derived(_without_posedirs), params)[:, self.chosen]
        )


def convert_config(body: BodyModel, has_face: bool = True) -> FitConfig:
    """How a body is fitted to its own surface: one stage, everything free that it has, but for the
    face where the surface has none.
    """
    free = [Block.GLOBAL_ORIENT, Block.TRANSL, Block.BODY, Block.BETAS]
    if body.left_hand is not None:
        free += [Block.LEFT_HAND, Block.RIGHT_HAND]
    if has_face and body.expressiondirs.shape[-1]:
        free += [Block.EXPRESSION, Block.JAW, Block.LEYE, Block.REYE]
    stage = StageConfig(
        name="surface",
        free=tuple(free),
        parts=(),
        weights=PRIORS,
        solver=SolverConfig(max_steps=15, tolerance=1e-4),
    )
    return FitConfig(
        name=PRESET,
        summary="Points of a surface, as `smplifyx convert` has them.",
        pose_prior="gaussian",
        hand_prior=HandPrior.BODY,
        hand_components=45,
        first_guess=StartConfig(yaws=1),
        stages=(stage,),
    )


def unseen(places: Float[Tensor, "batch v 3"]) -> tuple[Keypoints, Camera]:
    """Keypoints of nobody and a camera of no meaning, for people who were in no picture: the one
    place that makes them up.
    """
    count = len(places)
    keypoints = Keypoints.from_array(places.new_zeros(count, names.COUNT, 3))
    camera = Camera.from_fov(50.0, places.new_full((count, 2), 1000.0)).to(dtype=places.dtype)
    return keypoints, camera


def chosen_vertices(body: BodyModel, known: Bool[Tensor, " v"], count: int) -> Int[Tensor, " p"]:
    """Well-spread vertices among the known ones, more where there is more to tell: farthest-point
    sampling of each part of the body by itself, sorted by part.

    A part's share grows with its size, not with its area: fingers, face and feet get many.
    """
    part = parts_of(body).of_vertex
    numbers = torch.arange(len(part), device=part.device)
    own = [numbers[(part == joint) & known] for joint in range(len(body.parents))]
    spreads = torch.stack([_spread(body.v_template[vertices]) for vertices in own])
    shares = spreads / spreads.sum() * count
    found = []
    for vertices, share in zip(own, shares.tolist(), strict=True):
        wanted = min(len(vertices), max(round(share), 12))
        found.append(vertices[_farthest(body.v_template[vertices], wanted)])
    return torch.cat(found)


def _spread(points: Float[Tensor, "n 3"]) -> Tensor:
    """How large a part is: the square root of its radii's product, metres."""
    return (
        points.std(0, correction=0).prod().pow(1 / 3) if len(points) > 1 else points.new_zeros(())
    )


def _farthest(points: Float[Tensor, "n 3"], count: int) -> Int[Tensor, " count"]:
    """Numbers of points, each the farthest from those before it."""
    if not count:
        return torch.zeros(0, dtype=torch.long, device=points.device)
    found = [int((points - points.mean(0)).norm(dim=-1).argmax())]
    distance = (points - points[found[0]]).norm(dim=-1)
    while len(found) < count:
        found.append(int(distance.argmax()))
        distance = torch.minimum(distance, (points - points[found[-1]]).norm(dim=-1))
    return torch.tensor(found, device=points.device)


def _vertex(vertex: int) -> SurfacePoint:
    return SurfacePoint((vertex, vertex, vertex), (1.0, 0.0, 0.0), corrected=False)


def _without_face(params: BodyParams) -> BodyParams:
    faces = ("expression", "jaw_pose", "leye_pose", "reye_pose")
    return params.replace(**{name: torch.zeros_like(getattr(params, name)) for name in faces})


def _without_posedirs(body: BodyModel) -> BodyModel:
    return dataclasses.replace(body, posedirs=torch.zeros_like(body.posedirs))
