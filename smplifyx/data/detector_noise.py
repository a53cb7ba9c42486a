"""How far a detector's points lie from the body's: the cards of `priors/detectors/`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import pydantic
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..body.joints import sideless
from ..config import Settings, read_settings
from ..core import assets
from ..keypoints import names

# Confidences of a band lie between two of these; the first band is of points that are not seen.
BAND_EDGES = (0.0, 0.1, 0.3, 0.6, 1.0)
BANDS = len(BAND_EDGES) - 1
GROSS_SIGMAS = 4.0  # a point farther off than so many sigmas is a gross error

HANDS, FACE, CONTOUR = "hands", "face", "contour"
# Points whose errors are partly the same: a foot, a head or a pelvis is misjudged as a whole.
CLUSTERS = MappingProxyType({
    "toes": (("left_big_toe", "left_small_toe"), ("right_big_toe", "right_small_toe")),
    "heel": (("left_heel", "left_ankle"), ("right_heel", "right_ankle")),
    "head": (("nose", "left_eye", "right_eye"),),
    "hips": (("mid_hip", "left_hip", "right_hip"),),
})  # fmt: skip


def _groups() -> list[str]:
    """The name under which a card holds each of the 137 points: left and right are one."""
    found = [HANDS] * names.COUNT
    found[names.BODY] = [sideless(name) for name in names.BODY_NAMES]
    for part, name in ((names.FACE, FACE), (names.CONTOUR, CONTOUR)):
        found[part] = [name] * len(found[part])
    return found


_GROUP_OF_POINT = _groups()
GROUPS = tuple(dict.fromkeys(_GROUP_OF_POINT))
# where each of the 137 points stands in GROUPS
GROUP_INDEX = tuple(GROUPS.index(group) for group in _GROUP_OF_POINT)


def _clusters() -> list[tuple[str, list[int]]]:
    """The name and the points of each cluster, those of both sides apart."""
    return [
        (name, [names.POINT_INDEX[member] for member in members])
        for name, sides in CLUSTERS.items()
        for members in sides
    ]


def group_of(point: int) -> str:
    """The name under which a card holds one of the 137 points."""
    return _GROUP_OF_POINT[point]


Shares = tuple[float, float, float, float]  # of each band, together 1
_Share = pydantic.Field(ge=0, le=1)
_Factor = Annotated[float, pydantic.Field(gt=0, le=10)]
_Length = pydantic.Field(gt=0, le=1)  # metres


class PointNoise(Settings):
    """The errors of one kind of point, metres at the person's own distance."""

    sigma_m: float = _Length  # of each axis, robust
    gross: float = _Share  # share of points farther off than GROSS_SIGMAS sigmas
    gross_m: float = _Length  # the median distance of those
    sigma_by_confidence_m: tuple[float, float, float]  # of each band that is seen
    bands: Shares  # how often a point in sight of the camera has a confidence of each band
    bands_hidden: Shares  # and one behind the person's own body
    hidden_factor: _Factor = 1.0  # on the sigmas of those
    count: int = pydantic.Field(ge=1)  # points that this was estimated from

    @pydantic.field_validator("sigma_by_confidence_m")
    @classmethod
    def _lengths(cls, given: tuple[float, float, float]) -> tuple[float, float, float]:
        if not all(0 < sigma <= 1 for sigma in given):
            raise ValueError(f"expected metres above 0 and up to 1, got {list(given)}")
        return given

    @pydantic.field_validator("bands", "bands_hidden")
    @classmethod
    def _all_cases(cls, given: Shares) -> Shares:
        if min(given) < 0 or abs(sum(given) - 1) > 0.03:  # they are rounded
            raise ValueError(f"expected shares that add up to 1, got {list(given)}")
        return given


class DetectorNoise(Settings):
    """A detector's card: where the numbers come from, and those of each kind of point."""

    what: str
    source: str
    licence: str
    command: str
    people: int
    # on all sigmas, of small, middle and large people: by the pixels of a metre at the hips
    size_edges_px_per_m: tuple[float, float]
    size_factors: tuple[_Factor, _Factor, _Factor]
    # correlation of the errors of CLUSTERS; of those that are left out, none
    shared: dict[str, Annotated[float, _Share]] = {}
    points: dict[str, PointNoise]  # by the names in GROUPS, all of them

    @pydantic.field_validator("shared")
    @classmethod
    def _known_clusters(cls, given: dict[str, float]) -> dict[str, float]:
        strange = sorted(set(given) - set(CLUSTERS))
        if strange:
            raise ValueError(f"expected {', '.join(CLUSTERS)}, got {', '.join(strange)}")
        return given

    @pydantic.field_validator("points")
    @classmethod
    def _every_kind(cls, given: dict[str, PointNoise]) -> dict[str, PointNoise]:
        missing = [name for name in GROUPS if name not in given]
        strange = [name for name in given if name not in GROUPS]
        if missing or strange:
            raise ValueError(
                f"missing points: {', '.join(missing) or 'none'}; "
                f"unknown points: {', '.join(strange) or 'none'}"
            )
        return given


@dataclass(frozen=True, eq=False)
class NoiseTable:
    """A card as numbers for each of the 137 points, or for some of them; metres and shares as in
    `PointNoise`.
    """

    sigma: Float[Tensor, "n bands"]  # the unseen band has that of the least confident
    gross: Float[Tensor, " n"]
    gross_m: Float[Tensor, " n"]
    bands: Float[Tensor, "n bands"]
    bands_hidden: Float[Tensor, "n bands"]
    hidden_factor: Float[Tensor, " n"]
    cluster: Int[Tensor, " n"]  # the number of each point's cluster, 0 where it has none
    shared: Float[Tensor, " n"]  # correlation with the others of the cluster
    size_edges: Float[Tensor, " 2"]  # pixels per metre
    size_factors: Float[Tensor, " 3"]

    @classmethod
    def of(cls, noise: DetectorNoise) -> NoiseTable:
        """The numbers of a card, float32 on the CPU."""
        rows = [noise.points[name] for name in GROUPS]
        at: Int[Tensor, " 137"] = torch.tensor(GROUP_INDEX)
        cluster = torch.zeros(names.COUNT, dtype=torch.int64)
        shared = torch.zeros(names.COUNT)
        for number, (name, members) in enumerate(_clusters(), start=1):
            cluster[members] = number
            shared[members] = noise.shared.get(name, 0.0)
        sigma = [row.sigma_by_confidence_m[:1] + row.sigma_by_confidence_m for row in rows]
        return cls(
            sigma=torch.tensor(sigma)[at],
            gross=torch.tensor([row.gross for row in rows])[at],
            gross_m=torch.tensor([row.gross_m for row in rows])[at],
            bands=torch.tensor([row.bands for row in rows])[at],
            bands_hidden=torch.tensor([row.bands_hidden for row in rows])[at],
            hidden_factor=torch.tensor([row.hidden_factor for row in rows])[at],
            cluster=cluster,
            shared=shared,
            size_edges=torch.tensor(noise.size_edges_px_per_m),
            size_factors=torch.tensor(noise.size_factors),
        )

    def of_points(self, points: range) -> NoiseTable:
        """That of some of the points alone."""
        rows = slice(points.start, points.stop)
        sizes = {"size_edges": self.size_edges, "size_factors": self.size_factors}
        of_points = {k: v[rows] for k, v in vars(self).items() if k not in sizes}
        return NoiseTable(**of_points, **sizes)


def load_detector_noise(name: str | Path = "openpose") -> DetectorNoise:
    """The card of that name in `priors/detectors/`, or the YAML file at that path.

    Raises ConfigError in one line.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = assets.folder("priors") / "detectors" / f"{name}.yaml"
    return read_settings(path, DetectorNoise)
