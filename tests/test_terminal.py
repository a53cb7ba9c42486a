"""What is said on streams that are closed, full, ASCII or missing."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from smplifyx.core.terminal import Outlet, tell

ROOT = Path(__file__).parent.parent


def test_characters_that_a_stream_lacks_are_escaped() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", errors="strict")
    tell(stream, "path ö\n\x1b[31m")
    assert raw.getvalue() == b"path \\xf6??[31m\n"


def test_missing_and_closed_streams_take_nothing() -> None:
    tell(None, "x")
    stream = io.StringIO()
    stream.close()
    outlet = Outlet(stream)
    outlet.write("x")
    outlet.flush()
    assert not outlet.is_open and not Outlet(None).is_open and not Outlet(None).isatty()


@pytest.mark.parametrize("how", ["2>&-", ">&-", "> /dev/full", "2> /dev/full", "| true"])
def test_a_command_ends_well_without_its_streams(how: str) -> None:
    script = (
        "import sys; from smplifyx.cli import Bar, _say, _complain\n"
        "bar = Bar(quiet=False); bar.start(2, 'file'); bar.step(); bar.step(); bar.end()\n"
        "_say(False, 'all done'); sys.exit(_complain('x', 0))"
    )
    command = f'set -o pipefail; "{sys.executable}" -c "{script}" {how}'
    ended = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (
        ended.returncode == 0
        and "Traceback" not in ended.stderr
        and "Exception" not in ended.stderr
    )
