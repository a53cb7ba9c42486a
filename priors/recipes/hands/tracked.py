"""Hands that a sensor or a detector followed: `leap` and the video of `dex_retargeting`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .recordings import BLOCK, Recordings, Source, aligned, thinned

LEAST_CONFIDENCE = 0.7  # below, the Leap's fingers hide each other
RADIUS = 8.0  # mm: frames nearer than this to an earlier one of their recording tell nothing new
# The Leap reports no wrist: it lies this far behind the middle of the palm, measured in how far the
# knuckles of the four fingers lie before it.
WRIST_BEHIND = 3.5
WEBXR_JOINTS = slice(1, 5)  # of a finger's five: without the wrist end of its metacarpal


def read_leap(folder: Path, rest: np.ndarray) -> Recordings:
    """The confident frames of `folder/leap`, thinned; a recording is a group.

    `rest` [21, 3]: the body's left hand, wrist at 0. Recordings without confidences are left out.
    """
    arrays = np.load(folder / "leap" / "leap_hands.npz")
    stems = sorted(key.removesuffix("__xyz") for key in arrays.files if key.endswith("__xyz"))
    points, names = [], []
    for stem in stems:
        sure = arrays[f"{stem}__conf"] > LEAST_CONFIDENCE
        if not sure.any():
            continue
        left = arrays[f"{stem}__side"][sure] == "left"
        hands = _leap_points(arrays[f"{stem}__xyz"][sure].astype(float))
        hands[~left] *= (-1.0, 1.0, 1.0)
        points.append(hands / _size(hands))
        names += [(f"{stem} {frame}", stem) for frame in np.flatnonzero(sure)]
    together = np.concatenate(points) * _size(rest[None])
    return thinned(aligned(together, rest, names, Source.LEAP), RADIUS)


def read_dex(folder: Path, rest: np.ndarray) -> Recordings:
    """The frames of `folder/poses/dex_retargeting_right_hand.npz`, mirrored and thinned; a second
    is a group.
    """
    joints = np.load(folder / "poses" / "dex_retargeting_right_hand.npz")["joints"].astype(float)
    names = [(f"frame {i}", f"second {i // BLOCK}") for i in range(len(joints))]
    points = joints * (-1.0, 1.0, 1.0) * (_size(rest[None]) / _size(joints))
    return thinned(aligned(points, rest, names, Source.DEX), RADIUS)


def _leap_points(frames: np.ndarray) -> np.ndarray:
    """The wrist and four points of each finger [n, 21, 3] of frames [n, 28, 3]."""
    palm, direction, fingers = frames[:, 0], frames[:, 2], frames[:, 3:].reshape(-1, 5, 5, 3)
    knuckles = fingers[:, 1:, 1] - palm[:, None]
    ahead = np.einsum("nfj,nj->nf", knuckles, direction).mean(1, keepdims=True)
    wrist = palm - WRIST_BEHIND * ahead * direction
    return np.concatenate([wrist[:, None], fingers[:, :, WEBXR_JOINTS].reshape(-1, 20, 3)], 1)


def _size(hands: np.ndarray) -> float:
    """How long the bones of the fingers are together, the median of `hands` [n, 21, 3]."""
    bones = np.diff(hands[:, 1:].reshape(-1, 5, 4, 3), axis=2)
    return float(np.median(np.linalg.norm(bones, axis=-1).sum((1, 2))))
