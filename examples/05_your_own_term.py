"""Your own term: a function from the scene to residual rows. Its slopes come by autograd, the rest
keeps closed forms.

    python examples/05_your_own_term.py

Here: both feet stand at the same height, as on level ground under a level camera.
"""

from pathlib import Path

from smplifyx import Camera, Keypoints, fit, load_body, read_frames
from smplifyx.keypoints.names import POINT_INDEX
from smplifyx.problem.problem import WeightedTerm
from smplifyx.terms.scene import Rows, Scene

DATA = Path(__file__).parent / "data"
LEFT, RIGHT = POINT_INDEX["left_heel"], POINT_INDEX["right_heel"]


def level_feet(scene: Scene) -> Rows:
    """The heels' difference in height, in units of 5 mm."""
    # metres, downwards; the body's points come first, in canonical order
    height = scene["points"][:, :, 1]
    return Rows((height[:, LEFT : LEFT + 1] - height[:, RIGHT : RIGHT + 1]) / 0.005)


def main() -> tuple[float, float]:
    frame = next(f for f in read_frames(DATA / "keypoints") if f.stem.startswith("generated"))
    keypoints = Keypoints.from_array(frame.people[0].keypoints[None])
    camera = Camera.from_fov(50.0, [frame.image_size])
    gaps = []
    for extra in ((), (WeightedTerm("level_feet", 1.0, level_feet),)):
        points = fit(keypoints, camera, load_body(), extra_terms=extra).points3d[0]
        gaps.append(abs(float(points[LEFT, 1] - points[RIGHT, 1])))
    print(
        f"height between the heels: {1000 * gaps[0]:.0f} mm without the term, {1000 * gaps[1]:.0f} mm with it"
    )
    return gaps[0], gaps[1]


if __name__ == "__main__":
    main()
