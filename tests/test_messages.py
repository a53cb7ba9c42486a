"""What errors say, on one line."""

from __future__ import annotations

import pytest

from smplifyx.core.messages import cell, one_line, uncell


@pytest.mark.parametrize(
    ("error", "limit", "expected"),
    [
        (ValueError("two\n  lines"), 160, "two lines"),
        (ValueError("x" * 200), 160, "x" * 160),
        (ValueError("x" * 200), None, "x" * 200),
        (ValueError(), 160, "ValueError"),
        (EOFError(" \n"), None, "EOFError"),
    ],
)
def test_one_line(error: Exception, limit: int | None, expected: str) -> None:
    assert one_line(error, limit) == expected


@pytest.mark.parametrize("text", ["=1+1", "'=1", "''-2", "@a", "a", "'a", "''"])
def test_a_cell_is_no_formula_and_says_the_same(text: str) -> None:
    assert not cell(text).startswith(("=", "+", "-", "@"))
    assert uncell(cell(text)) == text
