"""No cache of the process is keyed by what holds tensors: a fit leaves nothing behind.

`functools.lru_cache` keeps its keys alive. Keyed by a body or a prior it would hold those long
after everybody else has let go of them, and would take two equal bodies for different ones. What is
worked out of a body belongs to the body (`body.derived`) or to a `FitSetup`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "smplifyx"
CACHES = {"lru_cache", "cache"}
# What a cache may be keyed by: numbers, words, paths, places, and values that hold nothing else.
ALLOWED = {
    *("int", "float", "bool", "str", "bytes", "None", "tuple", "frozenset", "type"),
    *("Path", "torch.dtype", "torch.device", "np.dtype"),
    *("BodyKind", "Gender", "Age", "Block", "Part", "PerPart", "Weights", "_Bound"),
}


def cached_functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    """Every function behind a cache, with where it is."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and any(map(_is_cache, node.decorator_list)):
                yield f"{path.relative_to(PACKAGE)}:{node.name}", node


def _is_cache(decorator: ast.expr) -> bool:
    """`cached_property` is none: what it keeps belongs to the object and dies with it."""
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return ast.unparse(called).split(".")[-1] in CACHES


def named_types(annotation: ast.expr) -> set[str]:
    """The names of the types in an annotation; of `torch.dtype`, the whole of it.

    A class holds nothing of its instances: `type[Bundle]` is `type`.
    """
    if isinstance(annotation, ast.Constant):
        return {str(annotation.value)} if annotation.value is not Ellipsis else set()
    if isinstance(annotation, ast.Name | ast.Attribute):
        return {ast.unparse(annotation)}
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "type":
        return {"type"}
    found: set[str] = set()
    for child in ast.iter_child_nodes(annotation):
        if isinstance(child, ast.expr):
            found |= named_types(child)
    return found


FUNCTIONS = dict(cached_functions())


def test_caches_are_found() -> None:
    assert len(FUNCTIONS) >= 5


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_cache_is_keyed_by_plain_values(name: str) -> None:
    arguments = FUNCTIONS[name].args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    assert arguments.vararg is None and arguments.kwarg is None
    for argument in every:
        assert argument.annotation is not None, f"{argument.arg} has no annotation"
        other = named_types(argument.annotation) - ALLOWED
        assert not other, (
            f"{argument.arg} holds more than a plain value: {', '.join(sorted(other))}"
        )


@pytest.mark.parametrize("hint", ["BodyModel", "Tensor", "tuple[PosePrior, ...]", "Decoder | None"])
def test_what_holds_tensors_is_no_plain_value(hint: str) -> None:
    assert named_types(ast.parse(hint, mode="eval").body) - ALLOWED
