"""What fits of one body share is worked out once, and dies with whoever owns it."""

from __future__ import annotations

import gc
import weakref

import torch
from cases import embedded_body, preset
from test_problem import EVERY_WEIGHT, people_of, stage_of

from smplifyx.body.loading.files import load_body
from smplifyx.config import Block
from smplifyx.features.fold import PointSet
from smplifyx.features.points import POINTS
from smplifyx.fitting.setup import FitSetup, make_decoder, setup_of
from smplifyx.fitting.stage_problem import StageProblem

BODY_POINTS = PointSet(tuple(range(25)))
FREE = (Block.TRANSL, Block.BODY)


def test_what_every_batch_asks_for_is_made_once() -> None:
    setup = FitSetup(embedded_body(), preset())
    assert setup.decoder is setup.decoder and setup.templates is setup.templates
    folded = setup.folded(BODY_POINTS, FREE)
    assert setup.folded(PointSet(tuple(range(25))), FREE) is folded
    assert folded.bound(POINTS) is folded.bound(POINTS)
    other = setup.folded(BODY_POINTS, (Block.TRANSL,))
    assert other is not folded and other.model is folded.model


def test_all_stages_and_batches_have_the_same_terms() -> None:
    stage = stage_of(EVERY_WEIGHT)
    first, second = (StageProblem.of(stage, people_of()).terms for _ in range(2))
    assert [term.name for term in first] == [term.name for term in second]
    # those that hold tensors of the body; the rest are a few numbers each
    for name in ("pose_prior", "limits", "shape", "left_hand_limits", "collision"):
        one, other = (next(t for t in terms if t.name == name) for terms in (first, second))
        assert one.term is other.term


def test_the_short_way_keeps_one_setup_with_the_body() -> None:
    body = embedded_body()
    assert setup_of(body, preset()) is setup_of(body, preset())
    assert setup_of(body, preset("fast")) is not setup_of(body, preset())
    assert setup_of(body.to(dtype=torch.float32), preset()) is not setup_of(body, preset())


def test_nothing_outlives_the_body() -> None:
    body = load_body(None)
    setup = setup_of(body, preset())
    setup.folded(BODY_POINTS, FREE).bound(POINTS)
    told = weakref.ref(body), weakref.ref(setup), weakref.ref(setup.decoder)
    del body, setup
    gc.collect()
    assert [one() for one in told] == [None, None, None]


def test_a_preset_says_how_many_components_a_hand_has() -> None:
    few = preset().model_copy(update={"hand_components": 6})
    assert len(make_decoder(embedded_body(), few).left_hand.sds) == 6
    assert len(make_decoder(embedded_body(), preset()).left_hand.sds) == 18
