"""Finds the command that is asked for and runs it; what goes wrong is one line on stderr."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import textwrap
from collections.abc import Sequence

from .. import __version__
from ..core.messages import one_line, plain
from .codes import BAD_INPUT, DONE, INTERRUPTED, NOTHING_DONE
from .stopping import AGAIN, PROGRAM, Interrupted, Stopping
from .table import COMMANDS, Command
from .terminal import Terminal, steady_terminal

# The schemas and what checks them are imported inside: --help and --version are quick.
PACKAGE = "smplifyx"
ABOUT = "2D keypoints of people in, expressive 3D people out."
HELP = ("-h", "--help")


def exit_code(words: Sequence[str], stopping: Stopping) -> int:
    """Does what the words after `smplifyx` ask for, and gives the code with which the program ends.

    Codes: 0; 1 nothing could be done; 2 bad usage or input; 130 interrupted; 143 terminated.
    """
    with steady_terminal() as terminal:
        return _ended(words, terminal, stopping)


def _ended(words: Sequence[str], terminal: Terminal, stopping: Stopping) -> int:
    """The code with which a command ends, however it does."""
    try:
        return _dispatched(words, terminal, stopping)
    except Interrupted as interrupted:
        terminal.complain(stopping.tell(interrupted))
        return interrupted.code
    except KeyboardInterrupt:
        terminal.complain(f"stopped; {AGAIN}")
        return INTERRUPTED
    except OSError as error:
        terminal.complain(_of_system(error))
    except (ValueError, ImportError) as error:
        terminal.complain(one_line(error, limit=None))
    return BAD_INPUT


def _dispatched(words: Sequence[str], terminal: Terminal, stopping: Stopping) -> int:
    """Does what the words ask for. Raises ValueError, one line, where that cannot be done."""
    first, rest = (words[0], words[1:]) if words else ("", ())
    prints, code = True, DONE
    if first == "--version":
        terminal.say(f"{PROGRAM} {__version__}")
    elif not words or first in HELP:
        terminal.say(_overview())
        code = DONE if words else BAD_INPUT
    elif _asks_for_help(rest):
        terminal.say(_help(_command(first)))
    else:
        command = _command(first)
        prints = command.prints
        code = _run(command, rest, terminal, stopping)
    if terminal.unsaid:
        terminal.complain(f"stdout: {terminal.unsaid}")
        return NOTHING_DONE if prints else code
    return code


def _run(command: Command, words: Sequence[str], terminal: Terminal, stopping: Stopping) -> int:
    """Runs a command; a value that it finds wrong is told by its option."""
    from ..config import FieldError
    from .arguments import UsageError, option_of, parse

    schema = _named(*command.options)
    options = parse(f"{PROGRAM} {command.name}", schema, words)
    module = importlib.import_module(command.module, PACKAGE)
    stopping.work_begins()
    try:
        return module.run(options, terminal)
    except FieldError as error:
        option = option_of(error.field, schema)
        raise UsageError(f"{option}: {error.reason}") from error


def _command(word: str) -> Command:
    """The command of that name. Raises ValueError where there is none."""
    from ..core.fields import nearest

    names = [command.name for command in COMMANDS]
    for command in COMMANDS:
        if command.name == word:
            return command
    if os.path.exists(word):
        raise ValueError(f"{plain(word)!r} is no command; did you mean {PROGRAM} fit {word}?")
    hint = nearest(word, names) or f"; there are {', '.join(names)}"
    raise ValueError(f"{plain(word, 60)!r} is no command{hint}")


def _asks_for_help(words: Sequence[str]) -> bool:
    before_dashes = words[: words.index("--")] if "--" in words else words
    return any(word in HELP for word in before_dashes)


def _help(command: Command) -> str:
    """The help of one command."""
    from .arguments import help_of

    schema = _named(*command.options)
    about = "\n\n".join(filter(None, (command.about, command.more)))
    headings = getattr(sys.modules[schema.__module__], "HEADINGS", {})
    return help_of(f"{PROGRAM} {command.name}", schema, about, headings).rstrip()


def _overview() -> str:
    """The help of all commands: what each is for."""
    width = min(shutil.get_terminal_size().columns, 100)
    lines = [f"usage: {PROGRAM} COMMAND [options]", "", ABOUT, "", "commands:"]
    for command in COMMANDS:
        lines += textwrap.wrap(
            command.about, width, initial_indent=f"  {command.name:13s}", subsequent_indent=15 * " "
        )
    lines += ["", f"{PROGRAM} COMMAND --help tells the options of a command;"]
    return "\n".join((*lines, f"{PROGRAM} --version tells the version."))


def _named(module: str, name: str) -> type:
    """A class by the module that has it."""
    return getattr(importlib.import_module(module, PACKAGE), name)


def _of_system(error: OSError) -> str:
    """What the system refused, and of which file."""
    if error.strerror is None:
        return one_line(error, limit=None)
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if name is not None]
    return plain(": ".join((*names, error.strerror)), limit=None)
