"""What solvers compute for each row of a batch, never across rows."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import TypeVar, overload

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..core.bundle import Bundle

BundleType = TypeVar("BundleType", bound=Bundle)


@overload
def select(mask: Bool[Tensor, " batch"], yes: Tensor, no: Tensor) -> Tensor: ...


@overload
def select(mask: Bool[Tensor, " batch"], yes: BundleType, no: BundleType) -> BundleType: ...


def select(
    mask: Bool[Tensor, " batch"], yes: Tensor | Bundle, no: Tensor | Bundle
) -> Tensor | Bundle:
    """Per row, the tensor or bundle `yes` where the mask is set, else `no`."""
    if isinstance(yes, Tensor) and isinstance(no, Tensor):
        per_row = mask.view(-1, *[1] * (yes.dim() - 1))
        return torch.where(per_row, yes, no)
    assert isinstance(yes, Bundle)
    chosen = {}
    for name in _field_names(yes):
        chosen[name] = select(mask, getattr(yes, name), getattr(no, name))
    return yes.replace(**chosen)


def dot(a: Float[Tensor, "batch dim"], b: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
    """The inner product of each row; unlike a matrix product, it rounds the same in a batch of any
    size.
    """
    return (a * b).sum(-1)


def largest(a: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
    """The largest absolute value of each row; 0 where there are no variables."""
    return a.abs().amax(-1) if a.shape[-1] else a.new_zeros(len(a))


def is_finite(energy: Float[Tensor, " batch"], *more: Tensor | Bundle) -> Bool[Tensor, " batch"]:
    """Rows in which everything is finite, and its sum too.

    more: tensors [batch, ...] and bundles of them, of which floating-point tensors count.
    """
    tensors = [tensor for part in more for tensor in _floating_tensors(part)]
    # One sum and one comparison are much cheaper than `isfinite` of every entry.
    total = functools.reduce(torch.add, (t.flatten(1).sum(-1) for t in tensors), energy)
    return total.abs() < math.inf  # false for NaN too


def negligible(
    change: Float[Tensor, " batch"], energy: Float[Tensor, " batch"], tolerance: float
) -> Bool[Tensor, " batch"]:
    """Whether a change of the energy is within the relative tolerance, or within what its precision
    can show.
    """
    resolution = 4 * torch.finfo(energy.dtype).eps
    return change.abs() <= max(tolerance, resolution) * energy.abs()


def counts(x: Float[Tensor, "batch dim"], value: int = 0) -> Int[Tensor, " batch"]:
    """A counter for each row."""
    return torch.full((len(x),), value, dtype=torch.int64, device=x.device)


def _floating_tensors(part: Tensor | Bundle) -> list[Tensor]:
    """The tensors of a bundle, in the order of its fields."""
    if isinstance(part, Tensor):
        return [part] if part.is_floating_point() else []
    values = [getattr(part, name) for name in _field_names(part)]
    return [tensor for value in values for tensor in _floating_tensors(value)]


def _field_names(bundle: Tensor | Bundle) -> list[str]:
    fields = dataclasses.fields(bundle)  # pyright: ignore[reportArgumentType]
    return [field.name for field in fields]
