"""Frozen dataclasses of tensors that share their leading batch axes."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

B = TypeVar("B", bound="Bundle")
# a tensor, a Bundle, a dict of values by any key, or None: what a field of a Bundle may hold
Value = Any

_STATIC = "static"


def static(default: object = dataclasses.MISSING) -> Any:
    """A field of a Bundle that has no batch axes: all rows share it, and joined bundles keep the
    first one's.
    """
    return dataclasses.field(default=default, metadata={_STATIC: True})


class Bundle:
    """Base of frozen dataclasses whose fields are tensors with the same leading batch axes.

    Gives them what a tensor has: indexing, `to`, `stack`, `cat`, `put`. A field may also hold
    another Bundle, a dict of such values, or None, which means "not known of any row": where
    bundles are joined and one of them has None, the joined one has it too. Fields declared with
    `static` are shared by all rows. Fields are never mutated.
    """

    def __init_subclass__(cls) -> None:
        """Before `dataclass` writes one that prints every number."""
        super().__init_subclass__()
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = Bundle.__repr__

    def __repr__(self) -> str:
        """The shapes of its tensors."""
        fields = [f"{name} {_shape(getattr(self, name))}" for name in _tensor_fields(type(self))]
        return f"{type(self).__name__}({', '.join(fields)})"

    def map(self: B, function: Callable[[Tensor], Tensor]) -> B:
        """A copy with `function` applied to every tensor."""
        fields = {
            name: map_value(getattr(self, name), function) for name in _tensor_fields(type(self))
        }
        return self.replace(**fields)

    def __getitem__(self: B, index: Any) -> B:
        """The rows `index` selects on the leading axes (anything a tensor takes there)."""
        return self.map(lambda tensor: tensor[index])

    def put(self: B, index: Tensor, rows: B) -> B:
        """A copy with the rows `index` [n] of the first axis replaced by `rows` [n]."""
        return combine([self, rows], lambda pair: pair[0].index_copy(0, index, pair[1]))

    def to(
        self: B, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> B:
        """A copy on `device`, its floating-point tensors as `dtype`."""

        def moved(tensor: Tensor) -> Tensor:
            return tensor.to(device=device, dtype=dtype if tensor.is_floating_point() else None)

        return self.map(moved)

    def detach(self: B) -> B:
        """A copy cut from the autograd graph."""
        return self.map(Tensor.detach)

    def replace(self: B, **fields: object) -> B:
        """A copy with some fields replaced."""
        return dataclasses.replace(self, **fields)  # type: ignore[type-var]  # every subclass is a dataclass

    @classmethod
    def stack(cls: type[B], parts: Sequence[B], dim: int = 0) -> B:
        """Many bundles as one with a new batch axis."""
        return combine(parts, lambda tensors: torch.stack(tensors, dim))

    @classmethod
    def cat(cls: type[B], parts: Sequence[B], dim: int = 0) -> B:
        """Many bundles joined along an existing batch axis."""
        return combine(parts, lambda tensors: torch.cat(tensors, dim))


def map_value(value: Value, function: Callable[[Tensor], Tensor]) -> Value:
    """The value with `function` applied to every tensor in it."""
    if value is None:
        return None
    if isinstance(value, dict):
        return {key: map_value(inner, function) for key, inner in value.items()}
    return value.map(function) if isinstance(value, Bundle) else function(value)


def combine(parts: Sequence[B], join: Callable[[list[Tensor]], Tensor]) -> B:
    """One bundle whose every tensor is `join` of that tensor of all parts; static fields are those
    of the first.

    Raises ValueError where dicts of the parts have different keys.
    """
    fields = {
        name: _combine_values([getattr(part, name) for part in parts], join)
        for name in _tensor_fields(type(parts[0]))
    }
    return parts[0].replace(**fields)


def _combine_values(values: list[Value], join: Callable[[list[Tensor]], Tensor]) -> Value:
    first = values[0]
    if any(value is None for value in values):
        return None
    if isinstance(first, dict):
        return {
            key: _combine_values([value[key] for value in values], join)
            for key in _common_keys(values)
        }
    return combine(values, join) if isinstance(first, Bundle) else join(values)


def _common_keys(dicts: list[dict[Hashable, Value]]) -> list[Hashable]:
    keys = list(dicts[0])
    for other in dicts[1:]:
        if other.keys() != dicts[0].keys():
            different = ", ".join(sorted(map(str, other.keys() ^ dicts[0].keys())))
            raise ValueError(f"bundles cannot be joined: only some of them have {different}")
    return keys


def rows_in_words(batch: Sequence[int], one: str, many: str) -> str:
    """How many rows there are, for a `__repr__`: "1 person", "6 people", "[2, 3] people"."""
    if not batch:
        return f"1 {one}"
    count = batch[0] if len(batch) == 1 else list(batch)
    return f"{count} {one if count == 1 else many}"


def _shape(value: Value) -> str:
    """A field in a few words."""
    if isinstance(value, Tensor):
        return str(list(value.shape))
    if isinstance(value, dict):
        return f"{{{', '.join(getattr(key, '__name__', str(key)) for key in value)}}}"
    return "None" if value is None else type(value).__name__


@functools.cache  # keyed by a class: solvers ask thousands of times a second
def _tensor_fields(kind: type[Bundle]) -> tuple[str, ...]:
    """The names of the fields that have batch axes."""
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]  # every subclass is a dataclass
    return tuple(field.name for field in fields if not field.metadata.get(_STATIC))
