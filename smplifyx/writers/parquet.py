"""Our own Parquet: all that is known of each person, from which every other format can be made.

A row is a person, its columns are the fields of a result file (`people_columns`), with what a
dataset adds: id, image, what of the person is to be believed. Lists of fixed length, texts and
structs of plain Parquet, which all readers know. What nobody knows is null, never NaN.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import people_columns as people
from .dataset_format import FormatFacts
from .dataset_rows import DatasetPerson, DatasetRows
from .reader_body import ReaderBody
from .whole_files import WholeFiles

FOLDER = "data"  # of the parts: what reads a folder of Parquet wants nothing else in it
VERSION = "1"
_NOTES = {
    "smplifyx": VERSION,
    "units": "axis-angle in radians, hand mean included; metres; pixels of the upright image; "
    "camera frame: x right, y down, z forward",
    "points": "OpenPose: body 25, left hand 21, right hand 21, face 70",
    "joint_covariance": "xx, xy, xz, yy, yz, zz of the first 67 points, m^2",
    "sigma_px": "across the view, pixels of a crop of the box to 256",
}
_LEVEL = 3  # of zstd


def arrow() -> Any:
    """The module pyarrow. Raises ImportError, one line, where it is not installed."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError("Parquet needs pyarrow: pip install 'smplifyx[export]'") from error
    return pyarrow


def write(rows: DatasetRows, reader: ReaderBody, folder: Path) -> None:
    """One file of one row group, named by its first row and its content."""
    pa = arrow()
    columns = {**_about(rows, pa), **_results(rows, pa), **_verdicts(rows, reader, pa)}
    fields = [
        pa.field(name, column.type, metadata=_shape_note(name)) for name, column in columns.items()
    ]
    table = pa.Table.from_arrays(list(columns.values()), schema=pa.schema(fields, _NOTES))
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(
        table,
        sink,
        row_group_size=len(rows),
        compression="zstd",
        compression_level=_LEVEL,
        use_dictionary=[field.name for field in fields if field.type == pa.string()],
        # bytes of floats that are alike lie together
        use_byte_stream_split=[
            f"{field.name}.list.element"
            for field in fields
            if pa.types.is_fixed_size_list(field.type)
        ],
    )
    content = sink.getvalue()
    name = f"part-{rows.first:09d}-{hashlib.sha256(content).hexdigest()[:16]}.parquet"
    (folder / FOLDER).mkdir()
    (folder / FOLDER / name).write_bytes(content)


def _about(rows: DatasetRows, pa: Any) -> dict[str, Any]:
    """Who it is, in which picture."""
    hashes: dict[Path | None, str | None] = {None: None}
    for person in rows.people:
        if person.photo not in hashes:
            assert person.photo is not None
            hashes[person.photo] = hashlib.sha256(person.photo.read_bytes()).hexdigest()
    return {
        "id": pa.array([person.id for person in rows.people], pa.string()),
        "image": pa.array(rows.images, pa.string()),
        "image_sha256": pa.array([hashes[person.photo] for person in rows.people], pa.string()),
    }


def _results(rows: DatasetRows, pa: Any) -> dict[str, Any]:
    """The fields of a result file."""
    results = [person.result for person in rows.people]

    def every(path: str) -> list[Any]:
        return [people.found(result, path) for result in results]

    columns: dict[str, Any] = {}
    for name, path in people.TEXTS.items():
        columns[name] = pa.array(every(path), pa.string())
    columns["status"] = pa.array([people.status_of(result) for result in results], pa.string())
    columns["versions"] = _lists([people.versions_of(result) for result in results], pa.string())
    for name, path in people.COUNTS.items():
        values = [None if value is None else int(value) for value in every(path)]
        columns[name] = pa.array(values, pa.int64())
    for name, path in people.FLAGS.items():
        values = [None if value is None else bool(value) for value in every(path)]
        columns[name] = pa.array(values, pa.bool_())
    for name, path in people.NUMBERS.items():
        columns[name] = _numbers(every(path), pa)
    for name, field in people.FIXED.items():
        stacked = torch.stack([people.tensor(result, field.path) for result in results])
        columns[name] = _fixed(stacked, pa)
    columns[people.KEYPOINTS[0]] = _fixed(rows.keypoints.to_array(), pa)
    columns[people.COVARIANCE[0]] = _fixed(people.upper_triangles(rows.covariance), pa)
    for name, path in people.LISTS.items():
        columns[name] = _float_lists([people.tensor(result, path) for result in results], pa)
    terms = [list(result.energies) for result in results]
    columns["energy_terms"] = _lists(terms, pa.string())
    energies = [
        torch.stack(list(result.energies.values())) if result.energies else torch.zeros(0)
        for result in results
    ]
    columns["energies"] = _float_lists(energies, pa)
    for name, field in people.OPTIONAL.items():
        told = [_told(value) for value in every(field.path)]
        columns[name] = pa.array(told, pa.list_(pa.float32(), *field.shape), from_pandas=True)
    columns["evidence"] = _evidence(rows.people, pa)
    return columns


def _verdicts(rows: DatasetRows, reader: ReaderBody, pa: Any) -> dict[str, Any]:
    """What of a person is to be believed, and how unsure each point is."""
    flags = reader.verdicts(rows)
    columns = {name: pa.array(values.numpy()) for name, values in flags.items()}
    columns["reasons"] = pa.array([person.kept.reasons for person in rows.people], pa.string())
    return {
        "verdict": pa.StructArray.from_arrays(list(columns.values()), names=list(columns)),
        "sigma_px": _fixed(rows.sigma, pa),
    }


def _numbers(values: Sequence[object], pa: Any) -> Any:
    numbers = [np.nan if value is None else float(value) for value in values]  # type: ignore[arg-type]
    return pa.array(np.array(numbers, np.float32), from_pandas=True)  # NaN becomes null


def _told(value: object) -> np.ndarray | None:
    """Numbers that only some results have: of an Origin an empty tuple, of a result None stands for
    none.
    """
    numbers = np.zeros(0) if value is None else np.asarray(value)
    return numbers if numbers.size else None


def _fixed(values: Tensor, pa: Any) -> Any:
    """Lists of the same length [n, ...], C order; null where nothing of one is a number."""
    flat = values.flatten(1).to(torch.float32)
    unknown = flat.isnan().all(-1).numpy()
    items = pa.array(flat.numpy().ravel(), from_pandas=True)
    return pa.FixedSizeListArray.from_arrays(items, flat.shape[1], mask=pa.array(unknown))


def _float_lists(values: Sequence[Tensor], pa: Any) -> Any:
    lengths = [len(value) for value in values]
    flat = torch.cat(list(values)).to(torch.float32).numpy()
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    return pa.ListArray.from_arrays(offsets, pa.array(flat, from_pandas=True))


def _lists(values: Sequence[Sequence[str]], kind: Any) -> Any:
    pa = arrow()
    return pa.array(values, pa.list_(kind))


def _evidence(everybody: Sequence[DatasetPerson], pa: Any) -> Any:
    """Arrays of any shape, by their names in a result file."""
    entry = pa.struct(
        [
            pa.field("name", pa.string()),
            pa.field("shape", pa.list_(pa.int32())),
            pa.field("values", pa.list_(pa.float32())),
        ]
    )
    told = [
        [
            {
                "name": name,
                "shape": list(array.shape),
                "values": [None if np.isnan(value) else value for value in array.ravel().tolist()],
            }
            for name, array in people.evidence_arrays(person.result).items()
        ]
        for person in everybody
    ]
    return pa.array(told, pa.list_(entry))


def _shape_note(name: str) -> dict[str, str] | None:
    """What a flat list is when it is unfolded."""
    shapes = {key: field.shape for key, field in people.FIXED.items()}
    shapes |= dict([people.KEYPOINTS, people.COVARIANCE])
    if name not in shapes or len(shapes[name]) == 1:
        return None
    return {"shape": ",".join(map(str, shapes[name]))}


PARQUET = WholeFiles(
    FormatFacts(
        name="parquet",
        about="our own: all that is known of each person, a row each",
        kind=None,
    ),
    write,
)
