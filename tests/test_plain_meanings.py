"""What is given to the functions of Python: plain meanings work, the rest is one line; short reprs."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pytest
import torch
from cases import embedded_body, preset

from smplifyx import Camera, FitResult, Keypoints, fit, load_body
from smplifyx.body.model import BodyModel
from smplifyx.fitting.fitter import Fitter
from smplifyx.keypoints import layouts
from smplifyx.keypoints.layouts import LayoutName, to_canonical
from smplifyx.terms.scene import WeightedTerm

SIZE = (1280, 720)


@lru_cache(maxsize=1)
def points() -> np.ndarray:
    """Three people who are none, [3, 137, 3]."""
    array = np.random.default_rng(0).uniform(200, 600, (3, 137, 3))
    array[..., 2] = 0.9
    return array


def body() -> BodyModel:
    return embedded_body(torch.float32)


def camera() -> Camera:
    return Camera.from_fov(50.0, SIZE)


@lru_cache(maxsize=1)
def three() -> FitResult:
    cameras = Camera.from_fov(50.0, [SIZE] * 3)
    return fit(Keypoints.from_array(points()), cameras, body(), preset("fast"))


def same(a: FitResult, b: FitResult) -> bool:
    return torch.equal(a.params.full_pose(), b.params.full_pose())


def test_one_camera_is_everybodys_and_numbers_are_keypoints() -> None:
    for people in (points(), points().tolist(), torch.from_numpy(points())):
        assert same(fit(people, camera(), body(), "fast"), three())
    assert same(fit(points(), [camera()] * 3, body(), "fast"), three())


def test_one_person_gives_one_result() -> None:
    one = fit(points()[0], camera(), body(), "cfg_files/fast.yaml", height=1.75)
    assert one.energy.dim() == 0 and one.params.body_pose.shape == (21, 3)
    assert one.provenance.preset == "fast" and "1 person" in repr(one)


@pytest.mark.parametrize("cameras", [camera(), Camera.from_fov(50.0, []), Camera.from_focal(900.0, np.zeros((0, 2)))])  # fmt: skip
def test_nobody_is_a_result_of_nobody(cameras: Camera) -> None:
    term = WeightedTerm("mine", 1.0, lambda scene: scene)  # type: ignore[arg-type]
    none = fit(Keypoints.from_array([]), cameras, body(), preset("fast"), extra_terms=[term])
    assert list(none) == [] and none.vertices(body()).shape[0] == 0 and "0 people" in repr(none)
    assert "mine" in none.energies
    without = fit(np.zeros((0, 137, 3)), cameras, body(), "fast")
    together = FitResult.cat([without, three()])
    assert same(together, three())


def test_nobody_of_a_fitter() -> None:
    none = Fitter.of(body(), "fast").fit(Keypoints.from_array([]), Camera.from_fov(50.0, []))
    assert none.status.shape == (0,)


@pytest.mark.parametrize(
    "layout", [n for n, table in layouts.LAYOUTS.items() if table.points not in (0, 137)]
)
def test_points_of_the_only_layout_with_so_many_are_understood(layout: LayoutName) -> None:
    count = layouts.LAYOUTS[layout].points
    array = np.random.default_rng(1).uniform(0.1, 1, (2, count, 3)).astype(np.float32)
    alone = sum(other.points == count for other in layouts.LAYOUTS.values()) == 1
    if alone:
        made = Keypoints.from_array(array)
        assert torch.equal(made.to_array(), torch.from_numpy(to_canonical(array, layout.value)))
        assert torch.equal(made.trust[0], torch.from_numpy(layouts.trust(layout)))
        assert Keypoints.from_array(array, trust=1.0).trust.unique().tolist() == [1.0]
    else:
        with pytest.raises(ValueError, match=f"to_canonical.*{layout.value}"):
            Keypoints.from_array(array)


@pytest.mark.parametrize("gender", ["neutral", "female", "male"])
def test_a_body_by_words(gender: str) -> None:
    assert load_body(gender=gender).gender.value == gender


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "10 points": (lambda: Keypoints.from_array(points()[:, :10]), r"\[3, 10, 3\].*to_canonical.*body_25"),
    "no confidence": (lambda: Keypoints.from_array(points()[..., :2]), "append a column of conf"),
    "flat": (lambda: Keypoints.from_array(points()[0].ravel()), r"reshape\(-1, 3\)"),
    "ragged": (lambda: Keypoints.from_array([[1, 2], [3]]), "different lengths"),
    "words": (lambda: Keypoints.from_array("a.json"), "got str"),
    "nothing": (lambda: Keypoints.from_array(None), "got NoneType"),
    "two batch axes": (lambda: fit(points()[None], camera(), body()), "flatten"),
    "cameras": (lambda: fit(points(), Camera.from_fov(50.0, [SIZE] * 2), body()), "one for all: got 3"),
    "preset": (lambda: fit(points(), camera(), body(), "splendid"), "no preset 'splendid'; there are"),
    "centimetres": (lambda: fit(points(), camera(), body(), height=175), r"175 m .*\(centimetres\?\)"),
    "heights": (lambda: fit(points(), camera(), body(), height=[1.7]), "1 heights for 3 people"),
    "device": (lambda: fit(points(), camera().to(device="meta"), body()), "camera: on meta, the body on cpu"),
    "gender": (lambda: load_body(gender="x"), "neutral, female, male, got 'x'"),
    "age": (lambda: load_body(age="auto"), "adult, child, got 'auto'"),
    "layout": (lambda: to_canonical(np.zeros((25, 3)), "body25"), "layout: expected one of body_25,"),
    "focal": (lambda: Camera.from_focal(0.0, SIZE), "focal length is not above 0"),
    "focal nan": (lambda: Camera.from_focal(float("nan"), SIZE), "not finite"),
    "focals": (lambda: Camera.from_focal(torch.ones(3), torch.ones(2, 2)), r"\[3\] focal lengths for \[2\]"),
    "fov": (lambda: Camera.from_fov(200.0, SIZE), "field of view of 200.0 degrees"),
    "no image": (lambda: Camera.from_fov(50.0, (0, 720)), "has no size|not above 0"),
    "size": (lambda: Camera.from_fov(50.0, [(1, 2, 3)]), r"\(width, height\)"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_has_no_plain_meaning_is_one_line(name: str) -> None:
    do, words = WRONG[name]
    with pytest.raises(ValueError, match=words) as caught:
        do()
    assert "\n" not in str(caught.value)


IMPOSSIBLE = {
    (0, 1): (3.0, "skew"),
    (0, 0): (0.0, "focal length"),
    (1, 1): (-1.0, "focal length"),
    (0, 2): (float("inf"), "not finite"),
    (2, 2): (2.0, "transposed"),
    (2, 0): (640.0, "transposed"),
}


@pytest.mark.parametrize("place", IMPOSSIBLE)
def test_a_camera_that_cannot_be_is_refused_with_its_person(place: tuple[int, int]) -> None:
    value, words = IMPOSSIBLE[place]
    cameras = Camera.from_fov(50.0, [SIZE] * 3)
    K = cameras.K.clone()
    K[1, place[0], place[1]] = value
    with pytest.raises(ValueError, match=f"camera of person 1: .*{words}"):
        fit(points(), cameras.replace(K=K), body(), "fast")


def test_cameras_and_image_sizes_differ() -> None:
    cameras = Camera.from_fov(50.0, [SIZE] * 3)
    object.__setattr__(cameras, "image_size", torch.ones(2, 2))  # past the tests' own type checks
    with pytest.raises(ValueError, match="K of .3. cameras, image_size of .2."):
        fit(points(), cameras, body(), "fast")


def test_reprs_are_short_and_tell_statuses_by_name() -> None:
    result = three().replace(status=torch.tensor([0, 2, 0]))
    assert repr(result).startswith("FitResult(3 people: 2 ok, 1 poor; preset fast, body ")
    assert repr(result[1]).startswith("FitResult(1 person: poor; ")
    assert repr(result.keypoints) == "Keypoints(3 people: 137 of 137 points seen)"
    assert repr(camera()) == "Camera(1 camera: focal 1372.48 px, images 1280 x 720 px)"
    assert "betas [3, 10]" in repr(result.params) and "vertices" in repr(body())
    for value in (result, result.params, result.camera, body(), result.evidence, result.shape):
        assert "tensor(" not in repr(value) and len(repr(value)) < 400
