"""The formats of datasets: one line each."""

from __future__ import annotations

from types import MappingProxyType

from .amass import AMASS
from .bedlam import BEDLAM
from .dataset_format import DatasetFormat
from .parquet import PARQUET
from .webdataset import WEBDATASET

FORMATS: MappingProxyType[str, DatasetFormat] = MappingProxyType(
    {format.facts.name: format for format in (AMASS, BEDLAM, PARQUET, WEBDATASET)}
)
