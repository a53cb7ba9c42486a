"""Messages for people: what an error says, fit for one line of a report."""

from __future__ import annotations


def one_line(error: BaseException, limit: int | None = 160) -> str:
    """What an error says, with single spaces for line breaks and runs of spaces.

    At most `limit` characters (None: all of it). An error without a text gives the name of its
    class.
    """
    text = " ".join(str(error).split())
    return text[:limit] or type(error).__name__
