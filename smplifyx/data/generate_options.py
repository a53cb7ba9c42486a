"""What generated people, their cameras and their detections are drawn from."""

from __future__ import annotations

from dataclasses import dataclass

from ..config import HandPrior

Range = tuple[float, float]  # of a uniform distribution


@dataclass(frozen=True)
class GenerateOptions:
    """The distributions of generated people; the defaults are the protocol of the benchmark.

    Self-occlusion is not modelled: points are dropped at random, whatever is in front. `REAL` is
    the protocol of people as hard as real ones.

    The image and its detections:
        image_side: pixels of the square image.
        noise_px: standard deviation of a detection at an image side of 1000; it scales with it.
        dropped: share 0..1 of the points that are not detected.
        confidence: of those that are.

    The camera and the place in its image:
        focal: focal length by the image's diagonal.
        yaw, pitch, roll: degrees; yaw 0 faces the camera, with a positive pitch it looks down.
        fills: longer side of a person's keypoint box by the image's side.
        inside: the whole person is in the image; else its box is centred anywhere in the image.

    The body:
        sigmas: shape, expression and hand coefficients are standard normal within +- this.
        kid: a child's last beta; the others vary less the smaller the child.
        jaw_open: degrees.
        hands: the space that hands are drawn from, all its components.
        solid: joints are turned until bodies do not pass through themselves (see `disentangle`).
        segment_sd: standard deviation of the logarithm of factors on the lengths of bones, which
            make people whom the shape space does not hold (see `bone_lengths`).

    The detector:
        detector: its card's name (see `detector_noise`): errors, confidences and unseen points are
            the card's, in metres and by what the body hides of itself; `noise_px`, `dropped` and
            `confidence` do not count. None: they do.
    """

    image_side: int = 1000
    noise_px: float = 2.0
    dropped: float = 0.1
    confidence: Range = (0.5, 1.0)
    sigmas: float = 2.0
    fills: Range = (0.45, 0.85)
    focal: Range = (0.6, 1.6)
    yaw: Range = (-180.0, 180.0)
    pitch: Range = (-10.0, 25.0)
    roll: Range = (-5.0, 5.0)
    kid: Range = (0.0, 1.0)
    jaw_open: Range = (0.0, 15.0)
    hands: HandPrior = HandPrior.RECORDED
    inside: bool = True
    solid: bool = False
    segment_sd: float = 0.0
    detector: str | None = None


# People are solid, or a hand in the belly would hide points; photos are taken from higher and lower
# than the benchmark's, and their focal lengths are known to nobody.
REAL = GenerateOptions(
    focal=(0.6, 2.0),
    pitch=(-20.0, 35.0),
    roll=(-10.0, 10.0),
    solid=True,
    segment_sd=0.05,
    detector="openpose",
)
