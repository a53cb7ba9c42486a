"""The formats of datasets: one line each."""

from __future__ import annotations

from types import MappingProxyType

from .agora import AGORA
from .bedlam import BEDLAM
from .dataset_format import DatasetFormat
from .humandata import HUMANDATA
from .neuralannot import NEURALANNOT
from .show import SHOW
from .smplifyx_pickle import SMPLIFYX_PKL

FORMATS: MappingProxyType[str, DatasetFormat] = MappingProxyType(
    {
        format.facts.name: format
        for format in (BEDLAM, HUMANDATA, NEURALANNOT, AGORA, SMPLIFYX_PKL, SHOW)
    }
)
