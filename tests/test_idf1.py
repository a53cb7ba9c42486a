"""IDF1 by hand: who is right, who is missed, what is a mistake."""

from __future__ import annotations

import pytest

from smplifyx.evaluation.identity import IdentityScore, identity_score

Labels = list[tuple[str | None, int | None]]

CASES: dict[str, tuple[Labels, tuple[int, int, int], float]] = {
    # (person, track) of each detection: right, true, tracked; IDF1
    "all right": ([("a", 0)] * 4 + [("b", 1)] * 6, (10, 10, 10), 1.0),
    "other numbers": ([("a", 7)] * 4 + [("b", 3)] * 6, (10, 10, 10), 1.0),
    "broken in half": ([("a", 0)] * 5 + [("a", 1)] * 5, (5, 10, 10), 0.5),
    "exchanged after six of ten": (
        [("a", 0), ("b", 1)] * 6 + [("a", 1), ("b", 0)] * 4,
        (12, 20, 20),
        0.6,
    ),
    "two people in one track": ([("a", 0)] * 6 + [("b", 0)] * 4, (6, 10, 10), 0.6),
    "half in no track": ([("a", 0)] * 5 + [("a", None)] * 5, (5, 10, 5), 2 * 5 / 15),
    "a ghost with a track": ([("a", 0)] * 8 + [(None, 1)] * 2, (8, 8, 10), 16 / 18),
    "a ghost without": ([("a", 0)] * 8 + [(None, None)] * 2, (8, 8, 8), 1.0),
    # the best together: a has 0 and b has 1, though a and 1 have more in common than a and 0
    "the best together": (
        [("a", 0)] * 4 + [("a", 1)] * 5 + [("b", 1)] * 5,
        (9, 14, 14),
        9 / 14,
    ),
    "nobody": ([], (0, 0, 0), 1.0),
    "no track at all": ([("a", None)] * 3, (0, 3, 0), 0.0),
}


@pytest.mark.parametrize("name", CASES)
def test_idf1_is_that_of_the_definition(name: str) -> None:
    labels, (right, true, tracked), idf1 = CASES[name]
    score = identity_score(labels)
    assert score == IdentityScore(right, true, tracked)
    assert score.idf1 == pytest.approx(idf1)


def test_clips_add_up() -> None:
    total = IdentityScore(5, 10, 10) + IdentityScore(9, 10, 8)
    assert total == IdentityScore(14, 20, 18) and total.idf1 == pytest.approx(28 / 38)
