"""What a machine can bear, and which device there is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from smplifyx.jobs.batches import auto_batch_size
from smplifyx.parallel import resources
from smplifyx.parallel.resources import auto_processes, free_bytes, pick_device


@pytest.mark.parametrize(("name", "fault"), [("tpu", "tpu"), ("cuda:99", "CUDA devices")])
def test_a_device_that_is_not_there(name: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        pick_device(name)


@pytest.mark.parametrize(
    ("limit", "free"), [(3 * 2**30, 2 * 2**30), (2**62, None), ("max", None), (0, 0)]
)
def test_a_container_has_its_share_of_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int | str, free: int | None
) -> None:
    for name, text in (("max", limit), ("current", 3 * 2**29), ("stat", f"anon 7\nfile {2**29}")):
        (tmp_path / f"memory.{name}").write_text(f"{text}\n")
    monkeypatch.setattr(resources, "_available", lambda: 2**40)
    monkeypatch.setattr(resources, "CONTROL_GROUP", tmp_path)
    assert free_bytes(torch.device("cpu")) == (2**40 if free is None else free)
    assert (auto_batch_size(torch.device("cpu")), auto_processes()) >= (1, 1)


def test_processes_are_no_more_than_threads_are_allowed() -> None:
    assert 1 <= auto_processes() <= torch.get_num_threads()
