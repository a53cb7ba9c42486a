"""A schema of settings as a command line: its help, its options, and its faults in one line.

argparse splits the words; what they mean and what is wrong with them is told by the schema, in the
same words as for a YAML file (`core.fields`).
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar, get_args

import pydantic

from ..config import Settings
from ..core.fields import Shown, faults_of, nearest, shown_of, told, words_of
from ..core.messages import plain

AnySettings = TypeVar("AnySettings", bound=Settings)
WIDEST = 100  # columns of help
LONGEST_METAVAR = 36  # characters; more words than that are listed in the text
NO_HEADINGS: Mapping[str, Sequence[str]] = MappingProxyType({})
HELP_COLUMN = 24  # where the texts of options begin


class UsageError(ValueError):
    """A command line that cannot be understood; the message is one line."""


def option_of(field: str, schema: type[Settings]) -> str:
    """What a field (or what is inside of it) is called on the command line."""
    name = field.split(".")[0]
    known = schema.model_fields.get(name)
    shown = Shown() if known is None else _shown(known)
    if shown.positional:
        return shown.metavar
    return f"--{'no-' if shown.off else ''}{name.replace('_', '-')}"


def parse(prog: str, schema: type[AnySettings], words: Sequence[str]) -> AnySettings:
    """The settings that the words after a command ask for.

    Raises UsageError naming option, value and what is allowed.
    """
    parser = _parser(prog, schema)
    words, literal = _before_dashes(words)
    try:
        known, rest = parser.parse_known_args([_with_hyphens(word) for word in words])
    except argparse.ArgumentError as error:
        raise UsageError(_explained(error, schema)) from error
    values = {name: value for name, value in vars(known).items() if value is not None}
    values |= _positional(prog, schema, rest, literal)
    try:
        return schema.model_validate(values)
    except pydantic.ValidationError as error:
        faults = faults_of(error, schema)
        raise UsageError(told(faults, lambda field: option_of(field, schema))) from error


def help_of(
    prog: str, schema: type[Settings], about: str, headings: Mapping[str, Sequence[str]]
) -> str:
    """The help of a command, as wide as the terminal; headings: the fields under each."""
    parser = _parser(prog, schema, headings)
    parser.description, parser.usage = about, _usage(prog, schema)
    for field in schema.model_fields.values():
        if _shown(field).positional:  # first of all, under argparse's own heading
            parser.add_argument(_shown(field).metavar, help=_text(field))
    return parser.format_help()


class _Parser(argparse.ArgumentParser):
    """Raises what argparse would print."""

    def error(self, message: str) -> NoReturn:
        """Of older Pythons, which print some faults in spite of `exit_on_error`."""
        raise argparse.ArgumentError(None, message)


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help in at most `WIDEST` columns."""

    def __init__(self, prog: str) -> None:
        width = min(shutil.get_terminal_size().columns, WIDEST)
        super().__init__(prog, max_help_position=HELP_COLUMN, width=width)


def _parser(
    prog: str, schema: type[Settings], headings: Mapping[str, Sequence[str]] = NO_HEADINGS
) -> argparse.ArgumentParser:
    """The options of a schema. All values are words here; the schema reads them."""
    parser = _Parser(
        prog,
        formatter_class=_Help,
        add_help=False,
        allow_abbrev=False,
        exit_on_error=False,
        argument_default=argparse.SUPPRESS,
    )
    places: dict[str, argparse._ArgumentGroup] = {}
    for heading, names in headings.items():
        places |= dict.fromkeys(names, parser.add_argument_group(heading))
    others = parser.add_argument_group("options")
    others.add_argument("-h", "--help", action="store_true", help="show this and end")
    for name, field in schema.model_fields.items():
        shown = _shown(field)
        if not shown.positional:
            place = places.get(name, others)
            place.add_argument(option_of(name, schema), dest=name, **_kind(name, field))
    return parser


def _shown(field: Any) -> Shown:
    return shown_of(field.annotation, field.metadata)


def _kind(name: str, field: Any) -> dict[str, Any]:
    """How argparse reads the words of an option, and what help says of it."""
    shown, text = _shown(field), _text(field)
    if shown.off:
        return {"action": "store_false", "help": text}
    if field.annotation is bool:
        return {"action": "store_true", "help": text}
    metavar = _metavar(name, field)
    kind: dict[str, Any] = {"metavar": metavar, "help": text}
    if metavar.endswith(" ..."):
        kind |= {"nargs": "*", "metavar": metavar.removesuffix(" ...")}
    elif " " in metavar:
        places = tuple(metavar.split())
        kind |= {"nargs": len(places), "metavar": places}
    return kind


def _metavar(name: str, field: Any) -> str:
    words = "|".join(words_of(field.annotation))
    if words and len(words) <= LONGEST_METAVAR:
        return words
    return _shown(field).metavar or name.upper()


def _text(field: Any) -> str:
    """What help says of an option."""
    shown, words = _shown(field), words_of(field.annotation)
    text = shown.off or field.description or ""
    if len("|".join(words)) > LONGEST_METAVAR:
        text += f"; one of {', '.join(words)}"
    default = field.default
    if field.is_required():
        text += " (required)"
    elif not isinstance(default, bool) and default not in (None, 0, ()):
        value = default.value if isinstance(default, Enum) else default
        text += f" (default: {value})"
    return text.replace("%", "%%")


def _usage(prog: str, schema: type[Settings]) -> str:
    """What has to be said."""
    words = [prog]
    for name, field in schema.model_fields.items():
        option = option_of(name, schema)
        if _shown(field).positional:
            words.append(option)
        elif field.is_required():
            words.append(f"{option} {_metavar(name, field)}")
    has_options = any(not field.is_required() for field in schema.model_fields.values())
    return " ".join((*words, "[options]") if has_options else words).replace("%", "%%")


def _before_dashes(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words before and after the first "--"; those after it are no options."""
    found = list(words)
    if "--" not in found:
        return found, []
    place = found.index("--")
    return found[:place], found[place + 1 :]


def _with_hyphens(word: str) -> str:
    """--batch_size, as job files spell it, is --batch-size."""
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    return f"{name.replace('_', '-')}{equals}{value}"


def _positional(
    prog: str, schema: type[Settings], rest: Sequence[str], literal: Sequence[str]
) -> dict[str, str]:
    """The field without an option, from the words that no option took.

    Raises UsageError for options that there are not, and for words too many.
    """
    options = [option_of(name, schema) for name in schema.model_fields]
    for word in rest:
        if word.startswith("-") and word != "-":
            name = word.split("=")[0]
            there = f"{prog} has no such option{nearest(name, [*options, '--help'])}"
            raise UsageError(f"{plain(name, 60)}: {there}")
    given = [*rest, *literal]
    places = [name for name, field in schema.model_fields.items() if _shown(field).positional]
    if len(given) > len(places):
        taken = " and ".join(option_of(name, schema) for name in places) or "no word"
        hint = "; a name with spaces needs quotes" if places else ""
        extra = plain(given[len(places)], 60)
        raise UsageError(f"{extra!r} is one word too many: {prog} takes {taken}{hint}")
    return dict(zip(places, given, strict=False))


def _explained(error: argparse.ArgumentError, schema: type[Settings]) -> str:
    """Too few values for an option, or one for a flag."""
    for name, field in schema.model_fields.items():
        option = option_of(name, schema)
        if option == error.argument_name:
            if bool in (field.annotation, *get_args(field.annotation)):
                return f"{option}: takes no value"
            return f"{option}: its value is missing: {option} {_metavar(name, field)}"
    return plain(str(error))
