"""How people move: standard deviations of the accelerations of their points, from recordings."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from ..keypoints import names

_SD = {"nose":2.6,"eye":2.6,"ear":2.5,"neck":1.6,"shoulder":1.95,"elbow":2.7,"wrist":3.3,"hip":1.9,"knee":2.1,"ankle":2.1,"toe":2.5,"heel":2.2}

@dataclass(frozen=True)
class MotionCard:
    points: MappingProxyType
    fps: float = 30.0
    turn_sd: float = 0.03
    hand_share: float = 0.15
    jaw_sd: float = 0.02
    expression_sd: float = 0.1


def load_motion():
    pts = {}
    for i in range(25):
        n = names.POINT_NAMES[i]
        pts[i] = next(v for k, v in _SD.items() if n.endswith(k))
    for side in ("left", "right"):
        for p in ("index_1", "pinky_1"):
            pts[names.POINT_INDEX[f"{side}_{p}"]] = 3.3
    return MotionCard(MappingProxyType(pts))
