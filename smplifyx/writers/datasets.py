"""The formats of datasets: one line each."""

from __future__ import annotations

from types import MappingProxyType

from .agora import AGORA
from .amass import AMASS
from .bedlam import BEDLAM
from .camsmplify import CAMSMPLIFY
from .dataset_format import DatasetFormat
from .eft import EFT
from .four_d_humans import FOUR_D_HUMANS
from .four_d_humans_prior import FOUR_D_HUMANS_PRIOR
from .four_d_humans_tar import FOUR_D_HUMANS_TAR
from .humandata import HUMANDATA
from .neuralannot import NEURALANNOT
from .parquet import PARQUET
from .show import SHOW
from .smplifyx_pickle import SMPLIFYX_PKL
from .spin import SPIN
from .webdataset import WEBDATASET

_FORMATS: tuple[DatasetFormat, ...] = (
    PARQUET,
    WEBDATASET,
    BEDLAM,
    HUMANDATA,
    NEURALANNOT,
    AGORA,
    AMASS,
    SMPLIFYX_PKL,
    SHOW,
    SPIN,
    FOUR_D_HUMANS,
    FOUR_D_HUMANS_TAR,
    FOUR_D_HUMANS_PRIOR,
    EFT,
    CAMSMPLIFY,
)
FORMATS: MappingProxyType[str, DatasetFormat] = MappingProxyType(
    {format.facts.name: format for format in _FORMATS}
)
