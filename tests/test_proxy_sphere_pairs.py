"""Why pairs of spheres may overlap."""

from __future__ import annotations

import numpy as np
from cases import embedded_body

from smplifyx.collision.proxies.sphere_pairs import SpherePairReason, pair_reasons
from smplifyx.collision.proxies.spheres import rest_spheres


def test_every_reason_takes_some_pairs_and_parts_most() -> None:
    reasons = pair_reasons(embedded_body(), rest_spheres(embedded_body()))
    assert (reasons == reasons.T).all()
    counts = np.bincount(reasons.ravel(), minlength=5)
    assert set(SpherePairReason) == {1, 2, 3, 4} and (counts[1:] > 0).all()
    assert counts[2:].sum() < 0.04 * counts.sum()
