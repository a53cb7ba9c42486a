"""Bundles: what a tensor can, for dataclasses of tensors that nest, hold dicts, None and static fields."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from smplifyx.core.bundle import Bundle, static


@dataclass(frozen=True)
class Inner(Bundle):
    values: Tensor
    counts: Tensor


@dataclass(frozen=True)
class Outer(Bundle):
    inner: Inner
    by_name: dict[str, Tensor]
    nested: dict[type, Inner]
    maybe: Inner | None = None
    name: str = static("nobody")
    places: tuple[int, ...] = static(())


def made(rows: int, start: float = 0.0, maybe: bool = True, name: str = "first") -> Outer:
    values = start + torch.arange(rows * 2, dtype=torch.float32).view(rows, 2)
    inner = Inner(values, torch.arange(rows))
    return Outer(inner, {"a": values + 1}, {Inner: inner}, inner if maybe else None, name, (1, 2))


def test_indexing_reaches_every_tensor_and_leaves_static_fields_alone() -> None:
    some = made(5)[torch.tensor([3, 1])]
    assert some.inner.values.tolist() == [[6.0, 7.0], [2.0, 3.0]]
    assert some.by_name["a"].tolist() == [[7.0, 8.0], [3.0, 4.0]]
    assert some.nested[Inner].counts.tolist() == [3, 1]
    assert some.maybe is not None and some.maybe.counts.tolist() == [3, 1]
    assert (some.name, some.places) == ("first", (1, 2))


def test_put_replaces_rows_and_is_undone_by_putting_them_back() -> None:
    whole, index = made(4), torch.tensor([2, 0])
    changed = whole.put(index, made(2, start=100.0, name="second"))
    assert changed.inner.values[index].tolist() == [[100.0, 101.0], [102.0, 103.0]]
    assert torch.equal(changed.by_name["a"][[1, 3]], whole.by_name["a"][[1, 3]])
    assert changed.name == "first"
    back = changed.put(index, whole[index])
    assert torch.equal(back.inner.values, whole.inner.values)
    assert torch.equal(back.nested[Inner].counts, whole.nested[Inner].counts)


@pytest.mark.parametrize("join", ["stack", "cat"])
def test_stack_and_cat_join_all_tensors(join: str) -> None:
    parts = [made(2), made(2, start=10.0, name="second")]
    joined = getattr(Outer, join)(parts)
    expected = getattr(torch, join)([part.by_name["a"] for part in parts])
    assert torch.equal(joined.by_name["a"], expected) and joined.name == "first"
    assert joined.maybe is not None and len(joined.maybe.counts) == len(expected)


def test_what_one_of_them_does_not_know_the_joined_does_not_know() -> None:
    assert Outer.cat([made(2), made(3, maybe=False)]).maybe is None
    assert made(3, maybe=False).put(torch.tensor([0]), made(1)).maybe is None


def test_dicts_of_different_keys_are_told() -> None:
    other = made(2).replace(by_name={"b": torch.zeros(2, 2)})
    with pytest.raises(ValueError, match="only some of them have a, b"):
        Outer.cat([made(2), other])


def test_to_changes_floating_point_alone_and_detach_cuts() -> None:
    leaf = torch.zeros(3, 2, requires_grad=True)
    bundle = Inner(leaf * 2, torch.arange(3)).to(dtype=torch.float64)
    assert (bundle.values.dtype, bundle.counts.dtype) == (torch.float64, torch.int64)
    assert bundle.values.requires_grad and not bundle.detach().values.requires_grad


def test_fields_with_defaults_of_their_own_stay_dataclass_fields() -> None:
    @dataclass(frozen=True)
    class Counted(Bundle):
        values: Tensor
        notes: list[str] = field(default_factory=list, metadata={"static": True})

    one = Counted(torch.zeros(2), ["kept"])
    assert one[0].notes is one.notes
