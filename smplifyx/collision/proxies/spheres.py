"""A body as spheres inside its surface, each rigid with one bone: what the solver holds apart
instead of the mesh.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from ...body import skinning
from ...body.joints import joint_names, sideless
from ...body.model import Age, BodyModel
from ...body.params import BodyParams
from .medial import cover, distinct, inscribed
from .shape_response import Skin, protrusion, shares, slopes
from .sphere_pairs import RestSpheres, pair_reasons
from .surface import outside, sampled, sampled_points, search_tree, stand_ins, thinned

MOST = 448  # spheres
LEAST = 3e-4  # square metres of surface that a sphere must gain
# metres between the points that candidates avoid, and those that set the radii in the end
COARSE, FINE = 12e-3, 3e-3
# metres: the unevenness that candidates ignore, how far spheres stand out in the end
DENT, PROUD = 1.5e-3, 1e-3
ALIKE = 0.15  # candidates nearer than this share of their radius count once
# the shape directions, and how far along them, within which spheres stay inside
USUAL, DEVIATIONS = 6, 2.0
PROTRUSION = 8e-3  # but for so many metres


@dataclass(frozen=True)
class Detail:
    """How finely a part is filled: lengths in metres; `worth` is what its surface counts."""

    tolerance: float
    smallest: float
    spacing: float
    worth: float


LIMB = Detail(tolerance=3e-3, smallest=15e-3, spacing=12e-3, worth=1.0)
PALM = Detail(tolerance=1.5e-3, smallest=4e-3, spacing=4e-3, worth=10.0)
FINGER = Detail(tolerance=1.5e-3, smallest=3e-3, spacing=3e-3, worth=20.0)
FOOT = Detail(tolerance=5e-3, smallest=6e-3, spacing=8e-3, worth=1.0)
HEAD = Detail(tolerance=6e-3, smallest=8e-3, spacing=12e-3, worth=0.5)
_FINGERS = dict.fromkeys(("thumb1", "index1", "middle1", "ring1", "pinky1"), FINGER)
# and of all joints below
DETAILS = MappingProxyType({"wrist": PALM, "ankle": FOOT, "head": HEAD, **_FINGERS})
DETAIL_ORDER = (LIMB, PALM, FINGER, FOOT, HEAD)


@dataclass(frozen=True, eq=False)
class Spheres:
    """Spheres inside the resting surface. Lengths in metres; n shape directions: betas, then
    expression, as the body's.

    A sphere at rest is `center` + `center_dirs` @ shape from its joint's place at rest for that
    shape, and `radius` + `radius_dirs` @ shape wide. `apart` is symmetric: which pairs must not
    overlap. None of those do in the T-pose, for any shape with each of the first ten betas and
    expressions within 2 standard deviations, and the last beta of a child between 0 and 1.
    """

    joint: Int[Tensor, " s"]
    center: Float[Tensor, "s 3"]
    center_dirs: Float[Tensor, "s 3 n"]
    radius: Float[Tensor, " s"]
    radius_dirs: Float[Tensor, "s n"]
    apart: Bool[Tensor, "s s"]


@lru_cache(maxsize=16)
def spheres_of(body: BodyModel) -> Spheres:
    """The spheres of a body, on its device and in its precision; takes about a second the first
    time.
    """
    rest, joints = rest_spheres(body), body.joint_template
    like = body.v_template
    directions = torch.as_tensor(rest.slopes).to(like)
    joint = torch.as_tensor(rest.joint, device=like.device)
    return Spheres(
        joint=joint,
        center=torch.as_tensor(rest.center).to(like) - joints[joint],
        center_dirs=directions[:, :3] - body.joint_directions[joint],
        radius=torch.as_tensor(rest.radius).to(like),
        radius_dirs=directions[:, 3].contiguous(),
        apart=torch.as_tensor(pair_reasons(body, rest) == 0, device=like.device),
    )


def place(
    spheres: Spheres, body: BodyModel, params: BodyParams
) -> tuple[Float[Tensor, "batch s 3"], Float[Tensor, "batch s"]]:
    """Centres and radii of the spheres of posed bodies, in metres, in the frame of `global_orient`
    and `transl`.

    The plain way, for checks. Raises ValueError for more betas or expressions than the model has.
    """
    orient, joints, shape = skinning.bones(body, params)
    local = spheres.center + torch.einsum("sin,bn->bsi", spheres.center_dirs, shape)
    centers = (orient[:, spheres.joint] @ local[..., None])[..., 0] + joints[:, spheres.joint]
    return centers, spheres.radius + shape @ spheres.radius_dirs.T


@lru_cache(maxsize=16)
def rest_spheres(body: BodyModel) -> RestSpheres:
    """The spheres of the mean body in its T-pose, float64.

    A child's are made for a body half way to the child of the template, since they follow linearly.
    """
    age = 0.5 if body.age is Age.CHILD else 0.0
    vertices, faces = _vertices(body, age), body.faces.cpu().numpy()
    kept = outside(vertices, faces)
    weights = body.weights.double().cpu().numpy()[stand_ins(vertices, faces)]
    skin, smallest = _skin(body, vertices, kept, weights)
    avoided = search_tree(sampled_points(vertices, faces, COARSE, kept))
    bounding = search_tree(sampled_points(vertices, faces, FINE, kept))
    centers, radii = _candidates(
        skin, smallest, avoided, len(body.shapedirs[0, 0]) - int(body.age is Age.CHILD)
    )
    chosen = cover(centers, radii, skin, MOST, LEAST)
    centers = centers[chosen]
    radii = np.minimum(radii[chosen], bounding.query(centers)[0] + PROUD)
    share = shares(centers, radii, skin, skin.surface.mixed(weights))
    follow = slopes(centers, radii, skin)
    if age:
        back = age * follow[..., body.shapedirs.shape[-1] - 1]
        centers, radii = centers - back[:, :3], radii - back[:, 3]
    return RestSpheres(share.argmax(1), centers, radii, follow, share.max(1, initial=0.0))


def _vertices(body: BodyModel, age: float) -> Float[NDArray, "v 3"]:
    """The resting mesh, so far along the last shape direction."""
    moved = body.v_template + age * body.shapedirs[..., -1] if age else body.v_template
    return moved.double().cpu().numpy()


def _skin(
    body: BodyModel, vertices: NDArray, kept: NDArray, weights: NDArray
) -> tuple[Skin, Float[NDArray, " p"]]:
    """The points that the spheres should come near, and the smallest radius there."""
    surface = sampled(vertices, body.faces.cpu().numpy(), COARSE, kept)
    details = _details(body)
    of_point = weights.argmax(1)[surface.corners[:, 0]]
    picked, rows = [], []
    for detail in DETAIL_ORDER:
        mine = np.flatnonzero(
            np.isin(of_point, [joint for joint, d in enumerate(details) if d is detail])
        )
        picked.append(mine[thinned(surface.points[mine], detail.spacing)])
        row = (detail.tolerance, detail.worth * detail.spacing**2, detail.smallest)
        rows.append(np.tile(row, (len(picked[-1]), 1)))
    surface, (tolerance, worth, smallest) = surface[np.concatenate(picked)], np.concatenate(rows).T
    directions = torch.cat([body.shapedirs, body.expressiondirs], -1).double().cpu().numpy()
    return Skin(surface, surface.mixed(directions), tolerance, worth), smallest


def _details(body: BodyModel) -> list[Detail]:
    """By joint: that of the nearest joint at or above it that has one."""
    details: list[Detail] = []
    for name, parent in zip(joint_names(body.kind), body.parents, strict=True):
        details.append(DETAILS.get(sideless(name), details[parent] if parent >= 0 else LIMB))
    return details


def _candidates(
    skin: Skin, smallest: NDArray, avoided: cKDTree, betas: int
) -> tuple[Float[NDArray, "s 3"], Float[NDArray, " s"]]:
    """Spheres behind every point, made narrower where usual shapes would leave them standing out."""
    centers, radii = inscribed(skin.surface, avoided, DENT)
    large = np.flatnonzero(radii > smallest)
    large = large[distinct(centers[large], radii[large], ALIKE)]
    centers, radii, smallest = centers[large], radii[large], smallest[large]
    usual = skin[::3, : min(USUAL, betas)]
    radii = radii + PROUD - (protrusion(centers, radii, usual, DEVIATIONS) - PROTRUSION).clip(0)
    kept = radii > smallest
    return centers[kept], radii[kept]
