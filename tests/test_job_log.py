"""The log of a job: a line is one message of ours, and a disk that refuses stops nothing."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from smplifyx.jobs.job_log import CONTINUED, LogFile, logging_to

LOG = logging.getLogger("smplifyx.test")


def test_no_line_is_forged_and_errors_keep_their_traceback(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    with logging_to(path):
        LOG.info(
            "name %s", "a\n2026-01-01 00:00:00,000 ERROR forged\x1b[31m \udcc3\u202e" + "x" * 9000
        )
        try:
            raise ValueError("first\n2026-01-01 00:00:00,000 ERROR forged")
        except ValueError:
            LOG.exception("went wrong")
    lines = path.read_text(encoding="utf-8").splitlines()
    messages = [line for line in lines if not line.startswith(CONTINUED)]
    assert (
        len(messages) == 2 and " INFO name a 2026" in messages[0] and " ERROR went" in messages[1]
    )
    assert len(messages[0]) < 2100 and not set("\x1b\udcc3\u202e") & set(messages[0])
    assert any("Traceback" in line for line in lines)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no full device")
def test_a_full_disk_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    handler = LogFile(Path("/dev/full"))
    handler.emit(logging.makeLogRecord({"msg": "x" * 100_000}))
    assert capsys.readouterr().err == ""
    handler.stream = None  # what its buffer holds goes nowhere
