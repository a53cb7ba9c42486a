"""smplifyx: 2D keypoints of people in, expressive 3D people out."""

__version__ = "0.1.0"
