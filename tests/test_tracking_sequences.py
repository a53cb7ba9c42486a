"""Names of frames: which are of one clip, and in which order of time."""

from __future__ import annotations

import pytest

from smplifyx.tracking.sequences import sequences_of

CLIPS = {  # names: the clips, each its name and the numbers of its frames in order
    ("clip_0010", "clip_0009"): [("clip_*", ("clip_0009", "clip_0010"), (9, 10))],
    ("frame10", "frame9"): [("frame*", ("frame9", "frame10"), (9, 10))],
    ("a_1", "b_1", "a_3"): [("a_*", ("a_1", "a_3"), (1, 3)), ("b_*", ("b_1",), (1,))],
    ("cam2_005", "cam1_005", "cam1_004"): [
        ("cam1_*", ("cam1_004", "cam1_005"), (4, 5)),
        ("cam2_*", ("cam2_005",), (5,)),
    ],
    ("v1/000001", "v2/000001"): [
        ("v1/*", ("v1/000001",), (1,)),
        ("v2/*", ("v2/000001",), (1,)),
    ],
    ("f1_rot", "f2_rot"): [("f*_rot", ("f1_rot", "f2_rot"), (1, 2))],
    ("12", "3"): [("*", ("3", "12"), (3, 12))],
    ("portrait", "selfie"): [
        ("portrait", ("portrait",), (0,)),
        ("selfie", ("selfie",), (0,)),
    ],
    ("f09", "f9", "f10"): [("f*", ("f09", "f10"), (9, 10)), ("f*", ("f9",), (9,))],
    ("f" + "9" * 40,): [("f" + "9" * 25 + "*", ("f" + "9" * 40,), (int("9" * 15),))],
    (): [],
}


@pytest.mark.parametrize("stems", CLIPS, ids=str)
def test_names_that_differ_in_the_last_number_are_a_clip(stems: tuple[str, ...]) -> None:
    found = sequences_of(stems)
    assert [(clip.name, clip.stems, clip.numbers) for clip in found] == CLIPS[stems]
    assert sequences_of(stems[::-1]) == found
