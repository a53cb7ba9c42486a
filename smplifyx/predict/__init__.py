"""Networks in a box: from a picture to keypoints, and to a start for the fit.

`open_detector(task).detect(image)` gives everybody in an RGB picture.
"""

from .opening import open_detector
from .people_detector import Detected, DetectorError, PeopleDetector

__all__ = ["Detected", "DetectorError", "PeopleDetector", "open_detector"]
