"""One photo: keypoints in, a body out, drawn on the photo.

python examples/01_one_photo.py
"""

from pathlib import Path

from smplifyx import Camera, Keypoints, fit, load_body, load_preset, read_frames, viz
from smplifyx.readers.images import read_image

DATA = Path(__file__).parent / "data"


def main(out: Path = Path("out")) -> None:
    (frame,) = read_frames(DATA / "keypoints" / "astronaut_keypoints.json", images=DATA)
    keypoints = Keypoints.from_array([person.keypoints for person in frame.people])
    camera = Camera.from_fov(40.0, [frame.image_size] * len(frame.people))

    # the embedded body; load_body("models/smplx/SMPLX_NEUTRAL.npz") for your own
    body = load_body()
    result = fit(keypoints, camera, body, load_preset("smplx"))
    print(result[0].params.betas, result[0].provenance.model_name)

    person = viz.Figure(
        colour=viz.person_colour(0),
        vertices=result.vertices(body)[0],
        keypoints=keypoints.to_array()[0],
        points2d=result.points2d[0],
    )
    photo = read_image(DATA / "astronaut.png")
    picture = viz.panel(photo, [person], body.faces, camera[0])
    viz.write_image(out / "one_photo.jpg", picture)


if __name__ == "__main__":
    main()
