"""The keypoints of people as one bundle."""

from __future__ import annotations

import numpy as np
import pytest

from smplifyx.keypoints import Keypoints


def test_arrays_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="137"):
        Keypoints.from_array(np.zeros((2, 24, 3)))
