"""A body as spheres inside its surface, each rigid with one bone: what the solver holds apart
instead of the mesh.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from scipy.spatial import KDTree
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
_HALF_WAY = 0.5  # the last beta of a child, where its spheres are made


@dataclass(frozen=True)
class Detail:
    """How finely a part is filled."""

    tolerance: float  # metres within which spheres should come near the surface
    smallest: float  # metres, the least radius
    spacing: float  # metres between the points that they should come near
    worth: float  # what a square metre of its surface counts


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


def spheres_of(body: BodyModel) -> Spheres:
    """The spheres of a body, on its device and in its precision; the same object every time.

    Takes about a second the first time.
    """
    return body.derived(_spheres)


def rest_spheres(body: BodyModel) -> RestSpheres:
    """The spheres of the mean body in its T-pose, float64; the same object every time.

    A child's are made for a body half way to the child of the template, since they follow linearly.
    """
    return body.derived(_rest_spheres)


def place(
    spheres: Spheres, body: BodyModel, params: BodyParams
) -> tuple[Float[Tensor, "batch s 3"], Float[Tensor, "batch s"]]:
    """Centres and radii of the spheres of posed bodies, in metres, in the frame of `global_orient`
    and `transl`.

    The plain way, for checks. Raises ValueError for more betas or expressions than the model has.
    """
    orient, joints, shape = skinning.bones(body, params)
    from_joint = spheres.center + torch.einsum("sin,bn->bsi", spheres.center_dirs, shape)
    turned = (orient[:, spheres.joint] @ from_joint[..., None])[..., 0]
    return turned + joints[:, spheres.joint], spheres.radius + shape @ spheres.radius_dirs.T


def _spheres(body: BodyModel) -> Spheres:
    rest = rest_spheres(body)
    like = body.v_template
    joint = torch.as_tensor(rest.joint, device=like.device)
    directions = torch.as_tensor(rest.slopes).to(like)
    apart = pair_reasons(body, rest) == 0
    return Spheres(
        joint=joint,
        center=torch.as_tensor(rest.center).to(like) - body.joint_template[joint],
        center_dirs=directions[:, :3] - body.joint_directions[joint],
        radius=torch.as_tensor(rest.radius).to(like),
        radius_dirs=directions[:, 3].contiguous(),
        apart=torch.as_tensor(apart, device=like.device),
    )


def _rest_spheres(body: BodyModel) -> RestSpheres:
    is_child = body.age is Age.CHILD
    age_column = body.shapedirs.shape[-1] - 1  # of the shape directions, where it is a child's body
    template = body.v_template
    if is_child:
        template = template + _HALF_WAY * body.shapedirs[..., age_column]
    vertices = template.double().cpu().numpy()
    faces = body.faces.cpu().numpy()
    # which vertices the mouth and the eyes hide is a matter of the mesh, whoever's it is
    kept = outside(body.v_template.double().cpu().numpy(), faces)
    # eyeballs go with the skin around them
    weights = body.weights.double().cpu().numpy()[stand_ins(vertices, faces)]

    skin, smallest = _skin(body, vertices, kept, weights)
    avoided = search_tree(sampled_points(vertices, faces, COARSE, kept))
    adult_betas = body.shapedirs.shape[-1] - int(is_child)
    centers, radii = _candidates(skin, smallest, avoided, adult_betas)
    chosen = cover(centers, radii, skin, MOST, LEAST)
    centers = centers[chosen]
    bounding = search_tree(sampled_points(vertices, faces, FINE, kept))
    radii = np.minimum(radii[chosen], bounding.query(centers)[0] + PROUD)

    share = shares(centers, radii, skin, skin.surface.mixed(weights))
    response = slopes(centers, radii, skin)
    if is_child:  # back to the adult that is the mean body
        change = _HALF_WAY * response[..., age_column]
        centers = centers - change[:, :3]
        radii = radii - change[:, 3]
    return RestSpheres(
        joint=share.argmax(1),
        center=centers,
        radius=radii,
        slopes=response,
        own=share.max(1, initial=0.0),
    )


def _skin(
    body: BodyModel,
    vertices: Float[NDArray, "v 3"],
    kept: Bool[NDArray, " v"],
    weights: Float[NDArray, "v j"],
) -> tuple[Skin, Float[NDArray, " p"]]:
    """The points that the spheres should come near, and the smallest radius there, metres."""
    surface = sampled(vertices, body.faces.cpu().numpy(), COARSE, kept)
    detail_of_joint = _details(body)
    joint_of_point = weights.argmax(1)[surface.corners[:, 0]]

    picked: list[Int[NDArray, " _"]] = []
    tolerance: list[Float[NDArray, " _"]] = []
    worth: list[Float[NDArray, " _"]] = []
    smallest: list[Float[NDArray, " _"]] = []
    for detail in DETAIL_ORDER:
        joints = [joint for joint, its in enumerate(detail_of_joint) if its is detail]
        points = np.flatnonzero(np.isin(joint_of_point, joints))
        points = points[thinned(surface.points[points], detail.spacing)]
        picked.append(points)
        tolerance.append(np.full(len(points), detail.tolerance))
        worth.append(np.full(len(points), detail.worth * detail.spacing**2))
        smallest.append(np.full(len(points), detail.smallest))

    surface = surface[np.concatenate(picked)]
    directions = torch.cat([body.shapedirs, body.expressiondirs], -1).double().cpu().numpy()
    skin = Skin(
        surface=surface,
        moved=surface.mixed(directions),
        tolerance=np.concatenate(tolerance),
        worth=np.concatenate(worth),
    )
    return skin, np.concatenate(smallest)


def _details(body: BodyModel) -> list[Detail]:
    """By joint: that of the nearest joint at or above it that has one."""
    details: list[Detail] = []
    for name, parent in zip(joint_names(body.kind), body.parents, strict=True):
        inherited = details[parent] if parent >= 0 else LIMB
        details.append(DETAILS.get(sideless(name), inherited))
    return details


def _candidates(
    skin: Skin, smallest: Float[NDArray, " p"], avoided: KDTree, betas: int
) -> tuple[Float[NDArray, "s 3"], Float[NDArray, " s"]]:
    """Spheres behind every point, narrower where usual shapes would leave them standing out."""
    centers, radii = inscribed(skin.surface, avoided, DENT)
    large = np.flatnonzero(radii > smallest)
    large = large[distinct(centers[large], radii[large], ALIKE)]
    centers = centers[large]
    radii = radii[large]

    usual = skin.thinned(step=3, directions=min(USUAL, betas))
    too_far = (protrusion(centers, radii, usual, DEVIATIONS) - PROTRUSION).clip(0)
    radii = radii + PROUD - too_far
    kept = radii > smallest[large]
    return centers[kept], radii[kept]
