"""A first guess from several views: bones turned as the points lie that two cameras have seen."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..body import skinning
from ..camera import Camera
from ..core.invariant_linalg import whole_rows
from ..depth_prior.bones import BONES
from ..evidence.keypoints2d import seen_confidence
from ..evidence.pose_estimate import ROOT, PoseEstimate
from ..evidence.views import Views
from ..features.variables import State
from ..keypoints import names
from ..views.calibrated_camera import CameraRig
from ..views.triangulation import triangulate
from .batch import FitBatch
from .estimated_start import estimated_guess

WITHIN = 0.15  # metres at the person's distance that a detection may be off, to count as of a point
SURE = 0.02  # metres; any finite number says that a bone is told


def triangulated_guess(people: FitBatch, views: Views) -> tuple[State, Bool[Tensor, " batch"]]:
    """One hypothesis for each person, and for whom there is one: enough of the trunk is seen by two
    cameras.
    """
    points = triangulated(people, views)
    batch = (len(people),)
    sd = PoseEstimate.nothing(batch, points).bones_sd.clone()
    known = points.isfinite().all(-1)
    ends = known[:, [end for end, _ in BONES]] & known[:, [start for _, start in BONES]]
    told = ends & known[:, ROOT, None]
    sd[:, : len(BONES)] = torch.where(told, SURE, torch.nan)[..., None]
    estimate = PoseEstimate.nothing(batch, points).replace(placed=points, bones_sd=sd)
    state, is_told = estimated_guess(people, estimate)

    # the keypoints of one camera told how far away the body is; all of them know better
    count = len(people)
    whole = whole_rows(count, points.device)
    params = people.setup.decoder.params(state)
    posed = skinning.points(people.setup.body, params[whole])[:count, names.BODY]
    shift = (points[:, names.BODY] - posed).nanmean(1)
    shift = torch.where(is_told[:, None], shift, 0.0)
    return state.replace(transl=state.transl + shift), is_told


def triangulated(people: FitBatch, views: Views) -> Float[Tensor, "batch 137 3"]:
    """Each person's points in the frame of their own camera, metres; NaN where fewer than two
    cameras agree.
    """
    assert views.scale is not None, "a fit measures it, see `FitBatch.of`"
    camera, keypoints = people.camera, people.keypoints
    like = keypoints.xy
    here = torch.eye(3).to(like).expand(len(people), 1, 3, 3)
    rig = CameraRig(
        Camera(
            _first(camera.K, views.camera.K),
            _first(camera.image_size, views.camera.image_size),
        ),
        torch.cat([here, views.rotation], 1),
        torch.cat([torch.zeros_like(views.translation[:, :1]), views.translation], 1),
    )
    data = people.setup.config.reprojection
    seen = keypoints.map(lambda t: t[:, None])
    every = type(seen).cat([seen, views.keypoints], 1)
    shape = every.confidence.shape[:2]
    flat = every.map(lambda t: t.flatten(0, 1))
    confidence = seen_confidence(flat, data).unflatten(0, shape)
    within = WITHIN * _first(people.scale, views.scale)[..., None]
    exact = torch.float64
    found = triangulate(
        rig.to(dtype=exact), every.xy.to(exact), confidence.to(exact), within.to(exact)
    )
    return found.points.to(like)


def _first(own: Tensor, further: Tensor) -> Tensor:
    """What is of a person's own camera before what is of the further ones."""
    return torch.cat([own[:, None], further], 1)
