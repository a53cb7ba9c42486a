"""Files of datasets back to fitted people: the table of readers, by format."""

from __future__ import annotations

from types import MappingProxyType

from .amass_file import AmassReader
from .bedlam_file import BedlamReader
from .imported import DatasetReader
from .parquet_file import ParquetReader

READERS: MappingProxyType[str, DatasetReader] = MappingProxyType(
    {"parquet": ParquetReader(), "bedlam": BedlamReader(), "amass": AmassReader()}
)
