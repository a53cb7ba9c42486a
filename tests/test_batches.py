"""How a stream of people is cut into batches."""

from __future__ import annotations

import torch

from smplifyx.body.model import Gender
from smplifyx.camera import Camera
from smplifyx.fitting.result import Origin
from smplifyx.jobs.batches import LARGEST_BATCH, FitTask, Item, auto_batch_size, chunks
from smplifyx.jobs.summary import Row, RowStatus
from smplifyx.keypoints import Keypoints


def test_chunks_bound_both_people_and_rows() -> None:
    row = Row("s", 0, RowStatus.OK)
    nobody = Keypoints.from_array(torch.zeros(137, 3))
    task = FitTask("s", nobody, Camera.from_focal(1.0, torch.ones(2)), Gender.NEUTRAL, Origin())
    items = [Item(row)] * 100 + [Item(task)] * 5 + [Item(row)] * 3
    cut = list(chunks(items, 2))
    assert sum(cut, []) == items
    assert all(
        sum(isinstance(item.work, FitTask) for item in chunk) <= 2 and len(chunk) <= 32
        for chunk in cut
    )


def test_auto_batch_size_is_bounded() -> None:
    assert 1 <= auto_batch_size(torch.device("cpu")) <= LARGEST_BATCH["cpu"]
