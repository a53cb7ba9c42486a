"""Your own term: a function from the scene to residuals.

Its slopes come by autograd; the rest keeps closed forms.

Here: both feet stand at the same height. Run it: python examples/05_your_own_term.py
"""

from pathlib import Path

from smplifyx import Camera, Keypoints, Residual, Scene, WeightedTerm, fit, load_body, read_frames
from smplifyx.features.points import POINTS
from smplifyx.keypoints.names import POINT_INDEX

DATA = Path(__file__).parent / "data"
LEFT, RIGHT = POINT_INDEX["left_heel"], POINT_INDEX["right_heel"]


def level_feet(scene: Scene) -> Residual:
    """The heels' difference in height, in units of 5 mm."""
    height = scene[POINTS][:, :, 1]  # metres, downwards; the body's points come first
    return Residual((height[:, LEFT : LEFT + 1] - height[:, RIGHT : RIGHT + 1]) / 0.005)


def main() -> tuple[float, float]:
    frame = next(f for f in read_frames(DATA / "keypoints") if f.stem.startswith("generated"))
    keypoints = Keypoints.from_array(frame.people[0].keypoints[None])
    camera = Camera.from_fov(50.0, [frame.image_size])
    gaps = []
    for extra in ((), (WeightedTerm("level_feet", 1.0, level_feet),)):
        points = fit(keypoints, camera, load_body(), extra_terms=extra).points3d[0]
        gaps.append(abs(float(points[LEFT, 1] - points[RIGHT, 1])))
    print(f"between the heels: {1000 * gaps[0]:.0f} mm without the term, {1000 * gaps[1]:.0f} with")
    return gaps[0], gaps[1]


if __name__ == "__main__":
    main()
