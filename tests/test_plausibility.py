"""Bodies that nobody has are told, fitted again, and never `ok`."""

from __future__ import annotations

import math

import pytest
import torch

from smplifyx.body.params import BodyParams
from smplifyx.config import Block, load_preset, preset_names
from smplifyx.fitting.plausibility import MOST_SHAPE, Plausibility
from smplifyx.fitting.second_try import cautious


def checked(
    is_child: bool = False, betas=(0.0,), bend: float = 0.0, stature=1.7, depth=3.0
) -> Plausibility:
    params = BodyParams.zeros((), 10, 10, torch.zeros(()))
    params.betas[: len(betas)] = torch.tensor(betas)
    params.body_pose[3, 0] = bend  # left knee about x
    points = torch.full((137, 3), float(depth))
    points[5] = torch.nan  # one that the model lacks
    return Plausibility.of(params, points, torch.tensor(stature), is_child)


@pytest.mark.parametrize(
    ("odd", "word"),
    [
        ({}, ""),
        ({"betas": (3.0, 2.0)}, ""),
        ({"betas": (4.1,)}, "shape of 4.1 sd"),
        ({"betas": (3.0, 3.0)}, "shape of 4.2 sd"),
        ({"betas": (math.nan,)}, "shape of nan sd"),
        ({"stature": 0.2}, "stature of 0.20 m"),
        ({"stature": 3.3}, "stature of 3.30 m"),
        ({"bend": -3.0}, "beyond its range"),
        ({"depth": -1.0}, "-1.00 m before the camera"),
        ({"depth": 0.05}, "0.05 m before the camera"),
    ],
)
def test_what_is_not_as_people_are_is_named(odd, word):
    found = checked(**odd)
    assert bool(found.is_human) == (not word)
    assert word in found.reason() and ("\n" not in found.reason())


def test_a_child_s_last_beta_is_an_age():
    betas = (0.0,) * 9 + (4.5,)
    assert not checked(betas=betas).is_human and checked(is_child=True, betas=betas).is_human


def test_more_betas_make_a_longer_vector_of_the_same_person():
    params = BodyParams.zeros((), 40, 10, torch.zeros(()))
    params.betas[:] = 1.2  # a length of 7.6 in forty dimensions is that of 3.8 in ten
    found = Plausibility.of(params, torch.ones(137, 3), torch.tensor(1.7), False)
    assert found.is_human and float(found.shape_sd) < MOST_SHAPE


@pytest.mark.parametrize("name", preset_names())
def test_a_second_try_has_the_stages_and_terms_of_the_first(name):
    first, second = load_preset(name), cautious(load_preset(name))
    assert [stage.free for stage in first.stages] == [stage.free for stage in second.stages]
    for before, after in zip(first.stages, second.stages, strict=True):
        weights = before.weights.model_dump(), after.weights.model_dump()
        assert {key for key, value in weights[0].items() if value} == {
            key for key, value in weights[1].items() if value
        }
        assert after.weights.shape >= before.weights.shape
    assert max(second.reprojection.outlier.model_dump().values()) <= 6


@pytest.mark.parametrize("name", preset_names())
def test_collision_never_moves_shape_face_or_camera(name):
    for stage in load_preset(name).stages:
        held = {Block.BETAS, Block.EXPRESSION, Block.FOCAL} & set(stage.free)
        assert not (stage.weights.collision and held)
