"""Text for people: what an error says, and what of a file's own words may leave the program.

Names and messages come from files that anybody may have written. What of them reaches a table, a
page, a log or a terminal goes through `plain`, and through `cell` where a spreadsheet may open it.
"""

from __future__ import annotations

import re

LONGEST_TEXT = 1000  # characters; the csv module refuses to read fields over 131,072
# C0 and C1 controls, lone surrogates, line separators, and marks that turn the direction of text
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
# What a spreadsheet takes for the beginning of a formula, or `cell` has made of one.
_FORMULA = re.compile(r"'*[=+\-@]")


def plain(text: str, limit: int | None = LONGEST_TEXT) -> str:
    """The text without what a terminal, a page or a table could stumble over.

    Control characters, lone surrogates and marks that turn the direction of text become `?`; what
    is longer than `limit` characters is cut and ends in "...".
    """
    if limit is not None and len(text) > limit:
        text = text[: max(limit - 3, 0)] + "..."
    return _UNPRINTABLE.sub("?", text)


def cell(text: str) -> str:
    """`plain` text for a table, which no spreadsheet takes for a formula: an apostrophe goes before
    one.
    """
    text = plain(text)
    return f"'{text}" if _FORMULA.match(text) else text


def uncell(text: str) -> str:
    """What `cell` made a cell of, apart from what `plain` changed."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def one_line(error: BaseException, limit: int | None = 160) -> str:
    """What an error says, with single spaces for line breaks and runs of spaces.

    At most `limit` characters (None: all of it that `plain` keeps). An error without a text gives
    the name of its class.
    """
    text = plain(" ".join(str(error).split()))
    return text[:limit] or type(error).__name__
