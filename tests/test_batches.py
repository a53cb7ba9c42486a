"""How a stream of people is cut into batches."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from job_tools import run_quick

from smplifyx.body.model import Gender
from smplifyx.camera import Camera
from smplifyx.fitting.result import FitResult, Origin
from smplifyx.jobs.batches import LARGEST_BATCH, FitTask, Item, auto_batch_size, chunks
from smplifyx.jobs.summary import Row, RowStatus
from smplifyx.keypoints import Keypoints
from smplifyx.keypoints.layouts import detector_of


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


@pytest.mark.parametrize(("layout", "count"), [("coco_17", 17), ("halpe_26", 26), ("body_25", 25)])
def test_people_are_fitted_with_the_points_of_their_detector(
    layout: str, count: int, tmp_path: Path
) -> None:
    """Beside people of OpenPose's, in one folder and one job."""
    keypoints = tmp_path / "keypoints"
    keypoints.mkdir()
    for name, points in (("a", 25), ("b", count)):
        person = {"keypoints": [[30.0 + i, 40.0 + 2 * i, 0.9] for i in range(points)]}
        frame = {"instance_info": [{"frame_id": 1, "instances": [person]}], "width": 640}
        (keypoints / f"{name}.json").write_text(json.dumps(frame))
    run_quick(keypoints, tmp_path / "out", layout=None)
    found = {
        path.parent.name[0]: FitResult.load(path).provenance.detector
        for path in (tmp_path / "out" / "results").rglob("*.npz")
    }
    assert found == {"a": "openpose", "b": detector_of(layout).value}


def test_auto_batch_size_is_bounded() -> None:
    assert 1 <= auto_batch_size(torch.device("cpu")) <= LARGEST_BATCH["cpu"]
