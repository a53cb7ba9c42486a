"""One photo: keypoints in, a body out, drawn on the photo.

python examples/01_one_photo.py
"""

from pathlib import Path

from smplifyx import Camera, Keypoints, fit, load_body, load_preset, read_frames, viz
from smplifyx.readers.images import read_image

DATA = Path(__file__).parent / "data"


def main(out: Path = Path("out")) -> None:
    frame = next(iter(read_frames(DATA / "keypoints" / "astronaut_keypoints.json", images=DATA)))
    keypoints = Keypoints.from_array([person.keypoints for person in frame.people])
    camera = Camera.from_fov(40.0, [frame.image_size] * len(frame.people))

    # the embedded body; load_body("models/smplx/SMPLX_NEUTRAL.npz") for your own
    body = load_body()
    result = fit(keypoints, camera, body, load_preset("smplx"))
    print(result[0].params.betas, result[0].provenance.model_name)

    person = viz.Figure(
        viz.person_colour(0), result.vertices(body)[0], keypoints.to_array()[0], result.points2d[0]
    )
    picture = viz.panel(read_image(frame.image), [person], body.faces, camera[0])
    viz.write_image(out / "one_photo.jpg", picture)


if __name__ == "__main__":
    main()
