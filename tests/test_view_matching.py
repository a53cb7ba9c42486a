"""Who is who across views, and points in space: generated people before a ring of cameras."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from smplifyx.keypoints import Keypoints, names
from smplifyx.views.calibrated_camera import CalibratedCamera, CameraRig, undistorted
from smplifyx.views.matching import epipolar_distance, match_people
from smplifyx.views.triangulation import triangulate

COUNT = 4
K = np.array([[1000.0, 0, 500], [0, 1000.0, 500], [0, 0, 1]])


def cameras(
    count: int = COUNT, distortion: tuple[float, ...] = (0.0,) * 5
) -> list[CalibratedCamera]:
    """In a ring of 5 m around the origin, of different heights; the world's y points down."""
    found = []
    for number in range(count):
        angle = 0.3 + 2 * np.pi * number / count
        place = np.array([5 * np.sin(angle), -0.5 - 0.4 * number, -5 * np.cos(angle)])
        ahead = -place / np.linalg.norm(place)
        right = np.cross([0.0, 1.0, 0.0], ahead)
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(ahead, right), ahead])
        own = np.array(distortion)
        found.append(
            CalibratedCamera(f"c{number}", K, own, rotation, -rotation @ place, (1000, 1000))
        )
    return found


def crowd(count: int, seed: int = 0) -> torch.Tensor:
    """People of random points about places some way apart, [count, 137, 3]."""
    generator = torch.Generator().manual_seed(seed)
    own = torch.randn(count, names.COUNT, 3, generator=generator, dtype=torch.float64)
    own = own * torch.tensor([0.2, 0.5, 0.2])
    places = torch.zeros(count, 1, 3, dtype=torch.float64)
    places[:, 0, 0] = torch.linspace(-1.5, 1.5, count)
    places[:, 0, 2] = torch.tensor([0.7, -0.7]).repeat(count)[:count]
    return own + places


def seen(points: torch.Tensor, noise: float = 1.0, seed: int = 0) -> list[Keypoints]:
    """Each camera's detections of all people, in order."""
    rig = CameraRig.of(cameras())
    generator = torch.Generator().manual_seed(seed)
    views = []
    for view in range(COUNT):
        there = points @ rig.rotation[view].mT + rig.translation[view]
        own = rig.camera[view].map(lambda t: t.expand(len(points), *t.shape))
        xy = own.project(there)
        xy = xy + noise * torch.randn(xy.shape, generator=generator, dtype=xy.dtype)
        one = torch.ones_like(xy[..., 0])
        views.append(Keypoints(xy, one, one))
    return views


def test_people_are_found_again_in_whatever_order() -> None:
    points = crowd(4)
    views = seen(points, noise=3.0)
    orders = [[0, 1, 2, 3], [3, 1, 0, 2], [2, 0, 3, 1], [1, 3, 2, 0]]
    shuffled = [view[order] for view, order in zip(views, orders, strict=True)]
    found = match_people(cameras(), shuffled)
    who = [
        {order[place] for order, place in zip(orders, person.seen, strict=True)} for person in found
    ]
    assert who == [{0}, {1}, {2}, {3}]
    assert all(person.distance < 0.02 for person in found)


def test_somebody_whom_a_view_misses_is_seen_by_the_others() -> None:
    views = seen(crowd(3))
    views[1] = views[1][[0, 2]]
    views[3] = views[3][:0]
    found = match_people(cameras(), views)
    assert sorted(person.seen for person in found if None not in person.seen[:2]) == [
        (0, 0, 0, None),
        (2, 1, 2, None),
    ]
    assert [person.seen for person in found if person.seen[1] is None] == [(1, None, 1, None)]


def test_strangers_are_not_put_together() -> None:
    views = seen(crowd(2))
    alone = [views[0][:1], views[1][1:], views[2][:0], views[3][:0]]
    found = match_people(cameras(), alone)
    assert [person.seen for person in found] == [(0, None, None, None), (None, 0, None, None)]
    assert all(np.isnan(person.distance) for person in found)


def test_who_has_nobody_does_not_part_others() -> None:
    """Cameras opposite each other: everybody's lines pass near everybody."""
    for seed in range(20):
        views = seen(crowd(4, seed), noise=3.0)
        some = [views[0][:3], views[1][:0], views[2][1:], views[3][:0]]
        pairs = {person.seen for person in match_people(cameras(), some) if len(person.views) > 1}
        assert {(1, None, 0, None), (2, None, 1, None)} <= pairs


def test_few_points_in_common_tell_nothing() -> None:
    views = seen(crowd(1))
    few = torch.zeros(1, names.COUNT, dtype=torch.float64)
    few[:, :4] = 1
    rig = CameraRig.of(cameras())
    distance = epipolar_distance(rig[[0, 1]], views[0].replace(confidence=few), views[1])
    assert distance.tolist() == [[float("inf")]]
    assert float(epipolar_distance(rig[[0, 1]], views[0], views[1])) < 0.01


def test_nobody_anywhere_is_nobody() -> None:
    views = [view[:0] for view in seen(crowd(1))]
    assert match_people(cameras(), views) == []


def test_views_and_cameras_have_to_be_as_many() -> None:
    with pytest.raises(ValueError, match="3 views of 4 cameras"):
        match_people(cameras(), seen(crowd(1))[:3])


def within(pixels: float = 10.0) -> torch.Tensor:
    return torch.full((1, COUNT, 1), pixels, dtype=torch.float64)


def stacked(views: list[Keypoints]) -> Keypoints:
    return Keypoints.stack(views, 1)


def test_points_are_where_they_were_seen() -> None:
    points = crowd(2)
    exact = stacked(seen(points, noise=0.0))
    found = triangulate(CameraRig.of(cameras()), exact.xy, exact.confidence, within())
    torch.testing.assert_close(found.points, points, rtol=0, atol=1e-6)
    assert bool(found.used.all()) and float(found.error.max()) < 1e-3


def test_a_camera_that_is_wrong_is_left_out() -> None:
    points = crowd(1)
    keypoints = stacked(seen(points, noise=0.5))
    xy = keypoints.xy.clone()
    xy[0, 2, 7] += 80.0
    found = triangulate(CameraRig.of(cameras()), xy, keypoints.confidence, within())
    assert found.used[0, :, 7].tolist() == [True, True, False, True]
    assert found.used[0, :, 8].all()
    assert float((found.points - points).norm(dim=-1).max()) < 0.02


def test_one_camera_tells_no_point() -> None:
    keypoints = stacked(seen(crowd(1)))
    confidence = keypoints.confidence.clone()
    confidence[:, 1:, 3] = 0
    found = triangulate(CameraRig.of(cameras()), keypoints.xy, confidence, within())
    assert found.points[0, 3].isnan().all() and found.points[0, 4].isfinite().all()


def test_two_cameras_that_do_not_agree_tell_no_point() -> None:
    keypoints = stacked(seen(crowd(1)))
    confidence = keypoints.confidence.clone()
    confidence[:, 2:] = 0
    xy = keypoints.xy.clone()
    xy[0, 0, 5, 1] += 100
    found = triangulate(CameraRig.of(cameras()), xy, confidence, within())
    assert found.points[0, 5].isnan().all() and found.points[0, 6].isfinite().all()


def test_points_of_one_person_have_the_same_bits_in_company() -> None:
    keypoints = stacked(seen(crowd(3), noise=3.0)).to(dtype=torch.float32)
    rig = CameraRig.of(cameras()).to(dtype=torch.float32)
    limit = within().float()
    together = triangulate(rig, keypoints.xy, keypoints.confidence, limit).points
    for person in range(3):
        one = keypoints[person : person + 1]
        alone = triangulate(rig, one.xy, one.confidence, limit).points
        assert torch.equal(alone[0], together[person])


@pytest.mark.parametrize("fisheye", [False, True])
def test_distortion_is_taken_out(fisheye: bool) -> None:
    import cv2

    coefficients = (-0.2, 0.05, 0.001, -0.002)
    (camera,) = cameras(1, coefficients)
    camera = dataclasses.replace(camera, is_fisheye=fisheye)
    points = np.random.default_rng(0).normal(0, 0.3, (names.COUNT, 1, 3)) + np.array([0, 0, 3.0])
    zero = np.zeros(3)
    project = cv2.fisheye.projectPoints if fisheye else cv2.projectPoints
    distorted, _ = project(points, zero, zero, K, np.array(coefficients))
    straight, _ = cv2.projectPoints(points, zero, zero, K, np.zeros(4))
    one = torch.ones(1, names.COUNT, dtype=torch.float64)
    keypoints = Keypoints(torch.from_numpy(distorted[:, 0])[None], one, one)
    found = undistorted(keypoints, camera)
    expected = torch.from_numpy(straight[:, 0])[None]
    torch.testing.assert_close(found.xy, expected, rtol=0, atol=0.05)
    assert undistorted(keypoints, cameras(1)[0]) is keypoints
