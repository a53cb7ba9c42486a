"""Frozen dataclasses of tensors that share their leading batch axes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

B = TypeVar("B", bound="Bundle")


class Bundle:
    """Base of the frozen dataclasses whose every field is a tensor with the same leading batch
    axes.

    Gives them what a tensor has: indexing, `to`, `stack`, `cat`. Bundles may nest. Fields are never
    mutated.
    """

    def map(self: B, function: Callable[[Tensor], Tensor]) -> B:
        """A copy with `function` applied to every tensor."""
        fields = {f.name: _apply(getattr(self, f.name), function) for f in dataclasses.fields(self)}
        return dataclasses.replace(self, **fields)

    def __getitem__(self: B, index: object) -> B:
        """The rows `index` selects on the leading axes (anything a tensor takes there)."""
        return self.map(lambda t: t[index])

    def put(self: B, index: Tensor, rows: B) -> B:
        """A copy with the rows `index` [n] of the first axis replaced by `rows`."""
        return _combine([self, rows], lambda pair: pair[0].index_copy(0, index, pair[1]))

    def to(
        self: B, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> B:
        """A copy on `device`, its floating-point tensors as `dtype`."""
        return self.map(
            lambda t: t.to(device=device, dtype=dtype if t.is_floating_point() else None)
        )

    def detach(self: B) -> B:
        """A copy cut from the autograd graph."""
        return self.map(Tensor.detach)

    def replace(self: B, **fields: object) -> B:
        """A copy with some fields replaced."""
        return dataclasses.replace(self, **fields)

    @classmethod
    def stack(cls: type[B], parts: Sequence[B], dim: int = 0) -> B:
        """Many bundles as one with a new batch axis."""
        return _combine(parts, lambda ts: torch.stack(ts, dim))

    @classmethod
    def cat(cls: type[B], parts: Sequence[B], dim: int = 0) -> B:
        """Many bundles joined along an existing batch axis."""
        return _combine(parts, lambda ts: torch.cat(ts, dim))


def _apply(value: Tensor | Bundle, function: Callable[[Tensor], Tensor]) -> Tensor | Bundle:
    return value.map(function) if isinstance(value, Bundle) else function(value)


def _combine(parts: Sequence[B], join: Callable[[list[Tensor]], Tensor]) -> B:
    fields = {}
    for field in dataclasses.fields(parts[0]):
        values = [getattr(p, field.name) for p in parts]
        fields[field.name] = (
            _combine(values, join) if isinstance(values[0], Bundle) else join(values)
        )
    return dataclasses.replace(parts[0], **fields)
