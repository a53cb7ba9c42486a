"""The fields of a schema in plain words: what each may be, and what is wrong with a value given.

Command lines, job files and presets are checked by one library, whose own words ("constrained-int",
addresses of its pages) mean nothing to who wrote the value. Here is the one translation: it knows
the schema, so every fault names the field, the value and all that is allowed.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic_core import ValidationError

from .messages import plain

LONGEST_VALUE = 60  # characters of a value in a message
MOST_FAULTS = 8  # told of one file; the rest are counted
# Other units in which people state a quantity in metres, in metres.
LENGTHS = types.MappingProxyType({"centimetres": 0.01, "millimetres": 0.001, "feet": 0.3048})


@dataclass(frozen=True)
class Shown:
    """How a field is shown to people; goes into the `Annotated` of its type.

    metavar: what stands for the value in help. unit: of its numbers. mistaken: other units that
    people may have meant, each in this one. positional: on a command line it has no option. off:
    what the flag --no-NAME does, of a field that is true unless said otherwise.
    """

    metavar: str = ""
    unit: str = ""
    mistaken: Mapping[str, float] | None = None
    positional: bool = False
    off: str = ""


@dataclass(frozen=True)
class Fault:
    """What is wrong with some fields, each named by its path ("stages.0.name"; "": the whole)."""

    fields: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class _Field:
    """A field with its type, whose annotations are taken apart."""

    kind: Any
    shown: Shown = Shown()
    bounds: tuple[Any, ...] = ()
    about: str = ""

    @classmethod
    def of(cls, annotation: Any, metadata: Sequence[Any] = ()) -> _Field:
        """From an annotation, and what else was annotated."""
        notes = list(metadata)
        while get_origin(annotation) is Annotated:
            annotation, *more = get_args(annotation)
            notes += more
        shown = next((note for note in notes if isinstance(note, Shown)), Shown())
        bounds: list[Any] = []
        for note in notes:
            bounds += getattr(note, "metadata", [note])  # a field's own note holds several
        return cls(annotation, shown, tuple(bounds))

    def bound(self, *names: str) -> float | None:
        """The first of these bounds ("ge", "gt", "le", "lt") that the field has."""
        for note in self.bounds:
            for name in names:
                value = getattr(note, name, None)
                if value is not None:
                    return value
        return None

    def arms(self) -> tuple[_Field, ...]:
        """The types of a union but None; the field itself where it is none."""
        if get_origin(self.kind) not in (Union, types.UnionType):
            return (self,)
        arms = [arm for arm in get_args(self.kind) if arm is not type(None)]
        return tuple(
            _Field(inner.kind, self.shown, self.bounds + inner.bounds)
            for inner in map(_Field.of, arms)
        )


def shown_of(annotation: Any, metadata: Sequence[Any]) -> Shown:
    """How a field of that type is shown."""
    return _Field.of(annotation, metadata).shown


def words_of(annotation: Any) -> tuple[str, ...]:
    """The words of a field that takes one of several; none for another."""
    kinds = [arm.kind for arm in _Field.of(annotation).arms()]
    if len(kinds) == 1 and isinstance(kinds[0], type) and issubclass(kinds[0], Enum):
        return tuple(str(choice.value) for choice in kinds[0])
    return ()


def faults_of(error: ValidationError, schema: type) -> list[Fault]:
    """All faults of values given for a schema, each field once, in the order of the fields."""
    found: dict[str, Fault] = {}
    for record in error.errors():
        fault = _fault(record, schema)
        found.setdefault(" ".join(fault.fields), fault)  # each arm of a union has its record
    return list(found.values())


def told(faults: Sequence[Fault], name: Callable[[str], str] = str) -> str:
    """Faults in one line; `name`: what a field is called where its value was written."""
    lines: list[str] = []
    for fault in faults[:MOST_FAULTS]:
        fields = " and ".join(filter(None, map(name, fault.fields)))
        lines.append(f"{fields}: {fault.reason}" if fields else fault.reason)
    if len(faults) > MOST_FAULTS:
        lines.append(f"and {len(faults) - MOST_FAULTS} more")
    return "; ".join(lines)


def nearest(word: str, known: Sequence[str]) -> str:
    """ "; did you mean WORD?" for the known word that is most like it, if any is."""
    alike = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {alike[0]}?" if alike else ""


def _fault(record: Mapping[str, Any], schema: type) -> Fault:
    context = record.get("ctx") or {}
    if "fields" in context:  # a rule about several, which says so itself
        return Fault(tuple(context["fields"]), plain(str(record["msg"])))
    path, field = _place(schema, record["loc"])
    name = ".".join(path)
    kind = record["type"]
    if kind == "missing":
        return Fault((name,), f"missing ({field.about})" if field.about else "missing")
    if kind == "too_short":
        return Fault((name,), "has too few entries")
    if kind == "extra_forbidden":
        return _unknown(path, schema)
    if kind == "value_error":
        return Fault((name,), plain(str(context["error"])))
    return Fault((name,), _wrong(record["input"], field))


def _unknown(path: Sequence[str], schema: type) -> Fault:
    """A name that no field has."""
    *above, word = path
    _, parent = _place(schema, above)
    known = list(getattr(parent.kind, "model_fields", ()))
    name = ".".join((*above, plain(word, LONGEST_VALUE)))
    return Fault((name,), f"there is no such field{nearest(word, known)}")


def _place(schema: type, loc: Sequence[int | str]) -> tuple[tuple[str, ...], _Field]:
    """The path of the deepest field on the way, and that field.

    What follows it names arms of unions, in the library's words.
    """
    path: list[str] = []
    field = _Field(schema)
    for step in loc:
        inner = _inner(field, step)
        if inner is None:
            break
        path.append(str(step))
        field = inner
    return tuple(path), field


def _inner(field: _Field, step: int | str) -> _Field | None:
    """The field of that name or place inside another; None where a step is no name."""
    for arm in field.arms():
        fields = getattr(arm.kind, "model_fields", None)
        if fields is not None:
            known = fields.get(step)
            if known is None:
                return _Field(Any)
            inner = _Field.of(known.annotation, known.metadata)
            return replace(inner, about=known.description or "")
        inside = get_args(arm.kind)
        if get_origin(arm.kind) in (tuple, list) and isinstance(step, int):
            kind = inside[min(step, len(inside) - 1)]
            # a list of any length, or more than there should be: the last kind but "..."
            inner = _Field.of(inside[0] if kind is ... else kind)
            return _Field(inner.kind, arm.shown, inner.bounds)
        if get_origin(arm.kind) is dict:
            return _Field.of(inside[1])
    return None


def _wrong(value: object, field: _Field) -> str:
    """Why a field does not take a value."""
    unit = field.shown.unit
    number = _number(value)
    # single words first: "auto or a whole number of at least 1"
    arms = sorted(field.arms(), key=lambda arm: get_origin(arm.kind) is not Literal)
    bare = number is not None and len(arms) == 1
    reason = " or ".join(_allowed(arm, bare) for arm in arms)
    if number is None:
        return f"{_said(value)} is not {reason}"
    amount = f"{plain(str(value), LONGEST_VALUE)} {unit}".strip()
    return f"{amount} is not {reason}{_meant(number, field)}"


def _meant(number: float, field: _Field) -> str:
    """The other unit in which the number would be in range."""
    least, most = field.bound("ge", "gt"), field.bound("le", "lt")
    for name, size in (field.shown.mistaken or {}).items():
        if least is not None and most is not None and least <= number * size <= most:
            return f" ({name}?)"
    return ""


def _number(value: object) -> float | None:
    """The number that a value is, or is written as."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _said(value: object) -> str:
    """A value in a message."""
    if isinstance(value, str | Path):
        return repr(plain(str(value), LONGEST_VALUE))
    if isinstance(value, Mapping):
        return "a table of names"
    if isinstance(value, list | tuple | set):
        return "a list"
    return "nothing" if value is None else plain(str(value), LONGEST_VALUE)


def _allowed(field: _Field, bare: bool) -> str:
    """What a field takes. bare: the value is a number, so only its range needs to be said."""
    kind, origin, inside = field.kind, get_origin(field.kind), get_args(field.kind)
    if origin is Literal:
        return " or ".join(map(str, inside))
    if origin is tuple and ... not in inside:
        return f"a list of {len(inside)} values"
    if origin in (tuple, list):
        return "a list"
    if kind in (int, float):
        spread = _range(field)
        if bare and spread and kind is float:
            return spread
        noun = "a whole number" if kind is int else "a number"
        return f"{noun} {'of ' if spread.startswith('at') else ''}{spread}".strip()
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f"one of {', '.join(words_of(kind))}"
    return _PLAIN_KINDS.get(kind, "a table of names and values")


def _range(field: _Field) -> str:
    """A range in words: "between 0.3 and 2.8 m"; "" for any number."""
    unit = f" {field.shown.unit}" if field.shown.unit else ""
    least, most = field.bound("ge"), field.bound("le")
    if least is not None and most is not None:
        return f"between {_plainly(least)} and {_plainly(most)}{unit}"
    limits = (
        ("at least", least),
        ("above", field.bound("gt")),
        ("at most", most),
        ("below", field.bound("lt")),
    )
    said = [f"{word} {_plainly(limit)}" for word, limit in limits if limit is not None]
    return " and ".join(said) + unit if said else ""


def _plainly(number: float) -> str:
    """Without an exponent, where it is whole."""
    return str(int(number)) if number == int(number) else f"{number:g}"


_PLAIN_KINDS = types.MappingProxyType({bool: "true or false", str: "a text", Path: "a path"})
